"""Arrays in temporary files, which take no memory of the process."""

import math
import os
import tempfile
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Scalar = TypeVar("Scalar", bound=np.generic)


def array_on_disk(shape: tuple[int, ...], dtype: type[Scalar]) -> NDArray[Scalar]:
    """Array of zeros in a temporary file, which has no name and is gone with the array or the process.

    Its room is reserved at once: a full disk raises an error here, and not while the array is written.
    """
    n_bytes = np.dtype(dtype).itemsize * math.prod(shape)
    try:
        with tempfile.TemporaryFile() as file:
            _reserve(file.fileno(), n_bytes)
            return np.memmap(file, dtype, "w+", shape=shape)
    except OSError as error:
        message = (
            f"A fit from a store needs a temporary file of {n_bytes:,} bytes in {tempfile.gettempdir()!r}, "
            f"and cannot write it ({error.strerror}): free as much space, or set TMPDIR to another folder."
        )
        raise OSError(error.errno, message) from error


def _reserve(file: int, n_bytes: int) -> None:
    """Give a file a size, with room on the disk where the system can reserve it."""
    if hasattr(os, "posix_fallocate") and n_bytes:  # not on Windows and macOS
        os.posix_fallocate(file, 0, n_bytes)
    else:
        os.truncate(file, n_bytes)
