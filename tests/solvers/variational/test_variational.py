"""Rows with variances against a dense NumPy reference that visits every cell; objectives that never rise."""

import functools
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from sklearn_mf.model._initialization import fresh_start
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.solvers._regression_prior import CHARGE_IN_IDS, CHARGE_IN_RATINGS
from sklearn_mf.solvers._training import Unobserved, VariationalOptions, train
from sklearn_mf.solvers.als import _least_squares as least_squares
from sklearn_mf.solvers.variational import _rows as rows_module
from sklearn_mf.solvers.variational import _tables as tables_module
from sklearn_mf.solvers.variational._relevance import RelevancePhase
from sklearn_mf.solvers.variational._rows import FieldPrior
from sklearn_mf.solvers.variational._solver import N_CERTAIN, N_UNCERTAIN, Variational
from sklearn_mf.solvers.variational._tables import UncertainTables
from tests.solvers.problems import Silent, features_of

DIM = 4
OPTIONS = VariationalOptions(Unobserved(weight=0.3, value=-1.5), l2=0.01, prior_ratings=20.0)


def problem(n_users=60, n_items=45, n_ratings=900, dim=DIM, seed=0):
    """Weighted ratings of a matrix of rank 3, some cells rated twice, and a start."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, n_users, n_ratings), (n_items * rng.random(n_ratings) ** 2).astype(int)
    ids, codes = zip(*(np.unique(column, return_inverse=True) for column in codes), strict=True)
    y = rng.normal(size=(n_users, 3)) @ rng.normal(size=(3, n_items)) + rng.normal(size=n_items)
    y = y[ids[0][codes[0]], ids[1][codes[1]]] + 0.5 * rng.normal(size=n_ratings)
    codes = [column.astype(np.int32) for column in codes]
    weights = rng.integers(1, 5, n_ratings).astype(float)
    ratings = Ratings.merge(codes, y, weights, tuple(map(len, ids)))
    return ratings, fresh_start(ratings, 0.1, 2.0, dim, 0, 0.3 / np.sqrt(dim))


class Dense:
    """Ratings as arrays (n_users, n_items), and the distributions of the rows by id, all float64."""

    def __init__(self, ratings, tables):
        users, items = ratings.codes.T
        self.w, self.z = np.zeros(ratings.n_ids), np.zeros(ratings.n_ids)
        self.w[users, items] = ratings.weights / ratings.mean_weight
        self.z[users, items] = ratings.standardized(0.1, 2.0)
        self.n_ratings = len(ratings.targets)
        self.means, self.variances = rows_by_id(tables)

    def expected_squares(self, w, z):
        """Sum of w E[(z - z_hat)^2] over all cells."""
        (U, V), (S, T) = self.means, self.variances
        error = z - U[:, :-1] @ V[:, :-1].T - U[:, -1:] - V[:, -1]
        pairs = U[:, :-1] ** 2 @ T[:, :-1].T + S[:, :-1] @ (V[:, :-1] ** 2 + T[:, :-1]).T
        return (w * (error**2 + pairs + S[:, -1:] + T[:, -1])).sum()

    def solve(self, field, w, wz, penalty, shift, noise):
        """Rows of a field from total weights, weights times targets, a penalty matrix and a shift a row."""
        w, wz = (w, wz) if field == 0 else (w.T, wz.T)
        X, variances = self.means[1 - field].copy(), self.variances[1 - field].copy()
        b, X[:, -1], variances[:, -1] = X[:, -1].copy(), 1.0, 0.0
        G = np.einsum("nm,mk,ml->nkl", w, X, X) + penalty
        diagonal = np.einsum("nm,mk->nk", w, variances)
        G += diagonal[..., None] * np.eye(G.shape[1])
        r = (wz - w * b) @ X + shift
        self.means[field] = np.linalg.solve(G, r[..., None])[..., 0]
        self.variances[field] = noise / np.diagonal(G, axis1=1, axis2=2)


def rows_by_id(tables):
    """Means and variances in the order of the ids."""
    means = [rows.means.numpy().astype(float)[np.argsort(ids)] for rows, ids in by_field(tables)]
    variances = [rows.variances.numpy().astype(float)[np.argsort(ids)] for rows, ids in by_field(tables)]
    return means, variances


def by_field(tables):
    return zip(tables.rows, tables.ids, strict=True)


def assert_same_rows(tables, dense, rtol=1e-4):
    for found, expected in zip(rows_by_id(tables), (dense.means, dense.variances), strict=True):
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=rtol * np.abs(theirs).max())


def uncertain_tables(ratings, start, seed=1):
    """Tables whose rows have biases and variances."""
    rng = np.random.default_rng(seed)
    biases = [rng.normal(size=n).astype(np.float32) for n in ratings.n_ids]
    width = start.embeddings[0].shape[1] + 1
    variances = [rng.exponential(0.2, (n, width)).astype(np.float32) for n in ratings.n_ids]
    tables = UncertainTables(ratings, start)
    tables.set_rows(replace(start, biases=biases), variances)
    return tables


# Traced under `converged` alone.
converged_program = functools.cache(rows_module.program.__wrapped__)


@pytest.fixture
def converged(monkeypatch):
    """Conjugate gradient to convergence."""
    monkeypatch.setattr(least_squares, "_STEPS", 30)
    monkeypatch.setattr(tables_module, "program", converged_program)


@pytest.mark.parametrize("method", ["cholesky", "gradient"])
@pytest.mark.parametrize("field", [0, 1])
def test_rows_variances_and_expected_squares_equal_the_dense_reference(field, method, converged):
    ratings, start = problem()
    tables = uncertain_tables(ratings, start)
    tables.method, dense, rng = method, Dense(ratings, tables), np.random.default_rng(2)
    n, width, noise = ratings.n_ids[field], DIM + 1, 0.7
    root = rng.normal(size=(width, width))
    ridge, shift, uncertainty = rng.random(n), rng.normal(size=(n, width)), rng.random(width)
    precision, ids = root @ root.T, tables.ids[field]
    prior = [ridge[ids], precision, shift[ids], uncertainty]
    given = FieldPrior(*(tf.constant(part, tf.float32) for part in prior))
    squares = tables.solve("sweep 1", field, given, noise)
    penalty = precision + np.diag(uncertainty) + ridge[:, None, None] * np.eye(width)
    dense.solve(field, dense.w, dense.w * dense.z, penalty, shift, noise)
    assert_same_rows(tables, dense)
    assert squares == pytest.approx(dense.expected_squares(dense.w, dense.z), rel=1e-4)


def with_features(ratings, fields=(0, 1)):
    """The options with features of the ids of some fields."""
    n = ratings.n_ids
    return replace(
        OPTIONS, features=tuple(features_of(n[f], seed=f) if f in fields else None for f in (0, 1))
    )


def regressed(features, rows, weights, charge):
    """Coefficients of a ridge regression, (n_ids, n_features), (n_ids, width) -> (n_features, width)."""
    F = features.toarray()
    G = F.T @ (weights[:, None] * F) + charge * np.eye(F.shape[1])
    return np.linalg.solve(G, F.T @ (weights[:, None] * rows))


@pytest.mark.parametrize("has_features", [False, True])
@pytest.mark.parametrize("noise", [0.6, 0.0], ids=["uncertain", "certain"])
def test_a_sweep_of_the_relevance_phase_equals_the_dense_reference(noise, has_features):
    ratings, start = problem()
    given = with_features(ratings) if has_features else OPTIONS
    tables = uncertain_tables(ratings, start)
    phase, dense = RelevancePhase(tables, given, start), Dense(ratings, tables)
    weight, value, eye = OPTIONS.unobserved.weight, OPTIONS.unobserved.value, np.eye(DIM + 1)
    charges = [dense.w.sum(1 - field) + weight * dense.w.shape[1 - field] + 20.0 for field in (0, 1)]
    if noise == 0:
        dense.variances = list(map(np.zeros_like, dense.variances))
    prior_means, of_coefficients = [0.0, 0.0], 0.0
    for field in (0, 1):
        if has_features:
            features = given.features[field]
            B = regressed(features, dense.means[field], charges[field], CHARGE_IN_RATINGS)
            prior_means[field] = features @ B
            of_coefficients += OPTIONS.l2 * CHARGE_IN_RATINGS * (B**2).sum()
        ridge = OPTIONS.l2 * charges[field][:, None]
        shift, penalty = ridge * prior_means[field], ridge[..., None] * eye
        dense.solve(field, dense.w + weight, dense.w * dense.z + weight * value, penalty, shift, noise)
    total = dense.expected_squares(dense.w, dense.z) + dense.expected_squares(weight, value)
    total += of_coefficients
    for charge, m, s, mean in zip(charges, dense.means, dense.variances, prior_means, strict=True):
        spread = (m - mean) ** 2 + s
        total += OPTIONS.l2 * (charge @ spread).sum() - (noise * np.log(s).sum() if noise else 0.0)
    assert phase.sweep(noise) == pytest.approx(0.5 * total / dense.n_ratings, rel=1e-4)
    assert_same_rows(tables, dense)


@pytest.mark.parametrize("has_features", [False, True])
def test_a_sweep_of_the_rating_phase_equals_the_dense_reference(has_features):
    ratings, start = problem()
    solver = Variational(ratings, None, start, with_features(ratings) if has_features else OPTIONS)
    solver.begin()
    solver.run_epoch(0)
    dense, n = Dense(ratings, solver.tables), ratings.n_ids
    anchors = np.zeros((n[1], DIM + 1))
    anchors[:, :-1] = solver.ratings_start.item_means
    noise, precisions, user_mean = solver.noise, solver.precisions.copy(), solver.user_mean.copy()
    assert precisions.min() > 0
    assert user_mean[-1] == 0
    prior_means, further = [np.tile(user_mean, (n[0], 1)), anchors], [np.zeros((0, DIM + 1))] * 2
    of_features = [np.zeros((n_ids, DIM + 1)) for n_ids in n]
    if has_features:
        of_features = [np.empty_like(each) for each in of_features]
        for field, (prior, ids) in enumerate(zip(solver.priors, solver.tables.ids, strict=True)):
            of_features[field][ids] = prior.means
    objective, _ = solver.run_epoch(1)
    for field in (0, 1):
        penalty = noise * precisions[field]
        shift = penalty * (prior_means[field] + of_features[field])
        dense.solve(field, dense.w, dense.w * dense.z, np.diag(penalty), shift, noise)
        if field == 0:
            user_mean = np.append((dense.means[0] - of_features[0])[:, :-1].mean(0), 0.0)
            prior_means[0] = np.tile(user_mean, (n[0], 1))
        if has_features:
            features, rest = solver.options.features[field], dense.means[field] - prior_means[field]
            B = regressed(features, rest, np.ones(n[field]), CHARGE_IN_IDS)
            further[field], prior_means[field] = np.sqrt(CHARGE_IN_IDS) * B, prior_means[field] + features @ B
        spread = ((dense.means[field] - prior_means[field]) ** 2 + dense.variances[field]).sum(0)
        spread += (further[field] ** 2).sum(0)
        precisions[field] = (n[field] + len(further[field]) + 2.0) / (spread + 0.1)
    assert_same_rows(solver.tables, dense, rtol=1e-3)
    np.testing.assert_allclose(solver.precisions, precisions, rtol=1e-3)
    np.testing.assert_allclose(solver.user_mean, user_mean, rtol=1e-3, atol=1e-5)
    within = ratings.within_square_sum / 2.0**2 / ratings.mean_weight  # of cells that were rated twice
    squares = dense.expected_squares(dense.w, dense.z)
    assert within > 0.01 * squares
    assert solver.noise == pytest.approx((squares + within) / dense.n_ratings, rel=1e-4)
    total = dense.n_ratings * (1 + np.log(solver.noise))
    for m, s, p, mean, b in zip(dense.means, dense.variances, precisions, prior_means, further, strict=True):
        spread = ((m - mean) ** 2 + s).sum(0) + (b**2).sum(0)
        total += p @ (spread + 0.1) - (len(m) + len(b) + 2.0) * np.log(p).sum() - np.log(s).sum()
    assert objective == pytest.approx(0.5 * total / dense.n_ratings, rel=1e-3)


def falls(curve):
    return (np.diff(curve) <= 1e-6 * abs(curve[0])).all() and curve[-1] < curve[0]


@pytest.mark.parametrize("fields", [(), (0, 1), (0,)])
@pytest.mark.parametrize("dim", [1, DIM, 50])
def test_the_objective_never_rises_within_a_part(dim, fields):
    ratings, start = problem(dim=dim)
    solver = Variational(ratings, None, start, with_features(ratings, fields) if fields else OPTIONS)
    _, history = train(solver, 15, Silent())
    assert len(solver.relevance_curve) == N_UNCERTAIN + N_CERTAIN
    assert falls(solver.relevance_curve[:N_UNCERTAIN])
    assert falls(solver.relevance_curve[N_UNCERTAIN:])
    assert falls(history.curve)


def test_coefficients_of_rating_rows_are_the_prior_means_of_users_and_a_regression_of_items():
    ratings, start = problem()
    given = with_features(ratings)
    solver = Variational(ratings, None, start, given)
    state, _ = train(solver, 5, Silent())
    users, items = state.ratings.model.coefficients
    np.testing.assert_allclose(users[1:], state.ratings.coefficients[0][1:])
    np.testing.assert_allclose(users[0], state.ratings.coefficients[0][0] + state.ratings.user_mean)
    model = state.ratings.model
    rows = np.column_stack([model.embeddings[1], model.biases[1]]).astype(float)
    weights = ratings.id_weights(1) / ratings.mean_weight
    expected = regressed(given.features[1], rows, weights, CHARGE_IN_RATINGS)
    np.testing.assert_allclose(items, expected, rtol=1e-4, atol=1e-5)
    assert [each.shape for each in state.relevance.coefficients] == [(3, DIM + 1)] * 2


def test_conjugate_gradient_and_cholesky_reach_the_same_objectives(monkeypatch):
    ratings, start = problem()
    found = []
    for first in (0, 48):
        monkeypatch.setattr(tables_module, "_GRADIENT_FROM", first)
        phase = RelevancePhase(UncertainTables(ratings, start), OPTIONS, start)
        curve = [phase.sweep() for _ in range(25)] + [phase.sweep(0.0) for _ in range(10)]
        solver = Variational(ratings, None, start, OPTIONS)
        _, history = train(solver, 25, Silent())
        found.append((curve[24], curve[-1], history.curve[-1]))
    np.testing.assert_allclose(*found, rtol=2e-3)


def test_rows_in_another_order_and_repeated_rows_give_the_same_bits():
    rng = np.random.default_rng(0)
    codes = [rng.integers(0, n, 600).astype(np.int32) for n in (40, 30)]
    y, w, order = rng.normal(size=600), rng.integers(1, 3, 600), rng.permutation(600)
    inputs = {
        "given": (codes, y, w),
        "permuted": ([column[order] for column in codes], y[order], w[order]),
        "repeated": ([np.repeat(column, w) for column in codes], np.repeat(y, w), np.ones(w.sum())),
    }
    states = {}
    for name, (ids, targets, weights) in inputs.items():
        ratings = Ratings.merge(ids, targets, weights.astype(float), (40, 30))
        start = fresh_start(ratings, 0.0, 1.0, DIM, 0, 0.1)
        states[name] = train(Variational(ratings, None, start, OPTIONS), 3, Silent())
    for name in ("permuted", "repeated"):
        for ours, theirs in zip(arrays(*states[name]), arrays(*states["given"]), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def arrays(state, history):
    """All numbers of a trained state."""
    uncertain, relevance = state.ratings, state.relevance
    return [
        *uncertain.model.embeddings,
        *uncertain.model.biases,
        *uncertain.variances,
        uncertain.precisions,
        *relevance.embeddings,
        *relevance.biases,
        np.array([*history.curve, *state.relevance_curve, uncertain.noise]),
    ]
