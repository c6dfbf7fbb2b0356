"""Unobserved cells in alternating least squares, against a dense reference that visits every cell."""

import functools
from dataclasses import replace

import numpy as np
import pytest

from sklearn_mf.model._initialization import fresh_start
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.solvers._training import ALSOptions, Unobserved, train
from sklearn_mf.solvers.als import _field_tables as field_tables
from sklearn_mf.solvers.als import _least_squares as least_squares
from sklearn_mf.solvers.als import _solver as als
from sklearn_mf.solvers.als import _sweep as sweep
from sklearn_mf.solvers.als import _unobserved as unobserved
from tests.solvers.problems import Silent, spread_over_more_ids, tables_of

N_USERS, N_ITEMS, DIM = 200, 150, 4
CELLS = Unobserved(weight=0.3, value=-1.5)


def problem(weighted=True, n_users=N_USERS, n_items=N_ITEMS, n_ratings=3000, dim=DIM, positive=False, seed=0):
    """Ratings of a random matrix, some rows repeated, and a start."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, n_users, n_ratings), (n_items * rng.random(n_ratings) ** 2).astype(int)
    ids, codes = zip(*(np.unique(column, return_inverse=True) for column in codes), strict=True)
    y = rng.normal(size=(n_users, 3)) @ rng.normal(size=(3, n_items)) + rng.normal(size=n_items)
    y = y[ids[0][codes[0]], ids[1][codes[1]]] + 0.5 * rng.normal(size=n_ratings)
    weights = rng.integers(1, 5, n_ratings).astype(float) if weighted else np.ones(n_ratings)
    codes = [column.astype(np.int32) for column in codes]
    ratings = Ratings.merge(codes, y, weights, tuple(map(len, ids)))
    return ratings, fresh_start(ratings, 0.1, 2.0, dim, 0, 0.1, positive)


class DenseReference:
    """Alternating least squares on dense arrays of users x items, float64."""

    def __init__(self, ratings, start, options):
        self.options, self.cells = options, options.unobserved or Unobserved(0.0, 0.0)
        self.tables = [table.astype(np.float64) for table in tables_of(start)]
        self.w, self.z = np.zeros(ratings.n_ids), np.zeros(ratings.n_ids)
        users, items = ratings.codes.T
        self.w[users, items] = ratings.weights / ratings.mean_weight
        self.z[users, items] = ratings.standardized(start.intercept, start.scale)
        self.n_ratings = len(ratings.targets)
        self.constant = 0.5 * ratings.within_square_sum / start.scale**2 / ratings.total_weight

    def charges(self, field):
        """Weight that the penalty of each id counts."""
        n_others = len(self.tables[1 - field])
        return self.w.sum(1 - field) + self.cells.weight * n_others + self.options.prior_ratings

    def objective(self):
        (U, b), (V, c) = ((table[:, :-1], table[:, -1]) for table in self.tables)
        z_hat = U @ V.T + self.options.fit_bias * (b[:, None] + c)
        total = (self.w * (self.z - z_hat) ** 2 / 2).sum()
        total += self.cells.weight * ((self.cells.value - z_hat) ** 2 / 2).sum()
        for field, table in enumerate(self.tables):
            penalty = self.options.l1 * np.abs(table).sum(1) + self.options.l2 / 2 * (table**2).sum(1)
            total += self.charges(field) @ penalty
        return total / self.n_ratings + self.constant

    def sweep(self, l1, l2):
        for field in (1, 0):
            self.solve(field, l1, l2)

    def solve(self, field, l1, l2):
        X = self.tables[1 - field].copy()
        b, X[:, -1] = self.options.fit_bias * X[:, -1], self.options.fit_bias
        w, z = (self.w, self.z) if field == 0 else (self.w.T, self.z.T)
        charge = self.charges(field)[:, None]
        G = np.einsum("nm,mk,ml->nkl", w + self.cells.weight, X, X) + l2 * charge[..., None] * np.eye(DIM + 1)
        r = (w * (z - b) + self.cells.weight * (self.cells.value - b)) @ X
        self.tables[field] = np.linalg.solve(G, r[..., None])[..., 0]
        if l1 or self.options.positive:
            self.descend(self.tables[field], G, r, l1 * charge[:, 0])

    def descend(self, table, G, r, l1):
        """Coordinate descent on the normal equations of all rows at once."""
        for _ in range(1000):
            before = table.copy()
            for k in range(DIM + 1):
                free = r[:, k] - np.einsum("nk,nk->n", G[:, k], table) + G[:, k, k] * table[:, k]
                new = np.sign(free) * np.maximum(np.abs(free) - l1, 0.0) / np.where(G[:, k, k], G[:, k, k], 1)
                table[:, k] = np.maximum(new, 0.0) if self.options.positive and k < DIM else new
            if np.abs(table - before).max() < 1e-9:
                return
        raise AssertionError("The reference has not converged.")


# Programs traced under `exact` alone.
EXACT = {name: functools.cache(getattr(sweep, name).__wrapped__) for name in ("program", "common_program")}


@pytest.fixture
def exact(monkeypatch):
    """Row solves to convergence and without diagonal loading."""
    for module in (least_squares, unobserved):
        monkeypatch.setattr(module, "LOADING", 0.0)
    monkeypatch.setattr(least_squares, "_STEPS", 20)
    monkeypatch.setattr(least_squares, "_PASSES", 1000)
    monkeypatch.setattr(least_squares, "_CHANGE", 1e-6)
    for name, program in EXACT.items():
        monkeypatch.setattr(field_tables, name, program)


def solve(ratings, start, options, max_iter=1):
    return train(als.ALS(ratings, None, start, options), max_iter, Silent())


def chosen(l1=0.0, l2=0.02, positive=False, fit_bias=True, prior_ratings=0.0, unobserved=CELLS):
    return ALSOptions(l1, l2, positive, fit_bias, prior_ratings=prior_ratings, unobserved=unobserved)


CASES = {
    "ridge": chosen(),
    "no bias": chosen(fit_bias=False),
    "prior ratings": chosen(prior_ratings=20.0),
    "prior ratings alone": chosen(prior_ratings=20.0, unobserved=None),
    "lasso": chosen(l1=0.004, l2=0.0),
    "elastic net": chosen(l1=0.004, l2=0.01, prior_ratings=5.0),
    "positive": chosen(positive=True, fit_bias=False, unobserved=Unobserved(0.3, 0.5)),
    "heavy cells": chosen(unobserved=Unobserved(1.0, 0.0)),
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_one_sweep_equals_the_dense_reference(case, weighted, exact, monkeypatch):
    monkeypatch.setattr(als, "_DAMPING", 0.0)  # of the case without unobserved cells
    options = CASES[case]
    ratings, start = problem(weighted, positive=options.positive)
    model, history = solve(ratings, start, options)
    reference = DenseReference(ratings, start, options)
    for _ in range(als._RIDGE_SWEEPS if options.l1 else 0):
        reference.sweep(0.0, options.l1 + options.l2)
    reference.sweep(options.l1, options.l2)
    np.testing.assert_allclose(history.curve, reference.objective(), rtol=1e-5)
    for ours, theirs in zip(tables_of(model), reference.tables, strict=True):
        assert np.linalg.norm(ours - theirs) <= 1e-5 * np.linalg.norm(theirs)
    assert not options.l1 or any((table == 0).any() for table in tables_of(model))


@pytest.mark.parametrize("fit_bias", [False, True])
def test_all_methods_reach_the_same_objective(fit_bias, monkeypatch):
    ratings, start = problem(
        n_users=100, n_items=80, n_ratings=1000, dim=150
    )  # two whole blocks of coordinates and a part
    found = {}
    for method in ("cholesky", "gradient", "blocks"):
        monkeypatch.setattr(als, "best_method", lambda *_, method=method: method)
        found[method] = solve(ratings, start, chosen(l2=0.1, fit_bias=fit_bias), 30)[1].curve
        assert (np.diff(found[method]) <= 1e-6 * found[method][0]).all()
    assert found["gradient"][-1] == pytest.approx(found["cholesky"][-1], rel=1e-4)
    assert found["blocks"][-1] == pytest.approx(found["cholesky"][-1], rel=1e-4)


@pytest.mark.parametrize("fit_bias", [False, True])
def test_without_a_penalty_the_singular_problems_are_solved(fit_bias):
    ratings, start = problem(n_users=30, n_items=20, n_ratings=300, dim=40)
    options = chosen(l2=0.0, fit_bias=fit_bias, unobserved=Unobserved(1e-3, 0.0))
    model, history = solve(ratings, start, options, 15)
    assert (np.diff(history.curve) <= 1e-6 * history.curve[0]).all()
    assert all(fit_bias == biases.any() for biases in model.biases)


@pytest.mark.parametrize(("case", "dim"), [*((case, DIM) for case in CASES), ("ridge", 40), ("no bias", 40)])
def test_the_objective_never_rises(case, dim):
    options = CASES[case]
    ratings, start = problem(positive=options.positive, dim=dim)
    _, history = solve(ratings, start, options, 15)
    assert (np.diff(history.curve) <= 1e-6 * history.curve[0]).all()
    assert history.curve[-1] < history.curve[0]


def test_rows_in_another_order_and_repeated_rows_give_the_same_bits():
    rng = np.random.default_rng(0)
    codes = [rng.integers(0, n, 900).astype(np.int32) for n in (40, 30)]
    y, w, n_ids = rng.normal(size=900), rng.integers(1, 3, 900), (40, 30)
    order = rng.permutation(900)
    given = Ratings.merge(codes, y, w.astype(float), n_ids)
    permuted = Ratings.merge([column[order] for column in codes], y[order], w[order].astype(float), n_ids)
    repeated = Ratings.merge(
        [np.repeat(column, w) for column in codes], np.repeat(y, w), np.ones(w.sum()), n_ids
    )
    start, options = fresh_start(given, 0.0, 1.0, 4, 0, 0.1), chosen(prior_ratings=3.0)
    model, history = solve(given, start, options, 3)
    for other in (permuted, repeated):
        other_model, other_history = solve(other, start, options, 3)
        assert other_history.curve == history.curve
        for ours, theirs in zip(tables_of(other_model), tables_of(model), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_ids_without_ratings_do_not_count():
    ratings, start = problem(n_users=40, n_items=30, n_ratings=500)
    wide_ratings, wide_start, places = spread_over_more_ids(ratings, start, 3)
    model, history = solve(ratings, start, chosen(), 3)
    wide, wide_history = solve(wide_ratings, wide_start, chosen(), 3)
    assert wide_history.curve == history.curve
    for ours, theirs, place in zip(wide.embeddings, model.embeddings, places, strict=True):
        np.testing.assert_array_equal(ours[place], theirs)
    assert Unobserved.of(wide_ratings, 0.1, 0.0) == Unobserved.of(ratings, 0.1, 0.0)


def test_more_sweeps_continue_the_same_run():
    ratings, start = problem()
    half, _ = solve(ratings, start, chosen(), 2)
    continued, _ = solve(ratings, half, chosen(), 2)
    whole, _ = solve(ratings, start, chosen(), 4)
    for ours, theirs in zip(tables_of(continued), tables_of(whole), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_the_ratio_of_weights_is_capped_at_one_rating_a_cell():
    ratings, _ = problem()
    ratings = replace(ratings, weights=3.0 * ratings.weights)  # the unit is the mean weight
    n_cells = np.prod([len(np.unique(column)) for column in ratings.codes.T])
    assert Unobserved.of(ratings, 2.0, -1.0).weight == pytest.approx(2.0 * len(ratings.targets) / n_cells)
    assert Unobserved.of(ratings, 1e4, -1.0) == Unobserved(1.0, -1.0)
