"""Threads that fit and read at the same time, and pools of processes of each kind."""

import copy
import multiprocessing
import os
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sklearn_mf import BayesianMFRecommender, ImplicitMFRecommender, MFRecommender
from tests.conftest import OBSERVED_ALONE, low_rank_ratings
from tests.robust.pools import BACKENDS

ROOT = Path(__file__).parents[2]
X, Y = low_rank_ratings(20, 15, 150)
Y = Y.clip(0.5)
START_METHODS = set(multiprocessing.get_all_start_methods())  # Windows has "spawn" alone
MODELS = {
    "als": MFRecommender(2, solver="als", max_iter=2, **OBSERVED_ALONE, random_state=0),
    "sgd": MFRecommender(2, solver="sgd", max_iter=2, **OBSERVED_ALONE, random_state=0),
    "unobserved": MFRecommender(2, alpha=0.05, max_iter=2, random_state=0),
    "implicit": ImplicitMFRecommender(2, max_iter=2, random_state=0),
    "chain": BayesianMFRecommender(2, max_iter=4, n_chains=1, implicit_features=0, random_state=0),
}
READS = {
    "predict": lambda model: model.predict(X),
    "recommend": lambda model: model.recommend(n=3),
    "newcomers": lambda model: model.recommend(ratings=np.column_stack([X[:20], Y[:20]]), n=3),
    "fold_in": lambda model: model.fold_in(X[:20], Y[:20])["embeddings"],
    "similar_items": lambda model: model.similar_items(model.item_ids_[:3], n=2),
}


def is_same(one, other):
    """Whether two results have the same bits."""
    return one.equals(other) if isinstance(one, pd.DataFrame) else np.array_equal(one, other)


def in_threads(calls, timeout=60):
    """Results of functions that start at the same time.

    The threads are daemons, as those of an executor are waited for at its end: a call that hangs raises.
    """
    barrier, results = threading.Barrier(len(calls)), [Future() for _ in calls]

    def run(call, result):
        try:
            barrier.wait(timeout)
            result.set_result(call())
        except BaseException as error:
            result.set_exception(error)

    for pair in zip(calls, results, strict=True):
        threading.Thread(target=run, args=pair, daemon=True).start()
    return [result.result(timeout) for result in results]


def test_a_call_that_hangs_in_a_thread_raises_by_its_time_out():
    is_over = threading.Event()
    try:
        with pytest.raises(TimeoutError):
            in_threads([lambda: 1, lambda: is_over.wait(20)], timeout=0.05)
    finally:
        is_over.set()


def test_an_error_in_a_thread_is_raised():
    with pytest.raises(ZeroDivisionError):
        in_threads([lambda: 1, lambda: 1 / 0])


def test_fits_in_threads_have_the_bits_of_fits_in_turn():
    names = [*MODELS, *MODELS]
    expected = {name: copy.deepcopy(model).fit(X, Y).predict(X) for name, model in MODELS.items()}
    fitted = in_threads([lambda model=MODELS[name]: copy.deepcopy(model).fit(X, Y) for name in names])
    for name, model in zip(names, fitted, strict=True):
        np.testing.assert_array_equal(model.predict(X), expected[name], err_msg=name)


@pytest.mark.parametrize("name", ["als", "chain"])
def test_eight_threads_read_while_another_fits_and_each_sees_one_fit(name):
    """Each result is that of the old fit or of one of the new ones, and never a mixture of two."""
    model, targets = copy.deepcopy(MODELS[name]), (Y, 2 * Y[::-1])
    possible = [copy.deepcopy(model).fit(X, target) for target in targets]
    expected = {what: [read(each) for each in possible] for what, read in READS.items()}
    model.fit(X, targets[0])
    is_over = threading.Event()

    def keep_fitting():
        try:
            for turn in range(1, 5):
                model.fit(X, targets[turn % 2])
        finally:
            is_over.set()

    def keep_reading(what):
        wrong, n_reads = 0, 0
        while not (is_over.is_set() and n_reads):
            result = READS[what](model)
            wrong += not any(is_same(result, each) for each in expected[what])
            n_reads += 1
        return what, wrong

    whats = [
        "predict",
        "recommend",
        "fold_in",
        "newcomers",
        "similar_items",
        "predict",
        "recommend",
        "fold_in",
    ]
    results = in_threads([keep_fitting, *(lambda what=what: keep_reading(what) for what in whats)])
    assert results[1:] == [(what, 0) for what in whats]


@pytest.fixture(scope="module")
def answers():
    """Checksums that the script of pools prints, by the way of calling; a hang ends the test."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-W", "ignore", str(Path(__file__).with_name("pools.py"))]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    pairs = (line.split(": ", 1) for line in done.stdout.splitlines())
    return {way: checksums.split() for way, checksums in pairs}


def test_the_first_fits_of_a_process_may_run_in_two_threads(answers):
    assert answers["threads"] == answers["in turn"]


@pytest.mark.parametrize("way", sorted(START_METHODS - {"fork"}))
def test_a_new_process_fits_and_reads_with_the_same_bits(answers, way):
    """A fit in a forked process raises an error instead: see tests/solvers/test_start.py."""
    assert answers[way] == [answers["in turn"][0]] * 2


@pytest.mark.parametrize("way", [*(START_METHODS & {"fork"}), *(f"joblib {name}" for name in BACKENDS)])
def test_pools_of_each_kind_make_the_same_lists(answers, way):
    assert set(answers[way]) == {answers["in turn"][0]}


def test_fits_in_threads_of_joblib_give_the_same_bits(answers):
    assert answers["joblib threading, fit"] == answers["in turn"]
