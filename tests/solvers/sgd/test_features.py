"""Stochastic gradient descent with prior means that are linear functions of features."""

from dataclasses import replace

import numpy as np
import pytest

from sklearn_mf.solvers._regression_prior import CHARGE_IN_RATINGS
from sklearn_mf.solvers._training import train
from sklearn_mf.solvers.sgd import _programs, _solver
from tests.solvers.problems import (
    PENALTIES,
    Silent,
    features_of,
    in_runs_of_eight,
    options,
    problem,
    reference_of,
    tables_of,
    visited,
)

PRIOR_RATINGS = 3.0


def choice_of(ratings, penalty, fields=None, **changes):
    fields = range(ratings.n_fields) if fields is None else fields
    features = tuple(
        features_of(n, seed=field) if field in fields else None for field, n in enumerate(ratings.n_ids)
    )
    return options(*PENALTIES[penalty], prior_ratings=PRIOR_RATINGS, features=features, **changes)


def solve(ratings, start, choice):
    with _solver.SGD(ratings, None, start, choice) as solver:
        return train(solver, choice.max_iter, Silent())


def charged(ratings, field):
    return ratings.id_weights(field) / ratings.mean_weight + PRIOR_RATINGS


def regressed(features, rows, ratings, field):
    F, weights = features.toarray(), charged(ratings, field)[:, None]
    return np.linalg.solve(
        F.T @ (weights * F) + CHARGE_IN_RATINGS * np.eye(F.shape[1]), F.T @ (weights * rows)
    )


def distances(model, features):
    return [
        table - (0.0 if each is None else each @ B)
        for table, each, B in zip(tables_of(model), features, model.coefficients, strict=True)
    ]


def objective(ratings, model, choice):
    z, z_hat = ((y - model.intercept) / model.scale for y in (ratings.targets, model.predict(ratings.codes)))
    total = 0.5 * (ratings.weights / ratings.mean_weight * (z - z_hat) ** 2).sum()
    for field, error in enumerate(distances(model, choice.features)):
        penalty = choice.l1 * np.abs(error).sum(1) + choice.l2 / 2 * (error**2).sum(1)
        total += charged(ratings, field) @ penalty
    squares = sum(np.square(B).sum() for B in model.coefficients if B is not None)
    total += (choice.l1 + choice.l2) * CHARGE_IN_RATINGS / 2 * squares
    within = 0.5 * ratings.within_square_sum / model.scale**2 / ratings.total_weight
    return total / len(ratings.targets) + within


@pytest.mark.parametrize(("compiled", "n_parts", "n_fields"), [(True, 2, 2), (False, 1, 3), (False, 2, 1)])
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
def test_J_counts_the_distances_from_the_prior_means_and_the_coefficients(
    penalty, compiled, n_parts, n_fields, monkeypatch
):
    monkeypatch.setattr(_programs, "_COMPILE_FROM", 0 if compiled else 2**30)
    ratings, start = problem(n_fields)
    choice = choice_of(ratings, penalty, n_parts=n_parts, max_iter=10)
    model, history = solve(ratings, start, choice)
    assert history.curve[-1] == pytest.approx(objective(ratings, model, choice), rel=1e-5)
    assert history.curve[-1] < history.curve[0]


@pytest.mark.parametrize("n_parts", [1, 2])
@pytest.mark.parametrize("dim", [4, 60])
def test_converged_coefficients_are_the_ridge_regression_of_the_rows(dim, n_parts):
    ratings, start = problem(n_ratings=400, dim=dim)
    choice = choice_of(ratings, "l2", [1], n_parts=n_parts, max_iter=60)
    model, _ = solve(ratings, start, choice)
    again, _ = solve(ratings, model, replace(choice, max_iter=1))
    expected = regressed(choice.features[1], tables_of(model)[1], ratings, 1)
    np.testing.assert_allclose(again.coefficients[1], expected, rtol=1e-4, atol=1e-7)
    assert model.coefficients[0] is None


@pytest.mark.parametrize("in_runs", [False, True])
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
def test_a_run_follows_the_reference(penalty, in_runs, monkeypatch):
    if in_runs:
        in_runs_of_eight(monkeypatch)
    ratings, start = problem(n_ratings=300)
    choice = choice_of(ratings, penalty)
    model, _ = solve(ratings, start, choice)
    reference = reference_of(ratings, start, choice.l1, choice.l2, prior_ratings=PRIOR_RATINGS)
    for epoch in range(choice.max_iter):
        share = _solver.ridge_share(epoch)
        for field, features in enumerate(choice.features):
            if share > 0 or choice.l1 == 0:
                reference.means[field] = features @ regressed(
                    features, reference.tables[field], ratings, field
                )
        batches = visited(ratings, choice, epoch)
        reference.epoch(batches, float(_solver.rates(choice.learning_rate, np.int32(epoch))), share)
    for ours, theirs in zip(tables_of(model), reference.tables, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_a_lasso_penalty_sets_rows_to_their_prior_means_and_holds_the_coefficients_fixed():
    ratings, start = problem()
    choice = choice_of(ratings, "l1", max_iter=12)
    model, _ = solve(ratings, start, choice)
    again, _ = solve(ratings, model, replace(choice, max_iter=2))
    for field, error in enumerate(distances(model, choice.features)):
        assert 0.05 < (np.abs(error) < 1e-6).mean() < 0.95
        np.testing.assert_array_equal(model.coefficients[field], again.coefficients[field])


def test_epochs_continue_in_a_second_run():
    ratings, start = problem()
    choice = choice_of(ratings, "l2", max_iter=10)
    ten, _ = solve(ratings, start, choice)
    five, _ = solve(ratings, start, replace(choice, max_iter=5))
    again, _ = solve(ratings, five, replace(choice, max_iter=5))
    for ours, theirs in zip(
        [*again.embeddings, *again.coefficients], [*ten.embeddings, *ten.coefficients], strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
