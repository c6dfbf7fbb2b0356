"""The compiled epoch against a plain NumPy reference of the same mini-batches."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from sklearn_mf.model._initialization import fresh_start
from sklearn_mf.ratings._ratings import Ratings, centre_and_scale, hold_out
from sklearn_mf.solvers._training import Options, train
from sklearn_mf.solvers.sgd import _partition as batches
from sklearn_mf.solvers.sgd import _programs as steps
from sklearn_mf.solvers.sgd import _solver as sgd
from tests.conftest import low_rank_ratings
from tests.solvers.reference import Reference

OPTIONS = {
    "learning_rate": 0.06,
    "batch_size": 64,
    "max_iter": 20,
    "tol": 0.0,
    "n_iter_no_change": 99,
    "seed": 3,
}
PENALTIES = {"l2": (0.0, 0.05), "l1": (0.02, 0.0), "elasticnet": (0.01, 0.03), "none": (0.0, 0.0)}


class Silent:
    def begin(self, epoch, model):
        pass

    def end(self, epoch, loss, rmse, model):
        return False


def problem(n_fields=2, n_ratings=600, dim=4, weighted=True):
    X, y = low_rank_ratings(n_ratings=n_ratings, n_fields=n_fields)
    weights = np.random.default_rng(1).integers(1, 5, len(y)).astype(float) if weighted else np.ones(len(y))
    n_ids = tuple(int(column.max()) + 1 for column in X.T)
    ratings = Ratings.merge(list(X.astype(np.int32).T), y, weights, n_ids)
    return ratings, fresh_start(ratings, *centre_and_scale(ratings, True), dim, seed=0, std=0.01)


def reference_of(ratings, start, l1, l2, has_bias=True):
    z = (ratings.targets - start.intercept) / start.scale
    tables = [np.column_stack([v, b]) for v, b in zip(start.embeddings, start.biases, strict=True)]
    return Reference(ratings.codes, z, ratings.weights, tables, l1, l2, has_bias)


def tables_of(model):
    return [np.column_stack([v, b]) for v, b in zip(model.embeddings, model.biases, strict=True)]


def solve(ratings, start, choice):
    return train(sgd.SGD(ratings, None, start, choice), choice, Silent())


def visited(ratings, choice, epoch):
    """Rows of the ratings, batch by batch."""
    layout, runs = batches.plan_layout([ratings], choice.batch_size, width=5)
    row_of = np.full(layout.n_padded, -1)
    for _, rows, place in runs:
        row_of[place : place + len(rows)] = rows
    order = row_of[layout.order(choice.seed, epoch)].reshape(-1, layout.batch_size)
    for block in itertools.chain(*layout.rounds()):
        for batch in order[slice(*layout.batches(block, held_out=False))]:
            yield batch[batch >= 0]


def options(l1, l2, **changes):
    return Options(l1=l1, l2=l2, **{"fit_bias": True, "positive": False, **OPTIONS, **changes})


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
    run = sgd.SGD(ratings, None, start, choice)
    run.run_epoch(0)
    gradients, curvatures, _ = reference.gradient(np.arange(n), reference.l2)
    for before, after, gradient, curvature in zip(
        reference.tables, tables_of(run.model()), gradients, curvatures, strict=True
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


@pytest.mark.parametrize(("compiled", "n_parts"), [(True, 1), (True, 2), (False, 1), (False, 3)])
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("n_fields", [1, 2, 3])
def test_a_run_follows_the_reference(n_fields, penalty, compiled, n_parts, monkeypatch):
    monkeypatch.setattr(steps, "_COMPILE_FROM", 0 if compiled else 2**30)
    monkeypatch.setattr(batches, "_n_parts", lambda *_: n_parts)
    ratings, start = problem(n_fields)
    l1, l2 = PENALTIES[penalty]
    choice = options(l1, l2)
    model, history = solve(ratings, start, choice)
    reference = reference_of(ratings, start, l1, l2)
    for epoch in range(choice.max_iter):
        rate = float(sgd.rates(choice.learning_rate, np.int32(epoch)))
        reference.epoch(visited(ratings, choice, epoch), rate, sgd.ridge_share(epoch))
    spread = 0.5 * ratings.spread / start.scale**2 / ratings.total_weight
    np.testing.assert_allclose(history.loss_curve[-1], reference.objective() + spread, rtol=1e-3)
    for ours, theirs in zip(tables_of(model), reference.tables, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-3)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_converged_objective_equals_the_reference(penalty):
    ratings, start = problem(n_ratings=400)
    l1, l2 = PENALTIES[penalty]
    choice = options(l1, l2, max_iter=150)
    _, history = solve(ratings, start, choice)
    reference = reference_of(ratings, start, l1, l2)
    for epoch in range(choice.max_iter):
        rate = float(sgd.rates(choice.learning_rate, np.int32(epoch)))
        reference.epoch(visited(ratings, choice, epoch), rate, sgd.ridge_share(epoch))
    spread = 0.5 * ratings.spread / start.scale**2 / ratings.total_weight
    np.testing.assert_allclose(history.loss_curve[-1], reference.objective() + spread, rtol=1e-3)


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
    assert (np.diff(history.loss_curve[:9]) < 0).all(), "while lasso takes over from ridge"
    assert history.loss_curve[-1] < history.loss_curve[8]


def test_lasso_at_high_alpha_falls_back_to_biases():
    ratings, start = problem(n_ratings=2000, weighted=False)
    model, _ = solve(ratings, start, options(0.15, 0.0))
    assert all((part == 0).all() for part in model.embeddings)
    assert any((part != 0).any() for part in model.biases)


def test_the_timing_of_the_threads_changes_no_bit(monkeypatch):
    monkeypatch.setattr(batches, "_n_parts", lambda *_: 2)
    ratings, start = problem(n_ratings=2000)
    runs = [solve(ratings, start, options(0.0, 0.05)) for _ in range(2)]
    run = sgd.SGD(ratings, None, start, options(0.0, 0.05))
    run.workers = ThreadPoolExecutor(max_workers=1)  # one block after the other
    runs.append(train(run, options(0.0, 0.05), Silent()))
    for model, history in runs[1:]:
        assert history.loss_curve == runs[0][1].loss_curve
        for ours, theirs in zip(tables_of(model), tables_of(runs[0][0]), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("dim", [48, 64])
def test_padded_rows_change_nothing(dim, monkeypatch):
    ratings, start = problem(dim=dim)
    padded, _ = solve(ratings, start, options(0.01, 0.03))
    monkeypatch.setattr(sgd, "_SHORT", 10**9)
    plain, _ = solve(ratings, start, options(0.01, 0.03))
    for ours, theirs in zip(tables_of(padded), tables_of(plain), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)


@pytest.mark.parametrize("n_parts", [1, 2, 3])
@pytest.mark.parametrize("n_fields", [2, 3])
def test_held_out_ratings_are_scored_and_not_learnt_from(n_fields, n_parts, monkeypatch):
    monkeypatch.setattr(batches, "_n_parts", lambda *_: n_parts)
    ratings, start = problem(n_fields)
    training, held_out = hold_out(ratings, 0.2, seed=0)
    run = sgd.SGD(training, held_out, start, options(0.0, 0.05))
    for epoch in range(3):
        loss, rmse = run.run_epoch(epoch)
    model = run.model()
    error = model.predict(held_out.codes) - held_out.targets
    np.testing.assert_allclose(rmse, np.sqrt(np.average(error**2, weights=held_out.weights)), rtol=1e-4)
    reference = reference_of(training, start, 0.0, 0.05)
    reference.tables = tables_of(model)
    spread = 0.5 * training.spread / start.scale**2 / training.total_weight
    np.testing.assert_allclose(loss, reference.objective() + spread, rtol=1e-4)


@pytest.mark.parametrize("n_parts", [1, 2])
def test_a_warm_start_goes_on_where_the_run_ended(n_parts, monkeypatch):
    monkeypatch.setattr(batches, "_n_parts", lambda *_: n_parts)
    ratings, start = problem()
    first, _ = solve(ratings, start, options(0.0, 0.05, max_iter=4))
    second, _ = solve(ratings, first, options(0.0, 0.05, max_iter=8))
    whole, _ = solve(ratings, start, options(0.0, 0.05, max_iter=12))
    for ours, theirs in zip(tables_of(second), tables_of(whole), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_many_ratings_are_learnt_from_in_parts(monkeypatch):
    ratings, start = problem(n_ratings=4000, n_fields=2)
    choice = options(0.0, 0.05)
    assert sgd.SGD(ratings, None, start, choice).layout.n_parts == 1
    monkeypatch.setattr(batches, "_PARTED_FROM", 0)
    assert sgd.SGD(ratings, None, start, choice).layout.n_parts == 2
    assert np.isfinite(solve(ratings, start, choice)[1].loss_curve).all()


@pytest.mark.parametrize("penalty", PENALTIES)
def test_more_epochs_continue_the_same_run(penalty):
    ratings, start = problem()
    l1, l2 = PENALTIES[penalty]
    _, short = solve(ratings, start, options(l1, l2, max_iter=4))
    _, long = solve(ratings, start, options(l1, l2, max_iter=12))
    assert long.loss_curve[:4] == short.loss_curve


def traces(programs):
    return [program.experimental_get_tracing_count() for program in programs]


def test_folds_and_refit_share_one_compilation_per_penalty_kind(monkeypatch):
    monkeypatch.setattr(steps, "_COMPILE_FROM", 0)
    before = traces(steps._compiled)
    for n_ratings in (530, 560, 600):  # folds, then all
        ratings, start = problem(n_ratings=n_ratings, dim=11)
        for l1, l2 in PENALTIES.values():
            for changes in ({}, {"learning_rate": 0.1}, {"fit_bias": False}):
                choice = options(l1, l2, max_iter=1, **changes)
                solve(ratings, start, choice)
    assert [now - then for now, then in zip(traces(steps._compiled), before, strict=True)] == [2, 1]


def test_small_problems_of_any_size_share_one_graph():
    def run(n_ratings, dim):
        ratings, start = problem(n_ratings=n_ratings, dim=dim)
        solve(ratings, start, options(0.0, 0.05, max_iter=1, batch_size="auto"))

    run(50, 3), run(90, 5)  # one graph for the first shape, one for any shape
    before = traces(steps._any_shape)
    for n_ratings, dim in ((20, 2), (130, 7), (333, 9)):
        run(n_ratings, dim)
    assert traces(steps._any_shape) == before


def test_divergence_names_epoch_rate_and_alpha():
    ratings, start = problem()
    start.embeddings[0][0, 0] = np.inf
    with pytest.raises(
        ValueError, match=r"diverged in epoch 1.*lower learning_rate=0\.06 or raise alpha=0\.05"
    ):
        solve(ratings, start, options(0.0, 0.05))
