"""Mini-batch stochastic gradient descent: one epoch is one compiled program."""

import itertools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from sklearn_mf._model import Model
from sklearn_mf._ratings import Ratings
from sklearn_mf.core import batches, penalties
from sklearn_mf.core.errors import errors
from sklearn_mf.core.tensors import tensor
from sklearn_mf.core.training import Options, Yardstick

Tensor = Any

# From this many padded rows on, compiling an epoch pays for itself within a default run.
_COMPILE_FROM = 4096
# The rate falls by this factor each epoch, to no less than the floor (a share of the first rate).
_DECAY, _FLOOR = 0.87, 0.1
# Lasso comes in over this many epochs of ridge: the all-zero model is a stationary point that a small random
# start falls into.
_RAMP = 8


def rates(learning_rate: float, ages: NDArray[np.int32]) -> NDArray[np.float32]:
    """Step of one rating, by the age of the id.

    Parameters
    ----------
    learning_rate : float
        Rate of a new id.
    ages : ndarray of shape (n_ids,), int32
        Epochs that each id has been in training; the rate depends on nothing else, so that more epochs
        continue the same run.

    Returns
    -------
    rates : ndarray of shape (n_ids,), float32
        Falls geometrically to a tenth.
    """
    with np.errstate(over="ignore"):  # an infinite rate is capped like any other
        return np.asarray(learning_rate * np.maximum(_DECAY**ages, _FLOOR), dtype=np.float32)


def ridge_share(epoch: int) -> float:
    """Share of the lasso penalty that is still ridge.

    Parameters
    ----------
    epoch : int
        Counted from 0; as the rate, the share depends on nothing else.

    Returns
    -------
    share : float
        1 in the first epoch, falling to 0.
    """
    return 1.0 - min(1.0, epoch / _RAMP) ** 2


class SGD:
    """One run of stochastic gradient descent: the arrays, and the table of embeddings, in TensorFlow.

    Parameters
    ----------
    ratings : Ratings
        Ratings to learn from.
    held_out : Ratings or None
        Ratings to stop on.
    start : Model
        Where to begin.
    options : Options
        Penalty, rate and batch size.
    """

    unit, start_std = "epoch", 0.01

    def __init__(self, ratings: Ratings, held_out: Ratings | None, start: Model, options: Options) -> None:
        self.start, self.options = start, options
        order, tiles = batches.tile(ratings, start.embeddings[0].shape[1] + 1)
        self.layout = batches.lay_out(ratings, held_out, options.batch_size, tiles)
        self.arrays = batches.arrange(
            self.layout, ratings, held_out, start.intercept, start.scale, order, convert=tensor
        )
        del order
        self.table = tf.constant(pack(start, self.layout.n_table))
        # Ids that go on from a warm start have an age; the visiting order goes on with the oldest.
        self.ages = np.zeros(self.layout.n_table, dtype=np.int32)
        self.ages[: self.layout.offsets[-1]] = np.concatenate(start.epochs)
        self.first_epoch, self.n_epochs = int(self.ages.max()), 0
        self.helper = ThreadPoolExecutor(max_workers=1)
        self.order = self._draw(0)
        self.yardstick = Yardstick.of(ratings, held_out, start.scale)
        self.remedy = (
            f"lower learning_rate={options.learning_rate:g} or raise alpha={options.l1 + options.l2:g}"
        )
        self.warmup = max(0, _RAMP - self.first_epoch) if options.l1 > 0 else 0

    def run_epoch(self, epoch: int) -> tuple[float, float | None]:
        """Pass over the training ratings once.

        Parameters
        ----------
        epoch : int
            Counted from 0.

        Returns
        -------
        loss : float
            J at the end of the epoch.
        rmse : float or None
            Root mean squared error of the held-out ratings, in their units; None without any.
        """
        layout, options = self.layout, self.options
        order, self.order = self.order, self._draw(epoch + 1)
        self.table, sums = _program(layout.n_padded)(
            self.table,
            self.arrays,
            tensor(order.result()),
            tf.constant(rates(options.learning_rate, self.ages + epoch)),
            self._numbers(epoch),
            batch_size=layout.batch_size,
            proximal=options.l1 > 0 or options.positive,
        )
        self.n_epochs += 1
        squares, held_out_squares, penalty = sums.numpy()
        return self.yardstick.loss(0.5 * squares + penalty), self.yardstick.rmse(held_out_squares)

    def _draw(self, epoch: int) -> Future[NDArray[np.int32]]:
        """Visiting order of an epoch, drawn while TensorFlow is busy with the one before."""
        return self.helper.submit(self.layout.order, self.options.seed, self.first_epoch + epoch)

    def _numbers(self, epoch: int) -> "_Numbers":
        layout, options = self.layout, self.options
        reals = [options.l1, options.l2, ridge_share(self.first_epoch + epoch), options.fit_bias]
        counts = [-(-rows // layout.batch_size) for rows in (layout.n_train, layout.n_rows)]
        with np.errstate(over="ignore"):  # the objective says so
            numbers = [*np.array(reals, dtype=np.float32), *np.array(counts, dtype=np.int32)]
        floors = penalties.floors(self.table.shape[1], options.positive)
        return _Numbers(*map(tf.constant, [*numbers, floors]))

    def model(self) -> Model:
        """Copy the table out of TensorFlow.

        Returns
        -------
        model : Model
            The present embeddings and biases.
        """
        ages = self.ages + np.int32(self.n_epochs) * (np.asarray(self.arrays.id_weights) > 0)
        return unpack(self.table.numpy(), ages, self.layout.offsets, self.start)


def pack(model: Model, n_rows: int) -> NDArray[np.float32]:
    """Lay the embeddings of all fields in one table, the bias in the last column.

    Parameters
    ----------
    model : Model
        Embeddings and biases.
    n_rows : int
        Rows of the table; those beyond the ids are zero.

    Returns
    -------
    table : ndarray of shape (n_rows, embedding_dim + 1), float32
        One row an id, field after field.
    """
    embeddings, biases = np.concatenate(model.embeddings), np.concatenate(model.biases)
    table = np.zeros((n_rows, embeddings.shape[1] + 1), dtype=np.float32)
    table[: len(biases), :-1] = embeddings
    table[: len(biases), -1] = biases
    return table


def unpack(
    table: NDArray[np.float32], ages: NDArray[np.int32], offsets: NDArray[np.intp], start: Model
) -> Model:
    """Undo :func:`pack`.

    Parameters
    ----------
    table : ndarray of shape (n_rows, embedding_dim + 1), float32
        As `pack` lays it.
    ages : ndarray of shape (n_rows,), int32
        Epochs that each id has been in training.
    offsets : ndarray of shape (n_fields + 1,), intp
        First row of each field.
    start : Model
        Gives intercept, scale and averages.

    Returns
    -------
    model : Model
        A copy of the table in parts.
    """
    fields = [slice(first, last) for first, last in itertools.pairwise(offsets)]
    return replace(
        start,
        embeddings=[table[field, :-1].copy() for field in fields],
        biases=[table[field, -1].copy() for field in fields],
        epochs=[ages[field].copy() for field in fields],
    )


class _Numbers(NamedTuple):
    """Scalars of an epoch, as tensors so that no value of theirs costs a compilation.

    Parameters
    ----------
    l1, l2 : scalar tensors, float32
        Penalties of one rating.
    ridge, has_bias : scalar tensors, float32
        Share of the lasso penalty that is still ridge; 1 where ids have biases.
    n_learn, n_score : scalar tensors, int32
        Batches to learn from; batches to score.
    floors : tensor of shape (width,), float32
        Least value of each column of the table.
    """

    l1: Tensor
    l2: Tensor
    ridge: Tensor
    has_bias: Tensor
    n_learn: Tensor
    n_score: Tensor
    floors: Tensor


def _epoch(
    table: Tensor,
    arrays: batches.Arrays,
    order: Tensor,
    rates: Tensor,
    numbers: _Numbers,
    batch_size: Tensor,
    proximal: bool,
) -> tuple[Tensor, Tensor]:
    """One epoch of steps, then the sums that J and the validation error are made of.

    Parameters
    ----------
    table : tensor of shape (n_table, width), float32
        Embedding and, in the last column, bias of each id.
    arrays : Arrays of tensors
        The ratings, padded.
    order : tensor of shape (n_padded,), int32
        Visiting order.
    rates : tensor of shape (n_table,), float32
        Rate of each id.
    numbers : _Numbers
        Penalties, number of batches.
    batch_size : int
        Ratings in a batch.
    proximal : bool
        Whether there is a lasso penalty to threshold by, or a least value.

    Returns
    -------
    table : tensor of shape (n_table, width), float32
        After the epoch.
    sums : tensor of shape (3,), float64
        Weighted squared errors in training and held out, and the penalty.
    """
    codes, targets, weights, id_weights = arrays

    def learn(batch: Tensor, table: Tensor) -> tuple[Tensor, Tensor]:
        """Take a step down the gradient of one batch."""
        picked = tf.slice(order, [batch * batch_size], [batch_size])
        ids = [tf.gather(field, picked) for field in codes]
        z, w = tf.gather(targets, picked), tf.gather(weights, picked)
        return batch + 1, _step(table, ids, z, w, rates, numbers, proximal)

    def score(batch: Tensor, squares: Tensor) -> tuple[Tensor, Tensor]:
        """Add the squared errors of one batch."""
        first = batch * batch_size
        z, w, *ids = (tf.slice(array, [first], [batch_size]) for array in (targets, weights, *codes))
        squared = errors([tf.gather(table, field) for field in ids], z, numbers.has_bias) ** 2
        sums = [tf.reduce_sum(tf.maximum(sign * w, 0.0) * squared) for sign in (1.0, -1.0)]
        return batch + 1, squares + tf.cast(tf.stack(sums), tf.float64)

    _, table = tf.while_loop(lambda batch, _: batch < numbers.n_learn, learn, [0, table])
    nothing = tf.zeros(2, tf.float64)
    _, squares = tf.while_loop(lambda batch, _: batch < numbers.n_score, score, [0, nothing])
    penalty = penalties.value(table, id_weights, numbers.l1, numbers.l2)
    return table, tf.concat([squares, penalty[None]], 0)


def _step(
    table: Tensor,
    ids: list[Tensor],
    z: Tensor,
    w: Tensor,
    rates: Tensor,
    numbers: _Numbers,
    proximal: bool,
) -> Tensor:
    """Move the rows of a batch down the gradient of J.

    Parameters
    ----------
    table : tensor of shape (n_table, width), float32
        Embeddings and biases.
    ids : list of tensors of shape (batch,), int32
        Table rows of each field.
    z, w : tensors of shape (batch,), float32
        Targets and weights.
    rates : tensor of shape (n_table,), float32
        Rate of each id.
    numbers : _Numbers
        Penalties.
    proximal : bool
        Whether there is a lasso penalty to threshold by, or a least value.

    Returns
    -------
    table : tensor of shape (n_table, width), float32
        After the step.
    """
    l1, l2 = numbers.l1 * (1 - numbers.ridge), numbers.l2 + numbers.l1 * numbers.ridge
    rows = [tf.gather(table, field) for field in ids]
    left, partners = errors(rows, z, numbers.has_bias), _partners(rows, numbers.has_bias)
    curvatures = [w * (tf.reduce_sum(partner * partner, 1) + l2) for partner in partners]
    steps = [
        1 / tf.maximum(1 / tf.gather(rates, field), len(ids) * total)
        for field, total in zip(ids, _sums_by_id(table, ids, curvatures), strict=True)
    ]
    for field, row, partner, step in zip(ids, rows, partners, steps, strict=True):
        move = (w * left * step)[:, None] * partner + (l2 * w * step)[:, None] * row
        table = tf.tensor_scatter_nd_sub(table, field[:, None], move)
    if not proximal:
        return table
    for field, step, seen in zip(ids, steps, _sums_by_id(table, ids, [w] * len(ids)), strict=True):
        shrunk = penalties.soft_threshold(tf.gather(table, field), (l1 * step * seen)[:, None])
        table = tf.tensor_scatter_nd_update(table, field[:, None], tf.maximum(shrunk, numbers.floors))
    return table


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
    width = tf.shape(total)[1]
    is_bias = tf.one_hot(width - 1, width)
    return [other * (1 - is_bias) + has_bias * is_bias for other in others]


def _sums_by_id(table: Tensor, ids: list[Tensor], sizes: list[Tensor]) -> list[Tensor]:
    """Sum a number over the ratings that each id has in the batch.

    With `sizes` the curvature of each rating, the sum L bounds the block of the Gauss-Newton matrix that
    belongs to an id, and F times the blocks bound the whole: a step of at most 1 / (F L) cannot overshoot,
    however often an id repeats and whatever its weights.

    Parameters
    ----------
    table : tensor of shape (n_table, width), float32
        Gives the number of rows.
    ids : list of tensors of shape (batch,), int32
        Table rows of each field.
    sizes : list of tensors of shape (batch,), float32
        One number for each id.

    Returns
    -------
    sums : list of tensors of shape (batch,), float32
        The sum that belongs to each id.
    """
    sums = tf.zeros_like(table[:, 0])
    for field, size in zip(ids, sizes, strict=True):
        sums = tf.tensor_scatter_nd_add(sums, field[:, None], size)
    return [tf.gather(sums, field) for field in ids]


_compiled = tf.function(_epoch, jit_compile=True, autograph=False)
_any_shape = tf.function(_epoch, reduce_retracing=True, autograph=False)


def _program(n_padded: int) -> Callable[..., tuple[Tensor, Tensor]]:
    """The compiled epoch; for few ratings one graph that serves every shape without compilation."""
    return _compiled if n_padded >= _COMPILE_FROM else _any_shape
