"""Mini-batch stochastic gradient descent: a run, block by block."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from sklearn_mf.model._factors import Model
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.solvers import _objective as penalties
from sklearn_mf.solvers._tensors import shared, tensor
from sklearn_mf.solvers._training import ObjectiveScale, Options
from sklearn_mf.solvers.sgd import _partition as batches
from sklearn_mf.solvers.sgd._programs import SGDScalars, programs
from sklearn_mf.utils._threads import n_threads

Tensor = Any

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
        self.layout, runs = batches.plan_layout(sources, options.batch_size, _width(start))
        self.ratings = shared(batches.pack_ratings(self.layout, runs, sources, start.intercept, start.scale))
        del runs
        self.programs = programs(self.layout.n_padded)
        self.tables = [[tensor(part) for part in parts] for parts in pack(start, self.layout)]
        by_id = [ratings.id_weights(field) for field in range(ratings.n_fields)]
        self.visited = [weights > 0 for weights in by_id]
        mean_weight = ratings.total_weight / len(ratings.targets)
        self.id_weights = self._scattered([(weights / mean_weight).astype(np.float32) for weights in by_id])
        # Ids that go on from a warm start have an age; the visiting order goes on with the oldest.
        self.first_epoch, self.n_epochs = max(int(ages.max()) for ages in start.epochs), 0
        self.drawer = ThreadPoolExecutor(max_workers=1)
        self.workers = ThreadPoolExecutor(max_workers=n_threads(self.layout.n_parts))
        self.order = self._draw(0)
        self.objective_scale = ObjectiveScale.of(ratings, held_out, start.scale)
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
        numbers, rounds = self._numbers(epoch), list(self.layout.rounds())
        learn = partial(self._learn, shared(order.result()), self._scattered(steps), numbers)
        score = partial(self._score, numbers)
        for blocks in rounds:
            for block, tables in zip(blocks, self.workers.map(learn, blocks), strict=True):
                for field, part in enumerate(block.parts):
                    self.tables[field][part] = tables[field]
        self.n_epochs += 1
        sums = np.array([part.numpy() for part in self.workers.map(score, chain.from_iterable(rounds))])
        squares, held_out_squares, _ = sums.sum(axis=0)
        penalty = sums[: len(rounds[0]), 2].sum()  # a round has every table once
        return self.objective_scale.loss(0.5 * squares + penalty), self.objective_scale.rmse(held_out_squares)

    def _draw(self, epoch: int) -> Future[NDArray[np.int32]]:
        """Visiting order of an epoch, drawn while TensorFlow is busy with the one before."""
        return self.drawer.submit(self.layout.order, self.options.seed, self.first_epoch + epoch)

    def _scattered(self, values: list[NDArray[Any]]) -> list[list[Tensor]]:
        """Tensors [field][part] of what belongs to the ids."""
        return [[tensor(part) for part in self.layout.scatter_to_parts(*pair)] for pair in enumerate(values)]

    def _numbers(self, epoch: int) -> SGDScalars:
        options = self.options
        reals = [options.l1, options.l2, ridge_share(self.first_epoch + epoch), options.fit_bias]
        with np.errstate(over="ignore"):  # the objective says so
            numbers = np.array(reals, dtype=np.float32)
        width = self.tables[0][0].shape[1]
        return SGDScalars(*map(tf.constant, [*numbers, penalties.floors(width, options.positive)]))

    def _learn(
        self, order: Tensor, rates: list[list[Tensor]], numbers: SGDScalars, block: batches.Stratum
    ) -> list[Tensor]:
        """Tables of a block after steps over its batches."""
        tables, steps = (block.of(values) for values in (self.tables, rates))
        with tf.device(tables[0].device):  # a device that the user chose is not known to this thread
            return self.programs.learn(
                tables,
                self.ratings,
                order,
                steps,
                tf.constant(self.layout.batches(block, held_out=False), tf.int32),
                numbers,
                batch_size=self.layout.batch_size,
                proximal=self.options.l1 > 0 or self.options.positive,
            )

    def _score(self, numbers: SGDScalars, block: batches.Stratum) -> Tensor:
        """Sums of a block, (3,)."""
        tables, id_weights = (block.of(values) for values in (self.tables, self.id_weights))
        with tf.device(tables[0].device):
            return self.programs.score(
                tables,
                self.ratings,
                id_weights,
                tf.constant(self.layout.batches(block, held_out=True), tf.int32),
                numbers,
                batch_size=self.layout.batch_size,
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
    """Lay the embeddings of each field in tables, the bias in the last column, between them zeros if need be.

    Parameters
    ----------
    model : Model
        Embeddings and biases.
    layout : Layout
        Rows of the tables.

    Returns
    -------
    tables : list of list of ndarray of shape (n_tables[f], width), float32
        The parts of each field.
    """
    width = _width(model)
    tables = []
    for field, (embeddings, biases) in enumerate(zip(model.embeddings, model.biases, strict=True)):
        table = np.zeros((len(biases), width), dtype=np.float32)
        table[:, : embeddings.shape[1]], table[:, -1] = embeddings, biases
        tables.append(layout.scatter_to_parts(field, table))
    return tables


def _width(model: Model) -> int:
    """Floats in a row of a table."""
    width = model.embeddings[0].shape[1] + 1
    return -(-width // _ALIGNED) * _ALIGNED if width > _SHORT else width


def unpack(tables: list[list[Any]], start: Model) -> Model:
    """Undo :func:`pack`.

    Parameters
    ----------
    tables : list of list of tensor of shape (n_tables[f], width), float32
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
