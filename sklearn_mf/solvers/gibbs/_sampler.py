"""Gibbs sampling of a factorization: embeddings and biases of one field at a time, field after field."""

import functools
from typing import Any, NamedTuple, Self

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from sklearn_mf.model._factors import Model
from sklearn_mf.model._posterior import Draw, Noise, SampleStore
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.solvers._tensors import Tensor
from sklearn_mf.solvers._training import Report
from sklearn_mf.solvers.als import _sweep as sweep
from sklearn_mf.solvers.als._field_tables import FieldTables
from sklearn_mf.solvers.als._grouping import RatingsByField
from sklearn_mf.solvers.als._least_squares import draw_rows
from sklearn_mf.solvers.gibbs import _priors as priors

# A new chain begins where some sweeps of alternating minimisation end, with this ridge penalty and from
# embeddings of this standard deviation.
_START_SWEEPS, _START_ALPHA, START_STD = 10, 0.02, 0.1


class ConditionalPrior(NamedTuple):
    """What the ids of a field are drawn from, apart from their ratings.

    Parameters
    ----------
    mean : tensor of shape (width,), float32
        Prior mean.
    precision : tensor of shape (width, width), float32
        Prior precision.
    noise_precision : tensor of shape (n_ids,), float32
        Of a rating of mean weight of each id, before the factors of its other ids.
    factors : tensor of shape (n_others,), float32
        Factors of the precision of the ids of the other fields, one field below the other.
    """

    mean: Tensor
    precision: Tensor
    noise_precision: Tensor
    factors: Tensor


def _draw_field(
    table: Tensor, others: Tensor, field: RatingsByField, conditional: ConditionalPrior, key: Tensor
) -> tuple[Tensor, Tensor]:
    """Draw the rows of one field, given the others.

    Parameters
    ----------
    table : tensor of shape (n_ids, width), float32
        Embeddings and, in the last column, biases of the field.
    others : tensor of shape (n_others, width), float32
        Those of the other fields, one below the other.
    field : Grouped of tensors
        The ratings, by the ids of the field.
    conditional : Conditional
        Prior and noise.
    key : tensor of shape (2,), int32
        Seed of the draw; each block has a seed of its own, made from it.

    Returns
    -------
    table : tensor of shape (n_ids, width), float32
        Drawn; rows without ratings as they were.
    squares : tensor of shape (n_rated,), float32
        Weighted squared errors that each row leaves, times the factors of the other ids.
    """
    one = tf.constant(1.0)
    partners = sweep.linked_rows_of(others, field.partners.shape[1], one, conditional.factors)

    def draw(number: Tensor, rows: slice, X: Tensor, y: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of a block."""
        seed = tf.random.experimental.stateless_fold_in(key, number)
        noise = tf.random.stateless_normal(tf.shape(table[rows]), seed)
        weights = conditional.noise_precision[rows][:, None] * w
        return draw_rows(X, y, weights, conditional.mean, conditional.precision, noise)

    return sweep.over_blocks(table, partners, field, one, draw)


@functools.cache
def program(n_fields: int) -> Any:
    """Draw of a field as a graph: one for each number of fields, whatever field and sizes.

    Parameters
    ----------
    n_fields : int
        Number of fields.

    Returns
    -------
    program : tf.function
        `_draw_field`.
    """
    real = tf.TensorSpec([None])
    conditional = ConditionalPrior(real, tf.TensorSpec([None, None]), real, real)
    signature = [*sweep.field_signature(n_fields), conditional, tf.TensorSpec([2], tf.int32)]
    return tf.function(_draw_field, input_signature=signature, autograph=False)


@functools.cache
def _moments() -> Any:
    """Number, mean and scatter of the rows from some row on, as a graph.

    Not in NumPy, whose threads and those of TensorFlow would wait for each other.
    """

    def moments(table: Tensor, first: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(n_ids, width), scalar -> scalar, (width,), (width, width); float64."""
        rows = tf.cast(table[first:], tf.float64)
        n = tf.shape(rows)[0]
        mean = tf.reduce_sum(rows, 0) / tf.cast(tf.maximum(n, 1), tf.float64)
        return n, mean, tf.matmul(rows - mean, rows - mean, transpose_a=True)

    signature = [tf.TensorSpec([None, None]), tf.TensorSpec([], tf.int32)]
    return tf.function(moments, input_signature=signature, autograph=False)


class Gibbs:
    """One chain: the arrays, and the tables of embeddings, in TensorFlow.

    Parameters
    ----------
    ratings : Ratings
        Ratings to learn from.
    start : Model
        Where to begin.
    noise : Noise or None
        Of the chain that goes on; None begins a new one.
    n_sweeps : int
        Sweeps that the chain has made.
    seed : int
        Of every random number; together with the number of the sweep.
    heteroscedastic : bool
        Whether the noise differs from id to id.
    """

    unit = "sweep"

    def __init__(
        self,
        ratings: Ratings,
        start: Model,
        noise: Noise | None,
        n_sweeps: int,
        seed: int,
        heteroscedastic: bool,
    ) -> None:
        self.seed, self.n_sweeps, self.n_before, self.scale = seed, n_sweeps, n_sweeps, start.scale
        self.heteroscedastic = heteroscedastic
        self.field_tables = FieldTables(ratings, start, "cholesky")
        self.total_weight = ratings.total_weight
        self.mean_weight = ratings.total_weight / len(ratings.targets)
        self.weights = [ratings.id_weights(f)[ids] for f, ids in enumerate(self.field_tables.ids)]
        self.spreads = WithinCellVariation.of(ratings, self.field_tables.rows, start.scale)
        rng = np.random.default_rng([seed, n_sweeps])
        self.noise = self._initial_noise(rng) if noise is None else noise.take(self.field_tables.ids)
        self.priors = [self._draw_prior(field, rng) for field in range(ratings.n_fields)]

    def _initial_noise(self, rng: np.random.Generator) -> Noise:
        """Run the first sweeps of alternating minimisation; the noise that they leave."""
        free = [np.zeros(len(ids), dtype=np.float32) for ids in self.field_tables.ids]
        for _ in range(_START_SWEEPS):
            loss = self.field_tables.minimise(free, 0.0, _START_ALPHA, fit_bias=True, positive=False)
        squares = 2 * self.mean_weight * loss + self.spreads.total
        return Noise(
            priors.draw_noise_precision(squares, self.total_weight, rng),
            [np.ones(len(ids)) for ids in self.field_tables.ids],
            np.full(len(free), priors.DEGREES[-1] if self.heteroscedastic else np.inf),
        )

    def run_sweep(self) -> float:
        """Draw prior, rows and factors of every field, the last field first, then the common noise.

        Returns
        -------
        log_likelihood : float
            Of the ratings, in their units, at the end of the sweep; nan where it went wrong on the way.
        """
        rng = np.random.default_rng([self.seed, self.n_sweeps + 1])
        for field in reversed(range(len(self.priors))):
            self.priors[field] = self._draw_prior(field, rng)
            squares = self._draw_rows(field)
            if not np.isfinite(squares).all():
                return float("nan")
            if self.heteroscedastic:
                self._draw_factors(field, squares, rng)
        total = float((self._rated_factors(field) * squares).sum())
        self.noise = self.noise._replace(precision=priors.draw_noise_precision(total, self.total_weight, rng))
        log_likelihood = self._log_likelihood(total)
        if self.heteroscedastic:
            self._rescaling_step(rng)
        self.n_sweeps += 1
        return log_likelihood

    def _draw_prior(self, field: int, rng: np.random.Generator) -> priors.Prior:
        field_tables = self.field_tables
        n, mean, scatter = _moments()(field_tables.tables[field], field_tables.fields[field].bounds[0])
        return priors.draw_prior(priors.Moments(int(n), mean.numpy(), scatter.numpy()), rng)

    def _rated_factors(self, field: int) -> NDArray[np.float64]:
        """Factors of the ids with ratings, a view."""
        return self.noise.factors[field][int(self.field_tables.fields[field].bounds[0]) :]

    def _draw_rows(self, field: int) -> NDArray[np.float64]:
        """Draw the rows of a field; squared errors of its rated ids, times the factors of their other ids."""
        field_tables, noise = self.field_tables, self.noise
        others = noise.factors[:field] + noise.factors[field + 1 :]
        conditional = ConditionalPrior(
            tf.constant(self.priors[field].mean, tf.float32),
            tf.constant(self.priors[field].precision, tf.float32),
            tf.constant(noise.precision * self.mean_weight * noise.factors[field], tf.float32),
            tf.constant(np.concatenate([*others, np.empty(0)]), tf.float32),
        )
        key = tf.constant([self.seed, self.n_sweeps * len(self.priors) + field], tf.int32)
        field_tables.tables[field], squares = program(len(self.priors))(
            field_tables.tables[field],
            field_tables.others(field),
            field_tables.fields[field],
            conditional,
            key,
        )
        spreads = self.spreads.of_ids(field, noise.factors)
        return self.mean_weight * squares.numpy().astype(np.float64) + spreads[-len(squares) :]

    def _draw_factors(self, field: int, squares: NDArray[np.float64], rng: np.random.Generator) -> None:
        noise, factors = self.noise, self._rated_factors(field)
        weights = self.weights[field][-len(factors) :]
        factors[:] = priors.draw_factors(squares, weights, noise.precision, noise.degrees[field], rng)
        noise.degrees[field] = priors.draw_degrees(factors, rng)

    def _rescaling_step(self, rng: np.random.Generator) -> None:
        """Move along what the likelihood leaves open: factors of a field up, common precision down."""
        for field, degrees in enumerate(self.noise.degrees):
            factors = self._rated_factors(field)
            multiplier = priors.draw_rescaling(factors, degrees, self.noise.precision, rng)
            factors *= multiplier
            self.noise = self.noise._replace(precision=self.noise.precision / multiplier)

    def _log_likelihood(self, squares: float) -> float:
        """From the squared errors times the factors of all ids."""
        noise = self.noise
        log_factors = sum(w @ np.log(f) for w, f in zip(self.weights, noise.factors, strict=True))
        normal = np.log(noise.precision) - np.log(2 * np.pi) - 2 * np.log(self.scale)
        return float(0.5 * (self.total_weight * normal + log_factors - noise.precision * squares))

    def draw(self) -> Draw:
        """Copy the present draw out of TensorFlow.

        Returns
        -------
        draw : Draw
            Rows in the order of the codes.
        """
        return Draw(
            model=self.field_tables.model(self.n_sweeps - self.n_before),
            prior_means=np.array([prior.mean for prior in self.priors]),
            prior_precisions=np.array([prior.precision for prior in self.priors]),
            noise=self.noise.take(self.field_tables.rows),
            n_sweeps=self.n_sweeps,
        )


class WithinCellVariation(NamedTuple):
    """Ratings of one cell that differ: what merging them took out of the squared errors.

    Parameters
    ----------
    rows : list of ndarray of shape (n_cells,), int32
        Row of the id of each field, of the cells with different ratings.
    values : ndarray of shape (n_cells,), float64
        Weighted squared distances from the mean of the cell, in units of z.
    n_ids : tuple of int
        Number of ids of each field.
    """

    rows: list[NDArray[np.int32]]
    values: NDArray[np.float64]
    n_ids: tuple[int, ...]

    @classmethod
    def of(cls, ratings: Ratings, rows: list[NDArray[np.int32]], scale: float) -> Self:
        """Find the cells.

        Parameters
        ----------
        ratings : Ratings
            Merged ratings.
        rows : list of ndarray of shape (n_ids[f],), int32
            Row of each id of each field.
        scale : float
            Unit of z.

        Returns
        -------
        spreads : Spreads
            Mostly empty.
        """
        cells = np.flatnonzero(ratings.spreads)
        codes = ratings.codes[cells].T
        found = [row[column] for row, column in zip(rows, codes, strict=True)]
        return cls(found, ratings.spreads[cells] / scale**2, ratings.n_ids)

    @property
    def total(self) -> float:
        """Sum over all cells."""
        return float(self.values.sum())

    def of_ids(self, field: int, factors: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        """Sum by the ids of a field, times the factors of their other ids.

        Parameters
        ----------
        field : int
            Which field.
        factors : list of ndarray of shape (n_ids[f],), float64
            Factors of the precision of every field.

        Returns
        -------
        spreads : ndarray of shape (n_ids[field],), float64
            In the order of the rows.
        """
        values = self.values.copy()
        for other, rows in enumerate(self.rows):
            values *= factors[other][rows] if other != field else 1.0
        return np.bincount(self.rows[field], values, self.n_ids[field]).astype(np.float64, copy=False)


def sample(
    chain: Gibbs, max_iter: int, kept_after: list[int], sample_store: SampleStore, report: Report
) -> list[float]:
    """Run sweeps and keep draws.

    Parameters
    ----------
    chain : Gibbs
        The chain to advance.
    max_iter : int
        Number of sweeps.
    kept_after : list of int
        Sweeps, counted from 0, after which the draw is kept.
    collector : Collector
        Gets the draws; at least one, also where the report ends the chain before.
    report : Report
        Told of the begin and end of each sweep.

    Returns
    -------
    log_likelihood_curve : list of float
        After each sweep.

    Raises
    ------
    ValueError
        Where the chain is no longer finite.
    """
    curve: list[float] = []
    for number in range(max_iter):
        report.begin(number, chain.draw)
        curve.append(chain.run_sweep())
        if not np.isfinite(curve[-1]):
            raise ValueError(
                f"The chain diverged in sweep {number + 1}, the log-likelihood became {curve[-1]}: "
                "the ratings or the sample weights are out of proportion."
            )
        if number in kept_after:
            sample_store.add(chain.draw())
        if report.end(number, curve[-1], None, chain.draw):
            break
    if not sample_store.n_kept:
        sample_store.add(chain.draw())
    return curve
