"""Ratings grouped by the ids of a field, and blocks of ids with about as many ratings."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from sklearn_mf.model._factors import Model
from sklearn_mf.ratings._ratings import Ratings, sorted_by
from sklearn_mf.solvers._tensors import Tensor
from sklearn_mf.solvers.sgd._partition import rounded_up

Scalar = TypeVar("Scalar", bound=np.generic)


class Blocks(NamedTuple):
    """Rows in blocks: first those in blocks of segments, then in blocks of padded rows; arrays or tensors.

    Parameters
    ----------
    segments : array of shape (n_segment_blocks, n_segments, 3), int32
        Row within the block, first rating and end of the ratings of each segment.
    segment_bounds, bounds : arrays of shape (n_segment_blocks + 1,) and (n_blocks + 1,), int32
        First row of each block, and the end of the last.
    """

    segments: Tensor
    segment_bounds: Tensor
    bounds: Tensor


#: Blocks of rows, from the first rating of each row and the end of its ratings, (n_rows,).
BlockCuts = Callable[[NDArray[np.int32], NDArray[np.int32]], Blocks]


class RatingsByField(NamedTuple):
    """The ratings in the order of the rows of one field; arrays or tensors.

    Parameters
    ----------
    other_ids : array of shape (n_ratings, n_fields - 1), int32
        Row of the id of each other field in their stacked tables.
    targets, weights : arrays of shape (n_ratings,), float32
        Standardised ratings z; weights with mean 1.
    row_weights : array of shape (n_rows,), float32
        Summed weight of the ratings of each row.
    starts, ends : arrays of shape (n_rows,), int32
        First rating of each row, and the end of its ratings; the last row of a block has the most.
    blocks : Blocks
        The rows in blocks.
    """

    other_ids: Tensor
    targets: Tensor
    weights: Tensor
    row_weights: Tensor
    starts: Tensor
    ends: Tensor
    blocks: Blocks


class HeldOutRatings(NamedTuple):
    """Ratings to score; arrays or tensors.

    Parameters
    ----------
    rows : list of arrays of shape (n_ratings,), int32
        Row of the id of each field in its table.
    targets, weights : arrays of shape (n_ratings,), float32
        Standardised ratings z; weights.
    """

    rows: list[Tensor]
    targets: Tensor
    weights: Tensor


def rank_ids(counts: NDArray[np.integer], part_bounds: Sequence[int]) -> NDArray[np.int32]:
    """Ids with ratings, those with the fewest first, ties in the order of their codes; (n_ids,) -> (n_rows,).

    The ids with ratings are cut into parts at `part_bounds`, and each part is ranked by itself.
    """
    rated, sizes = np.flatnonzero(counts), np.diff(part_bounds)
    order = np.lexsort([counts[rated], np.repeat(np.arange(len(sizes)), sizes)])
    return rated[order].astype(np.int32)


def rows_of(ids: NDArray[np.int32], n_ids: int) -> NDArray[np.int32]:
    """Row of each id, given the id of each row, (n_rows,) -> (n_ids,); -1 for an id without a row."""
    rows = np.full(n_ids, -1, dtype=np.int32)
    rows[ids] = np.arange(len(ids), dtype=np.int32)
    return rows


def hold_out_by_row(ratings: Ratings, rows: list[NDArray[np.int32]], start: Model) -> HeldOutRatings:
    """Standardise held-out ratings and find their rows, given the row of each id of each field.

    Each id must have ratings in training too, as `hold_out` ensures.
    """
    return HeldOutRatings(
        rows=[row[codes] for row, codes in zip(rows, ratings.codes.T, strict=True)],
        targets=standardized(ratings.targets, start),
        weights=ratings.weights.astype(np.float32),
    )


def group_by_field(
    ratings: Ratings,
    field: int,
    ids: list[NDArray[np.int32]],
    rows: list[NDArray[np.int32]],
    start: Model,
    cut: BlockCuts,
    convert: Callable[[NDArray[np.generic]], Tensor] = np.asarray,
) -> RatingsByField:
    """Sort the ratings by the row of one field and cut the rows into blocks.

    `ids` has the id of each row and `rows` the row of each id, for each field; `cut` cuts the rows into
    blocks. `convert` is called with each array as soon as it is made, so
    that only one is in memory twice.
    """
    order, starts = sorted_by(rows[field][ratings.codes[:, field]], len(ids[field]))
    blocks = cut(starts[:-1], starts[1:])
    order = order if len(blocks.segments) == 0 else filled_up(order)
    mean_weight = ratings.mean_weight
    return RatingsByField(
        other_ids=convert(_other_ids(ratings, field, ids, rows, order)),
        targets=convert(standardized(ratings.targets, start)[order]),
        weights=convert((ratings.weights / mean_weight).astype(np.float32)[order]),
        row_weights=convert(row_weights_of(ratings, field, ids[field])),
        starts=convert(starts[:-1]),
        ends=convert(starts[1:]),
        blocks=Blocks(*map(convert, blocks)),
    )


def filled_up(values: NDArray[Scalar]) -> NDArray[Scalar]:
    """Repeat the last value, (n,) -> (n_more,), so that about equal sizes share a compilation."""
    return np.pad(values, (0, round_size(len(values)) - len(values)), mode="edge")


def round_size(size: int) -> int:
    """The next quarter of an octave."""
    return rounded_up(max(size, 8), 1)


def row_weights_of(ratings: Ratings, field: int, ids: NDArray[np.int32]) -> NDArray[np.float32]:
    """Summed weights of the ratings of some ids of a field, in units of the mean weight, (n,) -> (n,)."""
    return (ratings.id_weights(field)[ids] / ratings.mean_weight).astype(np.float32)


def _other_ids(
    ratings: Ratings,
    field: int,
    ids: list[NDArray[np.int32]],
    rows: list[NDArray[np.int32]],
    order: NDArray[np.int32],
) -> NDArray[np.int32]:
    """Rows of the ids of the other fields in their stacked tables, (n_ratings, n_fields - 1)."""
    others = [number for number in range(ratings.n_fields) if number != field]
    stacked, offset = np.empty((len(order), len(others)), dtype=np.int32), 0
    for place, number in enumerate(others):
        stacked[:, place] = rows[number][ratings.codes[order, number]] + np.int32(offset)
        offset += len(ids[number])
    return stacked


def standardized(targets: NDArray[np.float64], start: Model) -> NDArray[np.float32]:
    """z = (y - m) / s, (n_ratings,)."""
    z = targets - start.intercept
    z /= start.scale
    return z.astype(np.float32)


def block_bounds(
    counts: NDArray[np.int32], max_cells: int, shortest: int, spread: float
) -> NDArray[np.int32]:
    """First row of each block and the end of the last, given the rising numbers of ratings of the rows.

    A block has at most `max_cells` padded ratings (or one row); a row counts as at least `shortest` ratings;
    the numbers of ratings in a block differ by at most the factor `spread`, or by one.
    """
    first, bounds = 0, [0]
    while first < len(counts):
        longest = max(spread * counts[first], counts[first] + 1)
        last = min(np.searchsorted(counts, longest, "right"), first + max_cells)
        lengths = np.maximum(counts[first:last], shortest)
        sizes = np.arange(1, last - first + 1) * lengths
        first += max(1, int(np.searchsorted(sizes, max_cells, "right")))
        bounds.append(first)
    return np.array(bounds, dtype=np.int32)
