"""Draws of a regression prior against closed forms, and the two ways of solving its equations."""

import numpy as np
import pytest
from scipy import stats
from scipy.sparse import csr_array

from sklearn_mf.solvers.gibbs import _regression as regression
from sklearn_mf.solvers.gibbs._priors import BETA0, precision_prior
from sklearn_mf.solvers.gibbs._regression import RowFeatures, draw_regression_prior
from tests.solvers.gibbs.test_priors import LARGEST_Z, z_of_mean


def features_of(n_rows, sizes, seed=0):
    """A dense block, then sparse ones."""
    blocks = np.split(
        np.random.default_rng(seed).normal(size=(n_rows, sum(sizes))), np.cumsum(sizes)[:-1], axis=1
    )
    return RowFeatures([blocks[0], *map(csr_array, blocks[1:])], n_rows)


def design(features):
    """All columns of the blocks as one dense array."""
    return features.times(np.eye(1 + features.n_features))


def test_the_blocks_multiply_like_one_matrix():
    features = features_of(7, [2, 3])
    F, rows = design(features), np.random.default_rng(1).normal(size=(7, 4))
    np.testing.assert_allclose(features.times_transposed(rows), F.T @ rows)
    np.testing.assert_allclose(features.gram, F.T @ F)
    np.testing.assert_allclose(features.squares, np.diag(F.T @ F))


def test_conjugate_gradient_equals_the_exact_solution(monkeypatch):
    features = features_of(30, [5, 8])
    right = np.random.default_rng(2).normal(size=(14, 3))
    ridge = features.ridge(np.array([0.5, 20.0]))
    exact = features.solve(right, ridge)
    np.testing.assert_allclose((features.gram + np.diag(ridge)) @ exact, right, atol=1e-9)
    monkeypatch.setattr(regression, "_GRADIENT_FROM", 1)
    np.testing.assert_allclose(features.solve(right, ridge), exact, atol=1e-5)
    np.testing.assert_array_equal(features.solve(np.zeros((14, 1)), ridge), np.zeros((14, 1)))


def test_draws_follow_the_matrix_normal_wishart_posterior():
    """Closed form of the conjugate multivariate regression, with every lambda held fixed."""
    features, rng = features_of(12, [2, 1]), np.random.default_rng(3)
    rows, precisions, width = rng.normal(size=(12, 2)) + 1.0, np.array([0.7, 3.0]), 2
    F, P = design(features), np.diag([BETA0, 0.7, 0.7, 3.0])
    A = F.T @ F + P
    mean = np.linalg.solve(A, F.T @ rows)
    prior = precision_prior(width, 12)
    inverse_scale = np.diag(prior.inverse_scale) + rows.T @ rows - mean.T @ A @ mean
    draws = [draw_regression_prior(rows, features, precisions, rng) for _ in range(4000)]
    expected = stats.wishart(prior.degrees + 12, np.linalg.inv(inverse_scale)).mean()
    assert (z_of_mean([draw.precision for draw in draws], expected) < LARGEST_Z).all()
    coefficients = np.array([[draw.mean, *draw.regression.coefficients] for draw in draws])
    assert (z_of_mean(coefficients, mean) < LARGEST_Z).all()
    # Covariance of a coefficient vector: A^-1 times the mean of Lambda^-1, an inverse Wishart.
    covariance = (
        np.linalg.inv(A)[:, None, :, None]
        * inverse_scale[None, :, None, :]
        / (prior.degrees + 12 - width - 1)
    )
    deviations = (coefficients - mean).reshape(len(draws), -1)
    products = deviations[:, :, None] * deviations[:, None, :]
    assert (z_of_mean(products, covariance.reshape(8, 8)) < LARGEST_Z).all()


def test_precisions_follow_their_conditional_distribution():
    features, rng = features_of(4, [2, 3]), np.random.default_rng(4)
    scaled = rng.normal(size=(6, 2))
    draws = [regression._draw_precisions(features, scaled, rng) for _ in range(4000)]
    squares = np.array([np.square(scaled[1:3]).sum(), np.square(scaled[3:]).sum()])
    expected = (regression.SHAPE + np.array([4, 6]) / 2) / (features.rates + squares / 2)
    assert (z_of_mean(draws, expected) < LARGEST_Z).all()


def test_units_and_number_of_features_do_not_matter_to_the_prior_of_lambda():
    features = features_of(50, [2])
    block = features.blocks[1]
    wider = RowFeatures([10 * np.concatenate([block, block], axis=1)], 50)
    np.testing.assert_allclose(wider.rates, features.rates / 200)
    np.testing.assert_allclose(features.rates, regression.SHAPE / np.square(block).sum(axis=1).mean())


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_the_precision_of_coefficients_shows_whether_features_matter(strength):
    features, rng = features_of(300, [6]), np.random.default_rng(5)
    true = strength * rng.normal(size=(7, 3))
    rows = features.times(true) + 0.5 * rng.normal(size=(300, 3))
    precisions, draws = np.array([1.0]), []
    for _ in range(60):
        draws.append(draw_regression_prior(rows, features, precisions, rng))
        precisions = draws[-1].regression.precisions
    found = np.mean([draw.regression.coefficients for draw in draws[10:]], axis=0)
    np.testing.assert_allclose(found, true[1:], atol=0.12)
    mean_precision = np.mean([draw.regression.precisions[0] for draw in draws[10:]])
    assert mean_precision < 1 if strength else mean_precision > 50
