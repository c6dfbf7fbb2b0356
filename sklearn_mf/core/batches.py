"""Shapes of mini-batches, and arrays padded to them, so that runs of similar size share a compilation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sklearn_mf._ratings import Ratings

_SMALLEST_BATCH, _LARGEST_BATCH = 64, 4096
# About this many steps an epoch, within the sizes above: more steps cost time, fewer make stale gradients.
_STEPS_AN_EPOCH = 256
# Rows of ratings and of the table from which on memory matters more than a compilation.
_LARGE, _LARGE_TABLE = 2**20, 2**16


@dataclass(frozen=True)
class Rows:
    """Ratings in the padded form that the compiled epoch reads.

    Parameters
    ----------
    codes : list of ndarray of shape (n_padded,), int32
        Row of the table for the ids of each field; the last row of the table in padding.
    targets : ndarray of shape (n_padded,), float32
        Standardised ratings z.
    weights : ndarray of shape (n_padded,), float32
        Weights with mean 1 over the training ratings; 0 for held-out ratings and padding.
    held_out : ndarray of shape (n_padded,), float32
        Weights of the held-out ratings; 0 for the others.
    id_weights : ndarray of shape (n_table_rows,), float32
        Summed training weight of each id.
    offsets : ndarray of shape (n_fields + 1,), intp
        First row of each field in the table.
    n_train, n_rows : int
        Number of training ratings; of training and held-out ratings together.
    batch_size : int
        Ratings in one step.
    """

    codes: list[NDArray[np.int32]]
    targets: NDArray[np.float32]
    weights: NDArray[np.float32]
    held_out: NDArray[np.float32]
    id_weights: NDArray[np.float32]
    offsets: NDArray[np.intp]
    n_train: int
    n_rows: int
    batch_size: int

    def order(self, seed: int, epoch: int) -> NDArray[np.int32]:
        """Visiting order of one epoch.

        Parameters
        ----------
        seed, epoch : int
            The order depends on nothing else, so that more epochs continue the same run.

        Returns
        -------
        order : ndarray of shape (n_padded,), int32
            A permutation of the training ratings, then padding.
        """
        order = np.full(len(self.targets), len(self.targets) - 1, dtype=np.int32)
        order[: self.n_train] = np.random.default_rng([seed, epoch]).permutation(
            np.arange(self.n_train, dtype=np.int32)
        )
        return order


def rounded_up(size: int, large: int) -> int:
    """Round a size up so that similar sizes, as those of folds and of all data, mostly become equal.

    Parameters
    ----------
    size : int
        Number of rows.
    large : int
        A power of four from which on rounding is finer.

    Returns
    -------
    rounded : int
        The next power of four; above `large` the next quarter of an octave.
    """
    bits = max(size - 1, 0).bit_length()
    if size <= large:
        return 1 << (bits + bits % 2)
    quarter = 1 << (bits - 3)
    return -(-size // quarter) * quarter


def choose_batch_size(n_ratings: int) -> int:
    """Ratings in one step where the user leaves it to us.

    Parameters
    ----------
    n_ratings : int
        Number of training ratings.

    Returns
    -------
    batch_size : int
        A power of two from 64 to 4096.
    """
    share = rounded_up(n_ratings, _LARGE) // _STEPS_AN_EPOCH
    return min(max(share, _SMALLEST_BATCH), _LARGEST_BATCH)


def arrange(
    train: Ratings, held_out: Ratings | None, intercept: float, scale: float, batch_size: int | str
) -> Rows:
    """Standardise and pad the ratings.

    Parameters
    ----------
    train : Ratings
        Ratings to learn from.
    held_out : Ratings or None
        Ratings that are only scored; they share the arrays, so that holding out costs no compilation.
    intercept, scale : float
        m and s of z = (y - m) / s.
    batch_size : int or "auto"
        Ratings in one step.

    Returns
    -------
    rows : Rows
        Padded arrays.
    """
    parts = [train] if held_out is None else [train, held_out]
    n_train, n_rows = len(train.targets), sum(len(part.targets) for part in parts)
    size = choose_batch_size(n_train) if batch_size == "auto" else min(int(batch_size), rounded_up(n_train, _LARGE))
    n_padded = rounded_up(n_rows + 1, _LARGE)
    n_padded = -(-n_padded // size) * size
    offsets = np.cumsum([0, *train.n_ids])
    n_table = rounded_up(int(offsets[-1]) + 1, _LARGE_TABLE)
    mean_weight = train.total_weight / n_train
    codes = np.full((train.n_fields, n_padded), n_table - 1, dtype=np.int32)
    codes[:, :n_rows] = np.concatenate([part.codes for part in parts]).T + offsets[:-1, None]
    z = [(part.targets - intercept) / scale for part in parts]
    id_weights = np.concatenate([train.id_weights(field) for field in range(train.n_fields)]) / mean_weight
    return Rows(
        codes=list(codes),
        targets=_padded(np.concatenate(z), n_padded),
        weights=_padded(train.weights / mean_weight, n_padded),
        held_out=_padded(np.zeros(0) if held_out is None else held_out.weights, n_padded, start=n_train),
        id_weights=_padded(id_weights, n_table),
        offsets=offsets,
        n_train=n_train,
        n_rows=n_rows,
        batch_size=size,
    )


def _padded(values: NDArray, size: int, start: int = 0) -> NDArray[np.float32]:
    """Values from position `start` on in an array of zeros."""
    padded = np.zeros(size, dtype=np.float32)
    padded[start : start + len(values)] = values
    return padded
