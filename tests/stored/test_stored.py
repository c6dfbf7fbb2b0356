"""Estimators that earlier versions stored still load, and answer as they did."""

import pickle
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.exceptions import InconsistentVersionWarning

import sklearn_mf
from tests.stored.write import ESTIMATORS, newcomer, ratings, results, updated

FOLDER = Path(__file__).parent
VERSIONS = sorted(path.name for path in FOLDER.glob("*.*.*") if path.name != "0.1.0")
IDS = {"user": str, "item": str}


def load(path):
    """A stored estimator; that an older scikit-learn stored it is no fault."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        if path.suffix == ".skops":
            return skops.io.load(path, trusted=skops.io.get_untrusted_types(file=path))
        return pickle.loads(path.read_bytes())


@pytest.fixture(
    params=[(v, n, s) for v in VERSIONS for n in ESTIMATORS for s in ("pickle", "skops")], ids="-".join
)
def stored(request):
    """A stored estimator, and the function that reads a table stored beside it."""
    version, name, suffix = request.param
    folder = FOLDER / version

    def read(kind):
        return pd.read_csv(folder / f"{name}-{kind}.csv", dtype=IDS)

    return load(folder / f"{name}.{suffix}"), read


def test_estimators_of_this_version_are_stored():
    assert sklearn_mf.__version__ in VERSIONS, "run `python -m tests.stored.write` and commit its files"


def test_predictions_lists_and_rows_of_newcomers_are_those_stored(stored):
    model, read = stored
    for kind, table in results(model).items():
        pd.testing.assert_frame_equal(table, read(kind), check_dtype=False, rtol=1e-6, obj=kind)


def test_partial_fit_gives_the_predictions_stored(stored):
    model, read = stored
    if not hasattr(model, "partial_fit"):
        assert isinstance(model, sklearn_mf.BayesianMFRecommender)
        return
    pd.testing.assert_frame_equal(updated(model), read("updated"), check_dtype=False, rtol=1e-6)
    assert "new" in model.user_ids_


@pytest.mark.filterwarnings("ignore:The chains have not converged")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_warm_start_continues_from_a_stored_estimator(version, name):
    model = load(FOLDER / version / f"{name}.pickle")
    before = model.embeddings_[0]
    model.set_params(warm_start=True, max_iter=2).fit(ratings())
    assert model.embeddings_[0].shape == before.shape
    cold = ESTIMATORS[name].__class__(**model.get_params()).fit(ratings())
    distances = [np.abs(rows.embeddings_[0] - before).max() for rows in (model, cold)]
    assert distances[0] < distances[1]


def test_only_the_class_of_the_estimator_has_to_be_trusted():
    for version in VERSIONS:
        for name, estimator in ESTIMATORS.items():
            types = skops.io.get_untrusted_types(file=FOLDER / version / f"{name}.skops")
            assert types == [f"{type(estimator).__module__}.{type(estimator).__name__}"]


@pytest.fixture
def development():
    """An estimator of a development version, before unobserved cells, features and `partial_fit`."""
    return load(FOLDER / "0.1.0" / "mfrecommender-0.1.0.pickle")["model"]


def test_an_estimator_of_a_development_version_predicts_and_recommends(development):
    expected = pd.read_csv(FOLDER / "0.1.0" / "mfrecommender-0.1.0.csv")
    np.testing.assert_allclose(development.predict(expected[["user", "item"]]), expected.prediction)
    assert development.recommend("u1", n=2).columns.tolist() == ["user", "item", "rank", "score"]


def test_partial_fit_without_the_sums_of_the_earlier_ratings_names_the_cure(development):
    table = newcomer().astype({"item": int})
    with pytest.raises(
        ValueError, match=r"stored by a version .* did not keep them: call fit with all ratings"
    ):
        development.partial_fit(table[["user", "item"]], table["rating"])
    assert "new" not in development.user_ids_
