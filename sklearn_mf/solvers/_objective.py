"""The parts of the objective J as functions of tensors: predictions, squared loss and elastic net."""

import functools
from collections.abc import Sequence

import tensorflow as tf

from sklearn_mf.solvers._tensors import Tensor

# Columns that are summed side by side.
_LANES = 16


def sum_and_pair_products(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Sum over fields of t_f, over pairs of fields of t_f * t_g; F times (n, width) -> (n, width) each."""
    total, products = rows[0], tf.zeros_like(rows[0])
    for row in rows[1:]:
        products += total * row
        total += row
    return total, products


def prediction_terms(rows: Sequence[Tensor], has_bias: Tensor) -> Tensor:
    """Terms whose sum along a row is z_hat: the pair products, and the biases in the last column.

    F times (n, width), scalar that is 1 where ids have biases -> (n, width).
    """
    total, products = sum_and_pair_products(rows)
    bias = bias_column(total)
    return products * (1 - bias) + total * (has_bias * bias)


def prediction_lanes(rows: Sequence[Tensor], has_bias: Tensor) -> Tensor:
    """Fewer terms of the same sums, for XLA: (n, 16) where 16 divides a larger width, else (n, width).

    The columns that cannot be the biases need no indicator and are summed first.
    """
    if not _has_lanes(rows[0]):
        return prediction_terms(rows, has_bias)
    _, products = sum_and_pair_products([row[:, :-_LANES] for row in rows])
    return lane_sums(products) + prediction_terms([row[:, -_LANES:] for row in rows], has_bias)


def prediction_errors(rows: Sequence[Tensor], z: Tensor, has_bias: Tensor) -> Tensor:
    """Predictions minus targets, F times (n, width), (n,), scalar -> (n,)."""
    return row_sums(prediction_terms(rows, has_bias)) - z


def prediction_gradients(rows: Sequence[Tensor], has_bias: Tensor) -> list[Tensor]:
    """Derivative of z_hat by the row of each field, F times (n, width), scalar -> F times (n, width).

    It is the sum of the rows of the other fields, and 1 in the place of the bias.
    """
    if len(rows) == 2:
        others = rows[::-1]
    else:
        total = tf.add_n(rows)
        others = [total - row for row in rows]
    bias = bias_column(rows[0])
    return [other * (1 - bias) + has_bias * bias for other in others]


def bias_column(rows: Tensor) -> Tensor:
    """Indicator of the column of the biases, which is the last, (n, width) -> (width,)."""
    width = tf.shape(rows)[1]
    return tf.one_hot(width - 1, width)


def row_sums(rows: Tensor) -> Tensor:
    """Sums along rows, (n, width) -> (n,), as a product with ones: XLA vectorises it, unlike a sum."""
    lanes = lane_sums(rows)
    return tf.linalg.matvec(lanes, tf.ones_like(lanes[0]))


def lane_sums(rows: Tensor) -> Tensor:
    """Rows of the same sums, (n, width) -> (n, 16) where 16 divides a larger width, by vector registers."""
    if not _has_lanes(rows):
        return rows
    return tf.reduce_sum(tf.reshape(rows, [-1, rows.shape[1] // _LANES, _LANES]), 1)


def _has_lanes(rows: Tensor) -> bool:
    """Whether a known number of columns is a multiple of that of the lanes."""
    width = rows.shape[1]
    return width is not None and width > _LANES and width % _LANES == 0


def squared_loss(weights: Tensor, errors: Tensor, axis: int | None = None) -> Tensor:
    """Weighted squared errors, summed over all axes or along one."""
    return tf.reduce_sum(weights * errors * errors, axis)


def elastic_net(table: Tensor, id_weights: Tensor, l1: Tensor, l2: Tensor) -> Tensor:
    """Penalty sum_j w_j (l1 |t_j|_1 + l2 / 2 |t_j|^2), (n_ids, width), (n_ids,), scalars -> float64."""
    return exact_sum(row_penalties(table, id_weights, l1, l2))


def row_penalties(table: Tensor, id_weights: Tensor, l1: Tensor, l2: Tensor) -> Tensor:
    """Elastic net of each row, (n_ids, width), (n_ids,), scalars -> (n_ids,)."""
    return id_weights * tf.reduce_sum(l1 * tf.abs(table) + 0.5 * l2 * tf.square(table), 1)


def exact_sum(values: Tensor) -> Tensor:
    """Sum in float64, (n,) -> ()."""
    return tf.reduce_sum(tf.cast(values, tf.float64))


def soft_threshold(values: Tensor, threshold: Tensor) -> Tensor:
    """Proximal step of the lasso: sign(t) max(|t| - threshold, 0), exactly 0 inside the threshold."""
    return tf.sign(values) * tf.maximum(tf.abs(values) - threshold, 0.0)


@functools.cache
def lower_bounds(width: int, positive: bool) -> Tensor:
    """Lower bound of each column, (width,): 0 for embeddings that must be positive, no bound for the bias."""
    unbounded = tf.float32.min  # finite, since TensorFlow can be set to reject infinite numbers
    return tf.constant([0.0 if positive else unbounded] * (width - 1) + [unbounded])
