"""Alternating minimisation against the same sweeps in plain NumPy."""

import functools
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from sklearn_mf import MFRecommender
from sklearn_mf.model._initialization import fresh_start
from sklearn_mf.ratings._ratings import hold_out
from sklearn_mf.ratings._statistics import RatingStatistics
from sklearn_mf.solvers._training import ALSOptions, train
from sklearn_mf.solvers.als import _field_tables as field_tables
from sklearn_mf.solvers.als import _least_squares as least_squares
from sklearn_mf.solvers.als import _solver as als
from sklearn_mf.solvers.als import _sweep as sweep
from tests.conftest import low_rank_ratings
from tests.solvers.problems import (
    PENALTIES,
    Silent,
    problem,
    reference_of,
    spread_over_more_ids,
    tables_of,
)

METHODS = ["gradient", "cholesky", "descent"]
KINDS = [(False, True), (True, False), (False, False), (True, True)]  # positive, fit_bias


def fit(X, y, weights=None, **parameters):
    choice = {"solver": "als", "unobserved_weight": 0, "random_state": 0, **parameters}
    return MFRecommender(**choice).fit(X, y, weights)


def options(l1, l2, positive=False, fit_bias=True):
    return ALSOptions(l1, l2, positive, fit_bias)


def solve(ratings, start, choice, max_iter=2):
    return train(als.ALS(ratings, None, start, choice), max_iter, Silent())


exact_program = functools.cache(sweep.program.__wrapped__)


@pytest.fixture
def exact(monkeypatch):
    """Row solves to convergence, traced anew; conjugate gradient from dimension 6 on."""
    monkeypatch.setattr(least_squares, "_STEPS", 12)
    monkeypatch.setattr(least_squares, "_PASSES", 1000)
    monkeypatch.setattr(least_squares, "_CHANGE", 1e-6)
    monkeypatch.setattr(als, "_GRADIENT_FROM", 6)
    monkeypatch.setattr(field_tables, "program", exact_program)


def follow(reference, start, l1, l2, n_sweeps, positive):
    """The sweeps of `n_sweeps` epochs, those of ridge before a lasso included."""
    fresh = not any(ages.any() for ages in start.epochs)
    for number in range(als._RIDGE_SWEEPS if l1 and fresh else 0):
        reference.sweep(
            [als.damping(ages + number, undamped=False) for ages in start.epochs], 0.0, l1 + l2, positive
        )
    for number in range(n_sweeps):
        reference.sweep([als.damping(ages + number, l1 > 0) for ages in start.epochs], l1, l2, positive)


CASES = [(penalty, positive, 4) for penalty in PENALTIES for positive in (False, True)]


@pytest.mark.parametrize(("penalty", "positive", "dim"), [*CASES, ("l2", False, 6), ("none", False, 6)])
@pytest.mark.parametrize("n_fields", [1, 2, 3])
def test_sweeps_follow_the_reference(n_fields, penalty, positive, dim, exact):
    ratings, start = problem(n_fields, n_ratings=500, dim=dim)
    if positive:
        start = fresh_start(ratings, start.intercept, start.scale, dim, 0, 0.01, positive=True)
    l1, l2 = PENALTIES[penalty]
    choice = options(l1, l2, positive=positive)
    model, history = solve(ratings, start, choice)
    reference = reference_of(ratings, start, l1, l2)
    follow(reference, start, l1, l2, 2, positive)
    spread = 0.5 * ratings.within_square_sum / start.scale**2 / ratings.total_weight
    np.testing.assert_allclose(history.curve[-1], reference.objective() + spread, rtol=1e-4)
    for ours, theirs in zip(tables_of(model), reference.tables, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-3)


@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize("n_fields", [1, 2, 3])
def test_sweeps_without_biases_follow_the_reference(n_fields, penalty, exact):
    ratings, start = problem(n_fields, n_ratings=500)
    start = replace(start, intercept=0.0, scale=RatingStatistics.of(ratings).intercept_and_scale(False)[1])
    l1, l2 = PENALTIES[penalty]
    choice = options(l1, l2, fit_bias=False)
    model, history = solve(ratings, start, choice)
    reference = reference_of(ratings, start, l1, l2, has_bias=False)
    follow(reference, start, l1, l2, 2, False)
    spread = 0.5 * ratings.within_square_sum / start.scale**2 / ratings.total_weight
    np.testing.assert_allclose(history.curve[-1], reference.objective() + spread, rtol=1e-4)
    assert all((biases == 0).all() for biases in model.biases)
    for ours, theirs in zip(model.embeddings, reference.tables, strict=True):
        np.testing.assert_allclose(ours, theirs[:, :-1], atol=2e-3)


@pytest.mark.parametrize("penalty", ["l2", "l1"])
def test_ids_of_different_age_follow_the_reference(penalty, exact):
    ratings, start = problem(n_ratings=500)
    rng = np.random.default_rng(0)
    start = replace(
        start,
        embeddings=[rng.normal(0, 0.3, part.shape).astype(np.float32) for part in start.embeddings],
        epochs=[rng.integers(0, 12, n).astype(np.int32) for n in ratings.n_ids],
    )
    l1, l2 = PENALTIES[penalty]
    model, _ = solve(ratings, start, options(l1, l2))
    reference = reference_of(ratings, start, l1, l2)
    follow(reference, start, l1, l2, 2, False)
    for ours, theirs in zip(tables_of(model), reference.tables, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-3)
    for before, after in zip(start.epochs, model.epochs, strict=True):
        np.testing.assert_array_equal(after, before + 2)


@pytest.mark.parametrize(("penalty", "dim"), [("l2", 4), ("l2", 33), ("elasticnet", 4)])
@pytest.mark.parametrize("n_fields", [2, 3])
def test_ids_without_ratings_change_no_bit_and_stay_as_they_were(n_fields, penalty, dim):
    ratings, start = problem(n_fields, dim=dim)
    sources = ratings, hold_out(ratings, 0.2, seed=0)[1]
    choice = options(*PENALTIES[penalty])
    model, history = train(als.ALS(*sources, start, choice), 3, Silent())
    (wide, wide_start, places), (wide_held_out, *_) = (spread_over_more_ids(s, start, 9) for s in sources)
    solver = als.ALS(wide, wide_held_out, wide_start, choice)
    assert [len(table) for table in solver.field_tables.tables] == list(ratings.n_ids)
    wide_model, wide_history = train(solver, 3, Silent())
    assert wide_history == history
    tables = tables_of(wide_model), tables_of(model), tables_of(wide_start), wide_model.epochs, model.epochs
    for ours, theirs, begin, our_ages, ages, place in zip(*tables, places, strict=True):
        np.testing.assert_array_equal(ours[place], theirs)
        np.testing.assert_array_equal(our_ages[place], ages)
        np.testing.assert_array_equal(np.delete(ours, place, 0), np.delete(begin, place, 0))
        assert (np.delete(our_ages, place) == 0).all()


@pytest.mark.parametrize("n_others", [0, 1, 2])
def test_scales_are_the_mean_squares_of_the_other_fields_and_one_for_the_bias(n_others):
    rng = np.random.default_rng(0)
    others = rng.normal(0, 2, (9 * n_others, 3)).astype(np.float32)
    squares = n_others * (others[:, :2] ** 2).mean(0) if n_others else np.zeros(2)
    scales = sweep.link_rows(tf.constant(others), n_others, tf.constant(1.0)).scales
    np.testing.assert_allclose(scales, [*squares, 1.0], rtol=1e-5)


def test_a_positive_start_is_positive_and_larger():
    ratings, start = problem()
    positive = fresh_start(ratings, start.intercept, start.scale, 4, seed=0, std=0.01, positive=True)
    for ours, free in zip(positive.embeddings, start.embeddings, strict=True):
        np.testing.assert_allclose(ours, 10 * np.abs(free), rtol=1e-5)


def test_damping_grows_with_age_to_a_limit_and_is_none_under_lasso():
    ages = np.array([0, 1, 2, 50, 2_000_000_000], np.int32)
    damping = als.damping(ages, undamped=False)
    np.testing.assert_allclose(damping, [4, 4 * 1.4, 4 * 1.4**2, 160, 160], rtol=1e-6)
    assert damping.dtype == np.float32
    assert (als.damping(ages, undamped=True) == 0).all()


def test_dimension_lasso_and_floor_choose_the_method():
    def method(dim, l1=0.0, positive=False):
        ratings, start = problem(n_ratings=50, dim=dim)
        choice = options(l1, 0.05, positive=positive)
        return als.ALS(ratings, None, start, choice).field_tables.method

    assert [method(dim) for dim in (0, 31, 32)] == ["cholesky", "cholesky", "gradient"]
    assert [method(dim, 0.01) for dim in (0, 32)] == ["descent", "descent"]
    assert [method(dim, positive=True) for dim in (0, 32)] == ["descent", "descent"]


@pytest.mark.parametrize(
    ("penalty", "positive", "dim"), [("l2", False, 3), ("l2", False, 33), ("l1", False, 3), ("l2", True, 3)]
)
def test_the_size_of_the_blocks_does_not_matter(penalty, positive, dim, monkeypatch):
    X, y = low_rank_ratings()
    parameters = {"embedding_dim": dim, "penalty": penalty, "positive": positive, "max_iter": 3}
    base = fit(X, y, **parameters)
    for floats, spread in ((2, 1.0), (3000, 1.0), (2**23, 100.0)):
        monkeypatch.setattr(field_tables, "_BLOCK_FLOATS", dict.fromkeys(METHODS, floats))
        monkeypatch.setattr(field_tables, "_SPREAD", dict.fromkeys(METHODS, spread))
        other = fit(X, y, **parameters)
        # Coordinate descent ends when the whole block has settled.
        tolerance = 1e-5 if penalty == "l2" and not positive else 2e-3
        np.testing.assert_allclose(other.loss_curve_, base.loss_curve_, rtol=tolerance)


@pytest.mark.parametrize(("dim", "n_sweeps"), [(0, 6), (3, 12), (40, 6)])
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet", None])
@pytest.mark.parametrize("n_fields", [1, 2, 3])
def test_J_never_rises(n_fields, penalty, dim, n_sweeps):
    X, y = low_rank_ratings(n_users=12, n_items=9, n_ratings=150, n_fields=n_fields)
    weights = np.random.default_rng(0).integers(1, 5, len(y)).astype(float)
    limits = {"max_iter": n_sweeps, "tol": 0, "n_iter_no_change": 99}
    for positive, fit_bias in KINDS if dim == 3 else KINDS[:2]:
        kind = {"penalty": penalty, "positive": positive, "fit_bias": fit_bias}
        curve = np.array(fit(X, y, weights, embedding_dim=dim, **kind, **limits).loss_curve_)
        assert len(curve) == n_sweeps
        assert (np.diff(curve) <= 1e-6 * curve[:-1]).all(), kind


@pytest.mark.parametrize("penalty", ["l2", "l1", None])
@pytest.mark.parametrize("dim", [3, 40])
def test_J_never_rises_in_many_sweeps(penalty, dim):
    X, y = low_rank_ratings(n_users=12, n_items=9, n_ratings=150)
    limits = {"max_iter": 150, "tol": 0, "n_iter_no_change": 999}
    curve = np.array(fit(X, y, embedding_dim=dim, penalty=penalty, **limits).loss_curve_)
    assert len(curve) == 150
    assert (np.diff(curve) <= 1e-6 * curve[:-1]).all()


@pytest.mark.parametrize("n_fields", [1, 2, 3])
def test_one_graph_serves_every_size(n_fields):
    for n_ratings, dims in ((60, (0, 3, 33)), (200, (7, 31, 40)), (60, (3, 40))):
        X, y = low_rank_ratings(n_users=n_ratings // 6, n_ratings=n_ratings, n_fields=n_fields)
        for dim in dims:
            for penalty in ("l2", "elasticnet", None):
                held_out = n_ratings == 200 and n_fields > 1
                fit(X, y, embedding_dim=dim, penalty=penalty, max_iter=1, early_stopping=held_out)
            fit(X, y, embedding_dim=dim, positive=True, max_iter=1)
    programs = [sweep.program(n_fields, method, False, False) for method in METHODS]
    assert [program.n_traces() for program in programs] == [1, 1, 1]
    if n_fields > 1:
        assert sweep.score_program(n_fields).n_traces() == 1


@pytest.mark.parametrize("alpha", [1e-30, 1e10, 1e30, 1e38, 1e39, 1e300])
@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize("dim", [3, 40])
def test_any_alpha_stays_finite_or_says_that_it_diverged(dim, penalty, alpha):
    X, y = low_rank_ratings()
    try:
        model = fit(X, y, embedding_dim=dim, penalty=penalty, alpha=alpha, max_iter=3)
    except ValueError as error:
        assert alpha >= 1e38
        assert "diverged in sweep 1" in str(error)
        assert f"alpha={alpha:g}" in str(error)
    else:
        assert np.isfinite(model.loss_curve_).all()
        assert all(np.isfinite(part).all() for part in (*model.embeddings_, *model.biases_))


@pytest.mark.parametrize("dim", [0, 3, 31, 40])
@pytest.mark.parametrize("penalty", ["l2", "l1", None])
@pytest.mark.parametrize("least", [1.0, 1e-6, 1e-30])
def test_weights_of_any_size_stay_finite(least, penalty, dim):
    X, y = low_rank_ratings(n_users=60, n_items=60, n_ratings=120)  # many ids have one rating
    weights = np.where(np.arange(len(y)) % 3, 1 / least, least)
    model = fit(X, y, weights, embedding_dim=dim, penalty=penalty, max_iter=6)
    assert np.isfinite(model.loss_curve_).all()
    assert all(np.isfinite(part).all() for part in (*model.embeddings_, *model.biases_))
    assert (np.diff(model.loss_curve_) <= 1e-6 * np.array(model.loss_curve_[:-1])).all()


@pytest.mark.parametrize("dim", [0, 3, 31, 40])
@pytest.mark.parametrize("n_fields", [1, 2, 3])
def test_fewer_ratings_than_unknowns_without_penalty(n_fields, dim):
    X, y = low_rank_ratings(n_ratings=25, n_fields=n_fields)
    model = fit(X, y, embedding_dim=dim, penalty=None, max_iter=60)
    assert np.isfinite(model.loss_curve_).all()
    assert max(np.abs(part).max(initial=0) for part in (*model.embeddings_, *model.biases_)) < 100
