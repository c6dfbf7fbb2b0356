"""Memory that TensorFlow takes over without a copy: of the process, or of a temporary file."""

import math
import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sklearn_mf.ratings._ratings import Ratings

#: TensorFlow takes over memory that begins at a multiple of this many bytes, and aborts on other memory.
ALIGNMENT = 64


def aligned(shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Uninitialised memory that TensorFlow can take over without a copy."""
    n_bytes = 4 * math.prod(shape)
    memory = np.empty(n_bytes + ALIGNMENT, dtype=np.uint8)
    first = -memory.ctypes.data % ALIGNMENT
    return memory[first : first + n_bytes].view(np.int32).reshape(shape)


def memory_beside(ratings: Ratings, shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Memory of the process, or on disk where the ratings are on disk too."""
    return file_memory(shape, _folder_of(ratings)) if ratings.field_cells else aligned(shape)


def file_memory(shape: tuple[int, ...], folder: Path) -> NDArray[np.int32]:
    """Memory map of a temporary file, which the system deletes however the process ends.

    The file has no name, and its room is reserved at once: a full disk raises an error here and not later.
    """
    n_bytes = 4 * math.prod(shape)
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            _reserve(file.fileno(), n_bytes)
            return np.memmap(file, np.int32, "w+", shape=shape)
    except OSError as error:
        raise OSError(
            error.errno,
            f"Stochastic gradient descent needs a temporary file of {n_bytes:,} bytes in {str(folder)!r} and "
            f"cannot write it ({error.strerror}): free as much space there.",
        ) from error


def _folder_of(ratings: Ratings) -> Path:
    """Folder of the files of ratings on disk; the one for temporary files where it is read-only."""
    name = getattr(ratings.codes, "filename", None)
    folder = Path(tempfile.gettempdir() if name is None else Path(name).parent)
    return folder if os.access(folder, os.W_OK) else Path(tempfile.gettempdir())


def _reserve(file: int, n_bytes: int) -> None:
    """Give a file a size, with room on the disk where the system can reserve it."""
    if hasattr(os, "posix_fallocate"):  # not on Windows and macOS
        os.posix_fallocate(file, 0, n_bytes)
    else:
        os.truncate(file, n_bytes)
