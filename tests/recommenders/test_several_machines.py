"""Two worker processes give the bits of one; checkpoints, and the command that starts the workers."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import joblib
import numpy as np
import pytest

from sklearn_mf import MFEmbedding, MFRecommender
from sklearn_mf.distributed import fit, run
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.solvers.als._solver import ALS
from tests.conftest import OBSERVED_ALONE, low_rank_ratings
from tests.ratings.stores import write_store
from tests.recommenders.workers import ESTIMATORS, SESSION, arrays_of, isolated, own_rows

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    X, y = low_rank_ratings()
    ratings = Ratings.merge(list(X.astype(np.int32).T), np.exp(0.3 * y), np.ones(len(y)), (40, 30))
    return write_store(ratings, [np.arange(40), np.arange(30)], tmp_path_factory.mktemp("store") / "ratings")


@pytest.fixture(scope="module")
def session(store, tmp_path_factory):
    """What both workers found, and the folder with their errors."""
    folder = tmp_path_factory.mktemp("session")
    command = [sys.executable, "-m", "tests.recommenders.workers", str(store.folder), str(folder)]
    environment = {name: value for name, value in os.environ.items() if name != "TF_CONFIG"}
    done = subprocess.run(
        isolated(command),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SESSION,
        check=False,
    )
    (folder / "statuses").write_text(done.stdout)
    found = [folder / f"{worker}.pickle" for worker in range(2)]
    assert all(path.exists() for path in found), done.stderr
    return [pickle.loads(path.read_bytes()) for path in found], folder


def assert_same(ours, theirs):
    assert set(ours) == set(theirs)
    assert len(ours) > 3
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)


def test_all_workers_get_the_rows_of_all_in_their_order(session):
    for found in session[0]:
        for dtype in ("float32", "float64"):
            for width in (1, 3, 70):
                expected = np.concatenate([own_rows(worker, dtype, width) for worker in range(2)])
                np.testing.assert_array_equal(found["exchange"][f"{dtype} {width}"], expected)
        assert found["exchange"]["empty"].shape == found["exchange"]["half empty"].shape == (3, 2)


def test_rows_in_float16_are_rounded_in_proportion_to_their_column(session):
    first, second = (found["exchange"] for found in session[0])
    for width in (1, 3, 70):
        exact, rounded = (first[f"{kind}float32 {width}"] for kind in ("", "half "))
        np.testing.assert_array_equal(rounded, second[f"half float32 {width}"])
        error = np.abs(rounded - exact)
        assert (error <= np.abs(exact).max(axis=0) / 2000).all()
        assert error.any()
        np.testing.assert_array_equal(first[f"half float64 {width}"], first[f"float64 {width}"])


@pytest.mark.parametrize("name", ESTIMATORS)
def test_two_workers_give_the_bits_of_one_process(session, store, name):
    alone = arrays_of(ESTIMATORS[name].fit(store))
    for found in session[0]:
        assert_same(found[name], alone)


def test_all_workers_draw_the_same_start_without_a_seed(session):
    first, second = session[0]
    assert_same(first["without seed"], second["without seed"])


def test_a_fit_with_rows_in_float16_is_close(session):
    for found in session[0]:
        ours, exact = found["half"]["embeddings_ 0"], found["als"]["embeddings_ 0"]
        assert 0 < np.abs(ours - exact).max() < 0.02 * np.abs(exact).max()
    assert_same(session[0][0]["half"], session[0][1]["half"])


def test_the_other_worker_names_the_one_that_was_killed(session):
    _, folder = session
    assert (folder / "lost").read_text().startswith("Worker 1 (127.0.0.1:")
    assert "start all of them again: worker 1" in (folder / "after").read_text()
    assert (folder / "statuses").read_text().split() == ["0", str(-signal.SIGKILL)]


def test_ctrl_c_ends_all_workers(store, tmp_path):
    endless = MFRecommender(
        8, solver="als", max_iter=10**6, n_iter_no_change=10**6, tol=0, verbose=1, **OBSERVED_ALONE
    )
    joblib.dump(endless, tmp_path / "estimator")
    command = [sys.executable, "-m", "sklearn_mf.distributed", "--workers", "2", "--store", str(store.folder)]
    command += ["--estimator", str(tmp_path / "estimator"), "--output", str(tmp_path / "output")]
    with subprocess.Popen(isolated(command), cwd=ROOT, stdout=subprocess.PIPE, text=True) as launcher:
        assert launcher.stdout.readline().startswith("Sweep 1: objective")
        children = Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()
        started = time.monotonic()
        launcher.send_signal(signal.SIGINT)
        assert launcher.wait(30) == 128 + signal.SIGINT
        assert time.monotonic() - started < 5
    assert len(children) == 2
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert not (tmp_path / "output").exists()


@pytest.fixture
def alone(monkeypatch):
    """This process is the only worker."""
    config = {"cluster": {"worker": ["127.0.0.1:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))


def als(**params):
    return MFRecommender(4, **{"solver": "als", "max_iter": 9, "random_state": 0, **OBSERVED_ALONE, **params})


@pytest.fixture
def interrupted(alone, store, tmp_path, monkeypatch):
    """Folder of a fit that failed in its seventh sweep."""
    run_epoch = ALS.run_epoch

    def fail(solver, number):
        if number == 6:
            raise OSError("The power is gone.")
        return run_epoch(solver, number)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="power is gone"):
        patch.setattr(ALS, "run_epoch", fail)
        fit(als(), store, checkpoint=tmp_path / "saved", checkpoint_every=3)
    return tmp_path / "saved"


def count_sweeps(monkeypatch):
    """A list that grows by the number of each sweep."""
    run_epoch, numbers = ALS.run_epoch, []
    monkeypatch.setattr(ALS, "run_epoch", lambda solver, n: numbers.append(n) or run_epoch(solver, n))
    return numbers


def test_a_fit_that_is_started_again_gives_the_bits_of_one_without_interruption(
    interrupted, store, monkeypatch
):
    numbers = count_sweeps(monkeypatch)
    continued = fit(als(), store, checkpoint=interrupted, checkpoint_every=3)
    assert numbers == [6, 7, 8]
    assert_same(arrays_of(continued), arrays_of(als().fit(store)))
    assert continued.loss_curve_ == als().fit(store).loss_curve_
    assert continued.get_params() == als().get_params()
    assert os.listdir(interrupted) == ["checkpoint.pickle"]


def test_a_fit_without_a_seed_continues_with_the_seed_of_its_start(alone, store, tmp_path):
    first = fit(als(random_state=None), store, checkpoint=tmp_path, checkpoint_every=3)
    again = fit(als(random_state=None), store, checkpoint=tmp_path, checkpoint_every=3)
    assert_same(arrays_of(again), arrays_of(first))
    assert first.random_state is None


@pytest.mark.parametrize("params", [{"alpha": 0.2}, {"max_iter": 10}, {"random_state": 1}])
def test_the_checkpoint_of_another_fit_raises(interrupted, store, params):
    with pytest.raises(ValueError, match=r"checkpoint.pickle is the checkpoint of another fit"):
        fit(als(**params), store, checkpoint=interrupted)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", r"is no checkpoint that can be read \(.*\): delete the file"),
        (pickle.dumps((0, ())), "is a checkpoint of format 0, and this version of sklearn_mf reads format 1"),
    ],
)
def test_a_damaged_checkpoint_raises(alone, store, tmp_path, content, expected):
    (tmp_path / "checkpoint.pickle").write_bytes(content)
    with pytest.raises(ValueError, match=expected):
        fit(als(), store, checkpoint=tmp_path)


def test_the_command_writes_the_fitted_estimator(alone, store, tmp_path):
    joblib.dump(als(), tmp_path / "estimator")
    output = tmp_path / "fitted"
    arguments = [
        "--store",
        str(store.folder),
        "--estimator",
        str(tmp_path / "estimator"),
        "--output",
        str(output),
    ]
    assert run(arguments) == 0
    assert_same(arrays_of(joblib.load(output)), arrays_of(als().fit(store)))


def test_the_command_prints_an_error_in_one_sentence(alone, store, tmp_path, capsys):
    joblib.dump(als(solver="sgd"), tmp_path / "estimator")
    files = ["--estimator", str(tmp_path / "estimator"), "--output", str(tmp_path / "fitted")]
    assert run(["--store", str(store.folder), *files]) == 1
    assert "set solver='als'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("estimator", "error", "expected"),
    [
        (MFEmbedding(), TypeError, "got MFEmbedding: fit other estimators by their method fit"),
        (als(solver="sgd"), ValueError, "would use solver='sgd', which trains on one machine alone"),
        (MFRecommender(alpha=0.1), ValueError, "would use solver='sgd'"),
        (als(early_stopping=True), ValueError, "early_stopping=True holds ratings out in memory"),
        (als(alpha=-1), ValueError, "The 'alpha' parameter of MFRecommender must be"),
    ],
)
def test_estimators_that_several_workers_cannot_fit_raise(alone, store, estimator, error, expected):
    with pytest.raises(error, match=expected):
        fit(estimator, store)


def test_callbacks_raise(alone, store):
    from sklearn.callback import ProgressBar

    with pytest.raises(ValueError, match="Callbacks of MFRecommender cannot run on several workers"):
        fit(als().set_callbacks(ProgressBar()), store)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"timeout": 0}, "timeout must be a number of seconds above 0, got 0"),
        ({"checkpoint_every": 0}, "checkpoint_every must be a whole number from 1, got 0"),
        ({"exchange_dtype": "int8"}, "exchange_dtype must be 'float32' or 'float16', got 'int8'"),
    ],
)
def test_invalid_options_raise(alone, store, options, expected):
    with pytest.raises(ValueError, match=expected):
        fit(als(), store, **options)


def test_fit_needs_tf_config_and_fit_of_an_estimator_ignores_it(store, monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    with pytest.raises(ValueError, match="TF_CONFIG is not set"):
        fit(als(), store)
    config = {"cluster": {"worker": ["127.0.0.1:1", "127.0.0.1:2"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    assert als().fit(store).n_iter_ == 9
    with pytest.raises(RuntimeError, match="TensorFlow has already run an operation in this process"):
        fit(als(), store)


def test_the_command_takes_no_abbreviations(capsys):
    """`--worker 2` would start two workers, each of which starts two more."""
    with pytest.raises(SystemExit):
        run(["--worker", "2", "--store", "store", "--estimator", "file", "--output", "fitted"])
    assert "unrecognized arguments: --worker" in capsys.readouterr().err
