"""Calls in any order on odd tables, 300 cases; `docs/benchmarks/fuzz.py` runs as many as you like."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, settings

from sklearn_mf import MFRecommender
from tests.robust.checks import FAILED, Finding
from tests.robust.machine import Machine
from tests.robust.tables import Table

TestCalls = Machine.TestCase
TestCalls.settings = settings(
    max_examples=300,
    stateful_step_count=5,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


class Faulty(MFRecommender):
    """A recommender whose methods break the rules."""

    def partial_fit(self, X, y=None, sample_weight=None):
        X.data[:] = 0
        return self

    def fit(self, X, y=None, sample_weight=None):
        self.embedding_dim = 3
        return super().fit(X, y, sample_weight)

    def predict(self, X):
        return {}[X]

    def score(self, X):
        return np.zeros(2) + np.zeros(3)

    def forget(self, users):
        raise ValueError("An error from elsewhere.")

    def fold_in(self, X):
        self.more_ = X


@pytest.fixture
def machine():
    """A machine with a recommender that is not fitted."""
    machine = Machine()
    machine.steps, machine.model = [], MFRecommender(2)
    machine.rated, machine.spelled = {1: {7}}, [[1], [7, 8]]
    return machine


@pytest.mark.parametrize("method", ["fit", "predict", "score", "forget", "fold_in"])
def test_the_machine_finds_faults_of_a_call(machine, method):
    """Half-fitted, errors of Python, of NumPy and of other modules, and a reading call that writes."""
    machine.model = Faulty(2)
    with pytest.raises(Finding, match=rf"^{method} (has changed|raised)"):
        machine._call(method, "id")


def test_the_machine_finds_a_changed_argument(machine):
    machine.model = Faulty(2)
    matrix = sp.csr_array(np.eye(3))
    with pytest.raises(Finding, match=r"^partial_fit has changed its arguments"):
        machine._learn("partial_fit", Table(matrix, None, None, []))


def test_the_machine_takes_an_error_of_the_package(machine):
    assert machine._call("fit", "ratings") is FAILED


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rank": [2, 3]}, "ranks"),
        ({"rank": [1, 3]}, "ranks"),
        ({"score": [1.0, 2.0]}, "rising scores"),
        ({"score": [1.0, np.nan]}, "scores"),
        ({"item": [8, 7]}, "seen items"),
        ({"item": [8, "8"]}, "items of other types"),
        ({"item": [9, 8]}, "items of other types"),
    ],
)
def test_the_machine_finds_faults_of_a_list(machine, change, message):
    table = pd.DataFrame({"user": [1, 1], "item": [8, 8], "rank": [1, 2], "score": [2.0, 1.0]})
    options = {"exclude_seen": True, "candidates": None, "exclude": None}
    machine._check_lists(table, 5, options)
    with pytest.raises(Finding, match=f"^{message}"):
        machine._check_lists(table.assign(**change), 5, options)
    for excluded in ([8], np.array([[1, 8]])):
        with pytest.raises(Finding, match=r"^exclude: "):
            machine._check_lists(table, 5, {**options, "exclude": excluded})
    for candidates in ([7], np.array([[2, 8]])):
        with pytest.raises(Finding, match=r"^candidates: "):
            machine._check_lists(table, 5, {**options, "candidates": candidates})
