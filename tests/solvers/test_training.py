"""When the loop over epochs stops, and which epoch it returns."""

import numpy as np
import pytest

from sklearn_mf.solvers._training import Options, train

DEFAULTS = {
    "l1": 0.0,
    "l2": 0.1,
    "positive": False,
    "fit_bias": True,
    "learning_rate": 0.1,
    "batch_size": 1,
    "seed": 0,
}


class Scripted:
    """A solver whose losses are written down; its model is the number of the epoch."""

    unit, remedy, start_std = "lap", "take care", 0.1

    def __init__(self, losses, rmses=None, warmup=0):
        self.losses, self.rmses, self.warmup = losses, rmses or [None] * len(losses), warmup

    def run_epoch(self, epoch):
        self.epoch = epoch
        return self.losses[epoch], self.rmses[epoch]

    def model(self):
        return self.epoch + 1


class Report:
    def __init__(self, stop_at=None):
        self.stop_at, self.heard = stop_at, []

    def begin(self, epoch, model):
        self.heard.append(("begin", epoch))

    def end(self, epoch, loss, rmse, model):
        self.heard.append(("end", epoch))
        return epoch == self.stop_at


def run(solver, report=None, max_iter=None, tol=0.01, patience=2):
    options = Options(**DEFAULTS, max_iter=max_iter or len(solver.losses), tol=tol, n_iter_no_change=patience)
    return train(solver, options, report or Report())


def test_stops_after_the_given_number_of_epochs_without_relative_improvement():
    model, history = run(Scripted([10, 5, 4.99, 4.0, 3.99, 3.98, 1.0]))
    assert (model, history.n_iter, history.loss_curve) == (6, 6, [10, 5, 4.99, 4.0, 3.99, 3.98])


def test_tol_is_relative():
    assert (
        run(Scripted([10e6, 9e6, 8e6, 7e6]))[1].n_iter == run(Scripted([10e-6, 9e-6, 8e-6, 7e-6]))[1].n_iter
    )


def test_constant_objective_of_zero_stops():
    assert run(Scripted([0.0] * 10))[1].n_iter == 3


def test_returns_the_best_validation_epoch():
    model, history = run(Scripted([9, 8, 7, 6, 5, 4], [3, 2, 1, 1.5, 1.2, 0.1]))
    assert (model, history.n_iter) == (3, 5)
    assert history.validation_scores == [-3, -2, -1, -1.5, -1.2]


def test_warmup_epochs_neither_stall_nor_win():
    solver = Scripted([1, 2, 3, 4, 9, 8, 7], [0.1, 0.2, 0.3, 0.4, 5, 4, 3], warmup=4)
    model, history = run(solver)
    assert (model, history.n_iter) == (7, 7)


def test_report_hears_of_each_epoch_and_can_stop():
    report = Report(stop_at=1)
    _, history = run(Scripted([4, 3, 2, 1]), report)
    assert report.heard == [("begin", 0), ("end", 0), ("begin", 1), ("end", 1)]
    assert history.n_iter == 2


@pytest.mark.parametrize("loss", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_raises(loss):
    with pytest.raises(ValueError, match=r"diverged in lap 2, the objective became (nan|inf): take care\.$"):
        run(Scripted([4, loss, 2]))
