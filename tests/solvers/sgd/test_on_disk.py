"""Ratings on disk: the same bits as in memory, in bounded memory, and no file remains."""

import gc
import tracemalloc
import weakref
from dataclasses import replace

import numpy as np
import pytest

from sklearn_mf.ratings._ratings import Ratings, hold_out
from sklearn_mf.solvers import _rated_ids
from sklearn_mf.solvers._rated_ids import NumberedRatings, RatedIds
from sklearn_mf.solvers._training import train
from sklearn_mf.solvers.sgd import _memory, _packing, _partition
from sklearn_mf.solvers.sgd._solver import SGD
from tests.solvers.problems import (
    Silent,
    as_on_disk,
    features_of,
    options,
    problem,
    spread_over_more_ids,
    tables_of,
)


def solve(ratings, held_out, start, choice):
    with SGD(ratings, held_out, start, choice) as solver:
        return *train(solver, choice.max_iter, Silent()), len(solver.layout.windows)


def in_small_windows(monkeypatch):
    monkeypatch.setattr(_partition, "_WINDOW", 512)
    monkeypatch.setattr(_partition, "_BATCHES", 1)
    monkeypatch.setattr(_partition, "_VISITS_OF_A_ROW", 0)
    monkeypatch.setattr(_partition, "_CACHED_BYTES", 0)
    monkeypatch.setattr(_partition, "_TILE_BYTES", 400)


def problem_with_unrated_ids():
    ratings, start = problem(n_ratings=4000)
    assert ratings.within_square_sum > 0, "cells repeat"
    wide, wide_start, _ = spread_over_more_ids(ratings, start, 3)
    return hold_out(wide, 0.2, seed=0), wide_start


@pytest.mark.parametrize("in_runs", [False, True])
@pytest.mark.parametrize("small_windows", [False, True])
@pytest.mark.parametrize("n_parts", [1, 2])
def test_ratings_on_disk_give_the_bits_of_those_in_memory(n_parts, small_windows, in_runs, monkeypatch):
    if in_runs:
        monkeypatch.setattr(_partition, "_RUNS_FROM", 0)
    if small_windows:
        in_small_windows(monkeypatch)
        monkeypatch.setattr(_rated_ids, "_CHUNK", 300)
    (training, held_out), start = problem_with_unrated_ids()
    features = None, features_of(training.n_ids[1])
    choice = options(0.01, 0.03, n_parts=n_parts, max_iter=4, prior_ratings=2.0, features=features)
    model, history, n_windows = solve(training, held_out, start, choice)
    assert (n_windows > 2) == small_windows
    monkeypatch.undo()
    if in_runs:
        monkeypatch.setattr(_partition, "_RUNS_FROM", 0)
    if small_windows:
        in_small_windows(monkeypatch)  # and other chunks
    from_disk, same_history, _ = solve(as_on_disk(training), as_on_disk(held_out), start, choice)
    assert same_history == history
    for ours, theirs in zip(tables_of(from_disk), tables_of(model), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_held_out_ratings_that_follow_in_a_block_are_not_learnt_from(monkeypatch):
    monkeypatch.setattr(_partition, "_RUNS_FROM", 0)
    ratings, start = problem(n_ratings=4000)
    training, held_out = hold_out(ratings, 0.2, seed=0)
    choice = options(0.0, 0.05, max_iter=3, batch_size=16)
    models = [
        solve(training, replace(held_out, targets=targets), start, choice)[0]
        for targets in (held_out.targets, held_out.targets + 100)
    ]
    for one, other in zip(*map(tables_of, models), strict=True):
        np.testing.assert_array_equal(one, other)


def test_runs_learn_as_well_as_single_ratings(monkeypatch):
    ratings, start = problem(n_ratings=4000)
    choice = options(0.0, 0.05, n_parts=2, max_iter=30, batch_size=64)
    single = solve(ratings, None, start, choice)[1].curve
    monkeypatch.setattr(_partition, "_RUNS_FROM", 0)
    in_runs = solve(ratings, None, start, choice)[1].curve
    assert in_runs != single
    assert in_runs[-1] == pytest.approx(single[-1], rel=3e-2)


def test_windows_learn_as_well_as_one_window(monkeypatch):
    ratings, start = problem(n_ratings=4000)
    choice = options(0.0, 0.05, n_parts=2, max_iter=30, batch_size=16)
    whole = solve(ratings, None, start, choice)[1].curve
    monkeypatch.setattr(_partition, "_WINDOW", 512)
    monkeypatch.setattr(_partition, "_BATCHES", 1)
    monkeypatch.setattr(_partition, "_VISITS_OF_A_ROW", 0)
    _, history, n_windows = solve(ratings, None, start, choice)
    assert n_windows > 2
    assert history.curve != whole
    assert history.curve[-1] == pytest.approx(whole[-1], rel=3e-2)


@pytest.mark.parametrize("n_parts", [1, 2])
def test_a_warm_start_continues_the_run_in_windows(n_parts, monkeypatch):
    in_small_windows(monkeypatch)
    ratings, start = problem(n_ratings=4000)
    choice = options(0.0, 0.05, n_parts=n_parts, max_iter=4)
    first, *_ = solve(ratings, None, start, choice)
    second, *_ = solve(ratings, None, first, choice)
    whole, *_ = solve(ratings, None, start, replace(choice, max_iter=8))
    for ours, theirs in zip(tables_of(second), tables_of(whole), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, None])
def test_the_temporary_file_is_gone_whatever_ends_the_run(error, monkeypatch):
    files = []

    def recorded(shape, dtype):
        array = array_on_disk(shape, dtype)
        files.append(weakref.ref(array))
        return array

    class Failing(Silent):
        def end(self, number, value, rmse, snapshot):
            assert files[0]() is not None
            if error is not None:
                raise error

    array_on_disk = _memory.array_on_disk
    monkeypatch.setattr(_memory, "array_on_disk", recorded)
    ratings, start = problem()
    run = SGD(as_on_disk(ratings), None, start, options(0.0, 0.05))
    assert isinstance(files[0](), np.memmap)
    try:
        with run:
            train(run, 2, Failing())
    except (RuntimeError, KeyboardInterrupt) as raised:
        assert type(raised) is error
    else:
        assert error is None
    gc.collect()
    assert files[0]() is None, "and the solver still exists"
    assert run.n_epochs > 0


def test_the_plan_and_the_packed_array_take_memory_for_some_rows_at_a_time(monkeypatch):
    monkeypatch.setattr(_rated_ids, "_CHUNK", 2**12)
    n, n_ids = 2**18, (700, 600)
    rng = np.random.default_rng(0)
    cells = np.sort(rng.choice(np.prod(n_ids), n, replace=False))
    codes = np.stack(np.unravel_index(cells, n_ids), axis=1).astype(np.int32)
    ratings = as_on_disk(Ratings(codes, rng.normal(size=n), rng.random(n), n_ids, np.zeros(n)))
    tracemalloc.start()
    source = NumberedRatings(ratings, RatedIds.of(ratings))
    layout, tiled = _partition.plan_layout([source], "auto", 65)
    packed = _packing.pack_ratings(layout, tiled, 0.0, 1.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(packed, np.memmap)
    assert peak < 4 * n < packed.nbytes / 4
