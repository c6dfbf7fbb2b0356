"""Mini-batch stochastic gradient descent, window by window."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain, count

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from sklearn_mf.model._factors import Model
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.solvers._executor import ThreadExecutor
from sklearn_mf.solvers._objective import lower_bounds
from sklearn_mf.solvers._rated_ids import NumberedRatings, RatedIds
from sklearn_mf.solvers._regression_prior import CHARGE_IN_RATINGS, coefficients_of, regression_priors
from sklearn_mf.solvers._tensors import Tensor, shared, tensor
from sklearn_mf.solvers._training import ObjectiveScale, SGDOptions, Solver
from sklearn_mf.solvers.sgd._layout import Block, Layout, rounds_of
from sklearn_mf.solvers.sgd._packing import pack_ratings
from sklearn_mf.solvers.sgd._partition import plan_layout
from sklearn_mf.solvers.sgd._programs import IdSteps, SGDScalars, programs
from sklearn_mf.utils._threads import n_threads

# Rows longer than the first take a multiple of the second: XLA unrolls loops of up to 72 floats and then does
# not vectorise them, and takes 1.5 times the time for 65 that it takes for 80.
_SHORT, _ALIGNED = 48, 16
# The rate falls by this factor each epoch, to no less than the floor (a share of the first rate).
_DECAY, _FLOOR = 0.87, 0.1
# Ratings that are scored at a time where there are many: each call of an operation takes some time.
_SCORED = 2**13
# Lasso takes over from ridge in the course of this many epochs: the all-zero model is a stationary point,
# into which a small random start would fall.
_RAMP = 8


def rates(learning_rate: float, ages: NDArray[np.int32]) -> NDArray[np.float32]:
    """Step of one rating of each id, from the epochs that it has been in training, (n_ids,) -> (n_ids,).

    It falls geometrically to a tenth, and depends on nothing else, so that more epochs continue the same run.
    """
    with np.errstate(over="ignore"):  # an infinite rate is capped like any other
        return np.asarray(learning_rate * np.maximum(_DECAY**ages, _FLOOR), dtype=np.float32)


def ridge_share(epoch: int) -> float:
    """Share of the lasso penalty that is still ridge: 1 in epoch 0, falling to 0."""
    return 1.0 - min(1.0, epoch / _RAMP) ** 2


def charged_weights(id_weights: NDArray[np.float64], prior_ratings: float) -> NDArray[np.float64]:
    """Weight that the penalty of each id is charged for, (n_ids,) -> (n_ids,); 0 without training ratings."""
    return np.where(id_weights > 0, id_weights + prior_ratings, 0.0)


def penalty_factors(id_weights: NDArray[np.float64], charged: NDArray[np.float64]) -> NDArray[np.float64]:
    """Charged weight over own weight of each id, (n_ids,), (n_ids,) -> (n_ids,); 1 without ratings."""
    return np.divide(charged, id_weights, out=np.ones_like(charged), where=id_weights > 0)


class SGD(Solver[Model]):
    """One run of stochastic gradient descent: the arrays, and the tables of embeddings, in TensorFlow."""

    unit, start_std = "epoch", 0.01

    def __init__(self, ratings: Ratings, held_out: Ratings | None, start: Model, options: SGDOptions) -> None:
        self.options, self.whole_start, self.n_epochs = options, start, 0
        # The visiting order depends on the age of the oldest id, with or without ratings in this fit.
        self.first_epoch = max(int(ages.max()) for ages in start.epochs)
        self.rated_ids = RatedIds.of(ratings, held_out)
        self.start = self.rated_ids.take(start)
        sources = [
            NumberedRatings(source, self.rated_ids) for source in (ratings, held_out) if source is not None
        ]
        self._set_up_tensors(sources)
        self.objective_scale = ObjectiveScale.of(ratings, held_out, start.scale)
        self.remedy = (
            f"lower learning_rate={options.learning_rate:g} or raise alpha={options.l1 + options.l2:g}"
        )
        self.warmup = max(0, _RAMP - self.first_epoch) if options.l1 > 0 else 0
        self.executor = ThreadExecutor(n_threads(self.layout.n_parts))
        epochs = count() if options.max_iter is None else range(options.max_iter)
        self.orders = self._draw_orders(self.first_epoch + epoch for epoch in epochs)

    def _set_up_tensors(self, sources: list[NumberedRatings]) -> None:
        """Lay out ratings, tables and weights of the ids, and choose the programs."""
        options, start, training = self.options, self.start, sources[0]
        width = table_width(start)
        self.layout, tiled = plan_layout(sources, options.batch_size, width, options.n_parts)
        packed = pack_ratings(self.layout, tiled, start.intercept, start.scale)
        n_window, windows = self.layout.n_window, self.layout.windows
        #: Packed ratings of each window.
        self.windows = [shared(packed[window.first : window.first + n_window]) for window in windows]
        self.tables = [[tensor(part) for part in parts] for parts in pack_tables(start, self.layout)]
        table_bytes = 4 * width * sum(self.layout.n_tables)
        self.programs = programs(n_window, self.layout.batch_size, table_bytes)
        mean_weight = training.ratings.mean_weight
        by_id = [weights / mean_weight for weights in training.id_weights()]
        self.is_trained = [weights > 0 for weights in by_id]
        charged = [charged_weights(weights, options.prior_ratings) for weights in by_id]
        self.charged_weights = self._scattered([weights.astype(np.float32) for weights in charged])
        #: Penalty factors by field and part; None without prior ratings, where all are 1.
        self.charges: list[list[Tensor | None]] = [[None] * self.layout.n_parts for _ in charged]
        if options.prior_ratings:
            factors = map(penalty_factors, by_id, charged)
            self.charges = self._scattered([each.astype(np.float32) for each in factors])
        features, ids = options.features, self.rated_ids.codes
        self.priors = regression_priors(features, ids, charged, start, CHARGE_IN_RATINGS)

    def run_epoch(self, number: int) -> tuple[float, float | None]:
        """Pass over the training ratings once; J, and the RMSE of the held-out ratings if any."""
        scalars, means = self._scalars(number), self._learn_prior_means(number)
        steps = [rates(self.options.learning_rate, ages + number) for ages in self.start.epochs]
        self._visit_windows(number, self._scattered(steps), means, scalars)
        self.n_epochs += 1
        squares, held_out_squares = self._squares(scalars)
        penalty = self._penalty(means, scalars)
        return self.objective_scale.loss(0.5 * squares + penalty), self.objective_scale.rmse(held_out_squares)

    def _visit_windows(
        self, number: int, steps: list[list[Tensor]], means: list[list[Tensor | None]], scalars: SGDScalars
    ) -> None:
        """Take steps over all batches, window by window; the blocks of a round side by side."""
        for window in self.layout.visits(self.options.seed, self.first_epoch + number):
            learn = partial(self._learn, self.windows[window], next(self.orders), steps, means, scalars)
            for blocks in self.layout.windows[window].rounds:
                for block, tables in zip(blocks, self.executor.map(learn, blocks), strict=True):
                    for field, part in enumerate(block.stratum.parts):
                        self.tables[field][part] = tables[field]

    def _squares(self, scalars: SGDScalars) -> NDArray[np.float64]:
        """Weighted squared errors in training and held out, (2,)."""
        blocks = [
            (ratings, block)
            for ratings, window in zip(self.windows, self.layout.windows, strict=True)
            for block in chain.from_iterable(window.rounds)
        ]
        sums = self.executor.map(lambda each: self._score(scalars, *each), blocks)
        return np.sum(list(sums), axis=0)

    def _penalty(self, means: list[list[Tensor | None]], scalars: SGDScalars) -> float:
        """Penalty of all tables and of the coefficients of the features."""
        arguments = self.tables, self.charged_weights, means
        strata = rounds_of(self.layout.n_parts, len(self.tables))[0]  # a round has every table once
        of_tables = self.executor.map(
            lambda stratum: self.programs.penalty(*map(stratum.pick, arguments), scalars), strata
        )
        alpha = self.options.l1 + self.options.l2
        of_coefficients = alpha * sum(prior.penalty() for prior in self.priors if prior is not None)
        return float(np.sum([each.numpy() for each in of_tables])) + of_coefficients

    def _learn_prior_means(self, number: int) -> list[list[Tensor | None]]:
        """Prior means by field and part, from a ridge regression of the present rows on the features.

        Once a lasso penalty has replaced the ridge penalty, the coefficients are held fixed.
        """
        learns = self.options.l1 == 0 or ridge_share(self.first_epoch + number) > 0
        if learns and any(prior is not None for prior in self.priors):
            model = unpack_tables(self.tables, self.start)
            for prior, embeddings, biases in zip(self.priors, model.embeddings, model.biases, strict=True):
                if prior is not None:
                    prior.learn(np.column_stack([embeddings, biases]))
        width = table_width(self.start)
        return [
            [None] * self.layout.n_parts
            if prior is None
            else list(map(tensor, self.layout.scatter_to_parts(field, padded(prior.means, width))))
            for field, prior in enumerate(self.priors)
        ]

    def _draw_orders(self, epochs: Iterable[int]) -> Iterator[Tensor]:
        """Visiting orders of the windows of the epochs; the next is drawn while TensorFlow visits one."""
        seed, ahead = self.options.seed, None
        for epoch in epochs:
            for window in self.layout.visits(seed, epoch):
                drawn, ahead = ahead, self.executor.submit(self.layout.order, seed, epoch, window)
                if drawn is not None:
                    yield shared(drawn.result())
        if ahead is not None:
            yield shared(ahead.result())

    def _scattered(self, values: list[NDArray[np.float32]]) -> list[list[Tensor]]:
        """Tensors, by field and part, of numbers of the ids."""
        return [[tensor(part) for part in self.layout.scatter_to_parts(*pair)] for pair in enumerate(values)]

    def _scalars(self, number: int) -> SGDScalars:
        options = self.options
        numbers = [options.l1, options.l2, ridge_share(self.first_epoch + number), options.fit_bias]
        with np.errstate(over="ignore"):  # the objective reports it
            reals = np.array(numbers, dtype=np.float32)
        bounds = lower_bounds(self.tables[0][0].shape[1], options.positive)
        l1, l2, share, has_bias = map(tf.constant, reals)
        return SGDScalars(l1, l2, share, has_bias, bounds)

    def _learn(
        self,
        ratings: Tensor,
        order: Tensor,
        rates: list[list[Tensor]],
        means: list[list[Tensor | None]],
        scalars: SGDScalars,
        block: Block,
    ) -> list[Tensor]:
        """Tables of a stratum after steps over the batches of a block, F times (n_table, width)."""
        tables = block.stratum.pick(self.tables)
        id_steps = IdSteps(*map(block.stratum.pick, (rates, self.charges, means)))
        with tf.device(tables[0].device):  # a device that the user chose is not known to this thread
            return self.programs.learn(
                tables,
                ratings,
                order,
                id_steps,
                tf.constant(block.batches(self.layout.batch_size), tf.int32),
                scalars,
                batch_size=self.layout.batch_size,
                run=self.layout.run,
                proximal=self.options.l1 > 0 or self.options.positive,
            )

    def _score(self, scalars: SGDScalars, ratings: Tensor, block: Block) -> list[float]:
        """Squared errors of a block in training and held out."""
        tables, layout = block.stratum.pick(self.tables), self.layout
        n_scored = _SCORED // layout.run if layout.n_window * layout.run >= 4 * _SCORED else layout.batch_size
        score = partial(self.programs.score, tables, ratings, n_scored=n_scored, run=layout.run)
        with tf.device(tables[0].device):
            parts = [block.places[part] for part in ([0, -2], [-2, -1])]
            return [
                float(score(tf.constant(part, tf.int32), scalars.has_bias)) if np.ptp(part) else 0.0
                for part in parts
            ]

    def snapshot(self) -> Model:
        """Model of the present embeddings and biases."""
        epochs = [
            ages + np.int32(self.n_epochs) * trained
            for ages, trained in zip(self.start.epochs, self.is_trained, strict=True)
        ]
        model = unpack_tables(self.tables, self.start)
        model = replace(model, epochs=epochs, coefficients=coefficients_of(self.priors))
        return self.rated_ids.put_back(model, self.whole_start)

    def close(self) -> None:
        """End the threads, and free the ratings: the temporary file, where they are in one."""
        self.executor.close()
        self.windows = []


def table_width(model: Model) -> int:
    """Floats in a row of a table: embedding, perhaps zeros, and the bias."""
    width = model.embeddings[0].shape[1] + 1
    return -(-width // _ALIGNED) * _ALIGNED if width > _SHORT else width


def pack_tables(model: Model, layout: Layout) -> list[list[NDArray[np.float32]]]:
    """Tables by field and part, (n_table, width): embeddings, and the biases in the last column."""
    tables = []
    for field, (embeddings, biases) in enumerate(zip(model.embeddings, model.biases, strict=True)):
        rows = np.column_stack([embeddings, biases])
        tables.append(layout.scatter_to_parts(field, padded(rows, table_width(model))))
    return tables


def padded(rows: NDArray[np.floating], width: int) -> NDArray[np.float32]:
    """Rows, (n, embedding_dim + 1), with zeros before the bias, (n, width)."""
    table = np.zeros((len(rows), width), dtype=np.float32)
    table[:, : rows.shape[1] - 1], table[:, -1] = rows[:, :-1], rows[:, -1]
    return table


def unpack_tables(tables: list[list[Tensor]], start: Model) -> Model:
    """Inverse of `pack_tables`: the start with copies of the tables in its embeddings and biases."""
    embeddings, biases = [], []
    for field, parts in zip(start.embeddings, tables, strict=True):
        embeddings.append(np.empty_like(field))
        biases.append(np.empty(len(field), dtype=np.float32))
        for number, part in enumerate(parts):
            ids = slice(number, None, len(parts))
            rows = part.numpy()[: len(field[ids])]
            embeddings[-1][ids], biases[-1][ids] = rows[:, : field.shape[1]], rows[:, -1]
    return replace(start, embeddings=embeddings, biases=biases)
