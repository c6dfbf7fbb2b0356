"""R-hat and effective sample sizes: processes with known answers, and the published loops, written out."""

import numpy as np
import pytest
from scipy import stats

from sklearn_mf.model._diagnostics import ess_bulk, ess_tail, r_hat


def scores(x):
    ranks = stats.rankdata(x).reshape(x.shape)
    return stats.norm.ppf((ranks - 3 / 8) / (x.size + 1 / 4))


def halves(x):
    n = x.shape[1] // 2
    return np.concatenate([x[:, :n], x[:, x.shape[1] - n :]])


def plain_r_hat(x):
    """Vehtari et al. (2021, eq. 1 to 4) for one quantity, (n_chains, n_draws)."""
    n = x.shape[1]
    within = np.mean([np.sum((chain - chain.mean()) ** 2) / (n - 1) for chain in x])
    between = n * np.sum((x.mean(1) - x.mean()) ** 2) / (len(x) - 1)
    return np.sqrt(((n - 1) / n * within + between / n) / within)


def plain_ess(x):
    """Vehtari et al. (2021, eq. 10 to 13) with the loops of Geyer's sequence, lag by lag."""
    n_chains, n = x.shape
    centred = x - x.mean(1, keepdims=True)
    covariance = [np.mean([chain[lag:] @ chain[: n - lag] / n for chain in centred]) for lag in range(n)]
    within = covariance[0] * n / (n - 1)
    total = within * (n - 1) / n + x.mean(1).var(ddof=1)
    rho = [1.0, 1 - (within - covariance[1]) / total]
    lag, even, odd = 1, rho[0], rho[1]
    while lag < n - 3 and even + odd > 0:
        even, odd = (1 - (within - covariance[lag + step]) / total for step in (1, 2))
        rho += [even, odd] if even + odd >= 0 else [max(even, 0.0), 0.0]
        lag += 2
    last = lag - 2
    for first in range(2, last + 1, 2):
        if rho[first] + rho[first + 1] > rho[first - 2] + rho[first - 1]:
            rho[first] = rho[first + 1] = (rho[first - 2] + rho[first - 1]) / 2
    tau = -1 + 2 * sum(rho[: last + 1]) + sum(rho[last + 1 : last + 2])
    return n_chains * n / max(tau, 1 / np.log10(n_chains * n))


def autoregressive(phi, shape, seed=0):
    noise = np.random.default_rng(seed).normal(size=shape)
    x = np.empty(shape)
    x[..., 0] = noise[..., 0] / np.sqrt(1 - phi**2)
    for n in range(1, shape[-1]):
        x[..., n] = phi * x[..., n - 1] + noise[..., n]
    return x


@pytest.mark.parametrize("n_draws", [4, 5, 8, 13, 50, 101])
@pytest.mark.parametrize("n_chains", [1, 2, 4])
def test_they_are_the_published_formulas(n_chains, n_draws):
    rng = np.random.default_rng(n_draws)
    draws = autoregressive(0.6, (12, n_chains, n_draws)) * rng.gamma(2, size=(12, 1, 1)) + 3
    draws[6:] = np.round(draws[6:], 1)  # ties
    parts = [halves(x) for x in draws]
    folded = [np.abs(x - np.median(x)) for x in parts]
    expected = [
        max(plain_r_hat(scores(x)), plain_r_hat(scores(y))) for x, y in zip(parts, folded, strict=True)
    ]
    np.testing.assert_allclose(r_hat(draws), expected, rtol=1e-10)
    np.testing.assert_allclose(ess_bulk(draws), [plain_ess(scores(x)) for x in parts], rtol=1e-8)


def test_the_tail_size_is_that_of_the_quantiles():
    draws = autoregressive(0.5, (20, 3, 80))
    expected = [min(plain_ess(halves((x <= np.quantile(x, q)) * 1.0)) for q in (0.05, 0.95)) for x in draws]
    np.testing.assert_allclose(ess_tail(draws), expected, rtol=1e-8)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9, -0.4])
def test_effective_sample_size_of_autoregressive_chains(phi):
    draws = autoregressive(phi, (100, 4, 500))
    expected = draws[0].size * (1 - phi) / (1 + phi)
    np.testing.assert_allclose(ess_bulk(draws).mean(), expected, rtol=0.1)
    assert np.abs(r_hat(draws) - 1).max() < (0.15 if phi == 0.9 else 0.03)


def test_the_tails_can_mix_more_slowly_than_the_bulk():
    draws = np.random.default_rng(0).normal(size=(50, 4, 200))
    draws *= np.exp(autoregressive(0.95, (50, 4, 200), seed=1) / 2)
    assert ess_tail(draws).mean() < 0.7 * ess_bulk(draws).mean()


def test_chains_in_different_places_disagree():
    draws = np.random.default_rng(0).normal(size=(50, 2, 100))
    assert r_hat(draws).max() < 1.1
    draws[:, 1] += 2
    assert r_hat(draws).min() > 1.3
    assert ess_bulk(draws).max() < 20


def test_chains_of_different_spread_disagree():
    draws = np.random.default_rng(0).normal(size=(50, 2, 100))
    draws[:, 1] *= 5
    assert r_hat(draws).min() > 1.2


def test_a_drift_common_to_all_chains_is_found():
    draws = np.random.default_rng(0).normal(size=(50, 2, 100)) + np.linspace(0, 4, 100)
    assert r_hat(draws).min() > 1.2


def test_outliers_do_not_matter():
    draws = np.random.default_rng(0).normal(size=(5, 2, 100))
    before = r_hat(draws), ess_bulk(draws)
    draws = np.sign(draws) * draws**8  # monotone: the ranks are the same
    np.testing.assert_allclose((r_hat(draws)[0], ess_bulk(draws)[0]), (before[0][0], before[1][0]), rtol=0.05)


def test_what_does_not_vary_has_converged():
    draws = np.full((3, 2, 20), 0.1)
    np.testing.assert_array_equal(r_hat(draws), 1.0)
    np.testing.assert_array_equal(ess_bulk(draws), 40.0)
    np.testing.assert_array_equal(ess_tail(draws), 40.0)


@pytest.mark.parametrize("n_draws", [1, 2, 3])
def test_fewer_than_four_draws_say_nothing(n_draws):
    draws = np.random.default_rng(0).normal(size=(5, 2, n_draws))
    for diagnostic in (r_hat, ess_bulk, ess_tail):
        assert np.isnan(diagnostic(draws)).all()
