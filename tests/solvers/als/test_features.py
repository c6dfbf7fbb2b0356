"""Rows that are penalised for their distance from a linear function of features, against plain NumPy."""

import functools
from dataclasses import replace

import numpy as np
import pytest

from sklearn_mf.solvers._regression_prior import CHARGE_IN_RATINGS
from sklearn_mf.solvers._training import ALSOptions, Unobserved, train
from sklearn_mf.solvers.als import _field_tables as field_tables
from sklearn_mf.solvers.als import _least_squares as least_squares
from sklearn_mf.solvers.als import _solver as als
from sklearn_mf.solvers.als import _sweep as sweep
from tests.solvers.problems import PENALTIES, Silent, features_of, problem, reference_of, tables_of

PRIOR_RATINGS = 3.0


def options(ratings, l1=0.0, l2=0.05, fields=None, **kind):
    fields = range(ratings.n_fields) if fields is None else fields
    features = tuple(
        features_of(n, seed=field) if field in fields else None for field, n in enumerate(ratings.n_ids)
    )
    return ALSOptions(l1, l2, False, True, prior_ratings=PRIOR_RATINGS, features=features, **kind)


def solve(ratings, start, choice, max_iter):
    return train(als.ALS(ratings, None, start, choice), max_iter, Silent())


def charged(ratings, field, cells=0.0):
    return ratings.id_weights(field) / ratings.mean_weight + PRIOR_RATINGS + cells


def objective(ratings, model, choice):
    """J from its definition, visiting every cell of the unobserved ones."""
    z = (ratings.targets - model.intercept) / model.scale
    w = ratings.weights / ratings.mean_weight
    z_hat = (model.predict(ratings.codes) - model.intercept) / model.scale
    total, cells = 0.5 * (w * (z - z_hat) ** 2).sum(), [0.0] * ratings.n_fields
    if choice.unobserved is not None:
        everything = np.indices(ratings.n_ids).reshape(2, -1).T
        z_hat = (model.predict(everything) - model.intercept) / model.scale
        total += 0.5 * choice.unobserved.weight * ((choice.unobserved.value - z_hat) ** 2).sum()
        cells = [choice.unobserved.weight * n for n in ratings.n_ids[::-1]]
    alpha = choice.l1 + choice.l2
    for field, (table, features) in enumerate(zip(tables_of(model), choice.features, strict=True)):
        B = 0.0 if features is None else model.coefficients[field]
        error = table - (0.0 if features is None else features @ B)
        penalty = choice.l1 * np.abs(error).sum(1) + choice.l2 / 2 * (error**2).sum(1)
        total += charged(ratings, field, cells[field]) @ penalty
        total += alpha * CHARGE_IN_RATINGS / 2 * np.square(B).sum()
    within = 0.5 * ratings.within_square_sum / model.scale**2 / ratings.total_weight
    return total / len(ratings.targets) + within


def follow(ratings, start, choice, n_sweeps):
    """Tables and coefficients after sweeps of ridge, in float64."""
    reference, coefficients = reference_of(ratings, start, choice.l1, choice.l2), [None] * ratings.n_fields
    everything = np.arange(len(ratings.targets))
    for number in range(n_sweeps):
        damping = als.damping(np.array([number], np.int32), False)[0]
        for f in reversed(range(ratings.n_fields)):
            table, F, weights = reference.tables[f], choice.features[f].toarray(), charged(ratings, f)
            G = F.T @ (weights[:, None] * F) + CHARGE_IN_RATINGS * np.eye(F.shape[1])
            coefficients[f] = np.linalg.solve(G, F.T @ (weights[:, None] * table))
            errors, partners, picked = reference.errors_and_partners(everything)
            targets = (partners[f] * picked[f]).sum(1) - errors
            for i in np.unique(ratings.codes[:, f]):
                rows, ridge = ratings.codes[:, f] == i, choice.l2 * weights[i]
                X, w = partners[f][rows], reference.w[rows]
                r = X.T @ (w * targets[rows]) + damping * table[i] + ridge * (F[i] @ coefficients[f])
                table[i] = np.linalg.solve(X.T @ (w[:, None] * X) + (ridge + damping) * np.eye(len(r)), r)
    return reference.tables, coefficients


# Traced under `converged` alone.
converged_program = functools.cache(sweep.program.__wrapped__)


@pytest.fixture
def converged(monkeypatch):
    """Conjugate gradient to convergence from dimension 6 on."""
    monkeypatch.setattr(least_squares, "_STEPS", 12)
    monkeypatch.setattr(als, "_GRADIENT_FROM", 6)
    monkeypatch.setattr(field_tables, "program", converged_program)


@pytest.mark.parametrize("n_fields", [1, 2, 3])
@pytest.mark.parametrize("dim", [4, 7])
def test_sweeps_follow_the_reference(dim, n_fields, converged):
    ratings, start = problem(n_fields=n_fields, dim=dim)
    choice = options(ratings)
    model, _ = solve(ratings, start, choice, 4)
    tables, coefficients = follow(ratings, start, choice, 4)
    for ours, theirs in zip(tables_of(model), tables, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-3)
    for ours, theirs in zip(model.coefficients, coefficients, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-3)


CELLS = Unobserved(0.2, -1.5)
KINDS = [("l2", None), ("l1", None), ("elasticnet", None), ("l2", CELLS)]


@pytest.mark.parametrize(("penalty", "unobserved"), KINDS)
@pytest.mark.parametrize("dim", [4, 40])
def test_J_counts_the_distances_from_the_prior_means_and_the_coefficients(dim, penalty, unobserved):
    ratings, start = problem(dim=dim)
    choice = options(ratings, *PENALTIES[penalty], unobserved=unobserved)
    model, history = solve(ratings, start, choice, 3)
    assert history.curve[-1] == pytest.approx(objective(ratings, model, choice), rel=1e-5)
    without, _ = solve(ratings, start, replace(choice, features=()), 3)
    assert without.coefficients == ()
    assert np.abs(model.embeddings[1] - without.embeddings[1]).max() > 1e-3


@pytest.mark.parametrize(("penalty", "unobserved"), KINDS)
@pytest.mark.parametrize("dim", [4, 40])
def test_J_never_rises(dim, penalty, unobserved):
    ratings, start = problem(n_ratings=150, dim=dim)
    choice = options(ratings, *PENALTIES[penalty], unobserved=unobserved)
    curve = np.array(solve(ratings, start, choice, 25)[1].curve)
    assert (np.diff(curve) <= 1e-6 * curve[:-1]).all()


def test_a_lasso_penalty_sets_rows_to_their_prior_means_and_holds_the_coefficients_fixed():
    ratings, start = problem()
    choice = options(ratings, *PENALTIES["l1"])
    model, _ = solve(ratings, start, choice, 6)
    again, _ = solve(ratings, model, choice, 1)
    for field, table in enumerate(tables_of(model)):
        distances = table - choice.features[field] @ model.coefficients[field]
        assert 0.05 < (np.abs(distances) < 1e-6).mean() < 0.95
        np.testing.assert_array_equal(model.coefficients[field], again.coefficients[field])


def test_one_field_may_have_no_features():
    ratings, start = problem()
    model, _ = solve(ratings, start, options(ratings, fields=[1]), 3)
    assert model.coefficients[0] is None
    assert model.coefficients[1].shape == (3, 5)


def test_sweeps_continue_in_a_second_run():
    ratings, start = problem()
    choice = options(ratings)
    ten, _ = solve(ratings, start, choice, 10)
    five, _ = solve(ratings, start, choice, 5)
    again, _ = solve(ratings, five, choice, 5)
    for ours, theirs in zip(
        again.embeddings + list(again.coefficients), ten.embeddings + list(ten.coefficients), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
