"""TensorFlow in the user's process: not installed, forked, in a graph, and with settings of the user."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from sklearn_mf import BayesianMFRecommender, MFRecommender
from sklearn_mf.solvers._start import start_tensorflow
from tests.solvers import settings

FOLDER = Path(__file__).parent
X, Y = [[0, 0], [0, 1], [1, 0], [2, 1]], [1.0, 2.0, 3.0, 5.0]
FITS = [MFRecommender(2, solver="sgd"), MFRecommender(2, solver="als"), BayesianMFRecommender(2)]


def run_script(name, *arguments):
    """Printed lines of a script of this folder."""
    root = FOLDER.parent.parent
    environment = {**os.environ, "PYTHONPATH": str(root), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-W", "ignore", str(FOLDER / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=root, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


def test_without_tensorflow_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    model = MFRecommender(2)
    with pytest.raises(ModuleNotFoundError, match="not installed: run `pip install tensorflow`"):
        model.fit(X, Y)
    assert not hasattr(model, "embeddings_")


def test_a_broken_installation_keeps_its_own_error(monkeypatch):
    monkeypatch.delitem(sys.modules, "tensorflow")
    monkeypatch.setattr(sys, "meta_path", [Broken()])
    with pytest.raises(ModuleNotFoundError, match="No module named 'absl'"):
        start_tensorflow()


class Broken:
    """Finder under which the import of TensorFlow lacks another package."""

    def find_spec(self, name, *_):
        raise ModuleNotFoundError("No module named 'absl'", name="absl")


@pytest.mark.parametrize("model", FITS, ids=["sgd", "als", "bayesian"])
def test_fit_inside_a_graph_says_so(model):
    with tf.Graph().as_default(), pytest.raises(RuntimeError, match=r"call fit outside of tf\.Graph"):
        model.fit(X, Y)


def test_fit_inside_a_tf_function_says_so():
    @tf.function(autograph=False)
    def function():
        MFRecommender(2).fit(X, Y)

    with pytest.raises(RuntimeError, match=r"outside of tf\.Graph\(\)\.as_default\(\) and tf\.function"):
        function()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_fits_before_tensorflow_starts_and_says_why_not_afterwards():
    answers = dict(line.split(": ", 1) for line in run_script("forks.py"))
    works = {name: answers.pop(name) for name in ("imported", "parent", "parent again", "predict")}
    assert works == {"imported": "fitted", "parent": "fitted", "parent again": "fitted", "predict": "True"}
    assert len(answers) == 9
    for way, answer in answers.items():
        assert answer.startswith("TensorFlow ran in the parent process before this process was forked"), way
        assert all(word in answer for word in ('"spawn"', '"forkserver"', '"loky"')), way


@pytest.fixture(scope="module")
def expected():
    """Predictions without any setting."""
    return settings.fits()


@pytest.mark.parametrize("names", [("all", "numerics"), ("safe", "eager")], ids="+".join)
def test_settings_of_the_user_change_no_bit(names, expected, tmp_path):
    lines = run_script("settings.py", str(tmp_path / "found.npz"), *names)
    found = np.load(tmp_path / "found.npz")
    assert set(found) == set(settings.CHECKED if "numerics" in names else expected)
    for name in found:
        np.testing.assert_array_equal(found[name], expected[name], err_msg=name)
    assert "fit needs TensorFlow's eager execution, which is off here" in lines[-1]
