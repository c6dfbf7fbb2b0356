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
    return row_sums(terms(rows, has_bias)) - z


def terms(rows: list[Tensor], has_bias: Tensor) -> Tensor:
    """What the predictions are sums of.

    Parameters
    ----------
    rows : list of tensors of shape (n, width), float32
        Embeddings and, in the last column, biases of the ids of each field.
    has_bias : scalar tensor, float32
        1 where ids have biases, else 0.

    Returns
    -------
    terms : tensor of shape (n, width), float32
        The products of the embeddings, summed over pairs of fields; in the last column the biases.
    """
    total, products = rows[0], tf.zeros_like(rows[0])
    for row in rows[1:]:
        products += total * row
        total += row
    bias = is_bias(total)
    return products * (1 - bias) + total * (has_bias * bias)


def row_sums(rows: Tensor) -> Tensor:
    """Sum along rows.

    Parameters
    ----------
    rows : tensor of shape (n, width), float32
        Any.

    Returns
    -------
    sums : tensor of shape (n,), float32
        As a product with ones, which XLA vectorises; its sums along rows add one number after another.
    """
    return tf.linalg.matvec(rows, tf.ones_like(rows[0]))


def is_bias(rows: Tensor) -> Tensor:
    """Mark the column of the biases.

    Parameters
    ----------
    rows : tensor of shape (n, width), float32
        Embeddings and biases.

    Returns
    -------
    is_bias : tensor of shape (width,), float32
        1 for the last column, else 0.
    """
    width = tf.shape(rows)[1]
    return tf.one_hot(width - 1, width)
