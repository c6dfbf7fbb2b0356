"""The ratings that a solver sees: coded, sorted and merged."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

# Ratings whose weights are added up at a time: bounds the memory.
_CHUNK = 2**18


@dataclass(frozen=True)
class Ratings:
    """Observed cells in sorted order, each once.

    Parameters
    ----------
    codes : ndarray of shape (n_ratings, n_fields), int32
        The row number of each id in its field.
    targets : ndarray of shape (n_ratings,), float64
        The rating of each cell: the weighted mean where the cell was rated more than once.
    weights : ndarray of shape (n_ratings,), float64
        The summed sample weight of each cell.
    n_ids : tuple of int, of length n_fields
        The number of ids of each field.
    spreads : ndarray of shape (n_ratings,), float64
        Weighted sum of squared distances of the ratings of each cell from their mean: what merging took out
        of the squared loss.
    """

    codes: NDArray[np.int32]
    targets: NDArray[np.float64]
    weights: NDArray[np.float64]
    n_ids: tuple[int, ...]
    spreads: NDArray[np.float64]

    @classmethod
    def merge(
        cls,
        codes: list[NDArray[np.int32]],
        targets: NDArray[np.float64],
        weights: NDArray[np.float64],
        n_ids: tuple[int, ...],
    ) -> "Ratings":
        """Sort ratings by ids and merge repeated cells.

        The result does not depend on the order of the rows, and a row of whole-number weight w gives the
        same bits as the row w times.

        Parameters
        ----------
        codes : list of ndarray of shape (n_samples,), int32
            One array of codes for each field.
        targets : ndarray of shape (n_samples,), float64
            The ratings.
        weights : ndarray of shape (n_samples,), float64
            Positive sample weights.
        n_ids : tuple of int, of length n_fields
            The number of ids of each field.

        Returns
        -------
        ratings : Ratings
            Each cell once.
        """
        order, repeated = _sort(codes, targets, weights, n_ids)
        columns = np.empty((len(order), len(codes)), dtype=np.int32)
        for field, column in enumerate(codes):
            columns[:, field] = column[order]
        weights = weights[order] if weights.strides[0] else weights
        none = np.broadcast_to(0.0, len(order))  # takes no memory
        ratings = cls(columns, targets[order], weights, n_ids, none)
        ratings = _merge_cells(ratings) if repeated else ratings
        return replace(ratings, weights=_compact(ratings.weights))

    @property
    def n_fields(self) -> int:
        """Number of fields F."""
        return self.codes.shape[1]

    @property
    def total_weight(self) -> float:
        """W, the sum of the sample weights."""
        return float(self.weights.sum())

    @property
    def spread(self) -> float:
        """What merging took out of the squared loss."""
        return float(self.spreads.sum())

    def id_weights(self, field: int) -> NDArray[np.float64]:
        """Sum the weights of the ratings of each id.

        Parameters
        ----------
        field : int
            Number of the field.

        Returns
        -------
        id_weights : ndarray of shape (n_ids[field],), float64
            0 for an id without ratings.
        """
        id_weights = np.zeros(self.n_ids[field])
        for first in range(0, len(self.codes), _CHUNK):  # NumPy copies all it counts
            part = slice(first, first + _CHUNK)
            id_weights += np.bincount(self.codes[part, field], self.weights[part], len(id_weights))
        return id_weights

    def take(self, rows: NDArray[np.bool_]) -> "Ratings":
        """Keep some of the cells.

        Parameters
        ----------
        rows : ndarray of shape (n_ratings,), bool
            True for the cells to keep.

        Returns
        -------
        ratings : Ratings
            The cells kept, over the same ids.
        """
        spreads = _compact(self.spreads[rows])
        return Ratings(self.codes[rows], self.targets[rows], self.weights[rows], self.n_ids, spreads)


def centre_and_scale(ratings: Ratings, centre: bool) -> tuple[float, float]:
    """Weighted mean and standard deviation of the ratings, repeated rows counted each for itself.

    Parameters
    ----------
    ratings : Ratings
        The training ratings.
    centre : bool
        False gives mean 0 and the root mean square.

    Returns
    -------
    intercept : float
        The mean m.
    scale : float
        The standard deviation s; 1 where all ratings are equal (to rounding).
    """
    total, targets = ratings.total_weight, ratings.targets
    # Distances from the first rating: constant ratings then have exactly that mean.
    shift = targets[0] if centre else 0.0
    intercept = shift + float(ratings.weights @ (targets - shift)) / total if centre else 0.0
    variance = (float(ratings.weights @ (targets - intercept) ** 2) + ratings.spread) / total
    scale = float(np.sqrt(variance))
    rounding = 8 * np.finfo(np.float64).eps * abs(intercept)
    return float(intercept), scale if scale > rounding else 1.0


def hold_out(ratings: Ratings, fraction: float, seed: int) -> tuple[Ratings, Ratings | None]:
    """Split ratings at random into those to learn from and those to stop on.

    Parameters
    ----------
    ratings : Ratings
        All ratings.
    fraction : float
        Share of the ratings to hold out. A rating stays in training where an id would be left without any.
    seed : int
        Of the split.

    Returns
    -------
    train : Ratings
        All of them where none can be held out.
    held_out : Ratings or None
        None where none can be held out.
    """
    out = np.zeros(len(ratings.targets), dtype=bool)
    shuffled = np.random.default_rng(seed).permutation(len(out))
    out[shuffled[: int(fraction * len(out))]] = True
    for codes, n_ids in zip(ratings.codes.T, ratings.n_ids, strict=True):
        out &= np.bincount(codes[~out], minlength=n_ids)[codes] > 0
    if not out.any():
        return ratings, None
    return ratings.take(~out), ratings.take(out)


def sorted_by(numbers: NDArray[np.int32], size: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Sort small numbers, ties in the order in which they stand.

    Parameters
    ----------
    numbers : ndarray of shape (n,), int32
        Numbers from 0 to size - 1.
    size : int
        How many there are at most.

    Returns
    -------
    order : ndarray of shape (n,), int32
        `numbers[order]` is sorted.
    starts : ndarray of shape (size + 1,), int32
        First place of each number, and the end of the last.
    """
    n = len(numbers)
    # SciPy's conversion is a counting sort: several times as fast as sorting by comparison.
    cells = np.empty(n, dtype=bool), numbers, np.arange(n + 1, dtype=np.int32)
    by_number = sp.csr_array(cells, shape=(n, size)).tocsc()
    return by_number.indices, by_number.indptr


def _sort(
    codes: list[NDArray[np.int32]],
    targets: NDArray[np.float64],
    weights: NDArray[np.float64],
    n_ids: tuple[int, ...],
) -> tuple[NDArray[np.integer], bool]:
    """Order by ids, where cells repeat also by target and weight; and whether any cell repeats."""
    order: NDArray[np.integer] = sorted_by(codes[-1], n_ids[-1])[0]
    for column, n in zip(codes[-2::-1], n_ids[-2::-1], strict=True):
        order = order[sorted_by(column[order], n)[0]]
    repeated = bool(_same_as_previous([column[order] for column in codes]).any())
    if not repeated:
        return order, False
    keys: list[NDArray[Any]] = [weights, targets, *codes[::-1]]
    return np.lexsort(keys), True


def _compact(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same numbers; where all are equal, as a view of one that takes no memory."""
    equal = len(numbers) > 0 and (numbers == numbers[0]).all()
    return np.broadcast_to(numbers[0], len(numbers)) if equal else numbers


def _same_as_previous(columns: Sequence[NDArray[Any]]) -> NDArray[np.bool_]:
    """For each row but the first, whether it equals the row before in all columns."""
    same = np.ones(max(len(columns[0]) - 1, 0), dtype=bool)
    for column in columns:
        same &= column[1:] == column[:-1]
    return same


def _merge_cells(ratings: Ratings) -> Ratings:
    """Merge sorted rows: first equal (ids, target), then equal ids, so that equal targets stay exact."""
    rows, weights = _merge_runs([*ratings.codes.T, ratings.targets], ratings.weights)
    codes, targets = ratings.codes[rows], ratings.targets[rows]
    cells, cell_weights = _merge_runs(list(codes.T), weights)
    cell_of_row = np.repeat(np.arange(len(cells)), np.diff(np.append(cells, len(targets))))
    first = targets[cells]
    # Distances from the cell's first target: one target with any weight stays that target, to the bit.
    means = first + np.add.reduceat(weights * (targets - first[cell_of_row]), cells) / cell_weights
    spreads = np.add.reduceat(weights * (targets - means[cell_of_row]) ** 2, cells)
    return replace(
        ratings,
        codes=codes[cells],
        targets=means,
        weights=cell_weights,
        spreads=spreads,
    )


def _merge_runs(
    columns: Sequence[NDArray[Any]], weights: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Starts of the runs of equal rows, and the summed weight of each run."""
    starts = np.flatnonzero(np.append(True, ~_same_as_previous(columns)))
    return starts, np.add.reduceat(weights, starts)
