"""Files of a store: arrays that are written piece by piece, and a folder that appears when it is whole."""

import contextlib
import errno
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np
from numpy.lib import format as npy
from numpy.typing import DTypeLike, NDArray

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


def read_array(path: Path) -> NDArray[np.generic]:
    """Read-only memory map of an .npy file as a plain array."""
    return np.load(path, mmap_mode="r", allow_pickle=False).view(np.ndarray)


class Workplace:
    """The folder under its temporary name.

    Parameters
    ----------
    path : Path
        The temporary folder.
    n_bytes : int
        Space that the work needs at its peak, for the error of a full disk; 0 while it is unknown.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.n_bytes = path, 0


@contextlib.contextmanager
def new_folder(folder: Path, overwrite: bool, is_ours: bool) -> Iterator[Workplace]:
    """Fill a folder under a temporary name beside it and rename it at the end; on an error nothing remains.

    An existing folder is replaced only with `overwrite`, and only where `is_ours` or it is empty.
    """
    _check_target(folder, overwrite, is_ours)
    working, old = (folder.with_name(f".{folder.name}.{end}") for end in ("preparing", "old"))
    _remove(working, old)  # remains of a killed preparation
    work = Workplace(working)
    try:
        working.mkdir(parents=True)
        yield work
        if folder.exists():
            folder.rename(old)
        working.rename(folder)
    except OSError as error:
        raise _explained(error, folder, work.n_bytes) from error
    finally:
        _remove(working, old)


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


def _explained(error: OSError, folder: Path, n_bytes: int) -> OSError:
    """The error of a full disk with the space needed; any other error as it is."""
    if error.errno not in _FULL:
        return error
    needed = f"about {n_bytes / 1e9:.2f} GB ({n_bytes} bytes)" if n_bytes else "more space than there is"
    message = (
        f"No space left for the ratings store {folder} ({error.strerror}): the preparation needs {needed} in "
        f"{folder.parent}; free space or pass a folder on another disk."
    )
    return OSError(error.errno, message)


def _remove(*folders: Path) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
