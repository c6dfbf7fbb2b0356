"""Errors of the model on rows of the tables, as every solver counts them."""

from typing import Any

import tensorflow as tf

Tensor = Any


def errors(rows: list[Tensor], z: Tensor, has_bias: Tensor) -> Tensor:
    """Errors of some ratings.

    Parameters
    ----------
    rows : list of tensors of shape (n, width), float32
        Embeddings and, in the last column, biases of the ids of each field.
    z : tensor of shape (n,), float32
        Targets.
    has_bias : scalar tensor, float32
        1 where ids have biases, else 0.

    Returns
    -------
    errors : tensor of shape (n,), float32
        Predictions less targets.
    """
    total, pairs = rows[0], tf.zeros_like(z)
    for row in rows[1:]:
        pairs += tf.reduce_sum(total[:, :-1] * row[:, :-1], 1)
        total += row
    return pairs + has_bias * total[:, -1] - z
