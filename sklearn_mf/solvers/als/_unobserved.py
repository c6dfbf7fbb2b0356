"""The unobserved cells: every cell of users x items is one more rating, and no cell is visited.

All rows of a field have the same further ratings, one of each row of the other field, its partner: their
normal equations share one Gramian. The loss over all cells is a function of means and scatters.
"""

from typing import NamedTuple, Self

import tensorflow as tf

from sklearn_mf.solvers._graph import SingleGraph
from sklearn_mf.solvers._tensors import Tensor
from sklearn_mf.solvers._training import Unobserved
from sklearn_mf.solvers.als._least_squares import LOADING


class Moments(NamedTuple):
    """Moments of the rows [v, b] of a table, float64.

    Parameters
    ----------
    count : scalar tensor
        Number of rows.
    mean : tensor of shape (width,)
        Their mean.
    scatter : tensor of shape (width, width)
        Sum of the outer products of their distances from the mean.
    """

    count: Tensor
    mean: Tensor
    scatter: Tensor


class RowPrior(NamedTuple):
    """A quadratic term that all rows t of a field share: t . precision t / 2 - shift . t.

    Parameters
    ----------
    precision : tensor of shape (width, width), float32
        Positive semi-definite.
    shift : tensor of shape (width,), float32
        Its gradient at 0, negated.
    """

    precision: Tensor
    shift: Tensor


class DiagonalPrior(NamedTuple):
    """The same term in the eigenbasis of its precision.

    Rows with few ratings have almost diagonal problems there, which iterations solve fast.

    Parameters
    ----------
    precision, shift : tensors of shape (width,), float32
        Diagonal; gradient at 0, negated.
    basis : tensor of shape (width, width), float32
        Eigenvectors as columns.
    loading : scalar tensor, float32
        Damping of all coordinates, larger than the rounding error of an eigenvalue of zero.
    """

    precision: Tensor
    shift: Tensor
    basis: Tensor
    loading: Tensor

    @classmethod
    def of(cls, prior: RowPrior) -> Self:
        """Find the eigenbasis."""
        values, basis = tf.linalg.eigh(prior.precision)
        values = tf.maximum(values, 0.0)
        shift = tf.linalg.matvec(basis, prior.shift, transpose_a=True)
        return cls(values, shift, basis, LOADING * values[-1])


class UnobservedCells:
    """A rating of every cell of two fields: what it adds to the row problems and to the objective.

    `tables` are those of the fields, with a row for each id that has ratings; `has_bias` is 1.0 or 0.0.
    """

    def __init__(self, unobserved: Unobserved, tables: list[Tensor], has_bias: float) -> None:
        self.weight = unobserved.weight
        self._weight, self._value, self._has_bias = (
            tf.constant(number, tf.float64) for number in (unobserved.weight, unobserved.value, has_bias)
        )
        self._moments = [_moments_program(table) for table in tables]

    def update(self, field: int, table: Tensor) -> None:
        """Take the new rows of a field."""
        self._moments[field] = _moments_program(table)

    def row_weight(self, field: int) -> float:
        """Weight of the further ratings of each row of a field."""
        return self.weight * float(self._moments[1 - field].count)

    def row_prior(self, field: int) -> RowPrior:
        """Squared error of the further ratings of a row of a field, but for a constant."""
        return _row_prior_program(self._moments[1 - field], self._weight, self._value, self._has_bias)

    def squared_error(self) -> float:
        """Weighted squared errors of all cells."""
        return self.weight * float(_squared_errors_program(*self._moments, self._value, self._has_bias))


def _moments(table: Tensor) -> Moments:
    """Moments of the rows of a table, (n, width) -> (), (width,), (width, width)."""
    count = tf.cast(tf.shape(table)[0], tf.float64)
    mean = tf.reduce_sum(tf.cast(table, tf.float64), 0) / count
    centred = table - tf.cast(mean, tf.float32)
    return Moments(count, mean, tf.cast(tf.matmul(centred, centred, transpose_a=True), tf.float64))


def _row_prior(partner: Moments, weight: Tensor, value: Tensor, has_bias: Tensor) -> RowPrior:
    """The term weight / 2 sum_n (value - b_n - x_n . t)^2, x_n = [v_n, has_bias], without its constant."""
    x_mean = tf.concat([partner.mean[:-1], has_bias[None]], 0)
    no_bias = tf.concat([tf.ones_like(x_mean[:-1]), [0.0]], 0)
    x_scatter = partner.scatter * no_bias * no_bias[:, None]
    precision = x_scatter + partner.count * x_mean * x_mean[:, None]
    shift = partner.count * (value - partner.mean[-1]) * x_mean - partner.scatter[-1] * no_bias
    return RowPrior(tf.cast(weight * precision, tf.float32), tf.cast(weight * shift, tf.float32))


def _squared_errors(first: Moments, second: Moments, value: Tensor, has_bias: Tensor) -> Tensor:
    """Sum over all cells of (z_hat - value)^2, float64.

    z_hat is a constant, an effect of each row, one of each column, and an interaction; all but the constant
    have mean zero in both directions, so that their squares add up without cancellation.
    """
    mean = tf.reduce_sum(first.mean[:-1] * second.mean[:-1]) + first.mean[-1] + second.mean[-1]
    interaction = tf.reduce_sum(first.scatter[:-1, :-1] * second.scatter[:-1, :-1])
    total = first.count * second.count * tf.square(mean - value) + interaction
    for ours, partner in ((first, second), (second, first)):
        x_mean = tf.concat([partner.mean[:-1], has_bias[None]], 0)
        total += partner.count * tf.reduce_sum(x_mean * tf.linalg.matvec(ours.scatter, x_mean))
    return total


_scalar = tf.TensorSpec([], tf.float64)
_moments_spec = Moments(_scalar, tf.TensorSpec([None], tf.float64), tf.TensorSpec([None, None], tf.float64))
_moments_program = SingleGraph(_moments, [tf.TensorSpec([None, None])])
_row_prior_program = SingleGraph(_row_prior, [_moments_spec, _scalar, _scalar, _scalar])
_squared_errors_program = SingleGraph(_squared_errors, [_moments_spec, _moments_spec, _scalar, _scalar])
