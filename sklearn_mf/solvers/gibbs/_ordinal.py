"""Ordered ratings in Gibbs sampling: latent normal values in place of the ratings, and their thresholds.

Albert and Chib ("Bayesian analysis of binary and polychotomous response data", JASA 1993), with the first
and the last threshold held fixed and the noise of the latent values unknown, as that of ratings is (Nandram
and Chen, "Reparameterizing the generalized linear model to accelerate Gibbs sampler convergence", 1996). The
other thresholds are drawn given the probabilities of the ratings, without the latent values (Cowles,
"Accelerating Monte Carlo Markov chain convergence for cumulative-link generalized linear models", 1996).
"""

import functools

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy.special import ndtri

from sklearn_mf.model._ordinal import OrdinalDraw, log_interval_probabilities, mirrored
from sklearn_mf.model._posterior import Noise
from sklearn_mf.ratings._ratings import Ratings, sorted_by
from sklearn_mf.solvers._graph import SingleGraph
from sklearn_mf.solvers._objective import prediction_terms, row_sums
from sklearn_mf.solvers._tensors import Tensor
from sklearn_mf.solvers.als._field_tables import FieldTables

Floats = NDArray[np.float64]

# Ratings predicted at a time.
_PREDICTED = 2**15
# Largest number of distinct ratings.
MOST_LEVELS = 30
# Step of a threshold times the root of the number of ratings at the two levels beside it, in units of z. The
# thresholds have independent normal priors around the midpoints of the levels, with this standard deviation.
_STEP, _PRIOR_STD = 1.2, 1.0
# Largest distance of a latent value from its centre in standard deviations, if the thresholds allow it.
_FARTHEST = 40.0


class OrderedRatings:
    """The ratings as levels, with their rows in the tables of the fields.

    Parameters
    ----------
    ratings : Ratings
        Each cell rated once, with weight 1.
    field_tables : FieldTables
        Tables of the fields; the latent values replace their targets.
    """

    def __init__(self, ratings: Ratings, field_tables: FieldTables) -> None:
        self.levels, self.level_of = levels_of(ratings)
        self.rows = [row[codes] for row, codes in zip(field_tables.rows, ratings.codes.T, strict=True)]
        sizes = map(len, field_tables.ids)
        self.orders = [sorted_by(rows, size)[0] for rows, size in zip(self.rows, sizes, strict=True)]
        start, middles = field_tables.start, (self.levels[1:] + self.levels[:-1]) / 2
        self.midpoints: Floats = (middles - start.intercept) / start.scale
        counts = np.bincount(self.level_of)
        self.steps: Floats = _STEP / np.sqrt(counts[1:] + counts[:-1])

    def centres(self, field_tables: FieldTables) -> Floats:
        """Expected latent values of all ratings, (n_ratings,)."""
        predict = _program(len(self.rows))
        centres: Floats = predict(field_tables.tables, self.rows).numpy().astype(np.float64)
        return centres

    def stds(self, noise: Noise) -> Floats:
        """Standard deviations of the latent values around their centres, (n_ratings,)."""
        precisions = np.full(len(self.level_of), noise.precision)
        for factors, rows in zip(noise.factors, self.rows, strict=True):
            precisions *= factors[rows]
        return 1 / np.sqrt(precisions)

    def log_probabilities(self, thresholds: Floats, centres: Floats, stds: Floats) -> Floats:
        """Log-probability of each rating, (n_levels - 1,), (n_ratings,), same -> (n_ratings,)."""
        return log_interval_probabilities(*self._bounds(thresholds, centres, stds))

    def _bounds(self, thresholds: Floats, centres: Floats, stds: Floats) -> tuple[Floats, Floats]:
        """Bounds of the latent values, standardised, (n_ratings,) each."""
        bounds = np.concatenate([[-np.inf], thresholds, [np.inf]])
        return (bounds[self.level_of] - centres) / stds, (bounds[self.level_of + 1] - centres) / stds

    def draw_thresholds(
        self, thresholds: Floats, centres: Floats, stds: Floats, rng: np.random.Generator
    ) -> Floats:
        """Move every second free threshold by a Metropolis step, then the others; (n_levels - 1,)."""
        thresholds = thresholds.copy()
        for first in (1, 2):
            places = np.arange(first, len(thresholds) - 1, 2)
            if len(places):
                thresholds[places] = self._metropolis(places, thresholds, centres, stds, rng)
        return thresholds

    def _metropolis(
        self,
        places: NDArray[np.intp],
        thresholds: Floats,
        centres: Floats,
        stds: Floats,
        rng: np.random.Generator,
    ) -> Floats:
        """Step of thresholds without common levels: each is accepted by itself, (n_places,)."""
        old, proposal = thresholds[places], thresholds.copy()
        new = old + self.steps[places] * rng.standard_normal(len(places))
        ordered = (thresholds[places - 1] < new) & (new < thresholds[places + 1])
        proposal[places] = np.where(ordered, new, old)
        gains = self.log_probabilities(proposal, centres, stds) - self.log_probabilities(
            thresholds, centres, stds
        )
        of_levels = np.bincount(self.level_of, gains, len(self.levels))
        distances = np.square(np.stack([old, new]) - self.midpoints[places]) / (2 * _PRIOR_STD**2)
        log_ratio = of_levels[places] + of_levels[places + 1] + distances[0] - distances[1]
        accepted = ordered & (np.log(rng.random(len(places))) < log_ratio)
        return np.where(accepted, new, old)

    def draw_latent(
        self, thresholds: Floats, centres: Floats, stds: Floats, rng: np.random.Generator
    ) -> Floats:
        """Draw the latent values from normal distributions between their thresholds, (n_ratings,)."""
        lower, upper = self._bounds(thresholds, centres, stds)
        above, below_lower, below_upper = mirrored(lower, upper)
        drawn = ndtri(below_lower + (below_upper - below_lower) * rng.random(len(lower)))
        deviations = np.clip(np.where(above, -drawn, drawn), -_FARTHEST, _FARTHEST)
        return centres + stds * np.clip(deviations, lower, upper)

    def put(self, latent: Floats, field_tables: FieldTables) -> None:
        """Replace the targets of all fields by the latent values (n_ratings,)."""
        targets = latent.astype(np.float32)
        field_tables.fields = [
            field.with_targets(tf.constant(targets[order]))
            for field, order in zip(field_tables.fields, self.orders, strict=True)
        ]


class OrdinalLikelihood:
    """Likelihood of ordered ratings in one chain; its latent values are the targets of the field tables.

    `thresholds`, (n_levels - 1,), are those of the chain that a warm start continues, in units of z, or None.
    """

    def __init__(self, ordered: OrderedRatings, field_tables: FieldTables, thresholds: Floats | None) -> None:
        self.ordered, self.field_tables = ordered, field_tables
        self.thresholds = ordered.midpoints if thresholds is None else thresholds

    def draw(self, noise: Noise, rng: np.random.Generator) -> None:
        """Draw the thresholds, then the latent values."""
        centres, stds = self.ordered.centres(self.field_tables), self.ordered.stds(noise)
        self.thresholds = self.ordered.draw_thresholds(self.thresholds, centres, stds, rng)
        latent = self.ordered.draw_latent(self.thresholds, centres, stds, rng)
        self.ordered.put(latent, self.field_tables)

    def snapshot(self) -> OrdinalDraw:
        """Levels and thresholds in units of the ratings."""
        start = self.field_tables.start
        return OrdinalDraw(self.ordered.levels, start.intercept + start.scale * self.thresholds)

    def log_likelihood(self, noise: Noise) -> float:
        """Log-probability of all ratings."""
        centres, stds = self.ordered.centres(self.field_tables), self.ordered.stds(noise)
        return float(self.ordered.log_probabilities(self.thresholds, centres, stds).sum())


def levels_of(ratings: Ratings) -> tuple[Floats, NDArray[np.intp]]:
    """Distinct ratings, and the place of each rating among them; ValueError where they cannot be levels."""
    if ratings.within_square_sum > 0 or (ratings.weights != 1).any():
        raise ValueError(
            "likelihood='ordinal' needs each combination of ids once and without sample weights, got "
            "repeated or weighted ratings: drop them, or use likelihood='normal'."
        )
    levels, level_of = np.unique(ratings.targets, return_inverse=True)
    if not 2 <= len(levels) <= MOST_LEVELS:
        raise ValueError(
            f"likelihood='ordinal' needs 2 to {MOST_LEVELS} distinct ratings, got {len(levels)}: round the "
            "ratings, or use likelihood='normal'."
        )
    return levels, level_of


def _predict(tables: list[Tensor], rows: list[Tensor]) -> Tensor:
    """Expected z of ratings, by their rows, (n,) for each field -> (n,)."""
    n = tf.shape(rows[0])[0]
    n_parts = (n + _PREDICTED - 1) // _PREDICTED

    def predict(number: Tensor, predictions: Tensor) -> tuple[Tensor, Tensor]:
        """Append a part of the ratings."""
        part = slice(number * _PREDICTED, (number + 1) * _PREDICTED)
        gathered = [tf.gather(table, row[part]) for table, row in zip(tables, rows, strict=True)]
        return number + 1, predictions.write(number, row_sums(prediction_terms(gathered, tf.constant(1.0))))

    predictions = tf.TensorArray(tf.float32, n_parts, infer_shape=False, element_shape=[None])
    return tf.while_loop(lambda number, _: number < n_parts, predict, (0, predictions))[1].concat()


@functools.cache
def _program(n_fields: int) -> SingleGraph[Tensor]:
    """`_predict` as a graph: one for each number of fields."""
    tables, rows = [tf.TensorSpec([None, None])] * n_fields, [tf.TensorSpec([None], tf.int32)] * n_fields
    return SingleGraph(_predict, [tables, rows])
