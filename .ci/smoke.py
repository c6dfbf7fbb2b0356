"""Try the installed package, outside of a clone: `python -I smoke.py [folder of stored estimators]`.

Fit, predict, recommend, newcomers, pickle, stored estimators, and scikit-learn's checks of one estimator.
"""

import os

os.environ["SCIPY_ARRAY_API"] = "1"  # without it scikit-learn skips a check
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pickle
import platform
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.model_selection import KFold, cross_val_score
from sklearn.utils.estimator_checks import check_estimator

import sklearn_mf
from sklearn_mf import BayesianMFRecommender, ImplicitMFRecommender, MFRecommender
from sklearn_mf.datasets import make_ratings

assert "tensorflow" not in sys.modules, "import sklearn_mf imported TensorFlow"


def check_fitted(model: BaseEstimator, ratings: pd.DataFrame) -> None:
    """Predictions, lists and a newcomer of a fitted estimator and of its pickle."""
    copy = pickle.loads(pickle.dumps(model))
    pairs = ratings[["user", "item"]]
    scores = model.predict(pairs)
    assert scores.shape == (len(ratings),) and np.isfinite(scores).all()
    np.testing.assert_array_equal(copy.predict(pairs), scores)
    table = model.recommend(n=5)
    pd.testing.assert_frame_equal(copy.recommend(n=5), table)
    assert len(table.merge(pairs)) == 0, "a list holds an item that its user has rated"
    newcomer = ratings.head(9).assign(user="newcomer")
    assert len(copy.recommend(ratings=newcomer, n=3)) == 3


def check_stored(folder: Path) -> int:
    """Estimators of all versions give the predictions stored beside them; returns their number."""
    paths = sorted(folder.glob("*/*-predictions.csv"))
    for path in paths:
        model = pickle.loads(path.with_name(path.name.replace("-predictions.csv", ".pickle")).read_bytes())
        expected = pd.read_csv(path, dtype={"user": str, "item": str})
        predicted = model.predict(expected[["user", "item"]])
        np.testing.assert_allclose(predicted, expected["prediction"], rtol=1e-6)
    return len(paths)


def check_sklearn(estimator: BaseEstimator) -> int:
    """All checks of scikit-learn pass and none is skipped; returns their number."""
    results = check_estimator(estimator, on_skip=None)
    assert {result["status"] for result in results} == {"passed"}
    return len(results)


if __name__ == "__main__":
    warnings.simplefilter("ignore", InconsistentVersionWarning)
    assert Path(sklearn_mf.__file__).is_relative_to(sys.prefix), "this is the package of a clone"
    stored = check_stored(Path(sys.argv[1])) if len(sys.argv) > 1 else 0
    assert "tensorflow" not in sys.modules, "predictions of a stored estimator imported TensorFlow"
    ratings = make_ratings(n_users=60, n_items=40, n_ratings=900, random_state=0)
    ratings["user"] = "user " + ratings["user"].astype(str)
    ratings["rating"] = ratings["rating"].clip(lower=0.5)
    warnings.filterwarnings("ignore", "The chains have not converged")
    for model in (
        MFRecommender(4, random_state=0),
        ImplicitMFRecommender(4, random_state=0),
        BayesianMFRecommender(4, max_iter=20, burn_in=10, random_state=0),
    ):
        check_fitted(model.fit(ratings), ratings)
    folds = KFold(3, shuffle=True, random_state=0)
    scores = cross_val_score(MFRecommender(4), ratings[["user", "item"]], ratings["rating"], cv=folds)
    assert np.isfinite(scores).all()
    warnings.simplefilter("ignore")
    checks = check_sklearn(MFRecommender(2, solver="als", unobserved_weight=0, prior_ratings=0, max_iter=2))
    packages = ("sklearn-mf", "scikit-learn", "tensorflow", "numpy", "scipy", "pandas")
    print(
        f"smoke passed: Python {platform.python_version()}, {platform.system()},",
        ", ".join(f"{name} {version(name)}" for name in packages),
        f"({checks} checks of scikit-learn, {stored} stored estimators)",
    )
