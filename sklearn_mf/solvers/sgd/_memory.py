"""Memory that TensorFlow takes over without a copy: of the process, or of a temporary file."""

import math

import numpy as np
from numpy.typing import NDArray

from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.ratings._temporary_arrays import array_on_disk

#: TensorFlow takes over memory that begins at a multiple of this many bytes, and aborts on other memory.
ALIGNMENT = 64


def aligned(shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Uninitialised memory that TensorFlow can take over without a copy."""
    n_bytes = 4 * math.prod(shape)
    memory = np.empty(n_bytes + ALIGNMENT, dtype=np.uint8)
    first = -memory.ctypes.data % ALIGNMENT
    return memory[first : first + n_bytes].view(np.int32).reshape(shape)


def memory_beside(ratings: Ratings, shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Memory of the process, or of a temporary file where the ratings are on disk."""
    return array_on_disk(shape, np.int32) if ratings.field_cells else aligned(shape)
