"""The problem of each id of a block while the other fields stand still: penalised least squares."""

from typing import NamedTuple

import tensorflow as tf

from sklearn_mf.solvers._objective import soft_threshold
from sklearn_mf.solvers._tensors import Tensor

# Steps of the conjugate gradient, begun from the present solution.
_STEPS = 2
# Most passes of coordinate descent, and the largest change of a coordinate that ends them sooner.
_PASSES, _CHANGE = 30, 3e-4
# Least damping of an id, as a share of its curvature: what rounding in float32 needs to stay solvable.
_LEAST = 1e-6


class RowProblems(NamedTuple):
    """Least-squares problems of some ids of one field, one a row.

    Parameters
    ----------
    X : tensor of shape (n_rows, length, width), float32
        Derivative of each rating by the embedding and bias of the id.
    y, w : tensors of shape (n_rows, length), float32
        What is left to explain of each rating; its weight, 0 in padding.
    start : tensor of shape (n_rows, width), float32
        Embedding and bias before.
    l1, l2 : tensors of shape (n_rows,), float32
        Lasso and ridge penalty times the weight of the row's ratings.
    damping : tensor of shape (n_rows,), float32
        Penalty on half the squared distance from the start.
    """

    X: Tensor
    y: Tensor
    w: Tensor
    start: Tensor
    l1: Tensor
    l2: Tensor
    damping: Tensor


def conjugate_gradient(block: RowProblems, scales: Tensor) -> tuple[Tensor, Tensor]:
    """Take some steps towards the damped ridge solution of each row, from where it is.

    Parameters
    ----------
    block : Block
        Its l1 plays no part.
    scales : tensor of shape (width,), float32
        About the mean square of each column of X, to precondition by.

    Returns
    -------
    rows : tensor of shape (n_rows, width), float32
        No worse than the start.
    errors : tensor of shape (n_rows, length), float32
        What they leave unexplained.
    """
    X, w = block.X, block.w
    ridge, pull = block.l2[:, None], block.damping[:, None]
    inverse = 1 / (tf.reduce_sum(w, 1)[:, None] * scales + ridge + pull)
    t, errors = block.start, block.y - _times(X, block.start)
    direction, size = tf.zeros_like(t), tf.fill(tf.shape(pull), float("inf"))
    for _ in range(_STEPS):
        gradient = _times_transposed(X, w * errors) - ridge * t - pull * (t - block.start)
        step = inverse * gradient
        size, before = _dot(gradient, step), size
        direction = step + tf.math.divide_no_nan(size, before) * direction
        along = _times(X, direction)
        bend = tf.reduce_sum(w * along * along, 1)[:, None] + _dot((ridge + pull) * direction, direction)
        length = tf.math.divide_no_nan(_dot(gradient, direction), bend)
        t, errors = t + length * direction, errors - length * along
    return t, errors


def cholesky(block: RowProblems) -> tuple[Tensor, Tensor]:
    """Solve the damped ridge problem of each row.

    Parameters
    ----------
    block : Block
        Its l1 plays no part.

    Returns
    -------
    rows : tensor of shape (n_rows, width), float32
        The minimum.
    errors : tensor of shape (n_rows, length), float32
        What they leave unexplained.
    """
    G, r = _normal_equations(block)
    t = tf.linalg.cholesky_solve(tf.linalg.cholesky(G), r[..., None])[..., 0]
    return t, block.y - _times(block.X, t)


def coordinate_descent(block: RowProblems, floor: Tensor) -> tuple[Tensor, Tensor]:
    """Minimise the damped elastic-net problem over one coordinate after another, in all rows at once.

    Parameters
    ----------
    block : Block
        The problems.
    floor : tensor of shape (width,), float32
        Least value of each coordinate.

    Returns
    -------
    rows : tensor of shape (n_rows, width), float32
        With exact zeros; no worse than the start.
    errors : tensor of shape (n_rows, length), float32
        What they leave unexplained.
    """
    G, r = _normal_equations(block)
    t = _descend(G, r, block, floor)
    return t, block.y - _times(block.X, t)


def draw_rows(
    X: Tensor, y: Tensor, w: Tensor, mean: Tensor, precision: Tensor, noise: Tensor
) -> tuple[Tensor, Tensor]:
    """Draw each row from its normal distribution, given its ratings and the prior of all rows.

    Salakhutdinov and Mnih (2008, eq. 11), with the bias as a further coordinate.

    Parameters
    ----------
    X : tensor of shape (n_rows, length, width), float32
        Derivative of each rating by the embedding and bias of the id.
    y, w : tensors of shape (n_rows, length), float32
        What is left to explain of each rating; the precision of its noise, 0 in padding.
    mean : tensor of shape (width,), float32
        Prior mean.
    precision : tensor of shape (width, width), float32
        Prior precision.
    noise : tensor of shape (n_rows, width), float32
        Standard normal numbers.

    Returns
    -------
    rows : tensor of shape (n_rows, width), float32
        Draws.
    errors : tensor of shape (n_rows, length), float32
        What they leave unexplained.
    """
    G, r = _gram(X, y, w)
    diagonal = tf.linalg.diag_part(G)
    G = tf.linalg.set_diag(G, diagonal + _LEAST * tf.reduce_sum(diagonal, 1, keepdims=True))
    factor = tf.linalg.cholesky(G + precision)
    r += tf.linalg.matvec(precision, mean)
    half = tf.linalg.triangular_solve(factor, r[..., None]) + noise[..., None]
    t = tf.linalg.triangular_solve(factor, half, adjoint=True)[..., 0]
    return t, y - _times(X, t)


def _descend(G: Tensor, r: Tensor, block: RowProblems, floor: Tensor) -> Tensor:
    """Coordinate descent on normal equations, (n, width, width), (n, width) -> (n, width)."""
    width, columns, rights = tf.shape(r)[1], tf.transpose(G, [1, 0, 2]), tf.transpose(r)

    def solve(place: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Solve for one coordinate: soft-threshold, then the floor."""
        column, old = columns[place], t[:, place]
        bend = column[:, place]
        free = rights[place] - tf.reduce_sum(column * t, 1) + bend * old
        new = tf.math.divide_no_nan(soft_threshold(free, block.l1), bend)
        new = tf.maximum(new, floor[place])
        return place + 1, t + (new - old)[:, None] * tf.one_hot(place, width)

    def run_pass(t: Tensor, change: Tensor) -> tuple[Tensor, Tensor]:
        """Solve for each coordinate once."""
        _, new = tf.while_loop(lambda place, _: place < width, solve, [0, t])
        return new, tf.reduce_max(tf.abs(new - t))

    state = [block.start, tf.constant(float("inf"))]
    t, _ = tf.while_loop(lambda _, change: change > _CHANGE, run_pass, state, maximum_iterations=_PASSES)
    return t


def _normal_equations(block: RowProblems) -> tuple[Tensor, Tensor]:
    """Damped Gram matrices (n_rows, width, width) and right-hand sides (n_rows, width)."""
    G, r = _gram(block.X, block.y, block.w)
    diagonal = tf.linalg.diag_part(G)
    damping = block.damping + _LEAST * tf.reduce_sum(diagonal, 1)
    G = tf.linalg.set_diag(G, diagonal + (block.l2 + damping)[:, None])
    return G, r + damping[:, None] * block.start


def _gram(X: Tensor, y: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
    """X^T W X and X^T W y of each row, (n, length, width), (n, length) -> (n, width, width), (n, width)."""
    weighted = X * w[..., None]
    return tf.matmul(X, weighted, transpose_a=True), _times_transposed(weighted, y)


def _times(X: Tensor, t: Tensor) -> Tensor:
    """X t of each row, (n, length, width), (n, width) -> (n, length)."""
    # tf.matmul and tf.linalg.matvec are handed to oneDNN, which takes longer for vectors.
    return tf.raw_ops.BatchMatMulV3(x=X, y=t[..., None], Tout=tf.float32)[..., 0]


def _times_transposed(X: Tensor, q: Tensor) -> Tensor:
    """X^T q of each row, (n, length, width), (n, length) -> (n, width)."""
    return tf.raw_ops.BatchMatMulV3(x=q[:, None], y=X, Tout=tf.float32)[:, 0]


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner products of rows, (n, width), (n, width) -> (n, 1)."""
    return tf.reduce_sum(a * b, 1, keepdims=True)
