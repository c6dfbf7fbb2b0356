"""Conjugate gradient for rows with few ratings, compiled: their ratings in segments that fit the cache.

The ratings of a row are cut into segments of equal length, and segments of whole rows make up a block. So all
blocks have one shape and need one compilation; the design of a block stays in the cache during the steps. The
numbers of a row do not depend on the other rows of its block.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from sklearn_mf.solvers._graph import Graph
from sklearn_mf.solvers._tensors import Tensor
from sklearn_mf.solvers.als._grouping import RatingsByField
from sklearn_mf.solvers.als._least_squares import RowProblems, SegmentedRows, conjugate_gradient

# Ratings in a segment; segments and most rows in a block; blocks in one call.
_LENGTH, _SEGMENTS, _ROWS, _BLOCKS = 32, 64, 32, 128
#: Most ratings of a row.
MOST_RATINGS = _LENGTH * _SEGMENTS
# Floats in a cache line: rows of the design begin at one.
_LINE = 16
# Rows in one call, and those after the last.
_ROWS_OF_CALL = _BLOCKS * _ROWS + _ROWS


class RowTerms(NamedTuple):
    """Terms of the problems of some rows beside their ratings.

    Parameters
    ----------
    start : tensor of shape (n_rows, width), float32
        Embedding and bias before.
    ridge, damping : tensors of shape (n_rows,), float32
        Ridge penalty, and penalty on the distance from the start.
    prior_shift : tensor of shape (n_rows, width), float32, or empty tuple
        As in `RowProblems`.
    """

    start: Tensor
    ridge: Tensor
    damping: Tensor
    prior_shift: Tensor

    def padded_columns(self) -> "RowTerms":
        """The same with a width of whole cache lines."""
        return tf.nest.map_structure(lambda values: _padded_columns(values, 0.0), self)

    def of_call(self, first: Tensor) -> "RowTerms":
        """The rows of one call from the first on, and others or rows of 0 after them."""
        return tf.nest.map_structure(lambda values: _slice(values, first, _ROWS_OF_CALL), self)

    def of_block(self, first: Tensor) -> "RowTerms":
        """The rows of a block, and others after them."""
        return tf.nest.map_structure(lambda values: tf.gather(values, first + tf.range(_ROWS)), self)


class FieldTerms(NamedTuple):
    """Terms that all rows of a field share.

    Parameters
    ----------
    design : tensor of shape (n_others, width), float32
        Rows of the other field.
    biases : tensor of shape (n_others,), float32
        Their biases.
    scales : tensor of shape (width,), float32
        About the mean square of each column of the design.
    uncertainty : tensor of shape (width,), float32
        Further ridge penalty of each coordinate.
    """

    design: Tensor
    biases: Tensor
    scales: Tensor
    uncertainty: Tensor

    def padded_columns(self) -> "FieldTerms":
        """The same with a width of whole cache lines; the solution is 0 there."""
        scales = _padded_columns(self.scales[None], 1.0)[0]
        uncertainty = _padded_columns(self.uncertainty[None], 0.0)[0]
        return FieldTerms(_padded_columns(self.design, 0.0), self.biases, scales, uncertainty)


class Cells(NamedTuple):
    """Ratings of a field: `other_ids` (n_ratings,) int32, `targets` and `weights` (n_ratings,) float32."""

    other_ids: Tensor
    targets: Tensor
    weights: Tensor

    def take(self, segments: Tensor) -> "Cells":
        """The ratings of segments (n_segments, 3), -> (n_segments, length); weights of 0 in padding."""
        places = segments[:, 1:2] + tf.range(_LENGTH)
        inside = places < segments[:, 2:]
        ids, targets, weights = (tf.gather(values, tf.where(inside, places, 0)) for values in self)
        return Cells(ids, targets, tf.where(inside, weights, 0.0))


def segment_bounds(counts: NDArray[np.integer]) -> NDArray[np.int32]:
    """First row of each block and the end of the last, from the rising numbers of ratings of the rows.

    Rows with more than `MOST_RATINGS` are in no block.
    """
    n_rows = int(np.searchsorted(counts, MOST_RATINGS, "right"))
    ends = np.cumsum(_n_segments(counts[:n_rows]), dtype=np.int64)
    bounds = [0]
    while bounds[-1] < n_rows:
        first = bounds[-1]
        before = ends[first - 1] if first else 0
        bounds.append(min(int(np.searchsorted(ends, before + _SEGMENTS, "right")), first + _ROWS))
    return np.array(bounds, dtype=np.int32)


def cut_into_segments(
    starts: NDArray[np.integer], ends: NDArray[np.integer], bounds: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Row within the block, first rating and end of the ratings of each segment, (n_blocks, n_segments, 3).

    `starts` and `ends` are those of the ratings of each row, (n_rows,); segments beyond the last of a block
    have no ratings.
    """
    n_rows, n_blocks = bounds[-1], len(bounds) - 1
    counts = _n_segments((ends - starts)[:n_rows])
    row, firsts = np.repeat(np.arange(n_rows), counts), np.cumsum(counts) - counts
    block = np.repeat(np.arange(n_blocks), np.diff(bounds))
    number = np.arange(len(row)) - firsts[row]
    first = starts[row] + _LENGTH * number
    segments = np.zeros((n_blocks, _SEGMENTS, 3), dtype=np.int32)
    place = number + (firsts - firsts[bounds[block]])[row]
    segments[block[row], place] = np.column_stack([row - bounds[block[row]], first, ends[row]])
    return segments


def _n_segments(counts: NDArray[np.integer]) -> NDArray[np.integer]:
    """Number of segments of rows with so many ratings."""
    return -(-counts // _LENGTH)


def solve_segments(terms: FieldTerms, ratings: RatingsByField, rows: RowTerms) -> tuple[Tensor, Tensor]:
    """Solve for the rows in blocks of segments, (n_rows, width); also their weighted squared errors."""
    width = tf.shape(rows.start)[1]
    terms, rows = terms.padded_columns(), rows.padded_columns()
    cells, bounds = (
        Cells(ratings.other_ids[:, 0], ratings.targets, ratings.weights),
        ratings.blocks.segment_bounds,
    )
    n_blocks = tf.shape(bounds)[0] - 1
    n_calls = tf.maximum((n_blocks + _BLOCKS - 1) // _BLOCKS, 1)  # TensorFlow joins no empty list

    def solve_blocks(number: Tensor, solved: Tensor, squares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Append the rows of some blocks."""
        block = number * _BLOCKS
        n_own = tf.minimum(n_blocks - block, _BLOCKS)
        firsts, ends = (_slice(bounds[place:], block, _BLOCKS) for place in (0, 1))
        segments, own = _slice(ratings.blocks.segments, block, _BLOCKS), rows.of_call(firsts[0])
        found, losses = _compiled(terms, cells, segments, firsts - firsts[0], own, n_own)
        is_row = firsts[:, None] + tf.range(_ROWS) < ends[:, None]
        found, losses = tf.boolean_mask(found, is_row)[:, :width], tf.boolean_mask(losses, is_row)
        return number + 1, solved.write(number, found), squares.write(number, losses)

    solved = tf.TensorArray(tf.float32, n_calls, infer_shape=False, element_shape=[None, None])
    squares = tf.TensorArray(tf.float32, n_calls, infer_shape=False, element_shape=[None])
    state = 0, solved, squares
    _, solved, squares = tf.while_loop(lambda number, *_: number < n_calls, solve_blocks, state)
    return solved.concat(), squares.concat()


def _solve_blocks(
    terms: FieldTerms, cells: Cells, segments: Tensor, firsts: Tensor, rows: RowTerms, n_blocks: Tensor
) -> tuple[Tensor, Tensor]:
    """Solve for the rows of the first `n_blocks` blocks, one after another.

    Rows (n_blocks, most rows, width) and weighted squared errors (n_blocks, most rows). `firsts`,
    (n_blocks,), are the first rows of the blocks; the rows after the last of a block are of no use.
    """

    def solve(number: Tensor, solved: Tensor, squares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Replace the rows of one block."""
        first, own = firsts[number], cells.take(segments[number])
        start, ridge, damping, shift = rows.of_block(first)
        products = SegmentedRows(tf.gather(terms.design, own.other_ids), segments[number, :, 0], _ROWS)
        y, w = own.targets - tf.gather(terms.biases, own.other_ids), own.weights
        prior = {} if isinstance(shift, tuple) else {"prior_shift": shift}
        problems = RowProblems(
            products.X, y, w, start, ridge=ridge, damping=damping, uncertainty=terms.uncertainty, **prior
        )
        found, residuals = conjugate_gradient(problems, terms.scales, products)
        losses = products.totals(w * tf.square(residuals))
        place = [[number]]
        solved = tf.tensor_scatter_nd_update(solved, place, found[None])
        return number + 1, solved, tf.tensor_scatter_nd_update(squares, place, losses[None])

    width = tf.shape(rows.start)[1]
    state = 0, tf.zeros([_BLOCKS, _ROWS, width]), tf.zeros([_BLOCKS, _ROWS])
    return tf.while_loop(lambda number, *_: number < n_blocks, solve, state)[1:]


_compiled = Graph(_solve_blocks, jit_compile=True)


def _slice(values: Tensor, first: Tensor, size: int) -> Tensor:
    """So many rows from one on, with zeros after the last, (n, ...) -> (size, ...)."""
    part = values[first : first + size]
    missing = [[0, size - tf.shape(part)[0]], *[[0, 0]] * (part.shape.rank - 1)]
    return tf.ensure_shape(tf.pad(part, missing), [size, *part.shape[1:]])


def _padded_columns(values: Tensor, padding: float) -> Tensor:
    """Columns up to whole cache lines, (n, width) -> (n, more); (n,) stays."""
    if values.shape.rank == 1:
        return values
    return tf.pad(values, [[0, 0], [0, -tf.shape(values)[1] % _LINE]], constant_values=padding)
