"""The ratings that a solver sees: coded, sorted and merged."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from sklearn_mf.ratings._field_cells import Exchange, FieldCells
from sklearn_mf.utils._threads import SIDE_BY_SIDE_FROM, n_threads

# Type of the numbers of an array.
Number = TypeVar("Number", bound=np.generic)

# Ratings that are added up or gathered at a time: bounds the memory.
_CHUNK = 2**18
# Most ratings in memory: their row numbers are int32.
_MOST_IN_MEMORY = 2**31 - 1
# Up to this many ratings, as those of one newcomer, a sort by comparison beats a counting sort over all ids.
_FEW = 1024


@dataclass(frozen=True)
class Ratings:
    """Observed cells in sorted order, each once.

    Parameters
    ----------
    codes : ndarray of shape (n_ratings, n_fields), int32
        The row number of each id in its field.
    targets : ndarray of shape (n_ratings,), float64
        The rating of each cell: the weighted mean, or sum, where the cell was rated more than once.
    weights : ndarray of shape (n_ratings,), float64
        The summed sample weight of each cell.
    n_ids : tuple of int, of length n_fields
        The number of ids of each field.
    within_squares : ndarray of shape (n_ratings,), float64
        Within-cell sum of squares: weighted squared distances of the ratings of a cell from their mean. The
        squared loss of the merged ratings is less by their sum.
    field_cells : tuple of FieldCells
        The same ratings in the order of each of two fields, where they lie on disk; else empty. Solvers that
        can then read a part at a time.
    exchange : Exchange or None
        The workers among which the parts of the fields are divided; None without others.
    """

    codes: NDArray[np.int32]
    targets: NDArray[np.float64]
    weights: NDArray[np.float64]
    n_ids: tuple[int, ...]
    within_squares: NDArray[np.float64]
    field_cells: tuple[FieldCells, ...] = ()
    exchange: Exchange | None = None

    @classmethod
    def merge(
        cls,
        codes: list[NDArray[np.int32]],
        targets: NDArray[np.float64],
        weights: NDArray[np.float64],
        n_ids: tuple[int, ...],
        how: Literal["mean", "sum"] = "mean",
    ) -> "Ratings":
        """Sort ratings by ids and merge repeated cells; `codes`, (n_samples,) for each field.

        With `how="mean"` a cell has the weighted mean of its ratings and the sum of their weights. With
        `how="sum"`, for counts, it has the sum of weights times ratings, and weight 1. The result does not
        depend on the order of the rows, and a row of whole-number weight w gives the same bits as w rows.
        """
        if len(targets) > _MOST_IN_MEMORY:
            raise ValueError(
                f"{len(targets):,} ratings are too many for a fit in memory, which takes at most "
                f"{_MOST_IN_MEMORY:,}: write them to Parquet files, call prepare_ratings, and fit its result."
            )
        order = _order_by_ids(codes, n_ids)
        columns = np.empty((len(order), len(codes)), dtype=np.int32)
        for field, column in enumerate(codes):
            columns[:, field] = _gather(column, order)
        same = _same_as_previous(list(columns.T))
        _sort_repeated(order, same, targets, weights)
        weights = weights[order] if weights.strides[0] else weights
        ratings = cls(columns, _gather(targets, order), weights, n_ids, np.broadcast_to(0.0, len(order)))
        ratings = _merged(ratings, same, how)
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
    def mean_weight(self) -> float:
        """Mean weight of a cell."""
        return self.total_weight / len(self.targets)

    @property
    def within_square_sum(self) -> float:
        """Sum of `within_squares`."""
        return float(self.within_squares.sum())

    def standardized(
        self, intercept: float, scale: float, rows: NDArray[np.integer] | slice = slice(None)
    ) -> NDArray[np.float64]:
        """z = (y - m) / s of all cells, or of some rows, (n_rows,)."""
        z = self.targets[rows] - intercept
        z /= scale
        return z

    def id_weights(self, field: int) -> NDArray[np.float64]:
        """Summed weights of the ratings of each id of a field, (n_ids[field],); 0 without ratings."""
        id_weights = np.zeros(self.n_ids[field])
        for part in gen_batches(len(self.codes), _CHUNK):  # bincount copies all it counts
            id_weights += np.bincount(self.codes[part, field], self.weights[part], len(id_weights))
        return id_weights

    def counts(self, field: int) -> NDArray[np.int64]:
        """Number of ratings of each id of a field, (n_ids[field],)."""
        if self.field_cells:
            return np.diff(self.field_cells[field].starts)
        return np.bincount(self.codes[:, field], minlength=self.n_ids[field])

    def take(self, rows: NDArray[np.bool_]) -> "Ratings":
        """The cells where the mask (n_ratings,) is True, over the same ids; in memory."""
        within_squares = _compact(self.within_squares[rows])
        return Ratings(self.codes[rows], self.targets[rows], self.weights[rows], self.n_ids, within_squares)


def hold_out(ratings: Ratings, fraction: float, seed: int) -> tuple[Ratings, Ratings | None]:
    """Split a random share of the ratings off for early stopping; None where none can be held out.

    A rating stays in training where an id would be left without any. The held-out weights have mean 1.
    """
    out = np.zeros(len(ratings.targets), dtype=bool)
    shuffled = np.random.default_rng(seed).permutation(len(out))
    out[shuffled[: int(fraction * len(out))]] = True
    for codes, n_ids in zip(ratings.codes.T, ratings.n_ids, strict=True):
        out &= np.bincount(codes[~out], minlength=n_ids)[codes] > 0
    if not out.any():
        return ratings, None
    held_out = ratings.take(out)
    weights = held_out.weights / (held_out.mean_weight or 1.0)
    return ratings.take(~out), replace(held_out, weights=weights)


def sorted_by(
    numbers: NDArray[np.int32], size: int
) -> tuple[NDArray[np.signedinteger], NDArray[np.signedinteger]]:
    """Stable order of numbers (n,) from 0 to size - 1, and where each number starts in it, (size + 1,).

    Both are int32, and int64 from 2^31 numbers on.
    """
    n = len(numbers)
    # SciPy's conversion is a counting sort: several times as fast as sorting by comparison.
    cells = np.empty(n, dtype=bool), numbers, np.arange(n + 1, dtype=sp.get_index_dtype(maxval=n))
    by_number = sp.csr_array(cells, shape=(n, size)).tocsc()
    return by_number.indices, by_number.indptr


def _order_by_ids(codes: list[NDArray[np.int32]], n_ids: tuple[int, ...]) -> NDArray[np.integer]:
    """Stable order of rows by their codes, (n_samples,) for each field -> (n_samples,)."""
    if len(codes[0]) <= _FEW:
        return np.lexsort(codes[::-1])
    order: NDArray[np.integer] = sorted_by(codes[-1], n_ids[-1])[0]
    for column, n in zip(codes[-2::-1], n_ids[-2::-1], strict=True):
        order = _gather(order, sorted_by(_gather(column, order), n)[0])
    return order


def _gather(values: NDArray[Number], rows: NDArray[np.integer]) -> NDArray[Number]:
    """values[rows], (n,); of many rows, several parts side by side."""
    if len(rows) < SIDE_BY_SIDE_FROM:
        return values[rows]
    gathered = np.empty(len(rows), dtype=values.dtype)

    def gather(part: slice) -> None:
        """Write a part."""
        gathered[part] = values[rows[part]]

    parts = list(gen_batches(len(rows), _CHUNK))
    with ThreadPoolExecutor(n_threads(len(parts))) as threads:
        list(threads.map(gather, parts))
    return gathered


def _sort_repeated(
    order: NDArray[np.integer],
    same: NDArray[np.bool_],
    targets: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> None:
    """Sort the rows of each repeated cell by target and weight, in place; `same` as in :func:`_merged`."""
    places = np.flatnonzero(_in_repeated(same))
    rows = order[places]
    cells = np.cumsum(~np.append(False, same)[places])
    order[places] = rows[np.lexsort([weights[rows], targets[rows], cells])]


def _in_repeated(same: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """For each row, whether its cell repeats, (n_rows - 1,) -> (n_rows,)."""
    return np.append(False, same) | np.append(same, False)


def _compact(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same numbers; where all are equal, a view of one number, which takes no memory."""
    equal = len(numbers) > 0 and (numbers == numbers[0]).all()
    return np.broadcast_to(numbers[0], len(numbers)) if equal else numbers


def _same_as_previous(columns: Sequence[NDArray[np.generic]]) -> NDArray[np.bool_]:
    """For each row but the first, whether it equals the row before in all columns."""
    same = np.ones(max(len(columns[0]) - 1, 0), dtype=bool)
    for column in columns:
        same &= column[1:] == column[:-1]
    return same


def _merged(ratings: Ratings, same: NDArray[np.bool_], how: Literal["mean", "sum"]) -> Ratings:
    """Merge sorted rows; `same`, (n_rows - 1,), says whether a row has the cell of the row before."""
    repeated = _in_repeated(same)
    cells = ratings.take(np.append(True, ~same)) if repeated.any() else ratings
    cells = cells if how == "mean" else _as_sums(cells, cells.weights * cells.targets)
    if not repeated.any():
        return cells
    merged = (_averaged_cells if how == "mean" else _summed_cells)(ratings.take(repeated))
    places = np.append(same, False)[np.append(True, ~same)]
    changed = {}
    for name in ("targets", "weights", "within_squares") if how == "mean" else ("targets",):
        changed[name] = getattr(cells, name).copy()
        changed[name][places] = getattr(merged, name)
    return replace(cells, **changed)


def _as_sums(cells: Ratings, sums: NDArray[np.float64]) -> Ratings:
    """The same cells with sums (n_ratings,) as targets, of weight 1."""
    one, zero = np.broadcast_to(1.0, len(sums)), np.broadcast_to(0.0, len(sums))
    return replace(cells, targets=sums, weights=one, within_squares=zero)


def _averaged_cells(ratings: Ratings) -> Ratings:
    """Merge sorted rows: first equal (ids, target), then equal ids, so that equal targets stay exact."""
    rows, weights = _merge_runs([*ratings.codes.T, ratings.targets], ratings.weights)
    codes, targets = ratings.codes[rows], ratings.targets[rows]
    cells, cell_weights = _merge_runs(list(codes.T), weights)
    cell_of_row = np.repeat(np.arange(len(cells)), np.diff(np.append(cells, len(targets))))
    first = targets[cells]
    # Distances from the cell's first target: one target with any weight stays that target, to the bit.
    means = first + np.add.reduceat(weights * (targets - first[cell_of_row]), cells) / cell_weights
    within_squares = np.add.reduceat(weights * (targets - means[cell_of_row]) ** 2, cells)
    return replace(
        ratings,
        codes=codes[cells],
        targets=means,
        weights=cell_weights,
        within_squares=within_squares,
    )


def _summed_cells(ratings: Ratings) -> Ratings:
    """Sum the sorted rows of each cell: first equal (ids, target), so that a weight equals repetition."""
    rows, weights = _merge_runs([*ratings.codes.T, ratings.targets], ratings.weights)
    codes = ratings.codes[rows]
    cells, sums = _merge_runs(list(codes.T), weights * ratings.targets[rows])
    return _as_sums(replace(ratings, codes=codes[cells]), sums)


def _merge_runs(
    columns: Sequence[NDArray[np.generic]], weights: NDArray[np.float64]
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Starts of the runs of equal rows, and the sum of the weights of each run."""
    starts = np.flatnonzero(np.append(True, ~_same_as_previous(columns)))
    return starts, np.add.reduceat(weights, starts)
