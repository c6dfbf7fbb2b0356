"""Elastic-net penalty on the table of embeddings and biases: value, proximal step, least values."""

from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Tensor = Any


def value(table: Tensor, id_weights: Tensor, l1: Tensor, l2: Tensor) -> Tensor:
    """Penalty summed over ratings: sum_j w_j (l1 |t_j|_1 + l2 / 2 |t_j|^2).

    Parameters
    ----------
    table : tensor of shape (n_rows, width), float32
        Embedding and bias of each id.
    id_weights : tensor of shape (n_rows,), float32
        Summed weight of the ratings of each id.
    l1, l2 : scalar tensors, float32
        Penalties of one rating.

    Returns
    -------
    penalty : scalar tensor, float64
        Not finite where any entry of the table is not.
    """
    per_row = tf.reduce_sum(l1 * tf.abs(table) + 0.5 * l2 * tf.square(table), 1)
    return tf.reduce_sum(tf.cast(id_weights * per_row, tf.float64))


def soft_threshold(rows: Tensor, threshold: Tensor) -> Tensor:
    """Proximal step of the lasso: sign(t) max(|t| - threshold, 0), exactly 0 inside the threshold.

    Parameters
    ----------
    rows : tensor of shape (n, width), float32
        Embeddings and biases after a gradient step.
    threshold : tensor of shape (n, 1), float32
        Step times l1 times the weight of the ratings in the step.

    Returns
    -------
    rows : tensor of shape (n, width), float32
        Shrunken rows.
    """
    return tf.sign(rows) * tf.maximum(tf.abs(rows) - threshold, 0.0)


def floors(width: int, positive: bool) -> NDArray[np.float32]:
    """Least value of each column of the table.

    Parameters
    ----------
    width : int
        Floats in a row, of which the bias is the last.
    positive : bool
        Whether embeddings must not be negative.

    Returns
    -------
    floors : ndarray of shape (width,), float32
        Minus infinity for the bias, and for all where embeddings are free.
    """
    return np.append(np.full(width - 1, 0.0 if positive else -np.inf), -np.inf).astype(np.float32)
