"""Draws of a Bayesian factorization, and what they say about ratings; NumPy only."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from sklearn_mf.model._factors import Model

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
        """Copy with the factors in another order.

        Parameters
        ----------
        orders : list of ndarray of shape (n_ids[f],), int32
            Which factor comes where, for each field.

        Returns
        -------
        noise : Noise
            Shares no memory.
        """
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
    """

    model: Model
    prior_means: NDArray[np.float64]
    prior_precisions: NDArray[np.float64]
    noise: Noise
    n_sweeps: int


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
    """Kept draws, those of an id side by side.

    Parameters
    ----------
    intercept, scale : float
        m and s.
    embeddings : list of ndarray of shape (n_ids[f], n_samples * embedding_dim), float32
        Draws of the embedding of an id, one after another, divided by the square root of `n_samples`: inner
        products of such rows are means over the draws. An id without ratings has the prior mean.
    biases : list of ndarray of shape (n_ids[f], n_samples), float32
        Draws of the bias.
    noise_factors : list of ndarray of shape (n_ids[f], n_samples), float32
        Draws of the noise of an id, as a multiple of the common standard deviation.
    rated : list of ndarray of shape (n_ids[f],), bool
        Which ids have ratings.
    prior_means : ndarray of shape (n_samples, n_fields, width), float64
        Draws of the mean of the ids of each field.
    prior_precisions : ndarray of shape (n_samples, n_fields, width, width), float64
        Draws of their precision.
    noise_precisions : ndarray of shape (n_samples,), float64
        Draws of the common precision of the noise, in units of z.
    noise_degrees : ndarray of shape (n_samples, n_fields), float64
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
    noise_precisions: NDArray[np.float64]
    noise_degrees: NDArray[np.float64]

    @property
    def n_samples(self) -> int:
        """Number of draws."""
        return len(self.noise_precisions)

    def averages(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What an unknown id of each field is answered with.

        Returns
        -------
        embeddings : ndarray of shape (n_fields, n_samples * embedding_dim), float64
            Draws of the prior mean, scaled as in `embeddings`.
        biases : ndarray of shape (n_fields,), float64
            Mean of those of the bias.
        """
        means = np.moveaxis(self.prior_means, 0, 1)  # fields first
        embeddings = means[:, :, :-1].reshape(len(means), -1) / np.sqrt(self.n_samples)
        return embeddings, means[:, :, -1].mean(1)

    def expected(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Expected ratings of cells under each draw.

        Parameters
        ----------
        codes : ndarray of shape (n, n_fields), integer
            Row number of each id; -1 for an unknown id, which has its field's prior mean.

        Returns
        -------
        ratings : ndarray of shape (n, n_samples), float64
            Not clipped.
        """
        parts = [self._expected(codes[rows]) for rows in self._chunks(len(codes))]
        return np.concatenate(parts) if parts else np.empty((0, self.n_samples))

    def _chunks(self, n: int) -> Iterator[slice]:
        step = max(1, _CHUNK_FLOATS // max(self.embeddings[0].shape[1], self.n_samples))
        return (slice(first, first + step) for first in range(0, n, step))

    def _expected(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Pairs by the running sum of embeddings, (n, n_fields) -> (n, n_samples)."""
        total, biases = self._rows(0, codes[:, 0])
        z = biases.astype(np.float64)
        for field in range(1, codes.shape[1]):
            embeddings, biases = self._rows(field, codes[:, field])
            z += biases + self.n_samples * np.einsum("nsk,nsk->ns", total, embeddings)
            total += embeddings
        return self.intercept + self.scale * z

    def rows(self, field: int, codes: NDArray[np.integer]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Draws of some ids.

        Parameters
        ----------
        field : int
            Number of the field.
        codes : ndarray of shape (n,), integer
            Row numbers; -1 for an unknown id, which has the prior mean.

        Returns
        -------
        embeddings : ndarray of shape (n, n_samples, embedding_dim), float32
            In units of z.
        biases : ndarray of shape (n, n_samples), float32
            In units of z.
        """
        embeddings, biases = self._rows(field, codes)
        return embeddings * np.float32(np.sqrt(self.n_samples)), biases

    def prior_rows(self, field: int, n: int, rng: np.random.Generator | None) -> NDArray[np.float64]:
        """Embedding and bias of ids of which nothing is known, under each draw.

        Parameters
        ----------
        field : int
            Number of the field.
        n : int
            Number of ids.
        rng : Generator or None
            Draws from the prior; None takes its mean.

        Returns
        -------
        rows : ndarray of shape (n, n_samples, width), float64
            In units of z.
        """
        means = self.prior_means[:, field]
        rows = np.tile(means, (n, 1, 1))
        if rng is not None:
            roots = np.linalg.cholesky(self.prior_precisions[:, field]).swapaxes(1, 2)
            noise = np.moveaxis(rng.standard_normal(rows.shape), 0, 2)
            rows += np.moveaxis(np.linalg.solve(roots, noise), 2, 0)
        return rows

    def _rows(
        self, field: int, codes: NDArray[np.integer]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Draws of some ids as in `embeddings`, (n,) -> (n, n_samples, embedding_dim), (n, n_samples)."""
        shape = len(codes), self.n_samples, self.prior_means.shape[2] - 1
        embeddings, biases = self.embeddings[field][codes].reshape(shape), self.biases[field][codes]
        unknown, mean = codes < 0, self.prior_means[:, field]
        embeddings[unknown] = mean[:, :-1] / np.sqrt(self.n_samples)
        biases[unknown] = mean[:, -1]
        return embeddings, biases

    def means(self, codes: NDArray[np.integer], limits: NDArray[np.float64] | None) -> NDArray[np.float64]:
        """Posterior means of the ratings of cells.

        Parameters
        ----------
        codes : ndarray of shape (n, n_fields), integer
            Row number of each id; -1 for an unknown id.
        limits : ndarray of shape (2,), float64, or None
            What the expected rating of each draw is clipped to before the mean is taken.

        Returns
        -------
        means : ndarray of shape (n,), float64
            Means over the draws.
        """
        return np.concatenate(
            [_mean(self._expected(codes[rows]), limits) for rows in self._chunks(len(codes))]
        )

    def summary(self, codes: NDArray[np.integer], limits: NDArray[np.float64] | None) -> Summary:
        """Predictive distribution of the ratings of cells.

        Parameters
        ----------
        codes : ndarray of shape (n, n_fields), integer
            Row number of each id; -1 for an unknown id.
        limits : ndarray of shape (2,), float64, or None
            As in `means`; the variance is without the clip.

        Returns
        -------
        summary : Summary
            Means and variances.
        """
        parts = [self._summary(codes[rows], limits) for rows in self._chunks(len(codes))]
        return Summary(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def _summary(self, codes: NDArray[np.integer], limits: NDArray[np.float64] | None) -> Summary:
        expected = self._expected(codes)
        prior_only = [
            ~rated[column] | (column < 0) for rated, column in zip(self.rated, codes.T, strict=True)
        ]
        unrated, within = np.stack(prior_only, 1), self._noise_variance(codes).mean(1)
        rows = np.flatnonzero(unrated.any(1))
        if len(rows):
            within[rows] += self._prior_variance(codes[rows], unrated[rows])
        return Summary(_mean(expected, limits), expected.var(1) + self.scale**2 * within)

    def _noise_variance(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Variance of the noise of z, (n, n_fields) -> (n, n_samples)."""
        variance = np.tile(1 / self.noise_precisions, (len(codes), 1))
        for field, factors in enumerate(self.noise_factors):
            rows = factors[codes[:, field]]
            rows[codes[:, field] < 0] = unknown_factor(self.noise_degrees[:, field])
            variance *= rows.astype(np.float64) ** 2
        return variance

    def _prior_variance(self, codes: NDArray[np.integer], unrated: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Variance of z over ids that are but known by their prior, (n, n_fields), same -> (n,).

        Ids are independent given the draw and z is linear in each: the variance is the sum over such ids of
        gradient^T covariance gradient, and over pairs of them of the trace of the product of covariances.
        """
        covariances = np.linalg.inv(self.prior_precisions)
        root = np.sqrt(self.n_samples)
        rows = [root * self._rows(field, column)[0] for field, column in enumerate(codes.T)]
        total, variance = sum(rows), np.zeros(len(codes))
        for field, row in enumerate(rows):
            gradient = np.concatenate([total - row, np.ones((*row.shape[:2], 1))], axis=2)
            bent = np.einsum("nsk,skj,nsj->ns", gradient, covariances[:, field], gradient, optimize=True)
            variance += unrated[:, field] * bent.mean(1)
            for other in range(field):
                product = covariances[:, field, :-1, :-1] * covariances[:, other, :-1, :-1]
                variance += (unrated[:, field] & unrated[:, other]) * product.sum((1, 2)).mean()
        return variance


def _mean(expected: NDArray[np.float64], limits: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Mean over the draws, each clipped where there are limits, (n, n_samples) -> (n,)."""
    mean: NDArray[np.float64] = (expected if limits is None else np.clip(expected, *limits)).mean(1)
    return mean


def unknown_factor(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root mean square of the noise factor of an id without ratings.

    Parameters
    ----------
    degrees : ndarray of any shape, float64
        Degrees of freedom nu of its field, above 2.

    Returns
    -------
    factor : ndarray of that shape, float64
        Where 1 / factor^2 comes from Gamma(nu / 2, nu / 2).
    """
    return 1 / np.sqrt(1 - 2 / degrees)


class SampleStore:
    """Room for the draws that are kept.

    Parameters
    ----------
    start : Model
        Gives the numbers of ids, m and s.
    n_samples : int
        Draws to keep.
    """

    def __init__(self, start: Model, n_samples: int) -> None:
        dim, n_fields = start.embeddings[0].shape[1], len(start.embeddings)
        self.start, self.n_samples, self.n_kept = start, n_samples, 0
        sizes = [len(rows) for rows in start.embeddings]
        self.embeddings = [np.zeros((n, n_samples * dim), dtype=np.float32) for n in sizes]
        self.biases = [np.zeros((n, n_samples), dtype=np.float32) for n in sizes]
        self.noise_factors = [np.ones((n, n_samples), dtype=np.float32) for n in sizes]
        self.prior_means = np.zeros((n_samples, n_fields, dim + 1))
        self.prior_precisions = np.zeros((n_samples, n_fields, dim + 1, dim + 1))
        self.noise_precisions = np.zeros(n_samples)
        self.noise_degrees = np.zeros((n_samples, n_fields))

    def add(self, draw: Draw) -> Self:
        """Keep a draw.

        Parameters
        ----------
        draw : Draw
            Copied.

        Returns
        -------
        self : Collector
            With one draw more.
        """
        place, self.n_kept = self.n_kept, self.n_kept + 1
        dim = self.prior_means.shape[2] - 1
        self.rated = [epochs > 0 for epochs in draw.model.epochs]
        for field, rated in enumerate(self.rated):
            mean = draw.prior_means[field]
            embeddings = np.where(rated[:, None], draw.model.embeddings[field], mean[:-1])
            part = self.embeddings[field][:, place * dim : (place + 1) * dim]
            part[:] = embeddings / np.sqrt(self.n_samples)
            self.biases[field][:, place] = np.where(rated, draw.model.biases[field], mean[-1])
            unknown = unknown_factor(draw.noise.degrees[field])
            self.noise_factors[field][:, place] = np.where(
                rated, 1 / np.sqrt(draw.noise.factors[field]), unknown
            )
        self.prior_means[place], self.prior_precisions[place] = draw.prior_means, draw.prior_precisions
        self.noise_precisions[place] = draw.noise.precision
        self.noise_degrees[place] = draw.noise.degrees
        return self

    def posterior(self) -> Posterior:
        """Take the draws out.

        Returns
        -------
        posterior : Posterior
            All that were kept, which may be fewer than there is room for.
        """
        n, dim = self.n_kept, self.prior_means.shape[2] - 1
        rescale = np.float32(np.sqrt(self.n_samples / n))
        full = n == self.n_samples
        return Posterior(
            self.start.intercept,
            self.start.scale,
            self.embeddings if full else [rescale * rows[:, : n * dim] for rows in self.embeddings],
            self.biases if full else [rows[:, :n].copy() for rows in self.biases],
            self.noise_factors if full else [rows[:, :n].copy() for rows in self.noise_factors],
            self.rated,
            self.prior_means[:n],
            self.prior_precisions[:n],
            self.noise_precisions[:n],
            self.noise_degrees[:n],
        )
