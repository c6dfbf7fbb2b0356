"""Exact top-n by inner product, in blocks of bounded memory, on all cores; no TensorFlow.

All scores are computed in float32, where a matrix product is fastest. Candidates within the float32 error
bound of the n-th score are rescored in float64, and the float64 scores decide. So a list depends on its query
alone, not on the block it is in, nor on the number of threads.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.blas import idamax, isamax
from sklearn.preprocessing import normalize

from sklearn_mf.ratings._ratings import sorted_by
from sklearn_mf.utils._batches import batches
from sklearn_mf.utils._threads import SINGLE_THREADED_BLAS, n_threads

# Bytes of float32 scores that a thread holds, whatever the number of candidates, and the most queries in a
# block: a matrix product of fewer is slower, the scores of more leave the cache.
_BLOCK_BYTES = 32 * 2**20
_BLOCK_ROWS = 256
# Scores from which on one block is worth splitting among the threads.
_SPLIT_FROM = 2**19
# Entries of a matrix up to which OpenBLAS multiplies it by a vector in the calling thread.
_VECTOR_PRODUCT = 9216
# Cells compared and candidates rescored at a time: bounds the memory where scores tie by the thousand.
_CELLS = 2**19
_CHUNK = 2**14
# Entries that BLAS counts in 32 bits.
_BLAS_LENGTH = 2**30

Cells = tuple[NDArray[np.intp], NDArray[np.intp]]  # rows and columns
Excluded = Callable[[slice], Cells] | None  # cells of a block of queries that must not be found


class Ranking(NamedTuple):
    """Best columns of each row, best first.

    Parameters
    ----------
    rows, columns : ndarray of shape (n_found,), intp
        Query and candidate of each result; rows rise.
    ranks : ndarray of shape (n_found,), intp
        1 for the best.
    scores : ndarray of shape (n_found,), float64
        Inner products, plus the offset of the candidate.
    """

    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    ranks: NDArray[np.intp]
    scores: NDArray[np.float64]


class _Search(NamedTuple):
    """Arguments that all blocks share; see :func:`top_n`."""

    queries: NDArray[np.float64]
    candidates: NDArray[np.floating]
    offsets: NDArray[np.floating] | None
    n: int
    excluded: Excluded
    candidates32: NDArray[np.float32]  # candidates, and perhaps their offsets as a further column
    max_norm: float  # bound on the norm of a candidate
    max_offset: float  # bound on an offset


def empty_ranking() -> Ranking:
    """A ranking without lists."""
    nothing = np.empty(0, dtype=np.intp)
    return Ranking(nothing, nothing, nothing, np.empty(0))


def top_n(
    queries: NDArray[np.float64],
    candidates: NDArray[np.floating],
    n: int,
    excluded: Excluded = None,
    offsets: NDArray[np.floating] | None = None,
    max_norm: float | None = None,
    cells: Cells | None = None,
) -> Ranking:
    """Find the n candidates of largest inner product for each query; ties go by candidate order.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, width), float64
        One row for each result list.
    candidates : ndarray of shape (n_candidates, width), float32 or float64
        Rows to choose from, with scores that float32 can hold.
    n : int
        Length of a list; shorter where fewer candidates are left.
    excluded : callable, default=None
        Given a slice of queries, the cells (row within the slice, column) that must not be found.
    offsets : ndarray of shape (n_candidates,), float32 or float64, default=None
        Added to the scores of each candidate.
    max_norm : float, default=None
        :func:`norm_bound` of the candidates where it is known: for one query, finding it takes longer than
        the search.
    cells : tuple of two ndarray of shape (n_cells,), default=None
        Queries and candidates, in order of query and candidate: the only cells to choose from, each once.
        Where they are given, `excluded` is not read.

    Returns
    -------
    ranking : Ranking
        All lists, one after another.
    """
    if cells is not None:
        return best_cells(cells, _cell_scores(queries, candidates, offsets, *cells), n)
    if not len(queries) or not len(candidates):
        return empty_ranking()
    n = int(n)
    depth, n_groups = _shape(len(candidates), n)
    blocks = _blocks(len(queries), len(candidates), _BLOCK_BYTES // (4 * depth * n_groups))
    candidates32 = candidates
    if offsets is not None and len(blocks) > 1:  # worth a copy, it saves a pass over all scores
        candidates32 = np.column_stack([candidates, offsets])
    candidates32 = candidates32.astype(np.float32, copy=False)
    max_norm = norm_bound(candidates) if max_norm is None else max_norm
    max_offset = 0.0 if offsets is None else _largest_entry(offsets)
    search = _Search(queries, candidates, offsets, n, excluded, candidates32, max_norm, max_offset)
    shape = blocks[0].stop, depth, n_groups
    return _joined(_in_threads(lambda block, scores: _top_n_of_block(search, block, scores), blocks, shape))


def best_n(scores: NDArray[np.float64], n: int, excluded: Cells | None) -> Ranking:
    """Find the n largest of each row, ties by column; `scores`, (n_rows, n_columns), is overwritten."""
    if excluded is not None:
        scores[excluded] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")[:, :n]
    rows, places = np.nonzero(np.take_along_axis(scores, order, axis=1) > -np.inf)
    columns = order[rows, places]
    return Ranking(rows, columns, places + 1, scores[rows, columns])


def best_cells(cells: Cells, scores: NDArray[np.float64], n: int) -> Ranking:
    """Find the n largest scores (n_cells,) of each row, ties by column, of cells sorted by row and column."""
    rows, columns = cells
    order = np.argsort(-scores, kind="stable")
    n_rows = int(rows[-1]) + 1 if len(rows) else 0
    order = order[sorted_by(rows[order].astype(np.int32), n_rows)[0]]  # faster than a sort by two keys
    ranks = np.arange(1, len(rows) + 1) - np.searchsorted(rows, rows)
    best = order[ranks <= n]
    return Ranking(rows[best], columns[best], ranks[ranks <= n], scores[best])


def unit_rows(vectors: NDArray[np.floating]) -> NDArray[np.float64]:
    """Scale rows to norm 1 in float64, (n, width) -> (n, width); a row of zeros stays zero."""
    unit: NDArray[np.float64] = vectors.astype(np.float64)
    return normalize(unit, copy=False) if unit.size else unit


def norm_bound(vectors: NDArray[np.floating]) -> float:
    """Bound on the norm of any row, (n, width) -> scalar: the largest entry times the root of the width."""
    return float(np.sqrt(vectors.shape[1])) * _largest_entry(vectors)


def _shape(n_candidates: int, n: int) -> tuple[int, int]:
    """Depth and number of the groups of candidates: many more than n, so that few of the best share one."""
    n_groups = min(max(int(np.sqrt(8 * n_candidates)), 8 * n), n_candidates)
    return -(-n_candidates // n_groups), n_groups


def _blocks(n_queries: int, n_candidates: int, most: int) -> list[slice]:
    """Rows to score at a time, in equal parts so that all threads end at about the same time."""
    n_blocks = -(-n_queries // min(max(most, 1), _BLOCK_ROWS))
    if n_blocks == 1 and n_queries * n_candidates >= _SPLIT_FROM:
        n_blocks = n_threads(n_queries)
    return batches(n_queries, -(-n_queries // n_blocks))


def _largest_entry(values: NDArray[np.floating]) -> float:
    """Largest absolute value, of an array of any shape; in one pass, unlike max and min."""
    flat = values.ravel()
    find = isamax if flat.dtype == np.float32 else idamax
    parts = (flat[part] for part in batches(len(flat), _BLAS_LENGTH))
    return max((abs(float(part[find(part)])) for part in parts), default=0.0)


def _in_threads(
    work: Callable[[slice, NDArray[np.float32]], Ranking], blocks: list[slice], shape: tuple[int, int, int]
) -> list[Ranking]:
    """Results of all blocks in order; `work` gets a block and a buffer of the shape, -inf at first."""
    threads = n_threads(len(blocks))
    buffers = [np.full(shape, -np.inf, dtype=np.float32) for _ in range(threads)]

    def work_in_a_buffer(block: slice) -> Ranking:
        """Take a buffer that no other thread has, and give it back."""
        scores = buffers.pop()
        ranking = work(block, scores[: block.stop - block.start])
        buffers.append(scores)
        return ranking

    if shape[0] == 1:  # products with a vector, which use the calling thread alone
        return [work_in_a_buffer(block) for block in blocks]
    with SINGLE_THREADED_BLAS:
        if threads == 1:
            return [work_in_a_buffer(block) for block in blocks]
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(work_in_a_buffer, blocks))


def _top_n_of_block(search: _Search, block: slice, scores: NDArray[np.float32]) -> Ranking:
    """Lists of the queries of a block; scores: buffer of shape (n_block, depth, n_groups)."""
    queries = search.queries[block]
    _float32_scores(search, queries, scores)
    if search.excluded is not None:
        rows, columns = search.excluded(block)
        scores.reshape(-1)[rows * scores[0].size + columns] = -np.inf
    maxima = scores.max(axis=1)
    margin = _margin(search, queries)
    threshold = _thresholds(maxima, search.n, margin)
    parts = _parts(np.count_nonzero(maxima >= threshold[:, None]) * scores.shape[1], len(queries))
    found = []
    for part in parts:
        rows, columns = _contenders(scores[part], maxima[part], threshold[part])
        if len(parts) > 1:
            last = np.where(margin[part] > 0, -np.inf, threshold[part])
            rows, columns = _without_late_ties(scores[part], rows, columns, last, search.n)
        exact = _cell_scores(queries[part], search.candidates, search.offsets, rows, columns)
        lists = _ranked(rows, columns, exact, len(queries[part]), search.n)
        found.append(lists._replace(rows=lists.rows + (block.start + part.start)))
    return _joined(found)


def _parts(n_cells: int, n_rows: int) -> list[slice]:
    """Rows to look for contenders in at a time: all of them unless scores tie by the thousand."""
    return batches(n_rows, -(-n_rows // (1 + n_cells // _CELLS)))


def _joined(rankings: list[Ranking]) -> Ranking:
    return Ranking(*(np.concatenate(parts) for parts in zip(*rankings, strict=True)))


def _float32_scores(search: _Search, queries: NDArray[np.float64], scores: NDArray[np.float32]) -> None:
    """Write float32 scores, (n_block, k) -> (n_block, depth, n_groups)."""
    out = scores.reshape(len(queries), -1)[:, : len(search.candidates)]
    queries32 = queries.astype(np.float32)
    if search.candidates32.shape[1] > queries.shape[1]:
        queries32 = np.column_stack([queries32, np.ones(len(queries), dtype=np.float32)])
        np.matmul(queries32, search.candidates32.T, out=out)
        return
    if len(queries) == 1:
        _vector_products(queries32, search.candidates32, out)
    else:
        np.matmul(queries32, search.candidates32.T, out=out)
    if search.offsets is not None:
        out += search.offsets.astype(np.float32, copy=False)


def _vector_products(
    query: NDArray[np.float32], candidates: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """Write the scores of one query, (1, k), (n, k) -> (1, n), by products too small for threads of BLAS.

    Threads of BLAS wait by spinning: with several users at a time, each from a thread of the caller, they
    took eight times the time of one after another.
    """
    n, width = candidates.shape
    size = max(1, (_VECTOR_PRODUCT - 1) // max(width, 1))
    n_tiled = n - n % size
    tiles = candidates[:n_tiled].reshape(n_tiled // size, size, width).transpose(0, 2, 1)
    np.matmul(query, tiles, out=out[:, :n_tiled].reshape(n_tiled // size, 1, size))
    np.matmul(query, candidates[n_tiled:].T, out=out[:, n_tiled:])


def _margin(search: _Search, queries: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bound on how much two float32 scores of a query can be off together, (n_block, k) -> (n_block,).

    A sum of k products is off by at most (k + 3) * 2**-24 * |query| * |candidate|, in whatever order it is
    added up, where 3 stands for rounding the factors and adding an offset. eps is 2 * 2**-24: that makes it
    two scores. The rest of the 8 is for what is rounded on the way from here, tiny for numbers too small for
    float32. Nothing is rounded where all factors are zero, as an L1 penalty leaves them, but the offsets.
    """
    numbers = np.finfo(np.float32)
    size = np.sqrt(np.einsum("nk,nk->n", queries, queries)) * search.max_norm + search.max_offset
    margin = (queries.shape[1] + 8) * (float(numbers.eps) * size + float(numbers.tiny))
    if search.offsets is None or search.offsets.dtype == np.float32:
        margin[~(queries.any(axis=1) & (search.max_norm > 0))] = 0
    return margin


def _thresholds(maxima: NDArray[np.float32], n: int, margin: NDArray[np.float64]) -> NDArray[np.float32]:
    """Least float32 score of the n best, (n_block, n_groups), (n_block,) -> (n_block,).

    At least n cells reach the n-th largest of the maxima of the groups: a score below it by more than the
    margin is not among the n best.
    """
    place = max(maxima.shape[1] - n, 0)
    threshold = np.partition(maxima, place, axis=1)[:, place] - margin
    # Never -inf: that is what excluded cells and the filling behind the last candidate have.
    return np.maximum(threshold, np.finfo(np.float32).min).astype(np.float32)


def _contenders(
    scores: NDArray[np.float32], maxima: NDArray[np.float32], threshold: NDArray[np.float32]
) -> Cells:
    """Cells that reach the threshold of their row, in order, (n_rows, depth, n_groups), (n_rows, n_groups).

    Column c is in group c % n_groups; only groups whose maximum reaches the threshold are searched.
    """
    _, depth, n_groups = scores.shape
    rows, groups = np.divmod(np.flatnonzero(maxima >= threshold[:, None]), n_groups)
    reached = np.flatnonzero(scores[rows, :, groups] >= threshold[rows, None])
    group, level = np.divmod(reached, depth)
    cells = (rows[group] * depth + level) * n_groups + groups[group]
    cells.sort()
    return np.divmod(cells, depth * n_groups)


def _without_late_ties(
    scores: NDArray[np.float32],
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
    last: NDArray[np.float32],
    n: int,
) -> Cells:
    """Cells, (n_cells,), less those after n others of their row that tie at its exact score, (n_rows,)."""
    tied = scores.reshape(len(scores), -1)[rows, columns] == last[rows]
    place = np.cumsum(tied)
    before = np.append(0, place)[np.searchsorted(rows, np.arange(len(scores)))]
    kept = ~tied | (place - before[rows] <= n)
    return rows[kept], columns[kept]


def _cell_scores(
    queries: NDArray[np.float64],
    candidates: NDArray[np.floating],
    offsets: NDArray[np.floating] | None,
    rows: NDArray[np.intp],
    columns: NDArray[np.intp],
) -> NDArray[np.float64]:
    """Scores of cells in float64, (n, k), (n_candidates, k), (n_candidates,), (n_cells,) -> (n_cells,)."""
    scores = np.empty(len(rows))
    for part in batches(len(rows), _CHUNK):
        found = candidates[columns[part]].astype(np.float64, copy=False)
        # Not a matrix product, whose rounding depends on the place of a row.
        scores[part] = np.einsum("nk,nk->n", queries[rows[part]], found)
    return scores if offsets is None else scores + offsets[columns]


def _ranked(
    rows: NDArray[np.intp], columns: NDArray[np.intp], scores: NDArray[np.float64], n_rows: int, n: int
) -> Ranking:
    """The n best of each row, best first, of cells in order of row and column, each (n_cells,)."""
    counts = np.bincount(rows, minlength=n_rows)
    starts = np.cumsum(counts) - counts
    table = np.full((n_rows, counts.max()), np.inf)  # one line for each row, filled up with the worst
    table[rows, np.arange(len(rows)) - starts[rows]] = -scores
    order = np.argsort(table, axis=1, kind="stable")[:, :n]  # stable: ties go by column
    in_row = order < counts[:, None]
    best = (starts[:, None] + order)[in_row]
    return Ranking(rows[best], columns[best], np.nonzero(in_row)[1] + 1, scores[best])
