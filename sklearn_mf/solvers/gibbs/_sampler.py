"""Gibbs sampling of a factorization: embeddings and biases of one field at a time, field after field."""

import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from sklearn_mf.model._posterior import Draw, Noise
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.solvers._graph import SingleGraph
from sklearn_mf.solvers._tensors import Tensor
from sklearn_mf.solvers._training import GibbsOptions
from sklearn_mf.solvers.als._field_tables import FieldTables
from sklearn_mf.solvers.als._grouping import RatingsByField
from sklearn_mf.solvers.als._least_squares import RowProblems, normal_draw
from sklearn_mf.solvers.als._sweep import field_signature, link_rows, solve_blocks
from sklearn_mf.solvers.gibbs._noise import (
    ChainState,
    WithinCellVariation,
    draw_field_noise,
    log_likelihood,
    rescale_noise,
)
from sklearn_mf.solvers.gibbs._priors import Moments, Prior, draw_noise_precision, draw_prior


class ConditionalPrior(NamedTuple):
    """Distribution of the rows of a field apart from their ratings, and the noise of those.

    Parameters
    ----------
    mean : tensor of shape (width,), float32
        Prior mean.
    precision : tensor of shape (width, width), float32
        Prior precision.
    noise_precision : tensor of shape (n_rows,), float32
        Precision of a rating of mean weight of each id, before the factors of its other ids.
    factors : tensor of shape (n_others,), float32
        Noise factors of the ids of the other fields, stacked as their tables.
    """

    mean: Tensor
    precision: Tensor
    noise_precision: Tensor
    factors: Tensor


def _draw_field(
    others: Tensor, field: RatingsByField, prior: ConditionalPrior, key: Tensor
) -> tuple[Tensor, Tensor]:
    """Draw the rows of one field, given the stacked tables of the others.

    Returns the table (n_rows, width), and the weighted squared errors of each row, (n_rows,), times the noise
    factors of the other ids. `key`, (2,), is the seed: each block makes one of its own from it.
    """
    has_bias = tf.constant(1.0)
    linked_rows = link_rows(others, field.other_ids.shape[1], has_bias, prior.factors)
    prior_shift = tf.linalg.matvec(prior.precision, prior.mean)

    def draw(number: Tensor, rows: slice, X: Tensor, y: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """Rows and residuals of a block."""
        seed = tf.random.experimental.stateless_fold_in(key, number)
        noise = tf.random.stateless_normal([tf.shape(X)[0], tf.shape(X)[2]], seed)
        precisions = prior.noise_precision[rows][:, None] * w
        problems = RowProblems(
            X, y, precisions, tf.zeros_like(noise), prior_precision=prior.precision, prior_shift=prior_shift
        )
        return normal_draw(problems, noise)

    return solve_blocks(linked_rows, field, has_bias, draw)


@functools.cache
def program(n_fields: int) -> SingleGraph[tuple[Tensor, Tensor]]:
    """`_draw_field` as a graph: one for each number of fields, for every field and size."""
    real = tf.TensorSpec([None])
    prior = ConditionalPrior(real, tf.TensorSpec([None, None]), real, real)
    signature = [*field_signature(n_fields), prior, tf.TensorSpec([2], tf.int32)]
    return SingleGraph(_draw_field, signature)


def _moments(table: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and scatter of rows, (n_rows, width) -> (width,), (width, width); float64."""
    rows = tf.cast(table, tf.float64)
    mean = tf.reduce_sum(rows, 0) / tf.cast(tf.shape(rows)[0], tf.float64)
    return mean, tf.matmul(rows - mean, rows - mean, transpose_a=True)


# Not in NumPy, whose threads and those of TensorFlow would wait for each other.
_moments_program = SingleGraph(_moments, [tf.TensorSpec([None, None])])


class Gibbs:
    """One chain, which begins at a state."""

    def __init__(
        self, ratings: Ratings, field_tables: FieldTables, options: GibbsOptions, state: ChainState
    ) -> None:
        self.options, self.field_tables = options, field_tables
        self.n_sweeps = self.n_before = state.n_sweeps
        self.scale = state.model.scale
        self.total_weight, self.mean_weight = ratings.total_weight, ratings.mean_weight
        ids = field_tables.ids
        self.weights = [ratings.id_weights(field)[order] for field, order in enumerate(ids)]
        self.within_cells = WithinCellVariation.of(
            ratings, field_tables.rows, tuple(map(len, ids)), self.scale
        )
        #: Noise factors of all ids, those without ratings included.
        self.start_factors = state.noise.factors
        self.noise = state.noise.take(ids)
        rng = np.random.default_rng([options.seed, self.n_sweeps])
        self.priors = [self._draw_prior(field, rng) for field in range(ratings.n_fields)]

    def sweep(self) -> float:
        """Draw prior, rows and noise of every field, the last one first, then the common noise precision.

        Returns the log-likelihood at the end of the sweep; nan if the sweep produced non-finite values.
        """
        rng = np.random.default_rng([self.options.seed, self.n_sweeps + 1])
        squares = np.nan
        for field in reversed(range(len(self.priors))):
            squares = self._draw_field(field, rng)
            if not np.isfinite(squares):
                return float("nan")
        precision = draw_noise_precision(squares, self.total_weight, rng)
        self.noise = self.noise._replace(precision=precision)
        value = log_likelihood(self.noise, squares, self.weights, self.total_weight, self.scale)
        if self.options.heteroscedastic:
            self.noise = rescale_noise(self.noise, rng)
        self.n_sweeps += 1
        return value

    def _draw_field(self, field: int, rng: np.random.Generator) -> float:
        """Draw prior, rows and noise factors of a field; the squared errors times the factors of all ids."""
        self.priors[field] = self._draw_prior(field, rng)
        squares = self._draw_rows(field)
        if self.options.heteroscedastic and np.isfinite(squares).all():
            self.noise = draw_field_noise(self.noise, field, squares, self.weights[field], rng)
        return float((self.noise.factors[field] * squares).sum())

    def _draw_prior(self, field: int, rng: np.random.Generator) -> Prior:
        table = self.field_tables.tables[field]
        mean, scatter = _moments_program(table)
        return draw_prior(Moments(int(table.shape[0]), mean.numpy(), scatter.numpy()), rng)

    def _draw_rows(self, field: int) -> NDArray[np.float64]:
        """Draw the rows of a field; their squared errors times the factors of their other ids, (n_rows,)."""
        tables, noise = self.field_tables, self.noise
        others = noise.factors[:field] + noise.factors[field + 1 :]
        prior = ConditionalPrior(
            tf.constant(self.priors[field].mean, tf.float32),
            tf.constant(self.priors[field].precision, tf.float32),
            tf.constant(noise.precision * self.mean_weight * noise.factors[field], tf.float32),
            tf.constant(np.concatenate([*others, np.empty(0)]), tf.float32),
        )
        key = tf.constant([self.options.seed, self.n_sweeps * len(self.priors) + field], tf.int32)
        draw = program(len(self.priors))
        tables.tables[field], squares = draw(tables.others(field), tables.fields[field], prior, key)
        within_cells = self.within_cells.by_row(field, noise.factors)
        return self.mean_weight * squares.numpy().astype(np.float64) + within_cells

    def snapshot(self) -> Draw:
        """Copy of the present draw, outside TensorFlow, over all ids."""
        factors = self.field_tables.put_back(self.noise.factors, self.start_factors)
        return Draw(
            model=self.field_tables.model(self.n_sweeps - self.n_before),
            prior_means=np.array([prior.mean for prior in self.priors]),
            prior_precisions=np.array([prior.precision for prior in self.priors]),
            noise=Noise(self.noise.precision, factors, self.noise.degrees.copy()),
            n_sweeps=self.n_sweeps,
        )
