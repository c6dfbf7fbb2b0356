"""Ratings grouped by the ids of a field, and blocks of ids with about as many ratings."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sklearn_mf.model._factors import Model
from sklearn_mf.ratings._ratings import Ratings, sorted_by


class RatingsByField(NamedTuple):
    """The ratings in the order of the ids of one field; ids in the order of their number of ratings.

    Parameters
    ----------
    partners : ndarray of shape (n_ratings, n_fields - 1), int32
        Row of the id of each other field in a table of all of them, one field below the other.
    targets, weights : ndarray of shape (n_ratings,), float32
        Standardised ratings z; weights with mean 1.
    row_weights : ndarray of shape (n_ids,), float32
        Summed weight of the ratings of each row.
    starts : ndarray of shape (n_ids + 1,), int32
        First rating of each row.
    bounds : ndarray of shape (n_blocks + 1,), int32
        First row of each block; rows before the first have no ratings.
    """

    partners: Any
    targets: Any
    weights: Any
    row_weights: Any
    starts: Any
    bounds: Any


def rank_ids(ratings: Ratings) -> list[NDArray[np.int32]]:
    """Order the ids of each field by their number of ratings.

    Parameters
    ----------
    ratings : Ratings
        Training ratings.

    Returns
    -------
    ids : list of ndarray of shape (n_ids[f],), int32
        Ids of each field, those with the fewest ratings first, ties in order of code.
    """
    counts = (
        np.bincount(codes, minlength=n) for codes, n in zip(ratings.codes.T, ratings.n_ids, strict=True)
    )
    return [np.argsort(count, kind="stable").astype(np.int32) for count in counts]


def inverse(ids: NDArray[np.int32]) -> NDArray[np.int32]:
    """Invert a permutation.

    Parameters
    ----------
    ids : ndarray of shape (n,), int32
        A permutation.

    Returns
    -------
    rows : ndarray of shape (n,), int32
        `rows[ids]` counts from 0 to n - 1.
    """
    rows = np.empty_like(ids)
    rows[ids] = np.arange(len(ids), dtype=np.int32)
    return rows


class HeldOutRatings(NamedTuple):
    """Ratings to score.

    Parameters
    ----------
    rows : list of ndarray of shape (n_ratings,), int32
        Row of the id of each field in its table.
    targets, weights : ndarray of shape (n_ratings,), float32
        Standardised ratings z; weights.
    """

    rows: list[Any]
    targets: Any
    weights: Any


def coded(ratings: Ratings, rows: list[NDArray[np.int32]], start: Model) -> HeldOutRatings:
    """Standardise ratings and find their rows.

    Parameters
    ----------
    ratings : Ratings
        Some ratings.
    rows : list of ndarray of shape (n_ids[f],), int32
        Row of each id of each field.
    start : Model
        Gives m and s of z = (y - m) / s.

    Returns
    -------
    coded : Coded
        In the order of the ratings.
    """
    return HeldOutRatings(
        rows=[row[codes] for row, codes in zip(rows, ratings.codes.T, strict=True)],
        targets=_standardised(ratings, start),
        weights=ratings.weights.astype(np.float32),
    )


def group(
    ratings: Ratings,
    field: int,
    rows: list[NDArray[np.int32]],
    start: Model,
    bounds: Callable[[NDArray[np.int32]], NDArray[np.int32]],
    convert: Callable[[NDArray[Any]], Any] = np.asarray,
) -> RatingsByField:
    """Sort the ratings by the row of one field and cut the rows into blocks.

    Parameters
    ----------
    ratings : Ratings
        Training ratings.
    field : int
        Which field.
    rows : list of ndarray of shape (n_ids[f],), int32
        Row of each id of each field.
    start : Model
        Gives m and s of z = (y - m) / s.
    bounds : callable
        Cuts the rows into blocks, given the number of ratings of each.
    convert : callable, default=np.asarray
        Called with each array as soon as it is made, so that two copies never stand side by side.

    Returns
    -------
    grouped : Grouped
        The same ratings in order.
    """
    order, starts = sorted_by(rows[field][ratings.codes[:, field]], ratings.n_ids[field])
    mean_weight = ratings.total_weight / len(ratings.targets)
    row_weights = np.empty(ratings.n_ids[field])
    row_weights[rows[field]] = ratings.id_weights(field) / mean_weight
    return RatingsByField(
        partners=convert(_partners(ratings, field, rows, order)),
        targets=convert(_standardised(ratings, start)[order]),
        weights=convert((ratings.weights / mean_weight).astype(np.float32)[order]),
        row_weights=convert(row_weights.astype(np.float32)),
        starts=convert(starts),
        bounds=convert(bounds(np.diff(starts))),
    )


def _partners(
    ratings: Ratings, field: int, rows: list[NDArray[np.int32]], order: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Rows of the ids of the other fields, one field below the other, (n_ratings, n_fields - 1)."""
    others = [number for number in range(ratings.n_fields) if number != field]
    partners, offset = np.empty((len(order), len(others)), dtype=np.int32), 0
    for place, number in enumerate(others):
        partners[:, place] = rows[number][ratings.codes[order, number]] + np.int32(offset)
        offset += ratings.n_ids[number]
    return partners


def _standardised(ratings: Ratings, start: Model) -> NDArray[np.float32]:
    """z of each rating, in one pass of memory."""
    z = ratings.targets - start.intercept
    z /= start.scale
    return z.astype(np.float32)


def block_bounds(
    counts: NDArray[np.int32], max_cells: int, shortest: int, spread: float
) -> NDArray[np.int32]:
    """Cut rows into blocks of similar numbers of ratings and bounded size.

    Parameters
    ----------
    counts : ndarray of shape (n_rows,), int32
        Number of ratings of each row, rising.
    max_cells : int
        Most padded ratings in a block of more than one row.
    shortest : int
        A row counts as at least so many ratings.
    spread : float
        Numbers of ratings in a block differ by no more than this factor, or by one.

    Returns
    -------
    bounds : ndarray of shape (n_blocks + 1,), int32
        First row of each block, and the end of the last.
    """
    first = int(np.searchsorted(counts, 1))
    bounds = [first]
    while first < len(counts):
        longest = max(spread * counts[first], counts[first] + 1)
        last = min(np.searchsorted(counts, longest, "right"), first + max_cells)
        lengths = np.maximum(counts[first:last], shortest)
        sizes = np.arange(1, last - first + 1) * lengths
        first += max(1, int(np.searchsorted(sizes, max_cells, "right")))
        bounds.append(first)
    return np.array(bounds, dtype=np.int32)
