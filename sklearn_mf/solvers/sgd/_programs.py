"""Stochastic gradient descent over the batches of a block, and its scores, as TensorFlow programs."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import tensorflow as tf

from sklearn_mf.solvers._graph import Graph
from sklearn_mf.solvers._objective import (
    elastic_net,
    prediction_errors,
    prediction_gradients,
    prediction_terms,
    row_sums,
    soft_threshold,
    squared_loss,
)
from sklearn_mf.solvers._tensors import Tensor

# From this many padded ratings on, compiling pays for itself within a default run.
_COMPILE_FROM = 4096
# A program that is not compiled copies the tables in each step; from this many bytes an epoch on, compiling
# costs less.
_MOST_COPIED = 2**30


class SGDScalars(NamedTuple):
    """Scalars of an epoch, passed as tensors so that new values do not retrace the programs.

    Parameters
    ----------
    l1, l2 : scalar tensors, float32
        Lasso and ridge penalty of one rating.
    ridge_share, has_bias : scalar tensors, float32
        Share of the lasso penalty that is still ridge; 1 where ids have biases.
    lower_bounds : tensor of shape (width,), float32
        Lower bound of each column of a table.
    """

    l1: Tensor
    l2: Tensor
    ridge_share: Tensor
    has_bias: Tensor
    lower_bounds: Tensor


class IdSteps(NamedTuple):
    """Numbers of the ids that a step uses, one tensor a field.

    Parameters
    ----------
    rates : list of tensors of shape (n_table,), float32
        Step of one rating.
    charges : list of tensors of shape (n_table,), float32
        Factor of the penalty of one rating: (W_j + n0) / W_j for an id of summed weight W_j, where n0 is the
        number of prior ratings. The ratings of an id so add up to the penalty of W_j + n0.
    means : list of tensors of shape (n_table, width), float32, or None
        Prior means of the rows; None in a field without features.
    """

    rates: list[Tensor]
    charges: list[Tensor]
    means: list[Tensor | None]


class Batch(NamedTuple):
    """Ratings of one step.

    Parameters
    ----------
    ids : list of tensors of shape (batch,), int32
        Table row of the id of each field.
    z, w : tensors of shape (batch,), float32
        Targets and weights.
    """

    ids: list[Tensor]
    z: Tensor
    w: Tensor


def _learn(
    tables: list[Tensor],
    ratings: Tensor,
    order: Tensor,
    id_steps: IdSteps,
    batches: Tensor,
    scalars: SGDScalars,
    batch_size: int,
    run: int,
    proximal: bool,
) -> list[Tensor]:
    """Tables, F times (n_table, width), after a step over each batch of a block.

    `ratings`, (n_window, n_fields + 2), are packed by `pack_ratings`; `order`, (n_window / run,), is the
    visiting order of the runs; `batches`, (2,), is the first batch and the one after the last; `proximal`
    says whether there is a lasso penalty or a lower bound.
    """
    n_fields, n_columns, n_runs = len(tables), ratings.shape[1], batch_size // run
    runs = tf.reshape(ratings, [-1, run * n_columns])

    def learn(number: Tensor, *tables_and_sums: Tensor) -> tuple[Tensor, ...]:
        """Take a step down the gradient of one batch."""
        chosen = tf.gather(runs, tf.slice(order, [number * n_runs], [n_runs]))
        batch = _training(_unpacked(tf.reshape(chosen, [batch_size, n_columns])))
        before = tables_and_sums[:n_fields], tables_and_sums[n_fields:]
        tables, sums = _step(*before, batch, id_steps, scalars, proximal)
        return number + 1, *tables, *sums

    sums = [tf.zeros_like(table[:, 0]) for table in tables]
    state = [batches[0], *tables, *sums]
    _, *state = tf.while_loop(lambda number, *_: number < batches[1], learn, state)
    return state[:n_fields]


def _score(
    tables: list[Tensor], ratings: Tensor, batches: Tensor, has_bias: Tensor, batch_size: int
) -> Tensor:
    """Weighted squared errors of a block, in training and held out, (2,), float64; as `_learn`."""

    def score(number: Tensor, squares: Tensor) -> tuple[Tensor, Tensor]:
        """Add the squared errors of one batch."""
        ids, z, w = _unpacked(tf.slice(ratings, [number * batch_size, 0], [batch_size, ratings.shape[1]]))
        errors = prediction_errors(_rows(tables, ids), z, has_bias)
        sums = [squared_loss(tf.maximum(sign * w, 0.0), errors) for sign in (1.0, -1.0)]
        return number + 1, squares + tf.cast(tf.stack(sums), tf.float64)

    state = [batches[0], tf.zeros(2, tf.float64)]
    _, squares = tf.while_loop(lambda number, _: number < batches[1], score, state)
    return squares


def _penalty(
    tables: list[Tensor], charged_weights: list[Tensor], means: list[Tensor | None], scalars: SGDScalars
) -> Tensor:
    """Penalty of the tables, float64, F times (n_table, width).

    `charged_weights`, F times (n_table,), are the summed weights of the training ratings of each id, prior
    ratings included, and `means` the prior means.
    """
    pairs = zip(_less(tables, means), charged_weights, strict=True)
    return tf.add_n([elastic_net(*pair, scalars.l1, scalars.l2) for pair in pairs])


def _unpacked(packed: Tensor) -> Batch:
    """Packed ratings, (batch, n_fields + 2), apart."""
    *ids, z, w = tf.unstack(packed, axis=1)
    return Batch(ids, tf.bitcast(z, tf.float32), tf.bitcast(w, tf.float32))


def _training(batch: Batch) -> Batch:
    """The batch with weights of 0 for held-out ratings, which may share the last run of a block."""
    return batch._replace(w=tf.maximum(batch.w, 0.0))


def _rows(tables: Sequence[Tensor], ids: list[Tensor]) -> list[Tensor]:
    """Rows of the ids of a batch, F times (n_table, ...), F times (batch,) -> F times (batch, ...)."""
    return [tf.gather(table, field) for table, field in zip(tables, ids, strict=True)]


def _means_of(means: list[Tensor | None], ids: list[Tensor]) -> list[Tensor | None]:
    """Prior means of the ids of a batch, F times (batch, width), or None."""
    pairs = zip(means, ids, strict=True)
    return [None if mean is None else tf.gather(mean, field) for mean, field in pairs]


def _less(rows: Sequence[Tensor], means: list[Tensor | None]) -> list[Tensor]:
    """Rows minus their prior means, F times (n, width), F times (n, width) or None -> F times (n, width)."""
    return [row if mean is None else row - mean for row, mean in zip(rows, means, strict=True)]


def _step(
    tables: Sequence[Tensor],
    sums: Sequence[Tensor],
    batch: Batch,
    id_steps: IdSteps,
    scalars: SGDScalars,
    proximal: bool,
) -> tuple[list[Tensor], list[Tensor]]:
    """Tables, F times (n_table, width), after a step down the gradient of J in the rows of a batch.

    `sums`, F times (n_table,), is memory for sums by id.
    """
    ids, z, w = batch
    charges = _rows(id_steps.charges, ids)
    l2 = [(scalars.l2 + scalars.l1 * scalars.ridge_share) * charge for charge in charges]
    rows, means = _rows(tables, ids), _means_of(id_steps.means, ids)
    gradients = prediction_gradients(rows, scalars.has_bias)
    # One product for all sums: XLA would take small ones apart and then not vectorise them.
    parts = [prediction_terms(rows, scalars.has_bias), *(gradient * gradient for gradient in gradients)]
    predictions, *squares = tf.split(row_sums(tf.concat(parts, 0)), len(parts))
    errors = predictions - z
    curvatures = [w * (square + ridge) for square, ridge in zip(squares, l2, strict=True)]
    sums = _sums_by_id(sums, ids, curvatures)
    steps = _capped_steps(_rows(id_steps.rates, ids), _rows(sums, ids))
    moved = [
        tf.tensor_scatter_nd_sub(
            table,
            field[:, None],
            (w * errors * step)[:, None] * gradient + (ridge * w * step)[:, None] * distance,
        )
        for table, field, distance, gradient, step, ridge in zip(
            tables, ids, _less(rows, means), gradients, steps, l2, strict=True
        )
    ]
    if not proximal:
        return moved, sums
    sums = _sums_by_id(sums, ids, [w * charge for charge in charges])
    l1 = scalars.l1 * (1 - scalars.ridge_share)
    thresholds = [l1 * step * weight for step, weight in zip(steps, _rows(sums, ids), strict=True)]
    return _proximal_step(moved, ids, means, thresholds, scalars.lower_bounds), sums


def _capped_steps(rates: list[Tensor], curvatures: list[Tensor]) -> list[Tensor]:
    """Steps of a batch from rates and summed curvatures of the ids, F times (batch,) each -> the same.

    The sum L of the curvatures of an id bounds its block of the Gauss-Newton matrix, and F times the blocks
    bound the whole: a step of at most 1 / (F L) cannot overshoot, however often an id repeats and whatever
    its weights.
    """
    pairs = zip(rates, curvatures, strict=True)
    return [1 / tf.maximum(1 / rate, len(rates) * total) for rate, total in pairs]


def _proximal_step(
    tables: list[Tensor],
    ids: list[Tensor],
    means: list[Tensor | None],
    thresholds: list[Tensor],
    lower_bounds: Tensor,
) -> list[Tensor]:
    """Tables, F times (n_table, width), after the proximal step in the rows of a batch.

    The rows shrink by `thresholds`, F times (batch,), to `means`, F times (batch, width), or to 0.
    """
    columns = [threshold[:, None] for threshold in thresholds]
    distances = map(soft_threshold, _less(_rows(tables, ids), means), columns)
    shrunk = [
        tf.maximum(distance if mean is None else mean + distance, lower_bounds)
        for distance, mean in zip(distances, means, strict=True)
    ]
    return [
        tf.tensor_scatter_nd_update(table, field[:, None], row)
        for table, field, row in zip(tables, ids, shrunk, strict=True)
    ]


def _sums_by_id(sums: Sequence[Tensor], ids: list[Tensor], values: list[Tensor]) -> list[Tensor]:
    """Sums of the values of the batch by id, in the places of its ids, F times (n_table,).

    The other places of `sums` keep what they had, since to clear a large table would take longer than a step.
    """
    return [
        tf.tensor_scatter_nd_add(
            tf.tensor_scatter_nd_update(of_field, field[:, None], tf.zeros_like(value)), field[:, None], value
        )
        for of_field, field, value in zip(sums, ids, values, strict=True)
    ]


class CompiledSteps(NamedTuple):
    """The programs that run over a block, and over the tables of a stratum."""

    learn: Graph[list[Tensor]]
    score: Graph[Tensor]
    penalty: Graph[Tensor]

    @classmethod
    def graphs(cls, **options: bool) -> Self:
        """The programs as graphs."""
        return cls(Graph(_learn, **options), Graph(_score, **options), Graph(_penalty, **options))


_compiled = CompiledSteps.graphs(jit_compile=True)
_any_shape = CompiledSteps.graphs(reduce_retracing=True)


def programs(n_padded: int, batch_size: int, n_table_bytes: int) -> CompiledSteps:
    """Compiled programs; uncompiled ones for any shape where there are few ratings and small tables."""
    copied = n_padded // batch_size * n_table_bytes
    return _compiled if n_padded >= _COMPILE_FROM or copied > _MOST_COPIED else _any_shape
