"""Penalised least squares for the rows of one field, with the other fields held fixed."""

from typing import NamedTuple

import tensorflow as tf

from sklearn_mf.solvers._objective import soft_threshold
from sklearn_mf.solvers._tensors import Tensor

# Steps of the conjugate gradient, begun from the present solution.
_STEPS = 2
# Coordinates that `block_descent` solves for together.
BLOCK = 64
# Most passes of coordinate descent, and the largest change of a coordinate that ends them sooner.
_PASSES, _CHANGE = 30, 3e-4
# Diagonal loading of the normal equations as a share of their trace: float32 needs it to solve them.
LOADING = 1e-6


class RowProblems(NamedTuple):
    """Least-squares problems of some ids of one field, one a row: each minimises over t

    sum_n w_n / 2 (y_n - x_n . t)^2 + l1 |t|_1 + ridge / 2 |t|^2 + damping / 2 |t - start|^2
    + t . prior_precision t / 2 - prior_shift . t.

    A Gibbs draw has a normal prior here; the Gramian of unobserved cells has the same form.

    Parameters
    ----------
    X : tensor of shape (n_rows, length, width), float32
        Derivative of each prediction by the embedding and bias of the id.
    y, w : tensors of shape (n_rows, length), float32
        Part of each rating that the row has to explain; its weight, 0 in padding.
    start : tensor of shape (n_rows, width), float32
        Embedding and bias before.
    l1, ridge, damping : tensors of shape (n_rows,), float32, or 0.0
        Lasso penalty, ridge penalty, and penalty on the distance from the start.
    prior_precision : tensor of shape (width, width), float32, or None
        Positive semi-definite and common to all rows.
    prior_shift : tensor of shape (width,) or (n_rows, width), float32, or None
        `prior_precision` times the prior mean. The mean itself need not exist: a Gramian can be singular.
    uncertainty : tensor of shape (n_rows, width) or (width,), float32, or 0.0
        Further ridge penalty of each coordinate: the summed variances of the rows of X, or the diagonal of a
        diagonal prior precision.
    """

    X: Tensor
    y: Tensor
    w: Tensor
    start: Tensor
    l1: Tensor = 0.0
    ridge: Tensor = 0.0
    damping: Tensor = 0.0
    prior_precision: Tensor | None = None
    prior_shift: Tensor | None = None
    uncertainty: Tensor = 0.0


class PaddedRows(NamedTuple):
    """Products with the ratings of rows, each row padded to the same length: `X` is (n, length, width)."""

    X: Tensor

    def times(self, rows: Tensor) -> Tensor:
        """Predictions, (n, width) -> (n, length)."""
        return times(self.X, rows)

    def times_transposed(self, values: Tensor) -> Tensor:
        """Weighted sums of the rows of X, (n, length) -> (n, width)."""
        return times_transposed(self.X, values)

    def totals(self, values: Tensor) -> Tensor:
        """Sums over the ratings of each row, (n, length) -> (n,)."""
        return tf.reduce_sum(values, 1)

    def spread(self, numbers: Tensor) -> Tensor:
        """A number a row as one a rating, (n, 1) -> (n, 1)."""
        return numbers


class SegmentedRows(NamedTuple):
    """The same products where the ratings of a row are in segments of equal length, (n_segments, length).

    Parameters
    ----------
    X : tensor of shape (n_segments, length, width), float32
        Derivative of each prediction.
    owners : tensor of shape (n_segments,), int32
        Row of each segment, from 0 to `n_rows` - 1.
    n_rows : int
        Number of rows.
    """

    X: Tensor
    owners: Tensor
    n_rows: int

    def times(self, rows: Tensor) -> Tensor:
        """Predictions, (n_rows, width) -> (n_segments, length)."""
        return times(self.X, self.spread(rows))

    def times_transposed(self, values: Tensor) -> Tensor:
        """Weighted sums of the rows of X, (n_segments, length) -> (n_rows, width)."""
        return self._sums(times_transposed(self.X, values))

    def totals(self, values: Tensor) -> Tensor:
        """Sums over the ratings of each row, (n_segments, length) -> (n_rows,)."""
        return self._sums(tf.reduce_sum(values, 1))

    def spread(self, numbers: Tensor) -> Tensor:
        """Numbers of the row of each segment, (n_rows, ...) -> (n_segments, ...)."""
        return tf.gather(numbers, self.owners)

    def _sums(self, values: Tensor) -> Tensor:
        """(n_segments, ...) -> (n_rows, ...)."""
        return tf.math.unsorted_segment_sum(values, self.owners, self.n_rows)


def conjugate_gradient(
    problems: RowProblems, scales: Tensor, products: PaddedRows | SegmentedRows | None = None
) -> tuple[Tensor, Tensor]:
    """Some steps from the start towards the solution without lasso; rows (n, width), residuals (n, length).

    `scales`, (width,), is about the mean square of each column of X, for the preconditioner. With the
    `products` of segments, X, y, w and the residuals have one segment a row.
    """
    w, start = problems.w, problems.start
    products = PaddedRows(problems.X) if products is None else products
    ridge, damping = _column(problems.ridge) + problems.uncertainty, _column(problems.damping)
    diagonal = products.totals(w)[:, None] * scales + ridge + damping + _prior_diagonal(problems)
    preconditioner = 1 / diagonal
    rows, residuals = start, problems.y - products.times(start)
    direction = size = None
    for _ in range(_STEPS):
        gradient = products.times_transposed(w * residuals) - ridge * rows - damping * (rows - start)
        gradient -= _prior_gradient(problems, rows)
        step = preconditioner * gradient
        size, previous = _dot(gradient, step), size
        direction = step if direction is None else step + tf.math.divide_no_nan(size, previous) * direction
        X_direction = products.times(direction)
        curvature = products.totals(w * X_direction * X_direction)[:, None]
        curvature += _dot((ridge + damping) * direction + _prior_product(problems, direction), direction)
        length = tf.math.divide_no_nan(_dot(gradient, direction), curvature)
        rows = rows + length * direction
        residuals -= products.spread(length) * X_direction
    return rows, residuals


def cholesky(problems: RowProblems) -> tuple[Tensor, Tensor]:
    """Exact solution without lasso; rows (n, width), residuals (n, length)."""
    G, r = _normal_equations(problems)
    rows = tf.linalg.cholesky_solve(tf.linalg.cholesky(G), r[..., None])[..., 0]
    return rows, problems.y - times(problems.X, rows)


def block_descent(problems: RowProblems) -> tuple[Tensor, Tensor]:
    """One exact solve for each block of coordinates, the others held fixed, without lasso.

    Rows (n, width) and residuals (n, length). The cost of a rating is proportional to width x block, not to
    the square of the width (Rendle, Krichene, Zhang and Koren 2021, "iALS++").
    """
    width = tf.shape(problems.start)[1]

    def solve(first: Tensor, rows: Tensor, residuals: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Move the coordinates of one block to the minimum."""
        block = slice(first, tf.minimum(first + BLOCK, width))
        part = _coordinates(problems, block, rows, residuals)
        change, residuals = cholesky(part)
        rows = tf.concat([rows[:, : block.start], rows[:, block] + change, rows[:, block.stop :]], 1)
        shapes = problems.start.shape, problems.y.shape  # slices with tensors as bounds lose them
        return block.stop, *map(tf.ensure_shape, (rows, residuals), shapes)

    state = 0, problems.start, problems.y - times(problems.X, problems.start)
    return tf.while_loop(lambda first, *_: first < width, solve, state)[1:]


def pulled_to(problems: RowProblems, means: Tensor) -> RowProblems:
    """The same problems with the ridge penalty on the distance from prior means, (n_rows, width)."""
    shift = _column(problems.ridge) * means
    return problems._replace(
        prior_shift=shift if problems.prior_shift is None else problems.prior_shift + shift
    )


def around(problems: RowProblems, means: Tensor) -> RowProblems:
    """Problems without a common prior in the distance from prior means, (n_rows, width): same residuals."""
    return problems._replace(y=problems.y - times(problems.X, means), start=problems.start - means)


def coordinate_descent(problems: RowProblems, bounds: Tensor) -> tuple[Tensor, Tensor]:
    """Minimise over one coordinate after another, all rows at once; rows (n, width), residuals (n, length).

    The rows have exact zeros; `bounds`, (width,), is the lower bound of each coordinate.
    """
    G, r = _normal_equations(problems)
    rows = _descend(G, r, problems, bounds)
    return rows, problems.y - times(problems.X, rows)


def normal_draw(problems: RowProblems, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Draw from the normal density exp(-objective) without lasso; rows (n, width), residuals (n, length).

    Salakhutdinov and Mnih (2008, eq. 11), with the bias as a further coordinate; `noise`, (n, width), is
    standard normal, and the weights are the precisions of the ratings.
    """
    G, r = _normal_equations(problems)
    factor = tf.linalg.cholesky(G)
    half = tf.linalg.triangular_solve(factor, r[..., None]) + noise[..., None]
    rows = tf.linalg.triangular_solve(factor, half, adjoint=True)[..., 0]
    return rows, problems.y - times(problems.X, rows)


def _descend(G: Tensor, r: Tensor, problems: RowProblems, bounds: Tensor) -> Tensor:
    """Coordinate descent on normal equations, (n, width, width), (n, width) -> (n, width)."""
    width, columns, rights = tf.shape(r)[1], tf.transpose(G, [1, 0, 2]), tf.transpose(r)

    def solve(place: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Solve for one coordinate: soft threshold, then lower bound."""
        column, old = columns[place], rows[:, place]
        curvature = column[:, place]
        partial_residual = rights[place] - tf.reduce_sum(column * rows, 1) + curvature * old
        new = tf.math.divide_no_nan(soft_threshold(partial_residual, problems.l1), curvature)
        new = tf.maximum(new, bounds[place])
        return place + 1, rows + (new - old)[:, None] * tf.one_hot(place, width)

    def run_pass(rows: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        """Solve for each coordinate once; whether any has moved."""
        _, new = tf.while_loop(lambda place, _: place < width, solve, (0, rows))
        return new, tf.reduce_max(tf.abs(new - rows)) > _CHANGE

    state = problems.start, tf.constant(True)
    return tf.while_loop(lambda _, moves: moves, run_pass, state, maximum_iterations=_PASSES)[0]


def _normal_equations(problems: RowProblems) -> tuple[Tensor, Tensor]:
    """Matrices (n_rows, width, width) and right-hand sides (n_rows, width), the diagonal loaded."""
    weighted = problems.X * problems.w[..., None]
    G = tf.matmul(problems.X, weighted, transpose_a=True)
    r = times_transposed(weighted, problems.y)
    diagonal = tf.linalg.diag_part(G)
    damping = problems.damping + LOADING * tf.reduce_sum(diagonal, 1)
    G = tf.linalg.set_diag(G, diagonal + (problems.ridge + damping)[:, None] + problems.uncertainty)
    r += damping[:, None] * problems.start
    if problems.prior_precision is not None:
        G += problems.prior_precision
    return G, r if problems.prior_shift is None else r + problems.prior_shift


def _coordinates(problems: RowProblems, block: slice, rows: Tensor, residuals: Tensor) -> RowProblems:
    """Problems of the change of some coordinates, from rows (n, width) with residuals (n, length)."""
    ridge, damping = _column(problems.ridge) + problems.uncertainty, _column(problems.damping)
    gradient = ridge * rows + damping * (rows - problems.start) + _prior_gradient(problems, rows)
    curvature, precision = tf.broadcast_to(ridge + damping, tf.shape(rows)), problems.prior_precision
    return RowProblems(
        problems.X[:, :, block],
        residuals,
        problems.w,
        tf.zeros_like(rows[:, block]),
        prior_precision=None if precision is None else precision[block, block],
        prior_shift=-gradient[:, block],
        uncertainty=curvature[:, block],
    )


def _prior_product(problems: RowProblems, rows: Tensor) -> Tensor:
    """Prior precision times each row, (n, width) -> (n, width), or 0.0."""
    return 0.0 if problems.prior_precision is None else tf.matmul(rows, problems.prior_precision)


def _prior_diagonal(problems: RowProblems) -> Tensor:
    """Diagonal of the prior precision, (width,), or 0.0."""
    return 0.0 if problems.prior_precision is None else tf.linalg.diag_part(problems.prior_precision)


def _prior_gradient(problems: RowProblems, rows: Tensor) -> Tensor:
    """Gradient of the prior term at the rows, (n, width), or 0.0."""
    shift = 0.0 if problems.prior_shift is None else problems.prior_shift
    return _prior_product(problems, rows) - shift


def _column(values: Tensor) -> Tensor:
    """(n,) or a number -> (n, 1) or (1, 1)."""
    return tf.reshape(values, [-1, 1])


def times(X: Tensor, rows: Tensor) -> Tensor:
    """X t of each row t, (n, length, width), (n, width) -> (n, length)."""
    # tf.matmul and tf.linalg.matvec are handed to oneDNN, which takes longer for vectors.
    return tf.raw_ops.BatchMatMulV3(x=X, y=rows[..., None], Tout=tf.float32)[..., 0]


def times_transposed(X: Tensor, values: Tensor) -> Tensor:
    """X^T q of each row, (n, length, width), (n, length) -> (n, width)."""
    return tf.raw_ops.BatchMatMulV3(x=values[:, None], y=X, Tout=tf.float32)[:, 0]


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner products of rows, (n, width), (n, width) -> (n, 1)."""
    return tf.reduce_sum(a * b, 1, keepdims=True)
