"""Draws of a Bayesian factorization, and the predictive distribution that they give; NumPy only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from sklearn_mf.model._factors import Model
from sklearn_mf.model._ordinal import Levels, OrdinalDraw, levels_of_draws
from sklearn_mf.model._pattern import Pattern
from sklearn_mf.model._side_information import RegressionDraw, SideInformation
from sklearn_mf.utils._batches import batches

# Floats of the gathered embeddings of a field that predict takes at a time.
_CHUNK_FLOATS = 2**22


class Noise(NamedTuple):
    """Noise of the ratings: the precision of one is the common precision times the factors of its ids.

    Parameters
    ----------
    precision : float
        Common precision of a rating of weight 1, in units of z.
    factors : list of ndarray of shape (n_ids[f],), float64
        Factors of the ids; all 1 where the noise is the same for all.
    degrees : ndarray of shape (n_fields,), float64
        The factors of a field come from Gamma(degrees / 2, degrees / 2): infinite where all are 1.
    """

    precision: float
    factors: list[NDArray[np.float64]]
    degrees: NDArray[np.float64]

    def take(self, orders: list[NDArray[np.int32]]) -> "Noise":
        """Copy with the factors of each field in another order."""
        factors = [factor[order] for factor, order in zip(self.factors, orders, strict=True)]
        return Noise(self.precision, factors, self.degrees.copy())


class Draw(NamedTuple):
    """One draw of everything that is unknown.

    Parameters
    ----------
    model : Model
        Embeddings and biases of the ids.
    prior_means : ndarray of shape (n_fields, width), float64
        Mean of embedding and, in the last place, bias of the ids of each field.
    prior_precisions : ndarray of shape (n_fields, width, width), float64
        Inverse of their covariance.
    noise : Noise
        Of the ratings.
    n_sweeps : int
        Sweeps that the chain has made.
    regressions : sequence of RegressionDraw or None
        Dependence of the prior means on features, for each field; the prior mean is that without features.
    side : SideInformation
        The features.
    ordinal : OrdinalDraw or None
        Levels and thresholds, where ratings are ordered categories.
    """

    model: Model
    prior_means: NDArray[np.float64]
    prior_precisions: NDArray[np.float64]
    noise: Noise
    n_sweeps: int
    regressions: Sequence[RegressionDraw | None] = ()
    side: SideInformation = SideInformation()
    ordinal: OrdinalDraw | None = None

    def regression(self, field: int) -> RegressionDraw | None:
        """Dependence of the prior mean of a field on features."""
        return self.regressions[field] if self.regressions else None

    def unrated_means(self, field: int) -> NDArray[np.float64]:
        """Prior means of the ids of a field if they had no ratings, (n_ids or 1, width)."""
        return self.side.unrated_means(field, self.prior_means[field], self.regression(field))

    def unrated_precisions(self) -> NDArray[np.float64]:
        """Prior precisions of the ids without ratings, (n_fields, width, width)."""
        each = enumerate(self.prior_precisions)
        return np.array([self.side.unrated_precision(f, P, self.regression(f)) for f, P in each])

    def coefficients(self) -> list[NDArray[np.float64]]:
        """Coefficients of the features of each field, (n_features[f], width); no rows without features."""
        empty = np.empty((0, self.prior_means.shape[1]))
        each = map(self.regression, range(len(self.prior_means)))
        return [empty if draw is None else draw.coefficients for draw in each]


class Summary(NamedTuple):
    """Predictive distribution of some ratings.

    Parameters
    ----------
    mean : ndarray of shape (n,), float64
        Mean over the draws of the expected rating.
    variance : ndarray of shape (n,), float64
        Variance of a rating: of its expectation from draw to draw, of ids known by their prior alone, and of
        the noise.
    """

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]


@dataclass(frozen=True)
class Posterior:
    """Kept draws, those of one chain after those of another.

    Parameters
    ----------
    intercept, scale : float
        m and s.
    embeddings : list of ndarray of shape (n_ids[f], n_samples, embedding_dim), float32
        Draws of the embeddings, those of an id side by side. An id without ratings has the prior mean.
    biases : list of ndarray of shape (n_ids[f], n_samples), float32
        Draws of the biases.
    noise_factors : list of ndarray of shape (n_ids[f], n_samples), float32
        Draws of the noise of an id, as a multiple of the common standard deviation.
    rated : list of ndarray of shape (n_ids[f],), bool
        Which ids have ratings.
    prior_means : ndarray of shape (n_samples, n_fields, width), float64
        Draws of the mean of the ids of each field; width is embedding_dim + 1, the bias is last.
    prior_precisions : ndarray of shape (n_samples, n_fields, width, width), float64
        Draws of their precision.
    unrated_precisions : ndarray of shape (n_samples, n_fields, width, width), float64
        Draws of the precision of ids without ratings, whose features of the pattern are unknown.
    coefficients : tuple of ndarray of shape (n_samples, n_features[f], width), float64
        Draws of the coefficients of the features of each field.
    pattern : Pattern or None
        Source of the last features of users and items.
    levels : Levels or None
        Levels and draws of the thresholds, where ratings are ordered categories.
    noise_precisions : ndarray of shape (n_samples,), float64
        Draws of the common precision of the noise, in units of z.
    noise_dof : ndarray of shape (n_samples, n_fields), float64
        Draws of the degrees of freedom of the noise of each field.
    """

    intercept: float
    scale: float
    embeddings: list[NDArray[np.float32]]
    biases: list[NDArray[np.float32]]
    noise_factors: list[NDArray[np.float32]]
    rated: list[NDArray[np.bool_]]
    prior_means: NDArray[np.float64]
    prior_precisions: NDArray[np.float64]
    unrated_precisions: NDArray[np.float64]
    coefficients: tuple[NDArray[np.float64], ...]
    pattern: Pattern | None
    levels: Levels | None
    noise_precisions: NDArray[np.float64]
    noise_dof: NDArray[np.float64]

    @property
    def n_samples(self) -> int:
        """Number of draws."""
        return len(self.noise_precisions)

    def stacked(self, field: int) -> NDArray[np.float32]:
        """Draws of each id in one row, (n_ids, n_samples * embedding_dim), for sums over the draws."""
        return self.embeddings[field].reshape(len(self.embeddings[field]), -1)

    def expected(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Expected ratings of cells under each draw, (n, n_fields) -> (n, n_samples); not clipped.

        Code -1 is an unknown id, which has the prior mean of its field.
        """
        parts = [self._expected(codes[rows]) for rows in self._chunks(len(codes))]
        return np.concatenate(parts) if parts else np.empty((0, self.n_samples))

    def _chunks(self, n: int) -> list[slice]:
        n_floats = self.n_samples * max(self.embeddings[0].shape[2], 1)
        return batches(n, max(1, _CHUNK_FLOATS // n_floats))

    def _expected(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Pairs by the running sum of embeddings, (n, n_fields) -> (n, n_samples)."""
        total, biases = self.rows(0, codes[:, 0])
        z = biases.astype(np.float64)
        for field in range(1, codes.shape[1]):
            embeddings, biases = self.rows(field, codes[:, field])
            z += biases + np.einsum("nsk,nsk->ns", total, embeddings)
            total += embeddings
        return self.intercept + self.scale * z

    def rows(self, field: int, codes: NDArray[np.integer]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Draws (n, n_samples, embedding_dim) and (n, n_samples) of ids; code -1 gets the prior mean."""
        embeddings, biases = self.embeddings[field][codes], self.biases[field][codes]
        unknown, mean = codes < 0, self.prior_means[:, field]
        embeddings[unknown], biases[unknown] = mean[:, :-1], mean[:, -1]
        return embeddings, biases

    def drawn_rows(
        self, field: int, codes: NDArray[np.integer], rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Draws as `rows` gives them, but those of ids without ratings come from the prior."""
        embeddings, biases = self.rows(field, codes)
        unrated = np.flatnonzero((codes < 0) | ~self.rated[field][codes])
        deviations = self.prior_deviations(field, len(unrated), rng)
        embeddings[unrated] += deviations[..., :-1]
        biases[unrated] += deviations[..., -1]
        return embeddings, biases

    def prior_means_of(
        self, field: int, cells: csr_array, table: csr_array | None = None
    ) -> NDArray[np.float64]:
        """Prior means of ids that were not in fit, given their rated cells, (n, n_ids[other]).

        `table`, (n, n_features), are their features, where fit had some. Returns (n, n_samples, width).
        """
        means = np.tile(self.prior_means[:, field], (cells.shape[0], 1, 1))
        if self.pattern is not None:
            means += _products(self.pattern.features(field, cells), self.pattern_coefficients(field))
        return means if table is None else means + _products(table.toarray(), self.table_coefficients(field))

    def table_coefficients(self, field: int) -> NDArray[np.float64]:
        """Coefficients of the features in the table of a field, (n_samples, n_features, width)."""
        n_of_pattern = 0 if self.pattern is None or field > 1 else len(self.pattern.centres[field])
        coefficients = self.coefficients[field]
        return coefficients[:, : coefficients.shape[1] - n_of_pattern]

    def pattern_coefficients(self, field: int) -> NDArray[np.float64]:
        """Coefficients of the features from the pattern, (n_samples, n_components, width)."""
        return self.coefficients[field][:, self.table_coefficients(field).shape[1] :]

    def prior_deviations(self, field: int, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw deviations of n ids without ratings from their prior means, -> (n, n_samples, width)."""
        roots = np.linalg.cholesky(self.unrated_precisions[:, field]).swapaxes(1, 2)
        noise = np.moveaxis(rng.standard_normal((n, *self.prior_means[:, field].shape)), 0, 2)
        return np.moveaxis(np.linalg.solve(roots, noise), 2, 0)

    def means(self, codes: NDArray[np.integer], limits: NDArray[np.float64] | None) -> NDArray[np.float64]:
        """Posterior mean ratings of cells, (n, n_fields) -> (n,), each draw clipped to the limits if any."""
        if self.levels is not None:
            return self.level_probabilities(codes) @ self.levels.values
        chunks = self._chunks(len(codes))
        return np.concatenate([_mean(self._expected(codes[rows]), limits) for rows in chunks])

    def summary(self, codes: NDArray[np.integer], limits: NDArray[np.float64] | None) -> Summary:
        """Predictive distribution of ratings of cells, (n, n_fields); the variance is without the clip."""
        if self.levels is not None:
            probabilities = self.level_probabilities(codes)
            mean = probabilities @ self.levels.values
            return Summary(mean, probabilities @ self.levels.values**2 - mean**2)
        parts = [self._summary(codes[rows], limits) for rows in self._chunks(len(codes))]
        return Summary(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def _summary(self, codes: NDArray[np.integer], limits: NDArray[np.float64] | None) -> Summary:
        expected, within = self._expected(codes), self._variance(codes).mean(1)
        return Summary(_mean(expected, limits), expected.var(1) + self.scale**2 * within)

    def level_probabilities(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Probabilities of the levels of ordered ratings, (n, n_fields) -> (n, n_levels)."""
        assert self.levels is not None
        parts = [np.empty((0, len(self.levels.values)))]
        for rows in self._chunks(len(codes)):
            stds = self.scale * np.sqrt(self._variance(codes[rows]))
            parts.append(self.levels.probabilities(self._expected(codes[rows]), stds))
        return np.concatenate(parts)

    def _variance(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Variance of z in each draw: noise, and ids without ratings, (n, n_fields) -> (n, n_samples)."""
        prior_only = [
            ~rated[column] | (column < 0) for rated, column in zip(self.rated, codes.T, strict=True)
        ]
        unrated, variance = np.stack(prior_only, 1), self._noise_variance(codes)
        rows = np.flatnonzero(unrated.any(1))
        if len(rows):
            variance[rows] += self._prior_variance(codes[rows], unrated[rows])
        return variance

    def _noise_variance(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Variance of the noise of z, (n, n_fields) -> (n, n_samples)."""
        variance = np.tile(1 / self.noise_precisions, (len(codes), 1))
        for field, factors in enumerate(self.noise_factors):
            rows = factors[codes[:, field]]
            rows[codes[:, field] < 0] = unknown_factor(self.noise_dof[:, field])
            variance *= rows.astype(np.float64) ** 2
        return variance

    def _prior_variance(self, codes: NDArray[np.integer], unrated: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Variance of z over the prior of ids without ratings, (n, n_fields), same -> (n, n_samples).

        Ids are independent given the draw and z is linear in each: the variance is the sum over such ids of
        gradient^T covariance gradient, and over pairs of them of the trace of the product of covariances.
        """
        covariances = np.linalg.inv(self.unrated_precisions)
        rows = [self.rows(field, column)[0] for field, column in enumerate(codes.T)]
        total, variance = sum(rows), np.zeros((len(codes), self.n_samples))
        for field, row in enumerate(rows):
            gradient = np.concatenate([total - row, np.ones((*row.shape[:2], 1))], axis=2)
            product = np.einsum("nsk,skj,nsj->ns", gradient, covariances[:, field], gradient, optimize=True)
            variance += unrated[:, field, None] * product
            for other in range(field):
                traces = covariances[:, field, :-1, :-1] * covariances[:, other, :-1, :-1]
                variance += (unrated[:, field] & unrated[:, other])[:, None] * traces.sum((1, 2))
        return variance


def _products(features: NDArray[np.float64], coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
    """F B of each draw, (n, n_features), (n_samples, n_features, width) -> (n, n_samples, width)."""
    products: NDArray[np.float64] = np.einsum("np,spk->nsk", features, coefficients, optimize=True)
    return products


def _mean(expected: NDArray[np.float64], limits: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Mean over the draws, each clipped where there are limits, (n, n_samples) -> (n,)."""
    mean: NDArray[np.float64] = (expected if limits is None else np.clip(expected, *limits)).mean(1)
    return mean


def unknown_factor(dof: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root mean square of the noise factor of an id without ratings, by degrees of freedom above 2.

    1 / factor^2 comes from Gamma(dof / 2, dof / 2).
    """
    return 1 / np.sqrt(1 - 2 / dof)


class SampleStore:
    """Room for the draws that are kept, chain after chain.

    Parameters
    ----------
    start : Model
        Gives the numbers of ids, m and s.
    n_chains, n_draws : int
        Number of chains, and of draws to keep of each.
    """

    def __init__(self, start: Model, n_chains: int, n_draws: int) -> None:
        dim = start.embeddings[0].shape[1]
        self.start, self.n_chains, self.n_draws, self.n_kept = start, n_chains, n_draws, 0
        sizes, n_samples = [len(rows) for rows in start.embeddings], n_chains * n_draws
        self.embeddings = [np.zeros((n, n_samples, dim), dtype=np.float32) for n in sizes]
        self.biases = [np.zeros((n, n_samples), dtype=np.float32) for n in sizes]
        self.noise_factors = [np.ones((n, n_samples), dtype=np.float32) for n in sizes]
        self.rated = [np.zeros(n, dtype=bool) for n in sizes]
        #: Draws by their places, without what the tables above hold.
        self.draws: dict[int, Draw] = {}

    def add(self, draws: Sequence[Draw]) -> Self:
        """Keep a copy of one draw of each chain."""
        for chain, draw in enumerate(draws):
            self._put(chain * self.n_draws + self.n_kept, draw)
        self.n_kept += 1
        return self

    def _put(self, place: int, draw: Draw) -> None:
        self.rated = [epochs > 0 for epochs in draw.model.epochs]
        for field, rated in enumerate(self.rated):
            means = draw.unrated_means(field)
            embeddings, biases = draw.model.embeddings[field], draw.model.biases[field]
            factors, unknown = draw.noise.factors[field], unknown_factor(draw.noise.degrees[field])
            self.embeddings[field][:, place] = np.where(rated[:, None], embeddings, means[:, :-1])
            self.biases[field][:, place] = np.where(rated, biases, means[:, -1])
            self.noise_factors[field][:, place] = np.where(rated, 1 / np.sqrt(factors), unknown)
        self.draws[place] = draw._replace(model=self.start, noise=draw.noise._replace(factors=[]))

    def posterior(self) -> Posterior:
        """Take out all draws that were kept, which may be fewer than there is room for."""
        first = np.arange(self.n_chains)[:, None] * self.n_draws
        places: NDArray[np.intp] = (first + np.arange(self.n_kept)).ravel()
        draws = [self.draws[int(place)] for place in places]
        full = self.n_kept == self.n_draws

        def kept(tables: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
            """The tables, (n_ids, n_samples, ...), without the room that was not needed."""
            return tables if full else [rows[:, places] for rows in tables]

        return Posterior(
            self.start.intercept,
            self.start.scale,
            kept(self.embeddings),
            kept(self.biases),
            kept(self.noise_factors),
            self.rated,
            np.array([draw.prior_means for draw in draws]),
            np.array([draw.prior_precisions for draw in draws]),
            np.array([draw.unrated_precisions() for draw in draws]),
            tuple(map(np.array, zip(*(draw.coefficients() for draw in draws), strict=True))),
            draws[0].side.pattern,
            levels_of_draws([draw.ordinal for draw in draws]),
            np.array([draw.noise.precision for draw in draws]),
            np.array([draw.noise.degrees for draw in draws]),
        )


def posterior_of_draws(draws: Sequence[Draw], start: Model) -> Posterior:
    """Posterior of one draw of each chain; `start` gives the numbers of ids, m and s."""
    return SampleStore(start, len(draws), 1).add(draws).posterior()
