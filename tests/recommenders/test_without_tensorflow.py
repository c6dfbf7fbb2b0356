"""An installation without TensorFlow does all but fit and to_saved_model, which say what to install."""

import pickle
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import pytest

from sklearn_mf import BayesianMFRecommender, ImplicitMFRecommender, MFEmbedding, MFRecommender
from sklearn_mf.datasets import make_ratings

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "docs" / "serving-requirements.txt"
# Run where `import tensorflow` fails, in the folder of the stored estimators.
SERVE = """
import sys; sys.modules["tensorflow"] = None
import pickle, warnings
import numpy as np, pandas as pd, pyarrow.dataset
from sklearn.model_selection import cross_validate
from sklearn_mf import prepare_ratings
from sklearn_mf.datasets import load_ratings, make_ratings
from sklearn_mf.dummy import DummyRecommender
from sklearn_mf.inspection import RankingCurveDisplay, explain
from sklearn_mf.metrics import ndcg_at_k
from sklearn_mf.model_selection import PerUserKFold
from sklearn_mf.reranking import diversify

warnings.simplefilter("ignore")
stored, ratings = pickle.load(open("stored.pickle", "rb")), make_ratings(200, 60, 3_000, random_state=0)
pairs, newcomer = ratings[["user", "item"]], ratings.head(5).assign(user=-1)
for name, (model, predictions, lists) in stored.items():
    if name == "embedding":
        np.testing.assert_array_equal(model.transform(pairs), predictions)
        continue
    np.testing.assert_array_equal(model.predict(pairs), predictions)
    pd.testing.assert_frame_equal(model.recommend(n=3), lists)
    rows = newcomer if name != "implicit" else newcomer[["user", "item"]]
    assert len(model.recommend(ratings=rows, n=3)) == 3 and len(model.fold_in(rows).embeddings) == 1
    assert len(model.similar_items(0, n=2)) == len(model.similar_users([0], n=2)) == 2
    explain(model, -1, pairs.loc[0, "item"], rows)
    assert 0 <= ndcg_at_k(pairs, lists) <= 1
    model.retrieval_vectors()
    model.to_onnx(f"{name}.onnx")
    diversify(lists, model, n=2)
    model.forget(users=pairs.loc[0, "user"])
    if hasattr(model, "partial_fit"):
        assert -1 in model.partial_fit(rows).user_ids_
    for call in (lambda: model.fit(rows), lambda: model.to_saved_model(f"{name}.folder")):
        try:
            call()
        except ModuleNotFoundError as error:
            print(error)
cross_validate(DummyRecommender(), pairs, ratings["rating"], cv=PerUserKFold(2))
RankingCurveDisplay.from_estimator(stored["ratings"][0], pairs, ratings["rating"], ks=[1, 5])
ratings.to_csv("ratings.csv", index=False)
load_ratings("ratings.csv")
prepare_ratings(pyarrow.dataset.dataset("ratings.csv", format="csv"), "store")
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Folder with one fitted estimator of each kind, its predictions and lists."""
    ratings = make_ratings(200, 60, 3_000, random_state=0)
    pairs = ratings[["user", "item"]]
    estimators = {
        "ratings": MFRecommender(2, max_iter=2, random_state=0),
        "implicit": ImplicitMFRecommender(2, max_iter=2, random_state=0),
        "bayesian": BayesianMFRecommender(2, max_iter=6, burn_in=2, random_state=0),
    }
    stored = {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The chains have not converged")
        for name, estimator in estimators.items():
            model = estimator.fit(pairs) if name == "implicit" else estimator.fit(ratings)
            stored[name] = model, model.predict(pairs), model.recommend(n=3)
    embedding = MFEmbedding(MFRecommender(2, max_iter=2, random_state=0)).fit(pairs, ratings["rating"])
    stored["embedding"] = embedding, embedding.transform(pairs), None
    path = tmp_path_factory.mktemp("served")
    (path / "stored.pickle").write_bytes(pickle.dumps(stored))
    return path


def test_everything_but_fit_works(folder):
    run = subprocess.run(
        [sys.executable, "-c", SERVE], cwd=folder, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    says = "{} needs TensorFlow, which is not installed: run `pip install tensorflow`."
    assert run.stdout.splitlines() == [says.format(call) for call in ("fit", "to_saved_model")] * 3


def test_requirements_for_serving_are_the_dependencies_without_tensorflow():
    lines = REQUIREMENTS.read_text(encoding="utf-8").splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = [line for line in lines if line and not line.startswith("#")]
    assert listed == [each for each in project["dependencies"] if not each.startswith("tensorflow")]
