"""Gibbs sampling of a factorization: embeddings and biases of one field at a time, field after field."""

import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from sklearn_mf.model._posterior import Draw, Noise
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.solvers._graph import SingleGraph
from sklearn_mf.solvers._tensors import Tensor, tensor
from sklearn_mf.solvers._training import GibbsOptions
from sklearn_mf.solvers.als._field_tables import FieldTables
from sklearn_mf.solvers.als._grouping import RatingsByField
from sklearn_mf.solvers.als._least_squares import RowProblems, normal_draw, times
from sklearn_mf.solvers.als._parts import Part
from sklearn_mf.solvers.als._sweep import (
    LinkedRows,
    link_rows,
    linked_signature,
    ratings_signature,
    solve_blocks,
)
from sklearn_mf.solvers.gibbs._knowledge import Knowledge
from sklearn_mf.solvers.gibbs._noise import (
    ChainState,
    WithinCellVariation,
    draw_field_noise,
    log_likelihood,
    rescale_noise,
)
from sklearn_mf.solvers.gibbs._priors import (
    Moments,
    Prior,
    SquaresByScale,
    draw_embedding_scale,
    draw_level,
    draw_noise_precision,
    draw_prior,
)
from sklearn_mf.solvers.gibbs._regression import draw_regression_prior

_vector, _table = tf.TensorSpec([None]), tf.TensorSpec([None, None])


#: Rows (n_rows[f], width), noise, precisions of coefficients, priors, number of sweeps, thresholds.
ChainCheckpoint = tuple[
    list[NDArray[np.float32]],
    Noise,
    list[NDArray[np.float64]],
    list[Prior],
    int,
    NDArray[np.float64] | None,
]


class ConditionalPrior(NamedTuple):
    """Distribution of the rows of a field apart from their ratings, and the noise of those.

    Parameters
    ----------
    means : tensor of shape (n_rows, width) or (1, width), float32
        Prior mean of each row, or of all.
    precision : tensor of shape (width, width), float32
        Prior precision.
    noise_precision : tensor of shape (n_rows,), float32
        Precision of a rating of mean weight of each id, before the factors of its other ids.
    factors : tensor of shape (n_others,), float32
        Noise factors of the ids of the other fields, stacked as their tables.
    """

    means: Tensor
    precision: Tensor
    noise_precision: Tensor
    factors: Tensor


def _draw_part(
    linked_rows: LinkedRows, ratings: RatingsByField, prior: ConditionalPrior, key: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw the rows of a part of a field, given those of the other fields.

    Returns the rows (n_rows, width), and the parts of `SquaresByScale`, (n_rows,) each, with the noise
    factors of the other ids. `key`, (2,), is the seed: each block makes one of its own from it.
    """
    shape = [tf.shape(ratings.starts)[0], tf.shape(prior.means)[1]]
    prior_shifts = tf.broadcast_to(tf.matmul(prior.means, prior.precision), shape)

    def draw(number: Tensor, rows: slice, X: Tensor, y: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """Rows and residuals of a block."""
        seed = tf.random.experimental.stateless_fold_in(key, number)
        noise = tf.random.stateless_normal([tf.shape(X)[0], tf.shape(X)[2]], seed)
        precisions = prior.noise_precision[rows][:, None] * w
        normal = {"prior_precision": prior.precision, "prior_shift": prior_shifts[rows]}
        problems = RowProblems(X, y, precisions, tf.zeros_like(noise), **normal)
        drawn, residuals = normal_draw(problems, noise)
        part = times(X, tf.concat([drawn[:, :-1], tf.zeros_like(drawn[:, -1:])], 1))
        sums = [tf.reduce_sum(w * part * other, 1, keepdims=True) for other in (residuals, part)]
        return tf.concat([drawn, *sums], 1), residuals

    solved, squares = solve_blocks(linked_rows, ratings, tf.constant(1.0), draw, prior.factors)
    return solved[:, :-2], squares, solved[:, -2], solved[:, -1]


@functools.cache
def link_program(n_fields: int) -> SingleGraph[LinkedRows]:
    """Prepare the stacked tables of the other fields, once a field; for every size."""
    return SingleGraph(lambda others: link_rows(others, n_fields - 1, tf.constant(1.0)), [_table])


@functools.cache
def program(n_fields: int) -> SingleGraph[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """`_draw_part` as a graph: one for each number of fields, for every field and size."""
    prior = ConditionalPrior(_table, _table, _vector, _vector)
    key = tf.TensorSpec([2], tf.int32)
    return SingleGraph(_draw_part, [linked_signature, ratings_signature(n_fields), prior, key])


def _moments(table: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and scatter of rows, (n_rows, width) -> (width,), (width, width); float64."""
    rows = tf.cast(table, tf.float64)
    mean = tf.reduce_sum(rows, 0) / tf.cast(tf.shape(rows)[0], tf.float64)
    return mean, tf.matmul(rows - mean, rows - mean, transpose_a=True)


# Not in NumPy, whose threads and those of TensorFlow would wait for each other.
_moments_program = SingleGraph(_moments, [_table])


def _key_of_part(key: Tensor, number: int) -> Tensor:
    """Seed of a part, (2,) -> (2,): its draws are the same whatever worker makes them."""
    return key if number == 0 else tf.random.experimental.stateless_fold_in(key, -number)


class Gibbs:
    """One chain, which begins at a state; `knowledge` is common to all chains, `name` is for messages."""

    def __init__(
        self,
        ratings: Ratings,
        field_tables: FieldTables,
        options: GibbsOptions,
        state: ChainState,
        knowledge: Knowledge,
        name: str = "chain 1",
    ) -> None:
        self.options, self.field_tables, self.knowledge, self.name = options, field_tables, knowledge, name
        self.n_sweeps = self.n_before = state.n_sweeps
        self.scale = state.model.scale
        self.total_weight, self.mean_weight = ratings.total_weight, ratings.mean_weight
        ids = field_tables.ids
        self.weights = knowledge.weights
        self.within_cells = WithinCellVariation.of(
            ratings, field_tables.rows, tuple(map(len, ids)), self.scale
        )
        #: Noise factors of all ids, those without ratings included.
        self.start_factors = state.noise.factors
        self.noise = state.noise.take(ids)
        self.precisions = knowledge.first_precisions(state.precisions)
        self.likelihood = knowledge.likelihood(field_tables, state.thresholds)
        rng = np.random.default_rng([options.seed, self.n_sweeps])
        self.priors = [self._draw_prior(field, rng) for field in range(ratings.n_fields)]

    def sweep(self) -> float:
        """Draw prior, rows and noise of every field, the last one first, then the common noise precision.

        Returns the log-likelihood at the end of the sweep; nan if the sweep produced non-finite values.
        """
        rng = np.random.default_rng([self.options.seed, self.n_sweeps + 1])
        squares = np.nan
        if self.likelihood is not None:
            self.likelihood.draw(self.noise, rng)
        for field in reversed(range(len(self.priors))):
            squares = self._draw_field(field, rng)
            if not np.isfinite(squares):
                return float("nan")
        precision = draw_noise_precision(squares, self.total_weight, rng)
        self.noise = self.noise._replace(precision=precision)
        value = self._log_likelihood(squares)
        if self.options.heteroscedastic:
            self.noise = rescale_noise(self.noise, rng)
        self._exchange_levels(rng)
        self.n_sweeps += 1
        return value

    def _log_likelihood(self, squares: float) -> float:
        if self.likelihood is not None:
            return self.likelihood.log_likelihood(self.noise)
        return log_likelihood(self.noise, squares, self.weights, self.total_weight, self.scale)

    def _draw_field(self, field: int, rng: np.random.Generator) -> float:
        """Draw prior, rows and noise factors of a field; the squared errors times the factors of all ids."""
        prior = self.priors[field] = self._draw_prior(field, rng)
        if prior.regression is not None:
            self.precisions[field] = prior.regression.precisions
        errors = self._draw_rows(field)
        squares = self._rescale(field, errors, rng)
        if self.options.heteroscedastic and np.isfinite(squares).all():
            self.noise = draw_field_noise(self.noise, field, squares, self.weights[field], rng)
        return float((self.noise.factors[field] * squares).sum())

    def _rescale(self, field: int, errors: SquaresByScale, rng: np.random.Generator) -> NDArray[np.float64]:
        """Multiply embeddings and prior of a field by a drawn number; the squared errors, (n_rows,)."""
        factors, prior = self.noise.factors[field], self.priors[field]
        if not errors.curvatures.any() or not np.isfinite(errors).all():  # one field, or divergence
            return errors.squares
        scale = draw_embedding_scale(errors, factors, prior, self.total_weight, rng)
        multipliers = np.append(np.full(len(prior.mean) - 1, scale), 1.0)
        self.field_tables.tables[field] *= tf.constant(multipliers, tf.float32)
        self.priors[field] = prior.rescaled(scale)
        squares = errors.at(scale)
        precision = draw_noise_precision(float(factors @ squares), self.total_weight, rng)
        self.noise = self.noise._replace(precision=precision)
        return squares

    def _exchange_levels(self, rng: np.random.Generator) -> None:
        """Move biases between the first field and each of the others, which leaves the predictions."""
        width = len(self.priors[0].mean)
        for other in range(1, len(self.priors)):
            level = draw_level(self.priors[0], self.priors[other], rng)
            for field, change in ((0, level), (other, -level)):
                shift = tf.one_hot(width - 1, width, np.float32(change), np.float32(0))
                self.field_tables.tables[field] += shift
                self.priors[field] = self.priors[field].shifted(change)

    def _draw_prior(self, field: int, rng: np.random.Generator) -> Prior:
        table, features = self.field_tables.tables[field], self.knowledge.features[field]
        if features is not None:
            rows = table.numpy().astype(np.float64)
            return draw_regression_prior(rows, features, self.precisions[field], rng)
        mean, scatter = _moments_program(table)
        return draw_prior(Moments(int(table.shape[0]), mean.numpy(), scatter.numpy()), rng)

    def _draw_rows(self, field: int) -> SquaresByScale:
        """Draw the rows of a field; their squared errors times the factors of their other ids."""
        tables, noise, drawn = self.field_tables, self.noise, self.priors[field]
        features = self.knowledge.features[field]
        others = noise.factors[:field] + noise.factors[field + 1 :]
        prior = ConditionalPrior(
            tf.constant(drawn.mean[None] if features is None else features.prior_means(drawn), tf.float32),
            tf.constant(drawn.precision, tf.float32),
            tf.constant(noise.precision * self.mean_weight * noise.factors[field], tf.float32),
            tf.constant(np.concatenate([*others, np.empty(0)]), tf.float32),
        )
        key = tf.constant([self.options.seed, self.n_sweeps * len(self.priors) + field], tf.int32)
        linked = link_program(len(self.priors))(tables.others(field))
        draw = program(len(self.priors))

        def draw_part(part: Part) -> tuple[Tensor, ...]:
            """Draw the rows of a part."""
            own = prior._replace(noise_precision=part.take(prior.noise_precision))
            if features is not None:
                own = own._replace(means=part.take(prior.means))
            return draw(linked, part.ratings, own, _key_of_part(key, part.number))

        name = f"{self.name}, sweep {self.n_sweeps + 1}, field {field}"
        tables.tables[field], *errors = tables.fields[field].solve(draw_part, name)
        sums = [self.mean_weight * part.numpy().astype(np.float64) for part in errors]
        sums[0] += self.within_cells.by_row(field, noise.factors)
        return SquaresByScale(*sums)

    def checkpoint(self) -> ChainCheckpoint:
        """Everything that `resume` needs, outside TensorFlow."""
        tables = [table.numpy() for table in self.field_tables.tables]
        thresholds = None if self.likelihood is None else self.likelihood.thresholds
        return tables, self.noise, self.precisions, self.priors, self.n_sweeps, thresholds

    def resume(self, checkpoint: ChainCheckpoint) -> None:
        """Continue where the same chain was at its checkpoint."""
        tables, self.noise, self.precisions, self.priors, self.n_sweeps, thresholds = checkpoint
        self.field_tables.tables = list(map(tensor, tables))
        if self.likelihood is not None and thresholds is not None:
            self.likelihood.thresholds = thresholds

    def snapshot(self) -> Draw:
        """Copy of the present draw, outside TensorFlow, over all ids."""
        factors = self.field_tables.put_back(self.noise.factors, self.start_factors)
        return Draw(
            model=self.field_tables.model(self.n_sweeps - self.n_before),
            prior_means=np.array([prior.mean for prior in self.priors]),
            prior_precisions=np.array([prior.precision for prior in self.priors]),
            noise=Noise(self.noise.precision, factors, self.noise.degrees.copy()),
            n_sweeps=self.n_sweeps,
            regressions=[prior.regression for prior in self.priors],
            side=self.knowledge.side,
            ordinal=None if self.likelihood is None else self.likelihood.snapshot(),
        )
