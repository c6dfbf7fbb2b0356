"""scikit-learn's callbacks: alone, in a search, in a pipeline."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklearn_mf import MFRecommender
from sklearn_mf.solvers.sgd import _solver as sgd
from sklearn_mf.solvers.variational import _solver as variational
from tests.conftest import OBSERVED_ALONE, low_rank_ratings

RMSE = "neg_root_mean_squared_error"


class Recorder:
    """Notes the hooks; stops after an epoch; may raise."""

    def __init__(self, stop_after=None, raises=None):
        self.stop_after, self.raises, self.calls = stop_after, raises, []

    def setup(self, estimator, context):
        self.calls.append("setup")

    def on_fit_task_begin(self, estimator, context):
        self.calls.append(("begin", context.task_name, context.task_id))

    def on_fit_task_end(self, estimator, context):
        self.calls.append(("end", context.task_name, context.task_id))
        if self.raises:
            raise self.raises
        return context.task_name != "fit" and context.task_id == self.stop_after

    def teardown(self, estimator, context):
        self.calls.append("teardown")


def model(**parameters):
    return MFRecommender(**{"random_state": 0, "max_iter": 3, **parameters})


@pytest.mark.parametrize(("solver", "unit"), [("auto", "sweep"), ("sgd", "epoch"), ("als", "sweep")])
def test_one_task_an_epoch_or_sweep(solver, unit):
    recorder = Recorder()
    model(solver=solver).set_callbacks(recorder).fit(*low_rank_ratings())
    epochs = [(hook, unit, epoch) for epoch in range(3) for hook in ("begin", "end")]
    assert recorder.calls == ["setup", ("begin", "fit", 0), *epochs, ("end", "fit", 0), "teardown"]


@pytest.mark.parametrize("solver", ["auto", "sgd", "als"])
def test_true_stops_the_fit(solver):
    X, y = low_rank_ratings()
    fitted = model(solver=solver, max_iter=9).set_callbacks(Recorder(stop_after=1)).fit(X, y)
    assert fitted.n_iter_ == 2
    np.testing.assert_array_equal(fitted.predict(X), model(solver=solver, max_iter=2).fit(X, y).predict(X))


@pytest.mark.parametrize("error", [RuntimeError("no"), KeyboardInterrupt()])
def test_an_error_in_a_callback_or_ctrl_c_leaves_the_estimator_as_it_was(error):
    X, y = low_rank_ratings()
    recorder = Recorder(raises=error)
    fresh = model().set_callbacks(recorder)
    before = dict(vars(fresh))
    with pytest.raises(type(error)):
        fresh.fit(X, y)
    assert vars(fresh) == before
    assert recorder.calls[-1] == "teardown"
    fitted = model().fit(X, y)
    fitted.set_callbacks(recorder)
    before = dict(vars(fitted))
    with pytest.raises(type(error)):
        fitted.fit(np.column_stack([X, X]), y)
    assert vars(fitted) == before


@pytest.mark.parametrize("way", ["X, y", "ratings", "matrix"])
def test_scoring_monitor_scores_every_epoch(way):
    X, y = low_rank_ratings()
    monitor = ScoringMonitor(scoring=RMSE)
    estimator = model(clip=False, **OBSERVED_ALONE).set_callbacks(monitor)
    if way == "X, y":
        estimator.fit(X, y)
    elif way == "ratings":
        estimator.fit(np.column_stack([X, y]))
    else:
        estimator.fit(sp.csr_array((y, tuple(X.T))))
    log = monitor.get_logs().data_as_pandas
    scores = log[log.task_name == "epoch"][RMSE].tolist()
    assert len(scores) == 3
    assert scores == sorted(scores)
    assert scores[-1] == log[log.task_name == "fit"][RMSE].item()


@pytest.mark.parametrize("solver", ["auto", "als"])
def test_scoring_monitor_scores_every_sweep(solver):
    X, y = low_rank_ratings()
    monitor = ScoringMonitor(scoring=RMSE)
    fitted = model(solver=solver, clip=False).set_callbacks(monitor).fit(X, y)
    log = monitor.get_logs().data_as_pandas
    scores = log[log.task_name == "sweep"][RMSE].tolist()
    assert len(scores) == 3
    assert scores[0] < scores[-1]
    assert scores[-1] == pytest.approx(-np.sqrt(np.mean((fitted.predict(X) - y) ** 2)))


def test_weights_reach_the_monitor():
    X, y = low_rank_ratings()
    weights = np.where(np.arange(len(y)) % 3 == 0, 0.0, 2.0)
    monitor = ScoringMonitor(scoring="r2")
    fitted = model().set_callbacks(monitor).fit(X, y, sample_weight=weights)
    kept = weights > 0
    assert monitor.get_logs().data[-1]["r2"] == pytest.approx(fitted.score(X[kept], y[kept]))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_progress_bar_on_a_search(n_jobs, capsys):
    X, y = low_rank_ratings()
    search = GridSearchCV(model(), {"embedding_dim": [2, 3]}, cv=2, n_jobs=n_jobs)
    search.set_callbacks(ProgressBar()).fit(X, y)
    assert hasattr(search, "best_estimator_")
    assert "MFRecommender" in capsys.readouterr().out


def test_scoring_monitor_in_a_search_and_a_pipeline():
    X, y = low_rank_ratings()
    monitor = ScoringMonitor(scoring="r2")
    search = GridSearchCV(model().set_callbacks(monitor), {"embedding_dim": [2, 3]}, cv=2).fit(X, y)
    assert np.isfinite(search.best_score_)
    pipe = make_pipeline(FunctionTransformer(), model().set_callbacks(monitor)).fit(X, y)
    assert pipe[-1].n_iter_ == 3
    log = monitor.get_logs().data_as_pandas
    assert (log.task_name == "sweep").sum() == 3


def test_nothing_is_copied_out_of_tensorflow_without_a_callback_that_asks(monkeypatch):
    copies = []
    X, y = low_rank_ratings()
    for solver, parameters in ((sgd.SGD, OBSERVED_ALONE), (variational.Variational, {})):
        snapshot = solver.snapshot
        monkeypatch.setattr(solver, "snapshot", lambda run, copy=snapshot: copies.append(1) or copy(run))
        copies.clear()
        model(**parameters).fit(X, y)
        assert len(copies) == 1, "only the result"
        model(**parameters).set_callbacks(Recorder()).fit(X, y)
        assert len(copies) == 2, "a callback that does not ask for the fitted estimator costs no copy"


def test_pickles_with_callbacks_set():
    X, y = low_rank_ratings()
    fitted = model().set_callbacks(ScoringMonitor(scoring="r2"), ProgressBar()).fit(X, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(X), fitted.predict(X))
