"""Draws of the priors and of the noise of a Bayesian factorization; NumPy in float64, no TensorFlow."""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular
from scipy.special import gammaln
from scipy.stats import wishart

from sklearn_mf.model._side_information import RegressionDraw
from sklearn_mf.solvers.gibbs._slice import draw_by_slice

# Prior of the mean of the ids of a field: normal around 0, with the weight of so many ids.
BETA0 = 2.0
# Wishart prior of their precision. Its strength grows with the number of ids, since a fixed one leaves the
# variance of many ids with few ratings each to be learnt from noise. A priori, inner products of embeddings
# have this variance in units of z, and biases this precision.
_PRIOR_IDS, _PAIR_VARIANCE, _BIAS_PRECISION = 0.03, 0.08, 5.0
# Gamma prior of the noise precision in units of z: shape and rate, as in libFM (Rendle 2012).
SHAPE, RATE = 0.5, 0.5
# Degrees of freedom that the noise of the ids of a field can have, all equally probable: from ids that differ
# by a factor of two or more to ids that hardly differ.
DEGREES = np.geomspace(4.0, 400.0, 60)
# First width of the slices of the logarithm of the scale of embeddings.
_SLICE = 0.1


class Prior(NamedTuple):
    """Normal distribution of the ids of a field.

    Parameters
    ----------
    mean : ndarray of shape (width,), float64
        Mean of embedding and, in the last place, bias.
    precision : ndarray of shape (width, width), float64
        Inverse of their covariance.
    regression : RegressionDraw or None
        Dependence of the mean on features of the ids; `mean` is that of an id whose features are 0.
    """

    mean: NDArray[np.float64]
    precision: NDArray[np.float64]
    regression: RegressionDraw | None = None

    def shifted(self, level: float) -> Self:
        """Prior of the rows whose biases are raised by a number."""
        mean = self.mean.copy()
        mean[-1] += level
        return self._replace(mean=mean)

    def rescaled(self, multiplier: float) -> Self:
        """Prior of the rows whose embeddings are multiplied by a number."""
        factors = np.full(len(self.mean), multiplier)
        factors[-1] = 1.0
        regression = self.regression
        if regression is not None:
            regression = regression._replace(coefficients=regression.coefficients * factors)
        return self._replace(
            mean=self.mean * factors,
            precision=self.precision / np.outer(factors, factors),
            regression=regression,
        )


class SquaresByScale(NamedTuple):
    """Weighted squared errors as a function of a common multiplier of the embeddings of a field.

    Parameters
    ----------
    squares : ndarray of shape (n_rows,), float64
        Summed squared errors of the ratings of each id at multiplier 1.
    slopes : ndarray of shape (n_rows,), float64
        Sums of the errors times the part of the prediction that the embedding of the id contributes.
    curvatures : ndarray of shape (n_rows,), float64
        Sums of the squares of this part.
    """

    squares: NDArray[np.float64]
    slopes: NDArray[np.float64]
    curvatures: NDArray[np.float64]

    def at(self, multiplier: float) -> NDArray[np.float64]:
        """The squared errors with another multiplier, (n_rows,)."""
        change = multiplier - 1
        return np.maximum(self.squares - 2 * change * self.slopes + change**2 * self.curvatures, 0.0)

    def total(self, weights: NDArray[np.float64]) -> "SquaresByScale":
        """Weighted sums over the ids, weights (n_rows,), as arrays of shape (1,)."""
        return SquaresByScale(*(np.atleast_1d(weights @ part) for part in self))


class Moments(NamedTuple):
    """Moments of the ids of a field, on which its prior depends.

    Parameters
    ----------
    n_ids : int
        Number of ids.
    mean : ndarray of shape (width,), float64
        Mean of embedding and bias; 0 without ids.
    scatter : ndarray of shape (width, width), float64
        Sum over the ids of the outer products of their deviations from the mean.
    """

    n_ids: int
    mean: NDArray[np.float64]
    scatter: NDArray[np.float64]


def draw_prior(moments: Moments, rng: np.random.Generator) -> Prior:
    """Draw mean and precision of the ids of a field, given the ids; without ids, from their own prior.

    The conjugate update of Salakhutdinov and Mnih (2008, eq. 14).
    """
    n, mean, scatter = moments
    width, beta = len(mean), BETA0 + n
    precision = draw_precision(scatter + (BETA0 * n / beta) * np.outer(mean, mean), n, rng)
    root = np.linalg.cholesky(precision)
    deviation = solve_triangular(root, rng.standard_normal(width), lower=True, trans="T")
    return Prior(n * mean / beta + deviation / np.sqrt(beta), precision)


class PrecisionPrior(NamedTuple):
    """Wishart prior of the precision of the ids of a field.

    Parameters
    ----------
    degrees : float
        Degrees of freedom.
    inverse_scale : ndarray of shape (width,), float64
        Diagonal of the inverse of its scale matrix: the degrees of freedom divided by the prior means.
    """

    degrees: float
    inverse_scale: NDArray[np.float64]


def precision_prior(width: int, n_ids: int) -> PrecisionPrior:
    """Wishart prior of the precision (width, width) of a field with so many ids."""
    degrees = width + _PRIOR_IDS * n_ids
    means = np.full(width, np.sqrt(max(width - 1, 1) / _PAIR_VARIANCE))
    means[-1] = _BIAS_PRECISION
    return PrecisionPrior(degrees, degrees / means)


def draw_precision(scatter: NDArray[np.float64], n_ids: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw the precision of the ids of a field, given their scatter around a mean that is integrated out.

    The scatter, (width, width), includes the distance of the best mean from the mean of its own prior.
    """
    width = len(scatter)
    prior = precision_prior(width, n_ids)
    scale = np.linalg.inv(np.diag(prior.inverse_scale) + scatter)
    drawn = wishart.rvs(prior.degrees + n_ids, scale, random_state=rng)
    return np.reshape(drawn, (width, width))  # SciPy returns a number where width is 1


def draw_noise_precision(squares: float, total_weight: float, rng: np.random.Generator) -> float:
    """Draw the precision of the noise, in units of z^-2, given the errors.

    `squares` are the weighted squared errors of all ratings in units of z, including those inside merged
    cells, each times the noise factors of its ids; `total_weight` is the sum of the sample weights.
    """
    return float(rng.gamma(SHAPE + total_weight / 2) / (RATE + squares / 2))


def draw_factors(
    squares: NDArray[np.float64],
    weights: NDArray[np.float64],
    noise_precision: float,
    degrees: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Draw the noise factor of each id of a field, (n_ids,): its precision relative to the common one.

    Gamma(degrees / 2, degrees / 2) is the prior of a factor (Lakshminarayanan, Bouchard and Archambeau,
    "Robust Bayesian matrix factorisation", AISTATS 2011). `squares`, (n_ids,), are the weighted squared
    errors of the ratings of each id times the factors of their other ids; `weights`, (n_ids,), their summed
    weights.
    """
    return rng.gamma((degrees + weights) / 2) / ((degrees + noise_precision * squares) / 2)


def draw_degrees(factors: NDArray[np.float64], rng: np.random.Generator) -> float:
    """Draw the degrees of freedom of a field, one of `DEGREES`, given the factors (n_ids,) of its ids."""
    half = DEGREES / 2
    log_density = len(factors) * (half * np.log(half) - gammaln(half))
    log_density += (half - 1) * np.log(factors).sum() - half * factors.sum()
    probability = np.exp(log_density - log_density.max())
    return float(rng.choice(DEGREES, p=probability / probability.sum()))


def draw_rescaling(
    factors: NDArray[np.float64], degrees: float, noise_precision: float, rng: np.random.Generator
) -> float:
    """Draw the multiplier of the factors (n_ids,) of a field, by which the common precision is divided.

    The likelihood depends on the products alone, so the chain moves along them slowly without this step
    (Liu and Sabatti, "Generalised Gibbs sampler", Biometrika 2000). The density of the multiplier c is
    proportional to c^(p - 1) exp(-r c - b / c): proposed from Gamma(p, r), accepted by the rest; 1 where the
    proposal is not accepted.
    """
    proposal = rng.gamma(len(factors) * degrees / 2 - SHAPE) / (degrees * factors.sum() / 2)
    log_ratio = RATE * noise_precision * (1 - 1 / proposal)
    return float(proposal) if np.log(rng.random()) < log_ratio else 1.0


def draw_embedding_scale(
    errors: SquaresByScale,
    factors: NDArray[np.float64],
    prior: Prior,
    total_weight: float,
    rng: np.random.Generator,
) -> float:
    """Draw a number by which all embeddings of a field and their prior are multiplied.

    A sweep changes the variance of n embeddings by about sqrt(2 / n) of its value. That is slow where ids
    have few ratings. Here the embeddings in units of their prior are held fixed (interweaving: Yu and Meng,
    "To center or not to center", JCGS 2011), and the noise precision is integrated out, so it must be drawn
    next. Of the priors of the field only the Wishart distribution depends on the multiplier.
    """
    total, of_precision = errors.total(factors), precision_prior(len(prior.mean), len(factors))
    power = of_precision.degrees * (len(prior.mean) - 1)
    trace = float(np.diag(prior.precision)[:-1] @ of_precision.inverse_scale[:-1])

    def log_density(log_scale: float) -> float:
        """Of the logarithm of the multiplier."""
        wishart_part = -power * log_scale - trace / 2 * np.exp(-2 * log_scale)
        rate = RATE + total.at(np.exp(log_scale)).item() / 2
        return float(wishart_part - (SHAPE + total_weight / 2) * np.log(rate))

    return float(np.exp(draw_by_slice(log_density, 0.0, _SLICE, rng)))


def draw_level(first: Prior, second: Prior, rng: np.random.Generator) -> float:
    """Draw the number that is added to the biases of one field and subtracted from those of another.

    The ratings identify the sum of their means only, so that sweeps move the difference slowly.
    """
    slopes = [float(prior.precision[-1] @ prior.mean) for prior in (first, second)]
    precision = BETA0 * float(first.precision[-1, -1] + second.precision[-1, -1])
    return float(rng.normal(BETA0 * (slopes[1] - slopes[0]) / precision, 1 / np.sqrt(precision)))
