"""The rows of one field, solved while the others stand still: a TensorFlow graph that serves every size."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from sklearn_mf.solvers._objective import elastic_net, prediction_errors, squared_loss
from sklearn_mf.solvers._tensors import Tensor
from sklearn_mf.solvers.als._grouping import HeldOutRatings, RatingsByField
from sklearn_mf.solvers.als._least_squares import (
    RowProblems,
    cholesky,
    conjugate_gradient,
    coordinate_descent,
)

# Held-out ratings scored at a time.
_SCORED = 2**15


class ALSScalars(NamedTuple):
    """Scalars of a sweep.

    Parameters
    ----------
    l1, l2 : scalar tensors, float32
        Penalties of one rating.
    has_bias : scalar tensor, float32
        1 where ids have biases.
    """

    l1: Tensor
    l2: Tensor
    has_bias: Tensor


class LinkedRows(NamedTuple):
    """The ids of the other fields, one field below the other, as the design of a field needs them.

    Parameters
    ----------
    table : tensor of shape (n_others, width), float32
        Embeddings; the last column sums to 1 over the fields, or to 0 where ids have no bias.
    biases : tensor of shape (n_others,), float32
        Biases.
    scales : tensor of shape (width,), float32
        About the mean square of each column of the design.
    factors : tensor of shape (n_others,), float32, or None
        What the weight of a rating is multiplied by for each of its ids.
    """

    table: Tensor
    biases: Tensor
    scales: Tensor
    factors: Tensor | None


def _solve_field(
    table: Tensor,
    others: Tensor,
    field: RatingsByField,
    damping: Tensor,
    floor: Tensor,
    numbers: ALSScalars,
    method: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """Solve the rows of one field while the others stand still.

    Parameters
    ----------
    table : tensor of shape (n_ids, width), float32
        Embeddings and, in the last column, biases of the field.
    others : tensor of shape (n_others, width), float32
        Those of the other fields, one below the other.
    field : Grouped of tensors
        The ratings, by the ids of the field.
    damping : tensor of shape (n_ids,), float32
        How much each row is held to where it is.
    floor : tensor of shape (width,), float32
        Least value of each coordinate.
    numbers : Numbers
        Penalties.
    method : {"gradient", "cholesky", "descent"}
        How to solve.

    Returns
    -------
    table : tensor of shape (n_ids, width), float32
        Solved.
    squares : scalar tensor, float64
        Weighted squared errors that it leaves.
    paid : scalar tensor, float64
        Penalty of the field.
    """
    partners = linked_rows_of(others, field.partners.shape[1], numbers.has_bias)

    def solve(_: Tensor, rows: slice, X: Tensor, y: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of a block."""
        weight = field.row_weights[rows]
        block = RowProblems(X, y, w, table[rows], numbers.l1 * weight, numbers.l2 * weight, damping[rows])
        return _solve(block, floor, partners.scales, method)

    table, squares = over_blocks(table, partners, field, numbers.has_bias, solve)
    return (
        table,
        tf.reduce_sum(tf.cast(squares, tf.float64)),
        elastic_net(table, field.row_weights, numbers.l1, numbers.l2),
    )


def linked_rows_of(
    others: Tensor, n_others: int, has_bias: Tensor, factors: Tensor | None = None
) -> LinkedRows:
    """Prepare the tables of the other fields.

    Parameters
    ----------
    others : tensor of shape (n_ids, width), float32
        Embeddings and, in the last column, biases.
    n_others : int
        Number of the other fields.
    has_bias : scalar tensor, float32
        1 where ids have biases.
    factors : tensor of shape (n_ids,), float32, default=None
        What the weight of a rating is multiplied by for each of its ids.

    Returns
    -------
    partners : Partners
        With a share of 1 in place of each bias.
    """
    share = tf.ones_like(others[:, -1:]) * (has_bias / max(n_others, 1))
    design = tf.concat([others[:, :-1], share], 1)
    squares = tf.math.divide_no_nan(
        n_others * tf.reduce_sum(design * design, 0), tf.cast(tf.shape(others)[0], tf.float32)
    )
    scales = tf.concat([squares[:-1], has_bias[None]], 0)
    return LinkedRows(design, has_bias * others[:, -1], scales, factors)


def over_blocks(
    table: Tensor,
    partners: LinkedRows,
    field: RatingsByField,
    has_bias: Tensor,
    solve: Callable[..., tuple[Tensor, Tensor]],
) -> tuple[Tensor, Tensor]:
    """Replace the rows of a field, block by block.

    Parameters
    ----------
    table : tensor of shape (n_ids, width), float32
        Present rows.
    partners : Partners
        The other fields.
    field : Grouped of tensors
        The ratings, by the ids of the field.
    has_bias : scalar tensor, float32
        1 where ids have biases.
    solve : callable
        Given the number of the block, its slice of rows, and X (n_rows, length, width), y and w
        (n_rows, length) of their ratings, returns the rows and the errors that they leave.

    Returns
    -------
    table : tensor of shape (n_ids, width), float32
        Rows without ratings as they were.
    squares : tensor of shape (n_rated,), float32
        Weighted squared errors that each row with ratings leaves.
    """
    bounds = field.bounds
    n_blocks = tf.shape(bounds)[0] - 1

    def _solve_block(number: Tensor, solved: Tensor, squares: Tensor) -> tuple[Tensor, ...]:
        """Append the rows of one block."""
        X, y, w = _design(partners, field, bounds[number], bounds[number + 1], has_bias)
        rows, left = solve(number, slice(bounds[number], bounds[number + 1]), X, y, w)
        return (
            number + 1,
            solved.write(number, rows),
            squares.write(number, squared_loss(w, left, 1)),
        )

    solved = tf.TensorArray(tf.float32, n_blocks, infer_shape=False, element_shape=[None, None])
    squares = tf.TensorArray(tf.float32, n_blocks, infer_shape=False, element_shape=[None])
    state = [0, solved, squares]
    _, solved, squares = tf.while_loop(lambda number, *_: number < n_blocks, _solve_block, state)
    return tf.concat([table[: bounds[0]], solved.concat()], 0), squares.concat()


def _design(
    partners: LinkedRows, field: RatingsByField, first: Tensor, last: Tensor, has_bias: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """X (rows, length, width), y and w (rows, length) of the rows of a block, padded to the longest."""
    starts, ends = field.starts[first:last], field.starts[first + 1 : last + 1]
    places = starts[:, None] + tf.range(ends[-1] - starts[-1])
    inside = places < ends[:, None]
    places = tf.where(inside, places, 0)
    w = tf.where(inside, tf.gather(field.weights, places), 0.0)
    y = tf.gather(field.targets, places)
    picked = tf.gather(field.partners, places)  # (rows, length, n_others)
    y -= tf.reduce_sum(tf.gather(partners.biases, picked), 2)
    if partners.factors is not None:
        w *= tf.reduce_prod(tf.gather(partners.factors, picked), 2)
    X, pairs = _sum_of_linked_rows(partners.table, picked, has_bias)
    return X, y - pairs, w


def _sum_of_linked_rows(table: Tensor, picked: Tensor, has_bias: Tensor) -> tuple[Tensor, Tensor]:
    """Design, and what the partners explain among themselves: sums over pairs of their inner products.

    (n_ids, width), (rows, length, n_others), scalar -> (rows, length, width), (rows, length).
    """
    n_others = picked.shape[2]
    if n_others == 0:
        bias = has_bias * tf.one_hot(tf.shape(table)[1] - 1, tf.shape(table)[1])
        return tf.ones(tf.shape(picked)[:2])[..., None] * bias, tf.constant(0.0)
    if n_others == 1:
        return tf.gather(table, picked[:, :, 0]), tf.constant(0.0)
    rows = tf.gather(table, picked)
    X = tf.reduce_sum(rows, 2)
    squares = tf.reduce_sum(X * X, 2) - tf.reduce_sum(rows * rows, [2, 3])
    return X, 0.5 * (squares - has_bias * (1 - 1 / n_others))


def _solve(block: RowProblems, floor: Tensor, scales: Tensor, method: str) -> tuple[Tensor, Tensor]:
    """Rows and errors by the method of that name."""
    if method == "gradient":
        return conjugate_gradient(block, scales)
    return cholesky(block) if method == "cholesky" else coordinate_descent(block, floor)


def _score(tables: list[Tensor], ratings: HeldOutRatings, has_bias: Tensor) -> Tensor:
    """Sum of squared errors of some ratings, float64."""
    n = tf.shape(ratings.targets)[0]

    def score(first: Tensor, squares: Tensor) -> tuple[Tensor, Tensor]:
        """Add some of the ratings."""
        some = slice(first, first + _SCORED)
        rows = [tf.gather(table, row[some]) for table, row in zip(tables, ratings.rows, strict=True)]
        left = prediction_errors(rows, ratings.targets[some], has_bias)
        return first + _SCORED, squares + tf.cast(squared_loss(ratings.weights[some], left), tf.float64)

    return tf.while_loop(lambda first, _: first < n, score, [0, tf.constant(0.0, tf.float64)])[1]


@functools.cache
def program(n_fields: int, method: str) -> Any:
    """Solution of a field as a graph: one for each number of fields and method, whatever field and sizes.

    Parameters
    ----------
    n_fields : int
        Number of fields.
    method : {"gradient", "cholesky", "descent"}
        How to solve.

    Returns
    -------
    program : tf.function
        `_solve_field` without its last argument.
    """
    real, number = tf.TensorSpec([None]), tf.TensorSpec([])
    signature = [*field_signature(n_fields), real, real, ALSScalars(number, number, number)]
    solve = functools.partial(_solve_field, method=method)
    return tf.function(solve, input_signature=signature, autograph=False)


def field_signature(n_fields: int) -> list[Any]:
    """Signature of a table, of the tables of the other fields, and of the ratings.

    Parameters
    ----------
    n_fields : int
        Number of fields.

    Returns
    -------
    signature : list
        Of tensor specifications, for any size.
    """
    real, whole, table = tf.TensorSpec([None]), tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, None])
    field = RatingsByField(tf.TensorSpec([None, n_fields - 1], tf.int32), real, real, real, whole, whole)
    return [table, table, field]


@functools.cache
def score_program(n_fields: int) -> Any:
    """Sum of squared errors as a graph.

    Parameters
    ----------
    n_fields : int
        Number of fields.

    Returns
    -------
    program : tf.function
        `_score`.
    """
    real, rows = tf.TensorSpec([None]), [tf.TensorSpec([None], tf.int32)] * n_fields
    signature = [
        [tf.TensorSpec([None, None])] * n_fields,
        HeldOutRatings(rows, real, real),
        tf.TensorSpec([]),
    ]
    return tf.function(_score, input_signature=signature, autograph=False)
