"""Agreement of chains and effective sample sizes; NumPy only.

Vehtari, Gelman, Simpson, Carpenter and Buerkner, "Rank-normalization, folding, and localization: an improved
R-hat for assessing convergence of MCMC", Bayesian Analysis 2021. All functions take draws of shape
(n_quantities, n_chains, n_draws), and return nan where there are fewer than four draws in a chain.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import ndtri
from scipy.stats import rankdata

Floats = NDArray[np.float64]

# Fewest draws of a chain: its halves need two.
_FEWEST = 4
# Shift of the ranks in the normal scores (Blom 1958).
_BLOM = 3 / 8
# Probabilities of the quantiles of the effective sample size in the tails.
_TAILS = 0.05, 0.95


def r_hat(draws: Floats) -> Floats:
    """Rank-normalised split R-hat of each quantity, the larger of bulk and folded draws, (n_quantities,).

    It is 1 where all halves of chains have the same distribution, and where nothing varies.
    """
    if draws.shape[2] < _FEWEST:
        return np.full(len(draws), np.nan)
    halves = _split(draws)
    folded = np.abs(halves - np.median(halves, axis=(1, 2), keepdims=True))
    return np.maximum(_split_r_hat(_normal_scores(halves)), _split_r_hat(_normal_scores(folded)))


def ess_bulk(draws: Floats) -> Floats:
    """Effective sample size of each quantity in the bulk of its distribution, (n_quantities,)."""
    if draws.shape[2] < _FEWEST:
        return np.full(len(draws), np.nan)
    return _ess(_normal_scores(_split(draws)))


def ess_tail(draws: Floats) -> Floats:
    """Smaller effective sample size of the 5 % and 95 % quantiles of each quantity, (n_quantities,)."""
    if draws.shape[2] < _FEWEST:
        return np.full(len(draws), np.nan)
    quantiles = np.quantile(draws, _TAILS, axis=(1, 2))
    sizes = [_ess(_split((draws <= each[:, None, None]).astype(np.float64))) for each in quantiles]
    return np.minimum(*sizes)


def _split(draws: Floats) -> Floats:
    """The halves of each chain as chains, without the middle draw of an odd number."""
    n = draws.shape[2] // 2
    return np.concatenate([draws[..., :n], draws[..., draws.shape[2] - n :]], axis=1)


def _normal_scores(draws: Floats) -> Floats:
    """Normal quantiles of the ranks among all draws of a quantity."""
    flat = draws.reshape(len(draws), -1)
    ranks = rankdata(flat, axis=1)
    scores: Floats = ndtri((ranks - _BLOM) / (flat.shape[1] - 2 * _BLOM + 1)).reshape(draws.shape)
    return scores


def _split_r_hat(draws: Floats) -> Floats:
    """R-hat of chains: the root of the variance over all of them relative to that within them."""
    n = draws.shape[2]
    within = draws.var(axis=2, ddof=1).mean(axis=1)
    between = draws.mean(axis=2).var(axis=1, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.sqrt((n - 1) / n + between / within)
    return np.where((within == 0) & (between == 0), 1.0, ratios)


def _ess(draws: Floats) -> Floats:
    """Effective sample size by Geyer's initial monotone sequence; all draws where nothing varies."""
    n_quantities, n_chains, n = draws.shape
    n_samples = n_chains * n
    constant = np.ptp(draws, axis=(1, 2)) < np.finfo(float).resolution
    varies = draws[~constant]
    sizes = np.full(n_quantities, float(n_samples))
    sizes[~constant] = n_samples / np.maximum(_relaxation(varies), 1 / np.log10(n_samples))
    return sizes


def _relaxation(draws: Floats) -> Floats:
    """Sum of the autocorrelations at all lags, positive and negative, (n_quantities,)."""
    rho = _autocorrelation(draws)
    n_pairs = max(rho.shape[1] - 3, 0) // 2 + 1
    even, odd = rho[:, 0 : 2 * n_pairs : 2], rho[:, 1 : 2 * n_pairs : 2]
    pairs = even[:, : odd.shape[1]] + odd
    ends = pairs <= 0
    ends[:, -1] = True
    last = ends.argmax(axis=1)  # the first pair that is not positive, or the last of all
    before = np.arange(pairs.shape[1]) < last[:, None]
    quantities = np.arange(len(draws))
    rest = even[quantities, last]
    rest = np.where((rest > 0) | (pairs[quantities, last] >= 0), rest, 0.0)
    total: Floats = -1 + 2 * (np.minimum.accumulate(pairs, axis=1) * before).sum(axis=1) + rest
    return total


def _autocorrelation(draws: Floats) -> Floats:
    """Autocorrelation of chains relative to the variance over all of them, (n_quantities, n_draws)."""
    n_chains, n = draws.shape[1:]
    covariance = _autocovariance(draws).mean(axis=1)
    within = covariance[:, :1] * n / (n - 1)
    total = within * (n - 1) / n
    if n_chains > 1:
        total = total + draws.mean(axis=2).var(axis=1, ddof=1)[:, None]
    rho: Floats = 1 - (within - covariance) / total
    rho[:, 0] = 1.0
    return rho


def _autocovariance(draws: Floats) -> Floats:
    """Autocovariance of each chain at every lag, divided by the number of draws."""
    n = draws.shape[2]
    size = next_fast_len(2 * n, real=True)
    spectrum = rfft(draws - draws.mean(axis=2, keepdims=True), size, axis=2)
    covariance: Floats = irfft(spectrum * spectrum.conj(), size, axis=2)[..., :n] / n
    return covariance
