"""When the loop over epochs stops, and which state it returns."""

import numpy as np
import pytest

from sklearn_mf.solvers._training import Solver, Stopping, train


class Scripted(Solver[int]):
    """A solver whose measures are written down; its state is the number of epochs."""

    unit, remedy, start_std = "lap", "take care", 0.1

    def __init__(self, values, rmses=None, warmup=0):
        self.values, self.rmses, self.warmup, self.n_epochs = values, rmses or [None] * len(values), warmup, 0

    def run_epoch(self, number):
        self.n_epochs += 1
        return self.values[number], self.rmses[number]

    def snapshot(self):
        return self.n_epochs


class Chain(Scripted):
    subject, measure = "The chain", "log-likelihood"


class Report:
    def __init__(self, stop_at=None):
        self.stop_at, self.calls = stop_at, []

    def begin(self, number, snapshot):
        self.calls.append(("begin", number, snapshot()))

    def end(self, number, value, rmse, snapshot):
        self.calls.append(("end", number, snapshot()))
        return number == self.stop_at


STOPPING = Stopping(tol=0.01, n_iter_no_change=2)


def run(solver, report=None, stopping=STOPPING):
    return train(solver, len(solver.values), report or Report(), stopping)


def test_stops_after_the_given_number_of_epochs_without_relative_improvement():
    state, history = run(Scripted([10, 5, 4.99, 4.0, 3.99, 3.98, 1.0]))
    assert (state, history.n_iter, history.curve) == (6, 6, [10, 5, 4.99, 4.0, 3.99, 3.98])


def test_tol_is_relative():
    large, small = run(Scripted([10e6, 9e6, 8e6, 7e6])), run(Scripted([10e-6, 9e-6, 8e-6, 7e-6]))
    assert large[1].n_iter == small[1].n_iter == 4


def test_constant_objective_of_zero_stops():
    assert run(Scripted([0.0] * 10))[1].n_iter == 3


@pytest.mark.parametrize("values", [[1.0] * 9, [-1.0, -2.0, -3.0, -4.0, -5.0, -6.0]])
def test_without_stopping_all_epochs_run(values):
    state, history = run(Scripted(values), stopping=None)
    assert (state, history.curve) == (len(values), values)


def test_returns_the_best_validation_epoch():
    state, history = run(Scripted([9, 8, 7, 6, 5, 4], [3, 2, 1, 1.5, 1.2, 0.1]))
    assert (state, history.n_iter) == (3, 5)
    assert history.validation_scores == [-3, -2, -1, -1.5, -1.2]


def test_warmup_epochs_neither_stall_nor_win():
    solver = Scripted([1, 2, 3, 4, 9, 8, 7], [0.1, 0.2, 0.3, 0.4, 5, 4, 3], warmup=4)
    state, history = run(solver)
    assert (state, history.n_iter) == (7, 7)


@pytest.mark.parametrize("stopping", [Stopping(0.01, 2), None])
def test_report_observes_each_epoch_and_can_stop(stopping):
    report = Report(stop_at=1)
    state, history = run(Scripted([4, 3, 2, 1]), report, stopping)
    assert report.calls == [("begin", 0, 0), ("end", 0, 1), ("begin", 1, 1), ("end", 1, 2)]
    assert (state, history.n_iter) == (2, 2)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (Scripted, r"Training diverged in lap 2, the objective became {}: take care\."),
        (Chain, r"The chain diverged in lap 2, the log-likelihood became {}: take care\."),
    ],
)
def test_a_measure_that_is_not_finite_raises(kind, sentence, value):
    with pytest.raises(ValueError, match=f"^{sentence.format(value)}$"):
        run(kind([4, value, 2]))


def test_a_solver_is_closed_at_the_end_of_its_context():
    class Closing(Scripted):
        closed = False

        def close(self):
            self.closed = True

    with pytest.raises(ZeroDivisionError), Closing([1]) as solver:
        assert not solver.closed
        raise ZeroDivisionError
    assert solver.closed
