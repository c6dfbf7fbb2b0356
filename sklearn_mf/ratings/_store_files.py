"""Files of a store: arrays that are written piece by piece, and a folder that appears when it is whole."""

import contextlib
import errno
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Self, TypeVar

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray

T = TypeVar("T", bound=np.generic)

# Errors of a full disk, of a quota, and of a limit on the size of files.
_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


class ArrayFile:
    """An .npy file whose number of rows is known when it is closed.

    Parameters
    ----------
    path : Path
        The file.
    dtype : dtype
        Type of the numbers.
    row_shape : tuple of int
        Shape of a row.
    """

    def __init__(self, path: Path, dtype: DTypeLike, row_shape: tuple[int, ...] = ()) -> None:
        self._dtype, self._row_shape, self._n_rows = np.dtype(dtype), row_shape, 0
        self._file = path.open("wb")
        self._write_header()

    def append(self, rows: NDArray[np.generic]) -> None:
        """Add rows, (n, *row_shape)."""
        self._file.write(np.ascontiguousarray(rows, dtype=self._dtype).reshape(-1).view(np.uint8).data)
        self._n_rows += len(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with self._file:
            self._write_header()

    def _write_header(self) -> None:
        """Write the header at the start of the file; NumPy leaves room in it for a larger number of rows."""
        self._file.seek(0)
        shape = (self._n_rows, *self._row_shape)
        header = {"descr": npy.dtype_to_descr(self._dtype), "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(self._file, header)


class CompactFile:
    """An .npy file of numbers, which is made once two of them differ; until then `equal` is their value."""

    def __init__(self, path: Path) -> None:
        self._path, self._n_rows = path, 0
        self._file: ArrayFile | None = None
        self.equal: float | None = None

    def append(self, numbers: NDArray[np.float64]) -> None:
        """Add numbers, (n,)."""
        if self._n_rows == 0 and len(numbers):
            self.equal = float(numbers[0])
        if self.equal is not None and (numbers != self.equal).any():
            self._make_file(self.equal)
        if self._file is not None:
            self._file.append(numbers)
        self._n_rows += len(numbers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._file is not None:
            self._file.__exit__(*error)

    def _make_file(self, equal: float) -> None:
        """Start the file with the equal numbers so far."""
        self.equal = None
        self._file = ArrayFile(self._path, np.float64)
        self._file.append(np.broadcast_to(equal, self._n_rows))


def read_array(path: Path, dtype: type[T]) -> NDArray[T]:
    """Read-only memory map of an .npy file, as a plain array; `dtype` is the type of its numbers."""
    array = np.load(path, mmap_mode="r", allow_pickle=False).view(np.ndarray)
    return array.astype(dtype, copy=False)


def save_array(path: Path, array: NDArray[np.generic]) -> None:
    """Write an array of at least one dimension."""
    with ArrayFile(path, array.dtype, array.shape[1:]) as file:
        file.append(array)


class Workplace:
    """Folders in which a store is made.

    Parameters
    ----------
    path : Path
        The folder under its temporary name.
    scratch : Path
        Folder for files that are not kept.
    n_bytes : int
        Space that the work needs at its peak, for the error of a full disk; 0 while it is unknown.
    """

    def __init__(self, parent: Path) -> None:
        self.path, self.scratch, self.n_bytes = parent / "store", parent / "scratch", 0
        for folder in (self.path, self.scratch):
            folder.mkdir(parents=True)


@contextlib.contextmanager
def new_folder(folder: Path, overwrite: bool, is_ours: bool) -> Iterator[Workplace]:
    """Fill a folder under a temporary name beside it and rename it at the end; on an error nothing remains.

    An empty folder is replaced, one that holds a store (`is_ours`) only with `overwrite`, and no other.
    """
    _check_target(folder, overwrite, is_ours)
    parent = folder.with_name(f".{folder.name}.preparing")
    shutil.rmtree(parent, ignore_errors=True)  # remains of a killed preparation
    try:
        work = Workplace(parent)
        yield work
        if folder.exists():
            folder.rename(parent / "replaced")
        work.path.rename(folder)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise OSError(error.errno, _needed(error, folder, work.n_bytes)) from error
    finally:
        shutil.rmtree(parent, ignore_errors=True)


def _check_target(folder: Path, overwrite: bool, is_ours: bool) -> None:
    """Refuse a folder that must not be replaced."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ValueError(f"{folder} is a file: pass the path of a folder that is to be made.")
    is_empty = not any(folder.iterdir())
    if not (is_ours or is_empty):
        raise ValueError(
            f"{folder} exists and holds no ratings store, so it is not replaced: pass another folder."
        )
    if is_ours and not overwrite:
        raise ValueError(
            f"{folder} exists: pass overwrite=True to replace it, or read it with RatingsStore(folder)."
        )


def _needed(error: OSError, folder: Path, n_bytes: int) -> str:
    """Sentence about a full disk with the space needed."""
    needed = "more space than there is"
    if n_bytes:
        needed = f"up to {n_bytes / 1e9:.2f} GB ({n_bytes} bytes) for the rows read so far"
    return (
        f"No space left for the ratings store {folder} ({error.strerror}): the preparation needs {needed} in "
        f"{folder.parent}; free space or pass a folder on another disk."
    )
