"""Solve all rows of one field with the other fields fixed, as one shape-polymorphic TensorFlow graph."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

import numpy as np
import tensorflow as tf

from sklearn_mf.solvers._graph import SingleGraph
from sklearn_mf.solvers._objective import (
    prediction_errors,
    row_penalties,
    squared_loss,
    sum_and_pair_products,
)
from sklearn_mf.solvers._tensors import Tensor
from sklearn_mf.solvers._training import Penalty
from sklearn_mf.solvers.als._grouping import Blocks, HeldOutRatings, RatingsByField
from sklearn_mf.solvers.als._least_squares import (
    RowProblems,
    around,
    block_descent,
    cholesky,
    conjugate_gradient,
    coordinate_descent,
    pulled_to,
)
from sklearn_mf.solvers.als._segments import FieldTerms, RowTerms, solve_segments
from sklearn_mf.solvers.als._unobserved import DiagonalPrior, RowPrior

# Held-out ratings scored at a time.
_SCORED = 2**15
# Methods that solve in the eigenbasis of a prior that the rows share.
_ROTATED = ("segments", "gradient", "blocks")

_scalar, _vector, _table = (tf.TensorSpec([None] * rank) for rank in range(3))


class ALSScalars(NamedTuple):
    """Scalars of a sweep, passed as tensors so that new values do not retrace the graph.

    Parameters
    ----------
    l1, l2 : scalar tensors, float32
        Penalties of one rating.
    has_bias : scalar tensor, float32
        1 where ids have biases, else 0.
    row_weight : scalar tensor, float32
        Weight that the penalty of each row counts beyond that of its ratings.
    """

    l1: Tensor
    l2: Tensor
    has_bias: Tensor
    row_weight: Tensor

    @classmethod
    def of(cls, penalty: Penalty, row_weight: float) -> Self:
        """Convert the numbers of a penalty."""
        numbers = [penalty.l1, penalty.l2, penalty.fit_bias, row_weight]
        with np.errstate(over="ignore"):  # the objective reports it
            return cls(*map(tf.constant, np.array(numbers, dtype=np.float32)))


class LinkedRows(NamedTuple):
    """Rows of the other fields, their tables stacked, as the design of a field needs them.

    Parameters
    ----------
    design : tensor of shape (n_others, width), float32
        Embeddings; the last column sums to 1 over the fields, or to 0 where ids have no bias.
    biases : tensor of shape (n_others,), float32
        Biases.
    scales : tensor of shape (width,), float32
        About the mean square of each column of X.
    """

    design: Tensor
    biases: Tensor
    scales: Tensor

    def rotated(self, basis: Tensor) -> Self:
        """The same rows in another orthonormal basis of the columns, (width, width)."""
        design = tf.matmul(self.design, basis)
        return self._replace(design=design, scales=tf.reduce_mean(tf.square(design), 0))


#: Signature of `LinkedRows`, for any size.
linked_signature = LinkedRows(_table, _vector, _vector)
#: (number of the block, its slice of rows, X, y, w) -> rows (n_rows, width), residuals (n_rows, length).
BlockSolver = Callable[[Tensor, slice, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


class CommonTerms(NamedTuple):
    """Terms that the problems of all rows of a field share.

    Parameters
    ----------
    linked_rows : LinkedRows
        Rows of the other fields.
    prior : RowPrior, DiagonalPrior or empty tuple
        Prior of the rows; iterations solve in the eigenbasis of its precision, which the design is in too.
    """

    linked_rows: LinkedRows
    prior: RowPrior | DiagonalPrior | tuple[()]

    def with_rows(self, n_rows: int) -> Self:
        """The same with so many rows of the other fields, the last ones 0."""
        design, biases, _ = self.linked_rows
        more = [0, n_rows - len(biases)]
        padded = self.linked_rows._replace(
            design=tf.pad(design, [more, [0, 0]]), biases=tf.pad(biases, [more])
        )
        return self._replace(linked_rows=padded)


def _common_terms(
    is_rotated: bool, n_others: int, others: Tensor, has_bias: Tensor, prior: RowPrior | tuple[()] = ()
) -> CommonTerms:
    """Prepare the stacked tables `others`, (n_others, width), of the other fields, once a field."""
    linked_rows = link_rows(others, n_others, has_bias)
    if not (is_rotated and isinstance(prior, RowPrior)):
        return CommonTerms(linked_rows, prior)
    diagonal = DiagonalPrior.of(prior)
    return CommonTerms(linked_rows.rotated(diagonal.basis), diagonal)


def _solve_part(
    method: str,
    common: CommonTerms,
    table: Tensor,
    ratings: RatingsByField,
    damping: Tensor,
    bounds: Tensor,
    scalars: ALSScalars,
    means: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Rows (n_rows, width) of a part solved anew; their weighted squared errors and penalties, (n_rows,).

    `damping` is (n_rows,), `bounds` (width,). With `means`, (n_rows, width), the penalty is on the distance
    of a row from its prior mean.
    """
    linked_rows, prior = common
    row_weights, terms, centres = ratings.row_weights + scalars.row_weight, {}, means
    if isinstance(prior, DiagonalPrior):
        table, damping = tf.matmul(table, prior.basis), damping + prior.loading
        centres = None if means is None else tf.matmul(means, prior.basis)
        terms = {"uncertainty": prior.precision, "prior_shift": prior.shift}
    elif isinstance(prior, RowPrior):
        terms = {"prior_precision": prior.precision, "prior_shift": prior.shift}

    def solve(_: Tensor, rows: slice, X: Tensor, y: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """Rows and residuals of a block."""
        ridge, l1 = scalars.l2 * row_weights[rows], scalars.l1 * row_weights[rows]
        problems = RowProblems(X, y, w, table[rows], l1, ridge, damping[rows], **terms)
        if method == "descent":
            return _descend(problems, bounds, None if centres is None else centres[rows])
        if centres is not None:
            problems = pulled_to(problems, centres[rows])
        if method in ("segments", "gradient"):
            return conjugate_gradient(problems, linked_rows.scales)
        return cholesky(problems) if method == "cholesky" else block_descent(problems)

    before = []
    if method == "segments":
        ridge, shift = scalars.l2 * row_weights, ()
        if terms or centres is not None:
            shift = tf.zeros_like(table) + terms.get("prior_shift", 0.0)
            shift += 0.0 if centres is None else ridge[:, None] * centres
        rows = RowTerms(table, ridge, damping, shift)
        before.append(solve_segments(_field_terms(linked_rows, terms), ratings, rows))
    solved, squares = solve_blocks(linked_rows, ratings, scalars.has_bias, solve, before=before)
    if isinstance(prior, DiagonalPrior):
        solved = tf.matmul(solved, prior.basis, transpose_b=True)
    penalised = solved if means is None else solved - means
    return solved, squares, row_penalties(penalised, row_weights, scalars.l1, scalars.l2)


def _field_terms(linked_rows: LinkedRows, terms: dict[str, Tensor]) -> FieldTerms:
    """The common terms as blocks of segments take them."""
    uncertainty = terms.get("uncertainty", tf.zeros_like(linked_rows.scales))
    return FieldTerms(linked_rows.design, linked_rows.biases, linked_rows.scales, uncertainty)


def _descend(problems: RowProblems, bounds: Tensor, means: Tensor | None) -> tuple[Tensor, Tensor]:
    """Coordinate descent, with penalties on the distance from prior means, (n_rows, width), if any."""
    if means is None:
        return coordinate_descent(problems, bounds)
    rows, residuals = coordinate_descent(around(problems, means), bounds)
    return means + rows, residuals


def link_rows(others: Tensor, n_others: int, has_bias: Tensor) -> LinkedRows:
    """Prepare the stacked tables (n, width) of `n_others` fields: a share of 1 takes the place of a bias."""
    share = tf.ones_like(others[:, -1:]) * (has_bias / max(n_others, 1))
    design = tf.concat([others[:, :-1], share], 1)
    squares = tf.math.divide_no_nan(
        n_others * tf.reduce_sum(design * design, 0), tf.cast(tf.shape(others)[0], tf.float32)
    )
    scales = tf.concat([squares[:-1], has_bias[None]], 0)
    return LinkedRows(design, has_bias * others[:, -1], scales)


def solve_blocks(
    linked_rows: LinkedRows,
    ratings: RatingsByField,
    has_bias: Tensor,
    solve: BlockSolver,
    weight_factors: Tensor | None = None,
    before: Sequence[tuple[Tensor, Tensor]] = (),
) -> tuple[Tensor, Tensor]:
    """Solve block after block; rows (n_rows, width) and the weighted squared errors of each, (n_rows,).

    The weight of a rating is multiplied by the factor of each of its ids in `weight_factors`, (n_others,).
    The results for the rows before those of the blocks are in `before`.
    """
    bounds = ratings.blocks.bounds
    n_blocks = tf.shape(bounds)[0] - 1

    def solve_block(number: Tensor, solved: Tensor, squares: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Append the rows of one block."""
        first, last = bounds[number], bounds[number + 1]
        X, y, w = _design(linked_rows, ratings, slice(first, last), has_bias, weight_factors)
        rows, residuals = solve(number, slice(first, last), X, y, w)
        loss = squared_loss(w, residuals, 1)
        place = number + len(before)
        return number + 1, solved.write(place, rows), squares.write(place, loss)

    solved = tf.TensorArray(tf.float32, n_blocks + len(before), infer_shape=False, element_shape=[None, None])
    squares = tf.TensorArray(tf.float32, n_blocks + len(before), infer_shape=False, element_shape=[None])
    for place, (rows, losses) in enumerate(before):
        solved, squares = solved.write(place, rows), squares.write(place, losses)
    state = 0, solved, squares
    _, solved, squares = tf.while_loop(lambda number, *_: number < n_blocks, solve_block, state)
    return solved.concat(), squares.concat()


def _design(
    linked_rows: LinkedRows,
    field: RatingsByField,
    rows: slice,
    has_bias: Tensor,
    weight_factors: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """X (rows, length, width), y and w (rows, length) of the rows of a block, padded to the longest."""
    starts, ends = field.starts[rows], field.ends[rows]
    places = starts[:, None] + tf.range(ends[-1] - starts[-1])
    inside = places < ends[:, None]
    places = tf.where(inside, places, 0)
    w = tf.where(inside, tf.gather(field.weights, places), 0.0)
    y = tf.gather(field.targets, places)
    ids = tf.gather(field.other_ids, places)  # (rows, length, n_others)
    y -= tf.reduce_sum(tf.gather(linked_rows.biases, ids), 2)
    if weight_factors is not None:
        w *= tf.reduce_prod(tf.gather(weight_factors, ids), 2)
    X, pairs = _sum_and_pairs(linked_rows.design, ids, has_bias)
    return X, y - pairs, w


def _sum_and_pairs(design: Tensor, ids: Tensor, has_bias: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of the linked rows, and the part of the prediction that they make among themselves.

    (n, width), (rows, length, n_others), scalar -> (rows, length, width), (rows, length).
    """
    rows = [tf.gather(design, ids[:, :, field]) for field in range(ids.shape[2])]
    if not rows:
        bias = has_bias * tf.one_hot(tf.shape(design)[1] - 1, tf.shape(design)[1])
        return tf.ones(tf.shape(ids)[:2])[..., None] * bias, tf.constant(0.0)
    if len(rows) == 1:
        return rows[0], tf.constant(0.0)
    total, products = sum_and_pair_products(rows)
    return total, tf.reduce_sum(products[..., :-1], 2)


def _score(tables: list[Tensor], ratings: HeldOutRatings, has_bias: Tensor) -> Tensor:
    """Sum of squared errors of some ratings, float64."""
    n = tf.shape(ratings.targets)[0]

    def score(first: Tensor, squares: Tensor) -> tuple[Tensor, Tensor]:
        """Add a part of the ratings."""
        part = slice(first, first + _SCORED)
        rows = [tf.gather(table, row[part]) for table, row in zip(tables, ratings.rows, strict=True)]
        errors = prediction_errors(rows, ratings.targets[part], has_bias)
        return first + _SCORED, squares + tf.cast(squared_loss(ratings.weights[part], errors), tf.float64)

    return tf.while_loop(lambda first, _: first < n, score, (0, tf.constant(0.0, tf.float64)))[1]


@functools.cache
def common_program(n_fields: int, method: str, has_prior: bool) -> SingleGraph[CommonTerms]:
    """`_common_terms` as a graph: one for each number of fields, for every field and size."""
    prepare = functools.partial(_common_terms, method in _ROTATED, n_fields - 1)
    return SingleGraph(prepare, [_table, _scalar, *[RowPrior(_table, _vector)] * has_prior])


@functools.cache
def program(
    n_fields: int, method: str, has_prior: bool, has_means: bool
) -> SingleGraph[tuple[Tensor, Tensor, Tensor]]:
    """`_solve_part` as a graph: one for each number of fields and method, for every field and size."""
    common = CommonTerms(linked_signature, _prior_signature(method) if has_prior else ())
    given = [_table, ratings_signature(n_fields), _vector, _vector, ALSScalars(*[_scalar] * 4)]

    def solve(*arguments: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Means are no argument where there are none: a graph has no default arguments."""
        return _solve_part(method, *arguments, *[] if has_means else [None])

    return SingleGraph(solve, [common, *given, *[_table] * has_means])


def _prior_signature(method: str) -> RowPrior | DiagonalPrior:
    if method in _ROTATED:
        return DiagonalPrior(_vector, _vector, _table, _scalar)
    return RowPrior(_table, _vector)


def ratings_signature(n_fields: int) -> RatingsByField:
    """Signature of the ratings of a part, for any size."""
    whole = tf.TensorSpec([None], tf.int32)
    other_ids = tf.TensorSpec([None, n_fields - 1], tf.int32)
    segments = tf.TensorSpec([None, None, 3], tf.int32)
    blocks = Blocks(segments, whole, whole)
    return RatingsByField(other_ids, _vector, _vector, _vector, whole, whole, blocks)


@functools.cache
def score_program(n_fields: int) -> SingleGraph[Tensor]:
    """`_score` as a graph: one for each number of fields."""
    real, rows = tf.TensorSpec([None]), [tf.TensorSpec([None], tf.int32)] * n_fields
    tables = [tf.TensorSpec([None, None])] * n_fields
    return SingleGraph(_score, [tables, HeldOutRatings(rows, real, real), tf.TensorSpec([])])
