"""Ridge regression of rows on the features of their ids against the closed formula."""

import numpy as np
import pytest

from sklearn_mf.model._factors import Model
from sklearn_mf.solvers import _regression_prior as module
from sklearn_mf.solvers._regression_prior import RegressionPrior, coefficients_of, regression_priors
from tests.solvers.problems import features_of

RNG = np.random.default_rng(3)
FEATURES, WEIGHTS, ROWS = features_of(40), RNG.exponential(5, 40), RNG.normal(size=(40, 4))
CHARGE = 7.0


def closed_formula(rows=ROWS):
    F = FEATURES.toarray()
    return np.linalg.solve(F.T @ (WEIGHTS[:, None] * F) + CHARGE * np.eye(3), F.T @ (WEIGHTS[:, None] * rows))


@pytest.mark.parametrize("gradient_from", [0, 1000])
def test_coefficients_are_the_weighted_ridge_solution(gradient_from, monkeypatch):
    monkeypatch.setattr(module, "_GRADIENT_FROM", gradient_from)
    prior = RegressionPrior(FEATURES, WEIGHTS, np.zeros((3, 4)), CHARGE)
    prior.learn(ROWS)
    np.testing.assert_allclose(prior.coefficients, closed_formula(), rtol=1e-9)
    np.testing.assert_allclose(prior.means, FEATURES.toarray() @ closed_formula(), rtol=1e-9)
    np.testing.assert_array_equal(prior.means[::5], 0, "ids without features")
    assert prior.penalty() == pytest.approx(CHARGE / 2 * (closed_formula() ** 2).sum())


def test_each_step_of_conjugate_gradient_goes_on_from_the_present_coefficients(monkeypatch):
    monkeypatch.setattr(module, "_GRADIENT_FROM", 0)
    monkeypatch.setattr(module, "_STEPS", 1)
    prior, errors = RegressionPrior(FEATURES, WEIGHTS, np.zeros((3, 4)), CHARGE), []
    for _ in range(12):
        prior.learn(ROWS)
        errors.append(np.abs(prior.coefficients - closed_formula()).max())
    assert errors[-1] < 0.01 * errors[0]
    at_solution = prior.coefficients.copy()
    prior.learn(ROWS)
    np.testing.assert_allclose(prior.coefficients, at_solution, atol=errors[-1])


def test_exactly_linear_rows_stay_finite_in_conjugate_gradient(monkeypatch):
    monkeypatch.setattr(module, "_GRADIENT_FROM", 0)
    prior = RegressionPrior(FEATURES, WEIGHTS, np.zeros((3, 4)), 0.0)
    prior.learn(np.zeros((40, 4)))
    np.testing.assert_array_equal(prior.coefficients, 0)


def test_a_field_without_features_has_no_prior():
    start = Model(0.0, 1.0, [np.zeros((9, 3)), np.zeros((40, 3))], [], np.empty(0), np.empty(0), [])
    ids, weights = [np.arange(9), np.array([4, 7, 0])], [np.ones(9), np.ones(3)]
    none, prior = regression_priors((None, FEATURES), ids, weights, start, CHARGE)
    assert none is None
    np.testing.assert_array_equal(prior.features.toarray(), FEATURES.toarray()[[4, 7, 0]])
    assert coefficients_of([none, prior])[0] is None
    assert coefficients_of([none, prior])[1].shape == (3, 4)
    assert coefficients_of(regression_priors((), ids, weights, start, CHARGE)) == ()
