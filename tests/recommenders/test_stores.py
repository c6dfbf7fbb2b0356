"""Fits from ratings on disk, beside fits of the same rows in memory."""

import pickle
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from sklearn.base import clone
from sklearn.callback import ScoringMonitor

from sklearn_mf import BayesianMFRecommender, ImplicitMFRecommender, MFEmbedding, MFRecommender
from sklearn_mf.dummy import DummyRecommender
from sklearn_mf.ratings._statistics import RatingStatistics
from sklearn_mf.ratings._store import RatingsStore
from sklearn_mf.ratings._store_preparation import prepare_ratings
from sklearn_mf.recommenders._fitting import fit_recommender
from sklearn_mf.solvers.als import _parts as parts

SHORT = {"max_iter": 2, "random_state": 0}
ESTIMATORS = {
    "two phases": MFRecommender(3, **SHORT),
    "als": MFRecommender(3, solver="als", unobserved_weight=0, **SHORT),
    "sgd": MFRecommender(3, solver="sgd", **SHORT),
    "without biases": MFRecommender(3, fit_bias=False, unobserved_weight=0, **SHORT),
    "early stopping": MFRecommender(3, solver="als", unobserved_weight=0, early_stopping=True, **SHORT),
    "gibbs": BayesianMFRecommender(2, implicit_features=2, max_iter=4, random_state=0),
    "implicit": ImplicitMFRecommender(3, **SHORT),
    "implicit, rows count": ImplicitMFRecommender(3, confidence=None, **SHORT),
    "most popular": DummyRecommender(random_state=0),
}
ALS = ESTIMATORS["als"]
pytestmark = pytest.mark.filterwarnings("ignore:The chains have not converged")


@pytest.fixture(autouse=True, scope="module")
def one_part():
    """A field on disk is one part, whose blocks are then those of memory: the same bits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "_LEAST_PARTS", 1)
        yield


@pytest.fixture(scope="module")
def table():
    """Ratings of text users and integer films in random order; some cells occur twice."""
    rng = np.random.default_rng(0)
    n = 300
    users = pd.Series(rng.integers(0, 30, n)).map("u{:02d}".format)
    return pd.DataFrame({"user": users, "film": rng.integers(0, 25, n), "stars": rng.integers(1, 6, n) / 1.0})


@pytest.fixture(scope="module")
def dataset(table):
    return as_dataset(table)


@pytest.fixture(scope="module")
def store(dataset, tmp_path_factory):
    return prepare_ratings(dataset, tmp_path_factory.mktemp("data") / "store")


@pytest.fixture(scope="module")
def from_store(store):
    return clone(ALS).fit(store)


def as_dataset(table):
    return ds.dataset(pa.Table.from_pandas(table, preserve_index=False))


def assert_same_fit(fit, other):
    """All attributes are equal: types, order and bits."""
    assert vars(fit).keys() == vars(other).keys()
    for name, value in vars(fit).items():
        assert pickle.dumps(as_plain(value)) == pickle.dumps(as_plain(vars(other)[name])), name


def as_plain(value):
    """Arrays as their type, shape and bytes."""
    if isinstance(value, (list, tuple)):
        return [as_plain(part) for part in value]
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape, value.tolist() if value.dtype == object else value.tobytes()
    return repr(value)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_a_fit_from_a_store_is_that_of_the_rows(name, table, store):
    assert_same_fit(clone(ESTIMATORS[name]).fit(store), clone(ESTIMATORS[name]).fit(table))


@pytest.mark.parametrize("name", ["als", "implicit", "implicit, rows count"])
def test_a_dataset_is_fitted_as_its_rows_and_leaves_no_file(name, table, dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert_same_fit(clone(ESTIMATORS[name]).fit(dataset), clone(ESTIMATORS[name]).fit(table))
    assert list(tmp_path.iterdir()) == []


def test_weights_and_a_column_of_weights_agree(table, tmp_path):
    weights = np.arange(len(table)) % 3 + 0.5
    dataset = as_dataset(table.assign(weight=weights))
    weighted = prepare_ratings(dataset, tmp_path / "store", sample_weight="weight")
    expected = clone(ALS).fit(table[["user", "film"]], table["stars"], sample_weight=weights)
    assert_same_fit(clone(ALS).fit(weighted), expected)


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_a_fit_that_fails_changes_nothing_and_leaves_no_file(error, table, dataset, tmp_path, monkeypatch):
    model = clone(ALS).fit(table)
    before = pickle.dumps(model)

    def fail(*args):
        raise error

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("sklearn_mf.recommenders._fitting.train", fail)
    with pytest.raises(type(error)):
        model.fit(dataset)
    assert list(tmp_path.iterdir()) == []
    assert pickle.dumps(model) == before


@pytest.mark.parametrize("argument", ["y", "sample_weight"])
@pytest.mark.parametrize("source", ["store", "dataset"])
def test_a_store_or_dataset_stands_alone(argument, source, table, request):
    with pytest.raises(ValueError, match=f"weights itself, but {argument} was given too: call fit"):
        clone(ALS).fit(request.getfixturevalue(source), **{argument: table["stars"]})


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_dataset_without_ratings_is_refused(method, table):
    model = clone(ALS).fit(table)
    before = pickle.dumps(model)
    with pytest.raises(ValueError, match=r"no column of ratings, only \['user', 'film'\]"):
        getattr(model, method)(as_dataset(table[["user", "film"]]))
    assert pickle.dumps(model) == before


def test_the_statistics_of_the_store_are_used(store, from_store, monkeypatch):
    def fail(ratings):
        raise AssertionError("computed anew")

    monkeypatch.setattr(RatingStatistics, "of", fail)
    assert_same_fit(clone(ALS).fit(store), from_store)


def test_a_warm_start_from_a_store_is_that_from_the_rows(table, tmp_path):
    """The second store lacks some ids of the first and has new ones: its codes change."""
    first, second = table[table["film"] < 20], table[table["film"] >= 5]
    stores = [prepare_ratings(as_dataset(part), tmp_path / str(n)) for n, part in enumerate([first, second])]
    for name in ("als", "implicit", "two phases"):
        model = clone(ESTIMATORS[name]).set_params(warm_start=True)
        assert_same_fit(clone(model).fit(stores[0]).fit(stores[1]), clone(model).fit(first).fit(second))


def test_features_of_ids_without_ratings(table, store):
    films = pd.DataFrame({"genre": list("abc") * 10}, index=range(-3, 27))
    model = clone(ALS).set_params(features={"film": films})
    assert_same_fit(clone(model).fit(store), clone(model).fit(table))


def test_callbacks_get_the_store_and_no_scores(store, from_store):
    seen = []

    class Recorder:
        def setup(self, estimator, context): ...
        def teardown(self, estimator, context): ...
        def on_fit_task_begin(self, estimator, context): ...

        def on_fit_task_end(self, estimator, context, *, X, y):
            seen.append((X, y))

    monitor = ScoringMonitor(scoring="r2")
    model = clone(ALS).set_callbacks(Recorder(), monitor).fit(store)
    assert seen[-1][0] is store
    assert seen[-1][1] is None
    assert all("r2" not in entry for entry in monitor.get_logs().data)
    np.testing.assert_array_equal(model.embeddings_[0], from_store.embeddings_[0])


def test_an_embedding_of_a_store(store, from_store):
    fitted = MFEmbedding(ALS).fit(store)
    np.testing.assert_array_equal(fitted.recommender_.embeddings_[0], from_store.embeddings_[0])


def test_interactions_come_from_either_kind_of_store(table, dataset, tmp_path):
    summed = prepare_ratings(dataset, tmp_path / "sums", repeated="sum")
    assert_same_fit(clone(ESTIMATORS["implicit"]).fit(summed), clone(ESTIMATORS["implicit"]).fit(table))
    with pytest.raises(
        ValueError, match="confidence=None counts the rows of a cell, but the store has the sum"
    ):
        clone(ESTIMATORS["implicit, rows count"]).fit(summed)
    with pytest.raises(ValueError, match=r"sum of repeated ratings .* prepare it with repeated='mean'"):
        clone(ALS).fit(summed)


def test_strengths_of_zero_are_no_interactions(table, tmp_path):
    with_zero = prepare_ratings(as_dataset(table.assign(stars=table["stars"] - 1)), tmp_path / "store")
    with pytest.raises(ValueError, match="must be above 0, got 0: leave such rows out"):
        clone(ESTIMATORS["implicit"]).fit(with_zero)


def test_ratings_that_are_all_equal_warn(table, tmp_path):
    constant = prepare_ratings(as_dataset(table.assign(stars=3.0)), tmp_path / "store")
    with pytest.warns(UserWarning, match=r"All \d+ ratings are 3: MFRecommender learns"):
        clone(ALS).fit(constant)


class TestSeenItemsInTheStore:
    """An estimator that refers to the folder of its store for the items that users have rated."""

    @pytest.fixture
    def folder(self, store, tmp_path):
        return Path(shutil.copytree(store.folder, tmp_path / "copy"))

    @pytest.fixture
    def model(self, folder):
        return clone(ALS).fit(RatingsStore(folder, keep_seen_items=False))

    def test_lists_are_those_of_a_fit_that_holds_them(self, model, from_store, table):
        assert len(pickle.dumps(model)) < len(pickle.dumps(from_store))
        restored = pickle.loads(pickle.dumps(model))
        pd.testing.assert_frame_equal(restored.recommend(), from_store.recommend())
        new = pd.DataFrame([["new", 3, 5.0], ["new", 4, 1.0]], columns=table.columns)
        pd.testing.assert_frame_equal(model.recommend(ratings=new), from_store.recommend(ratings=new))

    def test_without_the_folder_only_calls_that_need_it_raise(self, model, folder, table):
        shutil.rmtree(folder)
        model.predict(table[["user", "film"]])
        model.similar_items(3)
        model.fold_in(table[:2].assign(user="new"))
        model.recommend("u01", exclude_seen=False)
        for call in (lambda: model.recommend("u01"), lambda: model.forget("u01")):
            with pytest.raises(
                ValueError, match=r"rated items .* in the store '.*copy', which cannot be read"
            ):
                call()

    def test_another_store_in_its_folder_raises(self, model, folder, table):
        prepare_ratings(as_dataset(table[:200]), folder, overwrite=True)
        with pytest.raises(ValueError, match=r"'.*copy', which holds the rated items, is not the one that"):
            model.recommend("u01")

    def test_forget_copies_the_items_of_the_others(self, model, folder, from_store):
        other = pickle.loads(pickle.dumps(from_store)).forget("u01", 3)
        model.forget("u01", 3)
        shutil.rmtree(folder)
        pd.testing.assert_frame_equal(model.recommend(), other.recommend())

    def test_a_warm_start_copies_the_items_of_both_fits(self, model, folder, store, table):
        model.set_params(warm_start=True).fit(RatingsStore(folder, keep_seen_items=False))
        shutil.rmtree(folder)
        twice = clone(model).fit(table).fit(table)
        pd.testing.assert_frame_equal(model.recommend(), twice.recommend())


def test_new_users_and_items_with_features_beside_rated_items_in_the_store(table, store):
    tables = {
        "user": pd.DataFrame({"age": np.arange(30.0)}, index=[f"u{n:02d}" for n in range(30)]),
        "film": pd.DataFrame({"genre": list("abcde") * 5}, index=range(25)),
    }
    model = clone(ALS).set_params(features=tables)
    with_copy = clone(model).fit(store)
    without = clone(model).fit(RatingsStore(store.folder, keep_seen_items=False))
    users = pd.DataFrame({"user": ["u000", "u01"], "age": [3.0, 4.0]})
    films = pd.DataFrame({"film": [-1, 1, 2], "genre": ["a", "b", "c"]})
    expected, found = (fit.recommend(users, candidates=films) for fit in (with_copy, without))
    pd.testing.assert_frame_equal(found, expected)


def test_the_exchange_reaches_the_solver(store, monkeypatch):
    exchange, tasks = object(), []
    make_solver = MFRecommender._make_solver

    def note(self, task):
        tasks.append(task)
        return make_solver(self, task._replace(ratings=store.ratings()))

    monkeypatch.setattr(MFRecommender, "_make_solver", note)
    fit_recommender(clone(ALS), store, None, None, exchange=exchange)
    assert tasks[0].ratings.exchange is exchange
