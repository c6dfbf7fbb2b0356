"""Exact top-n by inner product, in blocks of bounded memory; NumPy only."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

# Bytes of float32 scores held at a time, whatever the number of items; sorting takes about as much again,
# and smaller blocks stay in the cache.
_BLOCK_BYTES = 16 * 2**20
# Candidates taken in float32 beyond n, so that the exact float64 scores decide who is among the n.
_MARGIN = 16

Cells = tuple[NDArray[np.intp], ...]  # rows and columns


class Ranking(NamedTuple):
    """Best columns of each row, best first.

    Parameters
    ----------
    rows, columns : ndarray of shape (n_found,), intp
        Query and candidate of each result; rows rise.
    ranks : ndarray of shape (n_found,), intp
        1 for the best.
    scores : ndarray of shape (n_found,), float64
        Inner products.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    ranks: NDArray[np.intp]
    scores: NDArray[np.float64]


def top_n(
    queries: NDArray[np.float64],
    candidates: NDArray[np.float64],
    n: int,
    excluded: Callable[[slice], Cells],
) -> Ranking:
    """Find the n candidates of largest inner product for each query; ties go by candidate order.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, width), float64
        One row for each result list.
    candidates : ndarray of shape (n_candidates, width), float64
        What can be found.
    n : int
        Length of a list; shorter where fewer candidates are left.
    excluded : callable
        Given a slice of queries, the cells (row within the slice, column) that must not be found.

    Returns
    -------
    ranking : Ranking
        All lists, one after another.
    """
    size = max(1, _BLOCK_BYTES // (4 * max(len(candidates), 1)))
    columns32 = np.ascontiguousarray(candidates.T, dtype=np.float32)
    blocks = [slice(first, first + size) for first in range(0, len(queries), size)]
    found = [_top_n_of_block(queries, candidates, columns32, n, block, excluded(block)) for block in blocks]
    nothing = np.empty(0, dtype=np.intp)
    found.append(Ranking(nothing, nothing, nothing, np.empty(0)))
    return Ranking(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def seen_cells(seen: sp.csr_array | None, codes: NDArray[np.intp], positions: NDArray[np.intp]) -> Cells:
    """Cells to exclude because they were rated.

    Parameters
    ----------
    seen : csr_array of shape (n_users, n_items)
        A stored cell for each rating; None excludes nothing.
    codes : ndarray of shape (n_rows,), integer
        Users, -1 for an unknown one.
    positions : ndarray of shape (n_items,), integer
        Column of each item among the candidates, -1 for none.

    Returns
    -------
    rows, columns : ndarray of shape (n_cells,)
        Row in `codes` and column among the candidates.
    """
    if seen is None:
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
    known = np.flatnonzero(codes >= 0)
    part = seen[codes[known]]
    rows, columns = np.repeat(known, np.diff(part.indptr)), positions[part.indices]
    return rows[columns >= 0], columns[columns >= 0]


def unit_rows(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale rows to length 1.

    Parameters
    ----------
    vectors : ndarray of shape (n, width), float64
        Rows; a row of zeros stays zero.

    Returns
    -------
    unit : ndarray of shape (n, width), float64
        Rows of length 1 or 0.
    """
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


def _top_n_of_block(
    queries: NDArray[np.float64],
    candidates: NDArray[np.float64],
    columns32: NDArray[np.float32],
    n: int,
    block: slice,
    excluded: Cells,
) -> Ranking:
    """Preselect by float32 scores, then rank by float64 ones."""
    rough = queries[block].astype(np.float32) @ columns32
    rough[excluded] = -np.inf
    rows, columns = _largest(rough, n + _MARGIN)
    scores = np.einsum("nk,nk->n", queries[block][rows], candidates[columns])
    order = np.lexsort((columns, -scores, rows))
    rows, columns, scores = rows[order], columns[order], scores[order]
    ranks = np.arange(len(rows)) - np.searchsorted(rows, rows) + 1
    best = ranks <= n
    return Ranking(rows[best] + block.start, columns[best], ranks[best], scores[best])


def _largest(scores: NDArray[np.float32], n: int) -> Cells:
    """Cells of the n largest finite scores of each row, (n_rows, n_columns) -> cells; ties by column."""
    if n >= scores.shape[1]:
        return np.nonzero(scores > -np.inf)
    place = scores.shape[1] - n
    threshold = np.partition(scores, place, axis=1)[:, place, None]
    chosen = (scores >= threshold) & (scores > -np.inf)
    crowded = np.flatnonzero(chosen.sum(axis=1) > n)
    if len(crowded):  # more ties at the threshold than places: the first columns get them
        above = scores[crowded] > threshold[crowded]
        tied = chosen[crowded] & ~above
        places = n - above.sum(axis=1, keepdims=True)
        chosen[crowded] = above | (tied & (np.cumsum(tied, axis=1) <= places))
    return np.nonzero(chosen)
