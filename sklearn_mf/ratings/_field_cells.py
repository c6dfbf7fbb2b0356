"""Where the ratings of a field lie when they are not all in memory: on disk, or on several workers."""

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class FieldCells(NamedTuple):
    """The merged ratings of two fields in the order of the codes of one of them; arrays or memory maps.

    Parameters
    ----------
    other_codes : ndarray of shape (n_ratings,), int32
        Code of the id of the other field; those of one id rise.
    targets, weights : ndarray of shape (n_ratings,), float64
        Ratings, and their weights.
    starts : ndarray of shape (n_ids + 1,), int64
        First rating of each id, and the end of the last.
    """

    other_codes: NDArray[np.int32]
    targets: NDArray[np.float64]
    weights: NDArray[np.float64]
    starts: NDArray[np.int64]


class Exchange(Protocol):
    """Several workers that hold the parts of each field among them, and call `gather` in the same order.

    `name` says which step of which sweep calls, such as "sweep 7, field 1": workers that are not at the same
    step raise an error instead of mixing their rows.
    """

    #: Number of workers, and the number of this one, from 0.
    n_workers: int
    worker: int

    def gather(self, rows: Any, name: str) -> Any:
        """Rows of all workers, one worker after another, (n_own_rows, width) -> (n_rows, width); tensors."""
        ...
