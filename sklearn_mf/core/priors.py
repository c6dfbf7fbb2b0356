"""Draws of the priors and of the noise of a Bayesian factorization; NumPy in float64, no TensorFlow."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

# Normal-Wishart prior of the mean and precision of the ids of a field. Its mean has the weight of two ids
# around 0 (beta0 = 2, mu0 = 0, W0 = I, as the authors' code of Salakhutdinov and Mnih 2008 has it); the degrees
# of freedom are as few as the width of [embedding, bias] allows.
_BETA0 = 2.0
# Gamma prior of the noise precision in units of z: shape and rate, as in libFM (Rendle 2012).
_SHAPE, _RATE = 0.5, 0.5


class Prior(NamedTuple):
    """Normal distribution of the ids of a field.

    Parameters
    ----------
    mean : ndarray of shape (width,), float64
        Mean of embedding and, in the last place, bias.
    precision : ndarray of shape (width, width), float64
        Inverse of their covariance.
    """

    mean: NDArray[np.float64]
    precision: NDArray[np.float64]


def draw_prior(rows: NDArray[np.floating], rng: np.random.Generator) -> Prior:
    """Draw mean and precision of the ids of a field, given the ids.

    The conjugate update of Salakhutdinov and Mnih (2008, eq. 14), with the Wishart distribution drawn by
    Bartlett's decomposition.

    Parameters
    ----------
    rows : ndarray of shape (n_ids, width), float32 or float64
        Embedding and bias of each id; without any this draws from the prior's own prior.
    rng : Generator
        Consumed.

    Returns
    -------
    prior : Prior
        A draw.
    """
    n, width = rows.shape
    rows = rows.astype(np.float64)
    mean = rows.sum(0) / max(n, 1)
    centred = rows - mean
    beta = _BETA0 + n
    spread = np.eye(width) + centred.T @ centred + (_BETA0 * n / beta) * np.outer(mean, mean)
    factor = _draw_wishart_factor(spread, width + n, rng)  # precision = factor @ factor.T
    deviation = solve_triangular(factor, rng.standard_normal(width), trans=1, lower=False)
    return Prior(n * mean / beta + deviation / np.sqrt(beta), factor @ factor.T)


def _draw_wishart_factor(
    inverse_scale: NDArray[np.float64], degrees: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Upper triangular U with U U^T ~ Wishart(inverse_scale^-1, degrees), (width, width) -> (width, width)."""
    width = len(inverse_scale)
    bartlett = np.triu(rng.standard_normal((width, width)), 1)
    # Upper rather than lower triangular: the degrees of freedom then rise from the first coordinate on.
    bartlett[np.diag_indices(width)] = np.sqrt(rng.chisquare(degrees - np.arange(width)[::-1]))
    # inverse_scale = L L^T, so L^-T is an upper triangular root of the scale.
    return solve_triangular(np.linalg.cholesky(inverse_scale), bartlett, trans=1, lower=True)


def draw_noise_precision(squares: float, total_weight: float, rng: np.random.Generator) -> float:
    """Draw the precision of the noise, given the errors.

    Parameters
    ----------
    squares : float
        Weighted squared errors of all ratings in units of z, the spread inside merged cells included.
    total_weight : float
        Sum of the sample weights.
    rng : Generator
        Consumed.

    Returns
    -------
    precision : float
        A draw, in units of z^-2.
    """
    return float(rng.gamma(_SHAPE + total_weight / 2) / (_RATE + squares / 2))
