"""Split R-hat against its formula, written out for one quantity."""

import numpy as np
import pytest

from sklearn_mf.model._diagnostics import split_r_hat


def one(chain):
    """Gelman et al. (2013, eq. 11.1 to 11.4) for the halves of one chain, without the middle."""
    n = len(chain) // 2
    halves = chain[:n], chain[len(chain) - n :]
    within = sum(((half - half.mean()) ** 2).sum() / (n - 1) for half in halves) / 2
    grand = (halves[0].mean() + halves[1].mean()) / 2
    between = n * sum((half.mean() - grand) ** 2 for half in halves)
    return np.sqrt(((n - 1) / n * within + between / n) / within)


@pytest.mark.parametrize("n_samples", [4, 5, 10, 37, 100])
@pytest.mark.parametrize("n_quantities", [1, 2, 50])
def test_it_is_the_95th_percentile_of_the_formula(n_quantities, n_samples):
    rng = np.random.default_rng(n_samples)
    draws = rng.normal(size=(n_quantities, n_samples)).cumsum(1) * rng.gamma(2, size=(n_quantities, 1)) + 3
    expected = np.quantile([one(chain) for chain in draws], 0.95)
    np.testing.assert_allclose(split_r_hat(draws), expected, rtol=1e-12)


def test_independent_draws_give_one():
    draws = np.random.default_rng(0).normal(3, 10, (500, 400))
    assert 0.99 < split_r_hat(draws) < 1.02


def test_a_drifting_chain_gives_more():
    noise = np.random.default_rng(0).normal(size=(500, 100))
    assert split_r_hat(noise + np.linspace(0, 4, 100)) > 1.2
    assert split_r_hat(noise + 2 * (np.arange(100) >= 50)) > 1.2


def test_a_few_quantities_that_drift_do_not_count():
    draws = np.random.default_rng(0).normal(size=(500, 100))
    draws[:20] += np.linspace(0, 40, 100)
    assert split_r_hat(draws) < 1.2
    draws[20:40] += np.linspace(0, 40, 100)
    assert split_r_hat(draws) > 1.2


@pytest.mark.parametrize("n_samples", [1, 2, 3])
def test_fewer_than_four_draws_say_nothing(n_samples):
    assert np.isnan(split_r_hat(np.random.default_rng(0).normal(size=(5, n_samples))))


def test_constant_draws_give_one():
    assert split_r_hat(np.full((5, 20), 0.1)) == 1.0
    draws = np.random.default_rng(0).normal(size=(3, 20)).cumsum(1)
    mixed = np.vstack([draws, np.full((2, 20), 7.0)])
    expected = np.quantile([*map(one, draws), 1.0, 1.0], 0.95)
    np.testing.assert_allclose(split_r_hat(mixed), expected, rtol=1e-12)


def test_units_and_direction_of_time_do_not_matter():
    draws = np.random.default_rng(0).normal(size=(40, 21)).cumsum(1)
    for same in (-3 * draws + 100, draws[:, ::-1]):
        np.testing.assert_allclose(split_r_hat(same), split_r_hat(draws), rtol=1e-9)
