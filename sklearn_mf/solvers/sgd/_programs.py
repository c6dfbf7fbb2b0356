"""The programs of stochastic gradient descent: steps over the batches of a block, and the errors there."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from sklearn_mf.solvers import _objective as penalties
from sklearn_mf.solvers._predictions import errors, is_bias, row_sums, terms

Tensor = Any

# From this many padded rows on, compiling pays for itself within a default run.
_COMPILE_FROM = 4096


class SGDScalars(NamedTuple):
    """Scalars of an epoch, as tensors so that no value of theirs costs a compilation.

    Parameters
    ----------
    l1, l2 : scalar tensors, float32
        Penalties of one rating.
    ridge, has_bias : scalar tensors, float32
        Share of the lasso penalty that is still ridge; 1 where ids have biases.
    floors : tensor of shape (width,), float32
        Least value of each column of a table.
    """

    l1: Tensor
    l2: Tensor
    ridge: Tensor
    has_bias: Tensor
    floors: Tensor


def _learn(
    tables: list[Tensor],
    ratings: Tensor,
    order: Tensor,
    rates: list[Tensor],
    bounds: Tensor,
    numbers: SGDScalars,
    batch_size: int,
    proximal: bool,
) -> list[Tensor]:
    """Steps over the batches of one block.

    Parameters
    ----------
    tables : list of tensors of shape (n_table, width), float32
        Embedding and, in the last column, bias of each id, by field.
    ratings : tensor of shape (n_padded, n_fields + 2), int32
        As `batches.arrange` packs them.
    order : tensor of shape (n_padded,), int32
        Visiting order.
    rates : list of tensors of shape (n_table,), float32
        Rate of each id.
    bounds : tensor of shape (2,), int32
        First batch, and the one after the last.
    numbers : Numbers
        Penalties.
    batch_size : int
        Ratings in a batch.
    proximal : bool
        Whether there is a lasso penalty to threshold by, or a least value.

    Returns
    -------
    tables : list of tensors of shape (n_table, width), float32
        After the steps.
    """

    def learn(batch: Tensor, *tables: Tensor) -> tuple[Tensor, ...]:
        """Take a step down the gradient of one batch."""
        picked = tf.slice(order, [batch * batch_size], [batch_size])
        return batch + 1, *_step(tables, *_unpacked(tf.gather(ratings, picked)), rates, numbers, proximal)

    _, *tables = tf.while_loop(lambda batch, *_: batch < bounds[1], learn, [bounds[0], *tables])
    return tables


def _score(
    tables: list[Tensor],
    ratings: Tensor,
    id_weights: list[Tensor],
    bounds: Tensor,
    numbers: SGDScalars,
    batch_size: int,
) -> Tensor:
    """Sums over one block that J and the validation error are made of.

    Parameters
    ----------
    tables : list of tensors of shape (n_table, width), float32
        Embeddings and biases, by field.
    ratings : tensor of shape (n_padded, n_fields + 2), int32
        As `batches.arrange` packs them.
    id_weights : list of tensors of shape (n_table,), float32
        Summed training weight of each id.
    bounds : tensor of shape (2,), int32
        First batch, and the one after the last.
    numbers : Numbers
        Penalties.
    batch_size : int
        Ratings in a batch.

    Returns
    -------
    sums : tensor of shape (3,), float64
        Weighted squared errors in training and held out, and the penalty of the tables.
    """

    def score(batch: Tensor, squares: Tensor) -> tuple[Tensor, Tensor]:
        """Add the squared errors of one batch."""
        ids, z, w = _unpacked(tf.slice(ratings, [batch * batch_size, 0], [batch_size, ratings.shape[1]]))
        squared = errors(_rows(tables, ids), z, numbers.has_bias) ** 2
        sums = [tf.reduce_sum(tf.maximum(sign * w, 0.0) * squared) for sign in (1.0, -1.0)]
        return batch + 1, squares + tf.cast(tf.stack(sums), tf.float64)

    nothing = tf.zeros(2, tf.float64)
    _, squares = tf.while_loop(lambda batch, _: batch < bounds[1], score, [bounds[0], nothing])
    penalty = tf.add_n(
        [penalties.value(*pair, numbers.l1, numbers.l2) for pair in zip(tables, id_weights, strict=True)]
    )
    return tf.concat([squares, penalty[None]], 0)


def _unpacked(packed: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
    """Ids by field, targets and weights, (batch,) each, of packed ratings."""
    *ids, z, w = tf.unstack(packed, axis=1)
    return ids, tf.bitcast(z, tf.float32), tf.bitcast(w, tf.float32)


def _rows(tables: Sequence[Tensor], ids: list[Tensor]) -> list[Tensor]:
    """Rows of the ids of a batch, (batch, ...) by field."""
    return [tf.gather(table, field) for table, field in zip(tables, ids, strict=True)]


def _step(
    tables: Sequence[Tensor],
    ids: list[Tensor],
    z: Tensor,
    w: Tensor,
    rates: list[Tensor],
    numbers: SGDScalars,
    proximal: bool,
) -> list[Tensor]:
    """Move the rows of a batch down the gradient of J.

    Parameters
    ----------
    tables : sequence of tensors of shape (n_table, width), float32
        Embeddings and biases, by field.
    ids : list of tensors of shape (batch,), int32
        Table rows of each field.
    z, w : tensors of shape (batch,), float32
        Targets and weights.
    rates : list of tensors of shape (n_table,), float32
        Rate of each id.
    numbers : Numbers
        Penalties.
    proximal : bool
        Whether there is a lasso penalty to threshold by, or a least value.

    Returns
    -------
    tables : list of tensors of shape (n_table, width), float32
        After the step.
    """
    l1, l2 = numbers.l1 * (1 - numbers.ridge), numbers.l2 + numbers.l1 * numbers.ridge
    rows = _rows(tables, ids)
    partners = _partners(rows, numbers.has_bias)
    # One product for all sums: XLA would take small ones apart and then not vectorise them.
    parts = [terms(rows, numbers.has_bias), *(partner * partner for partner in partners)]
    scores, *squares = tf.split(row_sums(tf.concat(parts, 0)), len(parts))
    left, curvatures = scores - z, [w * (square + l2) for square in squares]
    steps = [
        1 / tf.maximum(1 / rate, len(ids) * total)
        for rate, total in zip(_rows(rates, ids), _sums_by_id(tables, ids, curvatures), strict=True)
    ]
    moved = [
        tf.tensor_scatter_nd_sub(
            table, field[:, None], (w * left * step)[:, None] * partner + (l2 * w * step)[:, None] * row
        )
        for table, field, row, partner, step in zip(tables, ids, rows, partners, steps, strict=True)
    ]
    if not proximal:
        return moved
    seen = _sums_by_id(tables, ids, [w] * len(ids))
    return [
        tf.tensor_scatter_nd_update(
            table, field[:, None], _shrunk(row, (l1 * step * n)[:, None], numbers.floors)
        )
        for table, field, row, step, n in zip(moved, ids, _rows(moved, ids), steps, seen, strict=True)
    ]


def _shrunk(rows: Tensor, threshold: Tensor, floors: Tensor) -> Tensor:
    """Proximal step, (batch, width): the lasso's, and up to the least values."""
    return tf.maximum(penalties.soft_threshold(rows, threshold), floors)


def _partners(rows: list[Tensor], has_bias: Tensor) -> list[Tensor]:
    """Derivative of z_hat by the row of each field: the sum of the other fields' embeddings; 1 for a bias.

    Parameters
    ----------
    rows : list of tensors of shape (batch, width), float32
        Embeddings and biases of the ids of each field.
    has_bias : scalar tensor, float32
        1 where ids have biases, else 0.

    Returns
    -------
    partners : list of tensors of shape (batch, width), float32
        One for each field.
    """
    total = tf.add_n(rows)
    others = rows[::-1] if len(rows) == 2 else [total - row for row in rows]
    bias = is_bias(total)
    return [other * (1 - bias) + has_bias * bias for other in others]


def _sums_by_id(tables: Sequence[Tensor], ids: list[Tensor], sizes: list[Tensor]) -> list[Tensor]:
    """Sum a number over the ratings that each id has in the batch.

    With `sizes` the curvature of each rating, the sum L bounds the block of the Gauss-Newton matrix that
    belongs to an id, and F times the blocks bound the whole: a step of at most 1 / (F L) cannot overshoot,
    however often an id repeats and whatever its weights.

    Parameters
    ----------
    tables : sequence of tensors of shape (n_table, width), float32
        Give the numbers of rows.
    ids : list of tensors of shape (batch,), int32
        Table rows of each field.
    sizes : list of tensors of shape (batch,), float32
        One number for each id.

    Returns
    -------
    sums : list of tensors of shape (batch,), float32
        The sum that belongs to each id.
    """
    sums = [
        tf.tensor_scatter_nd_add(tf.zeros_like(table[:, 0]), field[:, None], size)
        for table, field, size in zip(tables, ids, sizes, strict=True)
    ]
    return _rows(sums, ids)


class CompiledSteps(NamedTuple):
    """What runs over a block.

    Parameters
    ----------
    learn, score : callable
        The two functions, in TensorFlow.
    """

    learn: Any
    score: Any


_compiled = CompiledSteps(
    *(tf.function(part, jit_compile=True, autograph=False) for part in (_learn, _score))
)
_any_shape = CompiledSteps(
    *(tf.function(part, reduce_retracing=True, autograph=False) for part in (_learn, _score))
)


def programs(n_padded: int) -> CompiledSteps:
    """Choose how to run over blocks.

    Parameters
    ----------
    n_padded : int
        Rows of the ratings.

    Returns
    -------
    programs : Programs
        Compiled; for few ratings graphs that serve every shape without compilation.
    """
    return _compiled if n_padded >= _COMPILE_FROM else _any_shape
