"""Stochastic gradient descent over the batches of a block, and its scores, as TensorFlow programs."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import tensorflow as tf

from sklearn_mf.solvers._graph import Graph
from sklearn_mf.solvers._objective import (
    elastic_net,
    exact_sum,
    lane_sums,
    prediction_gradients,
    prediction_lanes,
    row_sums,
    soft_threshold,
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
    charges : list of tensors of shape (n_table,), float32, or None
        Factor of the penalty of one rating: (W_j + n0) / W_j for an id of summed weight W_j, where n0 is the
        number of prior ratings. The ratings of an id so add up to the penalty of W_j + n0. None without prior
        ratings, where it is 1.
    means : list of tensors of shape (n_table, width), float32, or None
        Prior means of the rows; None in a field without features.
    """

    rates: list[Tensor]
    charges: list[Tensor | None]
    means: list[Tensor | None]


class Batch(NamedTuple):
    """Ratings of one step, n of them in n_runs runs.

    Parameters
    ----------
    ids : list of tensors of shape (n_runs,) for the first field and (n,) for the others, int32
        Table row of the id of each field.
    z, w : tensors of shape (n,), float32
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

    `ratings`, (n_window, 1 + (n_fields + 1) * run), are runs packed by `pack_ratings`; `order`, (n_window,),
    is their visiting order; `batches`, (2,), is the first batch and the one after the last; `proximal` says
    whether there is a lasso penalty or a lower bound.
    """

    def learn(
        number: Tensor, sums: Tensor, tables: list[Tensor], buffers: list[Tensor]
    ) -> tuple[Tensor, Tensor, list[Tensor], list[Tensor]]:
        """Take a step down the gradient of one batch."""
        chosen = _written(
            buffers[0], tf.gather(ratings, tf.slice(order, [number * batch_size], [batch_size]))
        )
        batch = _unpacked(chosen[:-1], len(tables), run)
        rows = list(map(_written, buffers[1:], _rows(tables, batch.ids)))
        own = [row[:-1] for row in rows]
        sums, tables = _step(tables, own, sums, batch, id_steps, scalars, proximal)
        return number + 1, sums, tables, [chosen, *rows]

    buffers = [_buffer(values, batch_size) for values in (ratings, tables[0])]
    buffers += [_buffer(table, batch_size * run) for table in tables[1:]]
    sums = tf.concat([tf.zeros_like(table[:, 0]) for table in tables], 0)
    state = batches[0], sums, tables, buffers
    return tf.while_loop(lambda number, *_: number < batches[1], learn, state)[2]


def _buffer(values: Tensor, size: int) -> Tensor:
    """Memory for so many rows of an array and one more, (n, ...) -> (size + 1, ...)."""
    return tf.zeros([size + 1, tf.shape(values)[1]], values.dtype)


def _written(buffer: Tensor, rows: Tensor) -> Tensor:
    """Buffer, (n + 1, width), with the rows, (n, width), written into it.

    XLA cuts a gather from a large array into a piece for each core, which puts half of the rows into the
    cache of the other core. It does not cut one whose result is written into a part of other memory.
    """
    return tf.raw_ops.TensorStridedSliceUpdate(
        input=buffer, begin=[0, 0], end=[rows.shape[0], 0], strides=[1, 1], value=rows, end_mask=0b10
    )


def _score(
    tables: list[Tensor], ratings: Tensor, rows: Tensor, has_bias: Tensor, n_scored: int, run: int
) -> Tensor:
    """Weighted squared errors of some rows, scalar, float64.

    `ratings` are as in `_learn`; `rows`, (2,), are the first row and the one after the last, of which
    `n_scored` are scored at a time.
    """

    def score(first: Tensor, squares: Tensor) -> tuple[Tensor, Tensor]:
        """Add the squared errors of the next rows; a slice at the end of a window begins with scored ones."""
        start = tf.minimum(first, tf.shape(ratings)[0] - n_scored)
        batch = _unpacked(tf.slice(ratings, [start, 0], [n_scored, ratings.shape[1]]), len(tables), run)
        rows_of_ratings = _spread(_rows(tables, batch.ids), batch.z)
        errors = row_sums(prediction_lanes(rows_of_ratings, has_bias)) - batch.z
        of_runs = _summed(tf.abs(batch.w) * errors * errors, batch.ids[0])
        numbers = start + tf.range(n_scored)
        is_next = tf.cast((numbers >= first) & (numbers < rows[1]), tf.float32)
        return first + n_scored, squares + exact_sum(is_next * of_runs)

    state = [rows[0], tf.constant(0.0, tf.float64)]
    _, squares = tf.while_loop(lambda first, _: first < rows[1], score, state)
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


def _unpacked(packed: Tensor, n_fields: int, run: int) -> Batch:
    """Packed runs, (n_runs, 1 + (n_fields + 1) * run), as a batch of n = n_runs * run ratings."""
    first, *columns = tf.split(packed, [1, *[run] * (n_fields + 1)], axis=1)
    *ids, z, w = (tf.reshape(column, [-1]) for column in columns)
    return Batch([first[:, 0], *ids], tf.bitcast(z, tf.float32), tf.bitcast(w, tf.float32))


def _rows(tables: Sequence[Tensor], ids: list[Tensor]) -> list[Tensor]:
    """Rows of the ids of a batch, F times (n_table, ...), F times (n_rows,) -> F times (n_rows, ...).

    None is in the place of None.
    """
    pairs = zip(tables, ids, strict=True)
    return [None if table is None else tf.gather(table, field) for table, field in pairs]


def _spread(values: Sequence[Tensor], ratings: Tensor) -> list[Tensor]:
    """Values of ids, repeated for each of the n ratings, F times (n_rows, ...), (n,) -> F times (n, ...)."""
    n = ratings.shape[0]
    return [each if each.shape[0] == n else tf.repeat(each, n // each.shape[0], 0) for each in values]


def _summed(values: Tensor, rows: Tensor) -> Tensor:
    """Sums over the ratings of each id, one id a run or a rating, (n, ...), (n_rows,) -> (n_rows, ...)."""
    n, n_rows = values.shape[0], rows.shape[0]
    if n == n_rows:
        return values
    return tf.reduce_sum(tf.reshape(values, [n_rows, n // n_rows, *values.shape[1:]]), 1)


def _charges_of(charges: list[Tensor | None], ids: list[Tensor]) -> list[Tensor]:
    """Charges of the ids of a batch, F times (n_rows,); 1 in the place of None."""
    pairs = zip(_rows(charges, ids), ids, strict=True)
    return [tf.ones(field.shape) if charge is None else charge for charge, field in pairs]


def _less(rows: Sequence[Tensor], means: list[Tensor | None]) -> list[Tensor]:
    """Rows minus their prior means, F times (n, width), F times (n, width) or None -> F times (n, width)."""
    return [row if mean is None else row - mean for row, mean in zip(rows, means, strict=True)]


def _step(
    tables: list[Tensor],
    rows: list[Tensor],
    sums: Tensor,
    batch: Batch,
    id_steps: IdSteps,
    scalars: SGDScalars,
    proximal: bool,
) -> tuple[Tensor, list[Tensor]]:
    """Memory for sums by id, of the size of all tables, and tables, F times (n_table, width), after a step.

    The step goes down the gradient of J in the rows of a batch, F times (n_rows, width).
    """
    ids, z, w = batch
    charges = _charges_of(id_steps.charges, ids)
    l2 = [(scalars.l2 + scalars.l1 * scalars.ridge_share) * charge for charge in charges]
    means, of_ratings = _rows(id_steps.means, ids), _spread(rows, z)
    # The gradients of two fields are the rows of the other, which need not be repeated.
    gradients = prediction_gradients(rows if len(rows) == 2 else of_ratings, scalars.has_bias)
    # One product for all sums: XLA would take small ones apart and then not vectorise them.
    terms = prediction_lanes(of_ratings, scalars.has_bias)
    parts = [terms, *(lane_sums(gradient * gradient) for gradient in gradients)]
    predictions, *squares = tf.split(row_sums(tf.concat(parts, 0)), [part.shape[0] for part in parts])
    errors = predictions - z
    id_weights = [_summed(w, field) for field in ids]
    curvatures = [
        _summed(w * (square + ridge), field)
        for square, ridge, field in zip(_spread(squares, z), _spread(l2, z), ids, strict=True)
    ]
    places = _joint_places(tables, ids)
    sums, of_ids = _sums_by_id(sums, places, curvatures)
    steps = _capped_steps(_rows(id_steps.rates, ids), of_ids)
    decays = [ridge * weight for ridge, weight in zip(l2, id_weights, strict=True)]
    descents = _descents(steps, _spread(gradients, z), w * errors, decays, _less(rows, means))
    moved = [
        tf.tensor_scatter_nd_sub(table, field[:, None], descent)
        for table, field, descent in zip(tables, ids, descents, strict=True)
    ]
    if not proximal:
        return sums, moved
    charged = [weight * charge for weight, charge in zip(id_weights, charges, strict=True)]
    sums, of_ids = _sums_by_id(sums, places, charged)
    l1 = scalars.l1 * (1 - scalars.ridge_share)
    thresholds = [l1 * step * weight for step, weight in zip(steps, of_ids, strict=True)]
    return sums, _proximal_step(moved, ids, means, thresholds, scalars.lower_bounds)


def _descents(
    steps: list[Tensor],
    gradients: list[Tensor],
    weighted_errors: Tensor,
    decays: list[Tensor],
    distances: list[Tensor],
) -> list[Tensor]:
    """Steps down the gradient of J times their lengths, F times (n_rows, width).

    The gradients of z_hat, F times (n, width), and the weighted errors, (n,), are of ratings; `steps` and
    `decays`, F times (n_rows,), and the distances to the prior means, F times (n_rows, width), of ids.
    """
    return [
        _summed((weighted_errors * of_ratings)[:, None] * gradient, step) + (decay * step)[:, None] * distance
        for gradient, of_ratings, step, decay, distance in zip(
            gradients, _spread(steps, weighted_errors), steps, decays, distances, strict=True
        )
    ]


def _capped_steps(rates: list[Tensor], curvatures: list[Tensor]) -> list[Tensor]:
    """Steps of a batch from rates and summed curvatures of the ids, F times (n_rows,) each -> the same.

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

    The rows shrink by `thresholds`, F times (n_rows,), to `means`, F times (n_rows, width), or to 0.
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


def _joint_places(tables: Sequence[Tensor], ids: list[Tensor]) -> Tensor:
    """Rows of the ids of a batch in all tables one after the other, F times (n_rows,) -> (n_places,)."""
    ends = tf.cumsum([tf.shape(table)[0] for table in tables], exclusive=True)
    return tf.concat([field + end for field, end in zip(ids, tf.unstack(ends), strict=True)], 0)


def _sums_by_id(sums: Tensor, places: Tensor, values: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Memory with sums of values by id, of the size of all tables, and these sums, F times (n_rows,).

    The other places keep their numbers, since the time to clear all would grow with the tables.
    """
    cleared = tf.tensor_scatter_nd_update(sums, places[:, None], tf.zeros(places.shape))
    sums = tf.tensor_scatter_nd_add(cleared, places[:, None], tf.concat(values, 0))
    return sums, tf.split(tf.gather(sums, places), [value.shape[0] for value in values])


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
