"""Mini-batch stochastic gradient descent: one epoch is one compiled program."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from sklearn_mf._model import Model
from sklearn_mf._ratings import Ratings
from sklearn_mf.core import batches, penalties
from sklearn_mf.core.errors import errors, is_bias, row_sums, terms
from sklearn_mf.core.tensors import shared, tensor
from sklearn_mf.core.training import Options, Yardstick

Tensor = Any

# From this many padded rows on, compiling an epoch pays for itself within a default run.
_COMPILE_FROM = 4096
# Rows longer than the first take a multiple of the second: XLA unrolls loops of up to 72 floats and then does
# not vectorise them, and takes 1.5 times the time for 65 that it takes for 80.
_SHORT, _ALIGNED = 48, 16
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
    """One run of stochastic gradient descent: the arrays, and the tables of embeddings, in TensorFlow.

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
        sources = [ratings] if held_out is None else [ratings, held_out]
        self.layout, runs = batches.lay_out(sources, options.batch_size, _width(start))
        self.ratings = shared(batches.arrange(self.layout, runs, sources, start.intercept, start.scale))
        del runs
        self.tables = [[tensor(part) for part in parts] for parts in pack(start, self.layout)]
        by_id = [ratings.id_weights(field) for field in range(ratings.n_fields)]
        self.visited = [weights > 0 for weights in by_id]
        mean_weight = ratings.total_weight / len(ratings.targets)
        self.id_weights = self._dealt([(weights / mean_weight).astype(np.float32) for weights in by_id])
        # Ids that go on from a warm start have an age; the visiting order goes on with the oldest.
        self.first_epoch, self.n_epochs = max(int(ages.max()) for ages in start.epochs), 0
        # One thread draws the visiting order of the next epoch.
        self.helpers = ThreadPoolExecutor(max_workers=1 + self.layout.n_parts)
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
        order, self.order = self.order, self._draw(epoch + 1)
        steps = [rates(self.options.learning_rate, ages + epoch) for ages in self.start.epochs]
        run = partial(self._run, shared(order.result()), self._dealt(steps), self._numbers(epoch))
        rounds = list(self.layout.rounds())
        for blocks in rounds:
            for block, (tables, _) in zip(blocks, self.helpers.map(run, blocks), strict=True):
                for field, part in enumerate(block.parts):
                    self.tables[field][part] = tables[field]
        self.n_epochs += 1
        score = partial(run, learn=False)
        sums = [list(self.helpers.map(score, blocks)) for blocks in rounds]
        squares, held_out_squares, _ = sum(part.numpy() for blocks in sums for _, part in blocks)
        penalty = sum(part.numpy()[2] for _, part in sums[0])  # a round has every table once
        return self.yardstick.loss(0.5 * squares + penalty), self.yardstick.rmse(held_out_squares)

    def _draw(self, epoch: int) -> Future[NDArray[np.int32]]:
        """Visiting order of an epoch, drawn while TensorFlow is busy with the one before."""
        return self.helpers.submit(self.layout.order, self.options.seed, self.first_epoch + epoch)

    def _dealt(self, values: list[NDArray[Any]]) -> list[list[Tensor]]:
        """Tensors [field][part] of what belongs to the ids."""
        return [[tensor(part) for part in self.layout.deal(*pair)] for pair in enumerate(values)]

    def _numbers(self, epoch: int) -> "_Numbers":
        options = self.options
        reals = [options.l1, options.l2, ridge_share(self.first_epoch + epoch), options.fit_bias]
        with np.errstate(over="ignore"):  # the objective says so
            numbers = np.array(reals, dtype=np.float32)
        width = self.tables[0][0].shape[1]
        return _Numbers(*map(tf.constant, [*numbers, penalties.floors(width, options.positive)]))

    def _run(
        self,
        order: Tensor,
        rates: list[list[Tensor]],
        numbers: "_Numbers",
        block: batches.Block,
        learn: bool = True,
    ) -> tuple[list[Tensor], Tensor]:
        """Learn from a block, or score it."""
        tables, steps, id_weights = (
            [parts[part] for parts, part in zip(of, block.parts, strict=True)]
            for of in (self.tables, rates, self.id_weights)
        )
        first, last = self.layout.batches(block, held_out=not learn)
        bounds = [first, last, last] if learn else [first, first, last]
        with tf.device(tables[0].device):  # a device that the user chose is not known to this thread
            return _program(self.layout.n_padded)(
                tables,
                self.ratings,
                order,
                steps,
                id_weights,
                tf.constant(bounds, tf.int32),
                numbers,
                batch_size=self.layout.batch_size,
                proximal=self.options.l1 > 0 or self.options.positive,
            )

    def model(self) -> Model:
        """Copy the tables out of TensorFlow.

        Returns
        -------
        model : Model
            The present embeddings and biases.
        """
        epochs = [
            ages + np.int32(self.n_epochs) * visited
            for ages, visited in zip(self.start.epochs, self.visited, strict=True)
        ]
        return replace(unpack(self.tables, self.start), epochs=epochs)


def pack(model: Model, layout: batches.Layout) -> list[list[NDArray[np.float32]]]:
    """Lay the embeddings of each field in tables, the bias in the last column.

    Parameters
    ----------
    model : Model
        Embeddings and biases.
    layout : Layout
        Rows of the tables.

    Returns
    -------
    tables : list of list of ndarray of shape (n_tables[f], embedding_dim + 1), float32
        The parts of each field.
    """
    width = _width(model)
    tables = []
    for field, (embeddings, biases) in enumerate(zip(model.embeddings, model.biases, strict=True)):
        table = np.zeros((len(biases), width), dtype=np.float32)
        table[:, : embeddings.shape[1]], table[:, -1] = embeddings, biases
        tables.append(layout.deal(field, table))
    return tables


def _width(model: Model) -> int:
    """Floats in a row of a table."""
    width = model.embeddings[0].shape[1] + 1
    return -(-width // _ALIGNED) * _ALIGNED if width > _SHORT else width


def unpack(tables: list[list[Any]], start: Model) -> Model:
    """Undo :func:`pack`.

    Parameters
    ----------
    tables : list of list of tensor of shape (n_tables[f], embedding_dim + 1), float32
        As `pack` lays them.
    start : Model
        Gives all else, and the number of ids.

    Returns
    -------
    model : Model
        A copy of the tables in its embeddings and biases.
    """
    embeddings, biases = [], []
    for field, parts in zip(start.embeddings, tables, strict=True):
        joined = np.stack([part.numpy() for part in parts], axis=1).reshape(-1, parts[0].shape[1])
        embeddings.append(joined[: len(field), : field.shape[1]].copy())
        biases.append(joined[: len(field), -1].copy())
    return replace(start, embeddings=embeddings, biases=biases)


class _Numbers(NamedTuple):
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


def _epoch(
    tables: list[Tensor],
    ratings: Tensor,
    order: Tensor,
    rates: list[Tensor],
    id_weights: list[Tensor],
    bounds: Tensor,
    numbers: _Numbers,
    batch_size: int,
    proximal: bool,
) -> tuple[list[Tensor], Tensor]:
    """Steps over the batches of one block, then the sums that J and the validation error are made of.

    Parameters
    ----------
    tables : list of tensors of shape (n_table, width), float32
        Embedding and, in the last column, bias of each id, by field.
    ratings : tensor of shape (n_padded, n_fields + 2), int32
        As `batches.arrange` packs them.
    order : tensor of shape (n_padded,), int32
        Visiting order.
    rates, id_weights : lists of tensors of shape (n_table,), float32
        Rate of each id; summed training weight.
    bounds : tensor of shape (3,), int32
        First batch to learn from, first to score, and the one after the last.
    numbers : _Numbers
        Penalties.
    batch_size : int
        Ratings in a batch.
    proximal : bool
        Whether there is a lasso penalty to threshold by, or a least value.

    Returns
    -------
    tables : list of tensors of shape (n_table, width), float32
        After the steps.
    sums : tensor of shape (3,), float64
        Weighted squared errors in training and held out, and the penalty.
    """

    def learn(batch: Tensor, *tables: Tensor) -> tuple[Tensor, ...]:
        """Take a step down the gradient of one batch."""
        picked = tf.slice(order, [batch * batch_size], [batch_size])
        return batch + 1, *_step(tables, *_unpacked(tf.gather(ratings, picked)), rates, numbers, proximal)

    def score(batch: Tensor, squares: Tensor) -> tuple[Tensor, Tensor]:
        """Add the squared errors of one batch."""
        ids, z, w = _unpacked(tf.slice(ratings, [batch * batch_size, 0], [batch_size, tf.shape(ratings)[1]]))
        squared = errors(_rows(tables, ids), z, numbers.has_bias) ** 2
        sums = [tf.reduce_sum(tf.maximum(sign * w, 0.0) * squared) for sign in (1.0, -1.0)]
        return batch + 1, squares + tf.cast(tf.stack(sums), tf.float64)

    _, *tables = tf.while_loop(lambda batch, *_: batch < bounds[1], learn, [bounds[0], *tables])
    nothing = tf.zeros(2, tf.float64)
    _, squares = tf.while_loop(lambda batch, _: batch < bounds[2], score, [bounds[1], nothing])
    penalty = tf.add_n(
        [penalties.value(*pair, numbers.l1, numbers.l2) for pair in zip(tables, id_weights, strict=True)]
    )
    return tables, tf.concat([squares, penalty[None]], 0)


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
    numbers: _Numbers,
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
    numbers : _Numbers
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


_compiled = tf.function(_epoch, jit_compile=True, autograph=False)
_any_shape = tf.function(_epoch, reduce_retracing=True, autograph=False)


def _program(n_padded: int) -> Callable[..., tuple[list[Tensor], Tensor]]:
    """The compiled epoch; for few ratings one graph that serves every shape without compilation."""
    return _compiled if n_padded >= _COMPILE_FROM else _any_shape
