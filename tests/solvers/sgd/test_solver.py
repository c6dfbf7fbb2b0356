"""The compiled epoch against a plain NumPy reference of the same mini-batches."""

import itertools
import threading
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from sklearn_mf.model._fold_in import FoldInRatings, RowPrior, ridge_rows
from sklearn_mf.model._initialization import fresh_start
from sklearn_mf.ratings._ratings import Ratings, hold_out
from sklearn_mf.solvers._executor import ThreadExecutor
from sklearn_mf.solvers._training import Stopping, train
from sklearn_mf.solvers.sgd import _layout, _partition, _programs, _solver
from sklearn_mf.solvers.sgd._solver import SGD
from tests.solvers.problems import (
    PENALTIES,
    Silent,
    in_runs_of_eight,
    options,
    problem,
    reference_of,
    spread_over_more_ids,
    tables_of,
    visited,
)


def solve(ratings, start, choice):
    with SGD(ratings, None, start, choice) as solver:
        return train(solver, choice.max_iter, Silent())


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("n_fields", [1, 2, 3, 5])
def test_full_batch_step_is_the_gradient_of_J(n_fields, has_bias):
    ratings, start = problem(n_fields)
    rng = np.random.default_rng(0)
    for part in (*start.embeddings, *(start.biases if has_bias else [])):
        part += rng.normal(0, 0.3, part.shape).astype(np.float32)
    reference = reference_of(ratings, start, 0.0, 0.05, has_bias)
    rate, n = 1e-3, len(ratings.targets)
    choice = options(0.0, 0.05, fit_bias=has_bias, learning_rate=rate, batch_size=1024)
    with SGD(ratings, None, start, choice) as run:
        run.run_epoch(0)
    gradients, curvatures, _ = reference.gradient(np.arange(n), reference.l2)
    for before, after, gradient, curvature in zip(
        reference.tables, tables_of(run.snapshot()), gradients, curvatures, strict=True
    ):
        step = rate / np.maximum(1.0, rate * n_fields * curvature)[:, None]
        np.testing.assert_allclose((before - after) / step / n, gradient / n, rtol=2e-3, atol=1e-5)


@pytest.mark.parametrize("n_fields", [1, 2, 3])
def test_reference_gradient_is_the_derivative_of_J(n_fields):
    ratings, start = problem(n_fields, n_ratings=80)
    reference = reference_of(ratings, start, 0.0, 0.05)
    for table in reference.tables:
        table += np.random.default_rng(0).normal(0, 0.3, table.shape)
    gradients, _, _ = reference.gradient(np.arange(len(ratings.targets)), reference.l2)
    for table, gradient in zip(reference.tables, gradients, strict=True):
        place, eps = np.unravel_index(np.argmax(np.abs(gradient)), gradient.shape), 1e-6
        table[place] += eps
        above = reference.objective()
        table[place] -= 2 * eps
        slope = (above - reference.objective()) / (2 * eps)
        table[place] += eps
        np.testing.assert_allclose(slope, gradient[place] / len(ratings.targets), rtol=1e-5)


@pytest.mark.parametrize(
    ("compiled", "n_parts", "in_runs"),
    [
        (True, 1, False),
        (True, 2, False),
        (False, 1, False),
        (False, 3, False),
        (True, 2, True),
        (False, 1, True),
    ],
)
@pytest.mark.parametrize(
    ("n_fields", "penalty"),
    [*((2, penalty) for penalty in PENALTIES), *itertools.product((1, 3), ("l2", "elasticnet"))],
)
def test_a_run_follows_the_reference(n_fields, penalty, compiled, n_parts, in_runs, monkeypatch):
    if in_runs:
        in_runs_of_eight(monkeypatch)
    monkeypatch.setattr(_programs, "_COMPILE_FROM", 0 if compiled else 2**30)
    ratings, start = problem(n_fields, n_ratings=300)
    l1, l2 = PENALTIES[penalty]
    choice = options(l1, l2, n_parts=n_parts, max_iter=12)  # lasso takes over within 8 epochs
    model, history = solve(ratings, start, choice)
    reference = reference_of(ratings, start, l1, l2)
    for epoch in range(choice.max_iter):
        rate = float(_solver.rates(choice.learning_rate, np.int32(epoch)))
        reference.epoch(visited(ratings, choice, epoch), rate, _solver.ridge_share(epoch))
    spread = 0.5 * ratings.within_square_sum / start.scale**2 / ratings.total_weight
    np.testing.assert_allclose(history.curve[-1], reference.objective() + spread, rtol=1e-3)
    for ours, theirs in zip(tables_of(model), reference.tables, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-3)


@pytest.mark.parametrize(("n_parts", "in_runs"), [(1, False), (2, False), (2, True)])
@pytest.mark.parametrize("penalty", ["l2", "l1", "elasticnet"])
def test_a_run_with_prior_ratings_follows_the_reference(penalty, n_parts, in_runs, monkeypatch):
    if in_runs:
        in_runs_of_eight(monkeypatch)
    ratings, start = problem(n_ratings=300)
    l1, l2 = PENALTIES[penalty]
    choice = options(l1, l2, n_parts=n_parts, prior_ratings=7.0, max_iter=12)
    model, history = solve(ratings, start, choice)
    reference = reference_of(ratings, start, l1, l2, prior_ratings=7.0)
    for epoch in range(choice.max_iter):
        rate = float(_solver.rates(choice.learning_rate, np.int32(epoch)))
        reference.epoch(visited(ratings, choice, epoch), rate, _solver.ridge_share(epoch))
    spread = 0.5 * ratings.within_square_sum / start.scale**2 / ratings.total_weight
    np.testing.assert_allclose(history.curve[-1], reference.objective() + spread, rtol=1e-3)
    for ours, theirs in zip(tables_of(model), reference.tables, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-3)


@pytest.mark.parametrize(("l2", "n_prior"), [(0.2, 0.0), (0.03, 20.0)])
def test_a_converged_row_is_the_row_that_its_own_ratings_fold_into(l2, n_prior):
    ratings, start = problem(n_ratings=400, dim=1)  # of weights 1 to 4
    choice = options(0.0, l2, prior_ratings=n_prior, max_iter=200, batch_size=512, learning_rate=50.0)
    model, _ = solve(ratings, start, choice)
    fold_in = FoldInRatings.of(np.arange(ratings.n_ids[0]), ratings)
    prior = RowPrior(l2, n_prior, ratings.mean_weight)
    rows = np.column_stack(ridge_rows(fold_in, model, prior, True, positive=False))
    assert abs(rows[:, :-1]).max() > 0.3
    np.testing.assert_allclose(tables_of(model)[0], rows, atol=1e-3)


@pytest.mark.parametrize("penalty", ["l2", "l1"])
def test_many_prior_ratings_do_not_diverge_for_ids_with_one_rating(penalty):
    n = 400  # each user rates one item, item 0 is rated by half of them, the others once
    codes = np.stack([np.arange(n), np.where(np.arange(n) % 2, np.arange(n), 0)], axis=1)
    items = [codes[:, 0].astype(np.int32), np.unique(codes[:, 1], return_inverse=True)[1].astype(np.int32)]
    y = np.random.default_rng(0).normal(3, 1, n)
    ratings = Ratings.merge(items, y, np.ones(n), (n, int(items[1].max()) + 1))
    start = fresh_start(ratings, 3.0, 1.0, 4, seed=0, std=0.01)
    l1, l2 = (0.0, 5.0) if penalty == "l2" else (5.0, 0.0)
    choice = options(l1, l2, max_iter=12, prior_ratings=100.0, learning_rate=0.5)
    _, history = solve(ratings, start, choice)
    assert max(history.curve) < 1.001 * history.curve[0]
    _, history = solve(ratings, start, replace(choice, batch_size=512))  # one batch: no noise
    assert (np.diff(history.curve) <= 1e-6 * history.curve[0]).all()


@pytest.mark.parametrize("penalty", PENALTIES)
def test_converged_objective_equals_the_reference(penalty):
    ratings, start = problem(n_ratings=200)
    l1, l2 = PENALTIES[penalty]
    choice = options(l1, l2, max_iter=120)
    _, history = solve(ratings, start, choice)
    reference = reference_of(ratings, start, l1, l2)
    for epoch in range(choice.max_iter):
        rate = float(_solver.rates(choice.learning_rate, np.int32(epoch)))
        reference.epoch(visited(ratings, choice, epoch), rate, _solver.ridge_share(epoch))
    spread = 0.5 * ratings.within_square_sum / start.scale**2 / ratings.total_weight
    np.testing.assert_allclose(history.curve[-1], reference.objective() + spread, rtol=1e-3)


def test_lasso_zeros_are_exact_and_rise_with_alpha():
    ratings, start = problem(n_ratings=2000, weighted=False)
    shares = []
    for alpha in (1e-4, 0.03, 0.1, 1.0):
        model, _ = solve(ratings, start, options(alpha, 0.0))
        shares.append(np.mean(np.concatenate(model.embeddings) == 0))
    assert shares == sorted(shares)
    assert shares[0] < 0.05
    assert shares[-1] == 1.0


@pytest.mark.parametrize("l1", [0.003, 0.01, 0.03, 0.1, 1.0])
def test_the_objective_of_lasso_falls_from_the_first_epoch_on(l1):
    ratings, start = problem(n_ratings=2000, weighted=False)
    _, history = solve(ratings, start, options(l1, 0.0))
    assert (np.diff(history.curve[:9]) < 0).all(), "while lasso takes over from ridge"
    assert history.curve[-1] < history.curve[8]


def test_lasso_at_high_alpha_falls_back_to_biases():
    ratings, start = problem(n_ratings=2000, weighted=False)
    model, _ = solve(ratings, start, options(0.15, 0.0))
    assert all((part == 0).all() for part in model.embeddings)
    assert any((part != 0).any() for part in model.biases)


def test_the_timing_of_the_threads_changes_no_bit():
    choice = options(0.0, 0.05, n_parts=2)
    ratings, start = problem(n_ratings=2000)
    with threadpool_limits(2):
        runs = [solve(ratings, start, choice) for _ in range(2)]
    with SGD(ratings, None, start, choice) as run, ThreadExecutor(1) as one_after_the_other:
        run.executor = one_after_the_other
        runs.append(train(run, choice.max_iter, Silent()))
    for model, history in runs[1:]:
        assert history.curve == runs[0][1].curve
        for ours, theirs in zip(tables_of(model), tables_of(runs[0][0]), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("dim", [48, 64])
def test_padded_rows_change_nothing(dim, monkeypatch):
    ratings, start = problem(dim=dim)
    padded, _ = solve(ratings, start, options(0.01, 0.03))
    monkeypatch.setattr(_solver, "_SHORT", 10**9)
    plain, _ = solve(ratings, start, options(0.01, 0.03))
    for ours, theirs in zip(tables_of(padded), tables_of(plain), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("n_parts", [1, 2, 3])
@pytest.mark.parametrize("n_fields", [2, 3])
def test_held_out_ratings_are_scored_and_not_learnt_from(n_fields, n_parts):
    ratings, start = problem(n_fields)
    training, held_out = hold_out(ratings, 0.2, seed=0)
    with SGD(training, held_out, start, options(0.0, 0.05, n_parts=n_parts)) as run:
        for epoch in range(3):
            loss, rmse = run.run_epoch(epoch)
        model = run.snapshot()
    error = model.predict(held_out.codes) - held_out.targets
    np.testing.assert_allclose(rmse, np.sqrt(np.average(error**2, weights=held_out.weights)), rtol=1e-4)
    reference = reference_of(training, start, 0.0, 0.05)
    reference.tables = tables_of(model)
    spread = 0.5 * training.within_square_sum / start.scale**2 / training.total_weight
    np.testing.assert_allclose(loss, reference.objective() + spread, rtol=1e-4)


@pytest.mark.parametrize("n_parts", [1, 2])
def test_a_warm_start_continues_the_run(n_parts):
    ratings, start = problem()
    first, _ = solve(ratings, start, options(0.0, 0.05, max_iter=4, n_parts=n_parts))
    second, _ = solve(ratings, first, options(0.0, 0.05, max_iter=8, n_parts=n_parts))
    whole, _ = solve(ratings, start, options(0.0, 0.05, max_iter=12, n_parts=n_parts))
    for ours, theirs in zip(tables_of(second), tables_of(whole), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_visiting_order_of_an_epoch_after_the_last_is_not_drawn(monkeypatch):
    drawn, order = [], _layout.Layout.order
    monkeypatch.setattr(_layout.Layout, "order", lambda *args: drawn.append(args[2]) or order(*args))
    ratings, start = problem()
    solve(ratings, start, options(0.0, 0.05, max_iter=3))
    assert drawn == [0, 1, 2]


def threads_of_pools():
    return {thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_no_thread_is_left_whatever_ends_the_run(error):
    class Failing(Silent):
        def end(self, number, value, rmse, snapshot):
            assert threads_of_pools() - before, "the run has threads"
            raise error

    ratings, start = problem()
    before = threads_of_pools()
    with pytest.raises(error), SGD(ratings, None, start, options(0.0, 0.05, n_parts=2)) as run:
        train(run, 2, Failing())
    assert threads_of_pools() == before
    SGD(ratings, None, start, options(0.0, 0.05))  # its pools have no threads before the first epoch
    assert threads_of_pools() == before


@pytest.mark.parametrize("n_parts", [1, 2])
def test_ids_without_ratings_change_no_bit_and_stay_as_they_were(n_parts):
    ratings, start = problem(3)
    held_out = hold_out(ratings, 0.2, seed=0)[1]
    sources = ratings, held_out
    choice = options(0.01, 0.03, n_parts=n_parts)
    with SGD(*sources, start, choice) as run:
        model, history = train(run, 5, Silent(), Stopping(0.0, 99))
    (wide, wide_start, places), (wide_held_out, *_) = (spread_over_more_ids(s, start, 9) for s in sources)
    with SGD(wide, wide_held_out, wide_start, choice) as run:
        assert run.tables[0][0].shape[0] < 9 * ratings.n_ids[0] / n_parts / 2
        wide_model, wide_history = train(run, 5, Silent(), Stopping(0.0, 99))
    assert wide_history == history
    for ours, theirs, begin, place in zip(
        tables_of(wide_model), tables_of(model), tables_of(wide_start), places, strict=True
    ):
        np.testing.assert_array_equal(ours[place], theirs)
        others = np.delete(np.arange(len(ours)), place)
        np.testing.assert_array_equal(ours[others], begin[others])
    for ours, theirs, place in zip(wide_model.epochs, model.epochs, places, strict=True):
        assert (ours[place] == theirs).all()
        assert ours.sum() == theirs.sum()


@pytest.mark.parametrize(
    ("n_padded", "batch_size", "table_bytes", "expected"),
    [(2048, 64, 2**20, "_any_shape"), (4096, 64, 2**20, "_compiled"), (2048, 64, 2**26, "_compiled")],
)
def test_large_tables_are_updated_in_place_by_the_compiled_program(
    n_padded, batch_size, table_bytes, expected
):
    assert _programs.programs(n_padded, batch_size, table_bytes) is getattr(_programs, expected)


def test_many_ratings_are_learnt_from_in_parts(monkeypatch):
    ratings, start = problem(n_ratings=4000, n_fields=2)
    choice = options(0.0, 0.05)
    assert SGD(ratings, None, start, choice).layout.n_parts == 1
    monkeypatch.setattr(_partition, "_PARTED_FROM", 0)
    assert SGD(ratings, None, start, choice).layout.n_parts == 2
    assert np.isfinite(solve(ratings, start, choice)[1].curve).all()


@pytest.mark.parametrize("penalty", PENALTIES)
def test_more_epochs_continue_the_same_run(penalty):
    ratings, start = problem()
    l1, l2 = PENALTIES[penalty]
    _, short = solve(ratings, start, options(l1, l2, max_iter=4))
    _, long = solve(ratings, start, options(l1, l2, max_iter=12))
    assert long.curve[:4] == short.curve


def traces(programs):
    return [program.n_traces() for program in programs]


def test_folds_and_refit_share_one_compilation_per_penalty_kind(monkeypatch):
    monkeypatch.setattr(_programs, "_COMPILE_FROM", 0)
    before = traces(_programs._compiled)
    for n_ratings in (530, 560, 600):  # folds, then all
        ratings, start = problem(n_ratings=n_ratings, dim=11)
        for l1, l2 in PENALTIES.values():
            for changes in ({}, {"learning_rate": 0.1}, {"fit_bias": False}):
                choice = options(l1, l2, max_iter=1, **changes)
                solve(ratings, start, choice)
    assert [now - then for now, then in zip(traces(_programs._compiled), before, strict=True)] == [2, 1, 1]


def test_small_problems_of_any_size_share_one_graph():
    def run(n_ratings, dim):
        ratings, start = problem(n_ratings=n_ratings, dim=dim)
        solve(ratings, start, options(0.0, 0.05, max_iter=1, batch_size="auto"))

    run(50, 3), run(333, 9), run(20, 2)  # graphs of the first shape, of some, and of any
    before = traces(_programs._any_shape)
    for n_ratings, dim in ((130, 7), (90, 5), (240, 11)):
        run(n_ratings, dim)
    assert traces(_programs._any_shape) == before


def test_divergence_names_epoch_rate_and_alpha():
    ratings, start = problem()
    start.embeddings[0][0, 0] = np.inf
    with pytest.raises(
        ValueError, match=r"diverged in epoch 1.*lower learning_rate=0\.06 or raise alpha=0\.05"
    ):
        solve(ratings, start, options(0.0, 0.05))
