"""Fields in parts: read from disk one after another, and divided among workers."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_mf.solvers._training import (
    ALSOptions,
    GibbsOptions,
    Unobserved,
    VariationalOptions,
    train,
)
from sklearn_mf.solvers.als import _parts as parts
from sklearn_mf.solvers.als._solver import ALS
from sklearn_mf.solvers.gibbs import _sampler as sampler
from sklearn_mf.solvers.gibbs._chains import GibbsChains
from sklearn_mf.solvers.variational._solver import Variational
from tests.solvers.problems import Silent, as_on_disk, features_of, problem

CELLS = Unobserved(weight=0.2, value=-1.0)
VARIATIONAL = VariationalOptions(CELLS, l2=0.01, prior_ratings=5.0)
#: Solver, options, embedding_dim.
RUNS = {
    "cholesky": (ALS, ALSOptions(0.0, 0.05, False, True), 4),
    "gradient": (ALS, ALSOptions(0.0, 0.05, False, True, around_mean=True), 33),
    "lasso": (ALS, ALSOptions(0.02, 0.02, False, True), 4),
    "unobserved cells": (ALS, ALSOptions(0.0, 0.05, False, True, unobserved=CELLS, prior_ratings=3.0), 5),
    "variational": (Variational, VARIATIONAL, 4),
    "variational, gradient": (Variational, VARIATIONAL, 48),
    "gibbs": (GibbsChains, GibbsOptions(3, False, (1,), n_chains=2), 4),
    "gibbs, noise of ids": (GibbsChains, GibbsOptions(3, True, (1,), n_chains=2), 4),
}


@pytest.fixture(autouse=True, scope="module")
def three_parts():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "_LEAST_PARTS", 3)
        yield


def run(name, ratings, dim=None):
    """Arrays that two sweeps of a solver end with, and its curve."""
    solver, options, dim = RUNS[name]
    _, start = problem(dim=dim)
    if name.startswith("variational"):
        options = replace(options, features=tuple(features_of(n) for n in ratings.n_ids))
    with solver(ratings, None, start, options) as training:
        state, history = train(training, 2, Silent())
    numbers = [part for part in tf.nest.flatten(as_tree(state)) if isinstance(part, np.ndarray)]
    return numbers, np.array(history.curve)


def as_tree(state):
    """Fields of dataclasses as dictionaries, at any depth."""
    if hasattr(state, "__dataclass_fields__"):
        return {name: as_tree(getattr(state, name)) for name in state.__dataclass_fields__}
    if isinstance(state, tuple | list):
        return [as_tree(part) for part in state]
    return state


def assert_same_bits(one, other):
    assert len(one[0]) == len(other[0]) > 3
    for ours, theirs in zip(one[0], other[0], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize("name", RUNS)
def test_one_part_on_disk_gives_the_bits_of_memory(name, monkeypatch):
    monkeypatch.setattr(parts, "_LEAST_PARTS", 1)
    ratings, _ = problem()
    assert_same_bits(run(name, as_on_disk(ratings)), run(name, ratings))


def test_reading_ahead_gives_the_same_bits(monkeypatch):
    ratings, results = as_on_disk(problem()[0]), []
    for n_cores in (2, 3):
        monkeypatch.setattr(parts, "n_threads", lambda most, n_cores=n_cores: min(most, n_cores))
        results.append(run("cholesky", ratings))
    assert_same_bits(*results)


@pytest.mark.parametrize("name", [name for name in RUNS if not name.startswith("gibbs")])
def test_parts_on_disk_give_the_numbers_of_memory(name):
    ratings, _ = problem()
    (ours, our_curve), (theirs, their_curve) = run(name, as_on_disk(ratings)), run(name, ratings)
    # Coordinate descent ends when the whole block has settled, and the blocks differ.
    factor = 100 if name == "lasso" else 1
    np.testing.assert_allclose(our_curve, their_curve, rtol=1e-6 * factor)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4 * factor)


class Threads:
    """Workers that are threads of this process."""

    def __init__(self, n_workers):
        self.barrier, self.given = threading.Barrier(n_workers, timeout=60), [None] * n_workers

    def together(self, worker, given):
        """What all workers give."""
        self.given[worker] = given
        self.barrier.wait()
        found = list(self.given)
        self.barrier.wait()
        return found


class ThreadExchange:
    """The exchange of one of them."""

    def __init__(self, threads, worker, n_workers):
        self.threads, self.worker, self.n_workers, self.names = threads, worker, n_workers, []

    def gather(self, rows, name):
        assert len(rows)
        self.names.append(name)
        names, tables = zip(*self.threads.together(self.worker, (name, rows.numpy())), strict=True)
        assert len(set(names)) == 1, names
        return tf.constant(np.concatenate(tables))


def run_by_workers(name, ratings, n_workers):
    """What the solver ends with on each worker, and the names of the exchanges."""
    threads = Threads(n_workers)
    exchanges = [ThreadExchange(threads, worker, n_workers) for worker in range(n_workers)]
    with ThreadPoolExecutor(n_workers) as pool:
        results = pool.map(lambda each: run(name, replace(ratings, exchange=each)), exchanges)
        return list(results), exchanges[0].names


@pytest.mark.parametrize(
    ("name", "n_workers"), [*[(name, 2) for name in RUNS], ("cholesky", 3), ("gibbs", 1)]
)
def test_any_number_of_workers_gives_the_same_bits(name, n_workers):
    ratings = as_on_disk(problem()[0])
    alone, (results, names) = run(name, ratings), run_by_workers(name, ratings, n_workers)
    assert len(set(names)) == len(names) >= 4
    for result in results:
        assert_same_bits(result, alone)


def test_the_blocks_of_all_parts_are_drawn_from_different_seeds():
    key, fold_in = tf.constant([3, 14], tf.int32), tf.random.experimental.stateless_fold_in
    of_parts = [sampler._key_of_part(key, number) for number in range(20)]
    assert of_parts[0] is key, "ratings in memory are one part"
    seeds = {tuple(fold_in(each, block).numpy()) for each in of_parts for block in range(20)}
    assert len(seeds) == 400


def test_workers_read_their_own_parts_alone(monkeypatch):
    ratings, read = as_on_disk(problem()[0]), []
    monkeypatch.setattr(parts.CellsOnDisk, "read", watched(parts.CellsOnDisk.read, read))
    _, names = run_by_workers("cholesky", ratings, 2)
    n_parts = (
        len(parts.part_bounds(ratings.counts(0), True)) + len(parts.part_bounds(ratings.counts(1), True)) - 2
    )
    assert len(read) == 2 * n_parts, "each part once a sweep, by one worker"
    assert names == ["sweep 1, field 1", "sweep 1, field 0", "sweep 2, field 1", "sweep 2, field 0"]


def n_parts(ratings):
    """Number of parts of each field."""
    return [len(parts.part_bounds(ratings.counts(field), on_disk=True)) - 1 for field in (0, 1)]


def watched(function, calls):
    """The function, noting its calls."""

    def noting(*arguments):
        calls.append(arguments)
        return function(*arguments)

    return noting


def test_more_workers_than_parts_give_the_same_bits(monkeypatch):
    monkeypatch.setattr(parts, "_LEAST_PARTS", 2)
    ratings = as_on_disk(problem()[0])
    assert max(n_parts(ratings)) < 4
    alone, (results, _) = run("cholesky", ratings), run_by_workers("cholesky", ratings, 4)
    for result in results:
        assert_same_bits(result, alone)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1, max_size=60).filter(any))
def test_parts_cover_all_rated_ids_and_are_bounded(counts):
    counts = np.array(counts)
    bounds, rated = parts.part_bounds(counts, on_disk=True), counts[counts > 0]
    assert (bounds[0], bounds[-1]) == (0, len(rated))
    assert (np.diff(bounds) > 0).all()
    most = -(-counts.sum() // parts._LEAST_PARTS)
    for first, last in pairwise(bounds):
        assert rated[first:last].sum() <= most or last - first == 1
        assert last == len(rated) or rated[first : last + 1].sum() > most


@pytest.mark.parametrize("n_cores", [2, 3])
def test_an_error_of_a_part_is_raised(n_cores, monkeypatch):
    def fail(*_):
        raise OSError("The disk is gone.")

    monkeypatch.setattr(parts.CellsOnDisk, "read", fail)
    monkeypatch.setattr(parts, "n_threads", lambda most: min(most, n_cores))
    with pytest.raises(OSError, match="disk is gone"):
        run("cholesky", as_on_disk(problem()[0]))
