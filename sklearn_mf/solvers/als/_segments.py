"""Conjugate gradient for rows with few ratings, compiled: their ratings in segments that fit the cache.

The ratings of a row are cut into segments of equal length, and segments of whole rows make up a block. So all
blocks have one shape and need one compilation; the design of a block stays in the cache during the steps. The
numbers of a row do not depend on the other rows of its block.
"""

import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from sklearn_mf.solvers._graph import Graph
from sklearn_mf.solvers._objective import squared_loss
from sklearn_mf.solvers._tensors import Tensor
from sklearn_mf.solvers.als._grouping import RatingsByField
from sklearn_mf.solvers.als._least_squares import RowProblems, SegmentedRows, conjugate_gradient

# Ratings in a segment, segments in a block (at most so many rows), and blocks in one call.
_LENGTH, _SEGMENTS, _BLOCKS = 32, 128, 64
#: Most ratings of a row.
MOST_RATINGS = _LENGTH * _SEGMENTS
# Floats in a cache line: rows of the design begin at one.
_LINE = 16


class RowTerms(NamedTuple):
    """Terms of the problems of some rows beside their ratings.

    Parameters
    ----------
    start : tensor of shape (n_rows, width), float32
        Embedding and bias before.
    ridge, damping : tensors of shape (n_rows,), float32
        Ridge penalty, and penalty on the distance from the start.
    prior_shift : tensor of shape (n_rows, width), float32
        As in `RowProblems`.
    """

    start: Tensor
    ridge: Tensor
    damping: Tensor
    prior_shift: Tensor

    def take(self, rows: Tensor) -> "RowTerms":
        """Terms of some rows, in any shape."""
        return RowTerms(*(tf.gather(values, rows) for values in self))


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


class Segments(NamedTuple):
    """The ratings of some blocks.

    Parameters
    ----------
    other_ids : tensor of shape (n_blocks, n_segments, length), int32
        Row of the other field.
    targets, weights : tensors of shape (n_blocks, n_segments, length), float32
        Ratings; their weights, 0 in padding.
    owners : tensor of shape (n_blocks, n_segments), int32
        Row of each segment within the block.
    """

    other_ids: Tensor
    targets: Tensor
    weights: Tensor
    owners: Tensor


def segment_bounds(counts: NDArray[np.integer]) -> NDArray[np.int32]:
    """First row of each block and the end of the last, from the rising numbers of ratings of the rows.

    Rows with more than `MOST_RATINGS` are in no block.
    """
    n_rows = int(np.searchsorted(counts, MOST_RATINGS, "right"))
    ends = np.cumsum(-(-counts[:n_rows] // _LENGTH), dtype=np.int64)
    bounds = [0]
    while bounds[-1] < n_rows:
        before = ends[bounds[-1] - 1] if bounds[-1] else 0
        bounds.append(int(np.searchsorted(ends, before + _SEGMENTS, "right")))
    return np.array(bounds, dtype=np.int32)


def solve_segments(terms: FieldTerms, ratings: RatingsByField, rows: RowTerms) -> tuple[Tensor, Tensor]:
    """Solve for the rows of all blocks of segments; (n_rows, width), and weighted squared errors (n_rows,)."""
    width = tf.shape(rows.start)[1]
    terms, rows = _padded(terms, rows)
    n_blocks = tf.shape(ratings.segment_bounds)[0] - 1
    n_calls = tf.maximum((n_blocks + _BLOCKS - 1) // _BLOCKS, 1)  # TensorFlow joins no empty list

    def solve_blocks(number: Tensor, solved: Tensor, squares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Append the rows of some blocks."""
        slots, is_row = _slots(ratings, number)
        segments, n_own = _segments(ratings, slots, is_row), tf.minimum(n_blocks - number * _BLOCKS, _BLOCKS)
        found, losses = _compiled(terms, segments, rows.take(slots), n_own)
        solved = solved.write(number, tf.boolean_mask(found, is_row)[:, :width])
        return number + 1, solved, squares.write(number, tf.boolean_mask(losses, is_row))

    solved = tf.TensorArray(tf.float32, n_calls, infer_shape=False, element_shape=[None, None])
    squares = tf.TensorArray(tf.float32, n_calls, infer_shape=False, element_shape=[None])
    state = 0, solved, squares
    _, solved, squares = tf.while_loop(lambda number, *_: number < n_calls, solve_blocks, state)
    return solved.concat(), squares.concat()


def _padded(terms: FieldTerms, rows: RowTerms) -> tuple[FieldTerms, RowTerms]:
    """Columns up to a whole cache line, with a solution of 0, and rows of the other field up to a round number.

    Numbers of rows that are about equal then share a compilation.
    """
    n_others, width = tf.unstack(tf.shape(terms.design))
    missing, more = -width % _LINE, _rounded_up(n_others) - n_others
    columns = [[0, 0], [0, missing]]
    return FieldTerms(
        tf.pad(terms.design, [[0, more], [0, missing]]),
        tf.pad(terms.biases, [[0, more]]),
        tf.pad(terms.scales, [[0, missing]], constant_values=1.0),
        tf.pad(terms.uncertainty, [[0, missing]]),
    ), rows._replace(start=tf.pad(rows.start, columns), prior_shift=tf.pad(rows.prior_shift, columns))


def _rounded_up(size: Tensor) -> Tensor:
    """Next quarter of an octave."""
    octave = tf.cast(2.0 ** tf.math.floor(tf.math.log(tf.cast(size, tf.float64)) / np.log(2.0)), tf.int32)
    quarter = tf.maximum(octave // 4, 1)
    return -(-size // quarter) * quarter


def _slots(ratings: RatingsByField, number: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of the blocks of one call, and whether there is one, (n_blocks, most rows)."""
    bounds = ratings.segment_bounds
    blocks = tf.minimum(number * _BLOCKS + tf.range(_BLOCKS + 1), tf.shape(bounds)[0] - 1)
    ends = tf.gather(bounds, blocks)
    slots = ends[:-1, None] + tf.range(_SEGMENTS)
    is_row = slots < ends[1:, None]
    return tf.where(is_row, slots, 0), is_row


def _segments(ratings: RatingsByField, slots: Tensor, is_row: Tensor) -> Segments:
    """Cut the ratings of rows (n_blocks, most rows) into segments."""
    starts, ends = tf.gather(ratings.starts, slots), tf.gather(ratings.ends, slots)
    n_segments = tf.where(is_row, (ends - starts + _LENGTH - 1) // _LENGTH, 0)
    last = tf.cumsum(n_segments, 1)
    numbers = tf.broadcast_to(tf.range(_SEGMENTS), tf.shape(last))
    owners = tf.minimum(tf.searchsorted(last, numbers, "right"), _SEGMENTS - 1)
    first = tf.gather(starts - _LENGTH * (last - n_segments), owners, batch_dims=1) + _LENGTH * numbers
    end = tf.where(numbers < last[:, -1:], tf.gather(ends, owners, batch_dims=1), 0)
    places = first[..., None] + tf.range(_LENGTH)
    inside = places < end[..., None]
    places = tf.where(inside, places, 0)
    weights = tf.where(inside, tf.gather(ratings.weights, places), 0.0)
    return Segments(
        tf.gather(ratings.other_ids[:, 0], places), tf.gather(ratings.targets, places), weights, owners
    )


def _solve_blocks(
    terms: FieldTerms, segments: Segments, rows: RowTerms, n_blocks: Tensor
) -> tuple[Tensor, Tensor]:
    """Solve for the rows of `n_blocks` blocks, one after another; the others stay, with errors of 0.

    Rows are (n_blocks, most rows, width) and errors (n_blocks, most rows).
    """

    def solve(number: Tensor, solved: Tensor, squares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Replace the rows of one block."""
        ids, y, w, owners = (each[number] for each in segments)
        own = RowTerms(*(each[number] for each in rows))
        X = tf.gather(terms.design, ids)
        products = SegmentedRows(X, owners, _SEGMENTS)
        problems = RowProblems(X, y - tf.gather(terms.biases, ids), w, **own._asdict())
        problems = problems._replace(uncertainty=terms.uncertainty)
        found, residuals = conjugate_gradient(problems, terms.scales, products)
        losses = products.totals(w * tf.square(residuals))
        place = [[number]]
        solved = tf.tensor_scatter_nd_update(solved, place, found[None])
        return number + 1, solved, tf.tensor_scatter_nd_update(squares, place, losses[None])

    state = 0, rows.start, tf.zeros_like(rows.ridge)
    return tf.while_loop(lambda number, *_: number < n_blocks, solve, state)[1:]


_compiled = Graph(_solve_blocks, jit_compile=True)
