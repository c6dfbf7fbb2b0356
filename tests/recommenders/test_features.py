"""Features of ids: from the constructor to the solver, and an estimator that holds tables."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline

from sklearn_mf import ImplicitMFRecommender, MFRecommender

RATINGS = pd.DataFrame(
    {
        "user": ["ann", "ann", "bob", "bob", "cat", "cat", "dan"],
        "film": ["up", "alien", "up", "heat", "alien", "heat", "up"],
        "stars": [5.0, 1.0, 4.0, 2.0, 3.0, 5.0, 4.0],
    }
)
X = RATINGS[["user", "film"]]
FILMS = pd.DataFrame(
    {"year": [1979, 1995, 2009, 2015], "genres": ["horror|scifi", "crime", "family", "family|scifi"]},
    index=["alien", "heat", "up", "wall-e"],
)
PEOPLE = pd.DataFrame({"user": ["ann", "bob", "cat", "dan"], "age": [20, 30, 40, 50]})


def task_of(estimator, *ratings):
    """The input of the solver, and the estimator as it is then."""
    found = {}

    class Caught(Exception):
        pass

    class Catcher(type(estimator)):
        def _make_solver(self, task):
            found.update(task=task, fitted=self)
            raise Caught

    catcher = copy.copy(estimator)
    catcher.__class__ = Catcher
    with pytest.raises(Caught):
        catcher.fit(*ratings)
    return found["task"], found["fitted"]


@pytest.mark.parametrize(
    ("features", "ratings"),
    [
        ({"film": FILMS}, (RATINGS,)),
        ({1: FILMS}, (RATINGS,)),
        ({"film": FILMS.rename_axis("film").reset_index()}, (RATINGS,)),
        ({1: FILMS.rename_axis("film").reset_index()}, (RATINGS,)),
        ({1: FILMS}, (RATINGS[["user", "film"]].to_numpy(), RATINGS["stars"])),
        ({"item": FILMS}, (RATINGS[["user", "film"]].to_numpy(), RATINGS["stars"])),
    ],
)
@pytest.mark.parametrize("estimator", [MFRecommender, ImplicitMFRecommender])
def test_features_reach_the_solver_for_all_ids(estimator, features, ratings):
    task, fitted = task_of(estimator(features=features), *ratings)
    users, films = task.features
    assert users is None
    assert fitted.item_ids_.tolist() == ["alien", "heat", "up", "wall-e"]
    year = FILMS["year"].to_numpy()
    scaled = (year - year[:3].mean()) / year[:3].std()
    half = 0.5**0.5
    expected = [[0, half, 0, half], [0.0, 0, 1, 0][::-1], [0, 0, 1, 0], [0, 0, half, half]]
    expected[0], expected[1] = [0, 0, half, half], [1, 0, 0, 0]  # crime, family, horror, scifi
    expected[2], expected[3] = [0, 1, 0, 0], [0, half, 0, half]
    np.testing.assert_allclose(films.toarray(), np.column_stack([np.ones(4), scaled, expected]))
    assert task.ratings.n_ids == (4, 4)


def test_a_sparse_matrix_takes_the_numbers_of_its_rows_and_columns():
    A = csr_array([[5, 1, 0, 0], [4, 0, 2, 0]])
    matrix = csr_array(np.diag([1.0, 2.0, 3.0]))
    task, fitted = task_of(
        MFRecommender(features={0: ([1, 0], np.array([[1.0], [2.0]])), 1: ([0, 2, 5], matrix)}), A
    )
    assert fitted.item_ids_.tolist() == [0, 1, 2, 3, 5]
    assert (np.diff(task.features[1].indptr) > 0).tolist() == [True, False, True, False, True]
    np.testing.assert_array_equal(task.features[0].toarray()[:, 0], 1)
    assert task.features[0][0, 1] == 2 * task.features[0][1, 1] > 0


def test_no_features_reach_the_solver_without_tables():
    for features in (None, {}):
        task, fitted = task_of(MFRecommender(features=features), RATINGS)
        assert task.features == ()
        assert not hasattr(fitted, "_features")


def test_ids_are_compared_as_numbers():
    ratings = RATINGS.assign(film=[1, 2, 1, 3, 2, 3, 1])
    table = pd.DataFrame({"year": [1, 2, 3]}, index=[1.0, 2.0, 3.0])
    _, fitted = task_of(MFRecommender(features={"film": table}), ratings)
    assert fitted.item_ids_.dtype == np.int64


def test_ids_without_features_are_counted():
    problem = "no row for 1 of the 3 ids of its column of X, the first is 'alien'"
    with pytest.warns(UserWarning, match=problem):
        task, _ = task_of(MFRecommender(features={"film": FILMS.tail(3)}), RATINGS)
    assert (np.diff(task.features[1].indptr) == 0).tolist() == [True, False, False, False]


@pytest.mark.parametrize(
    ("features", "problem"),
    [
        ({"title": FILMS}, r"a table for 'title', but the columns of X are \['user', 'film'\]"),
        ({2: FILMS}, "a table for 2, but the columns"),
        ({"film": FILMS, 1: FILMS}, "two tables for column 'film'"),
        ({"film": FILMS.reset_index(drop=True)}, "none of the 3 ids of its column of X, which holds 'up'"),
        ({"film": pd.concat([FILMS, FILMS])}, "more than one row of id 'alien'"),
        ({"film": FILMS.assign(year=np.inf)}, "contains inf"),
        ({"film": FILMS.assign(x=["a", ["b"], "c", "d"])}, "mixes types"),
        ([FILMS], "must be an instance of 'dict' or None"),
    ],
)
def test_bad_features_are_refused_in_fit_and_the_estimator_stays(features, problem):
    model = MFRecommender(1, max_iter=1, random_state=0).fit(RATINGS)
    before = vars(model).copy()
    model.features = features
    with pytest.raises(ValueError, match=problem):
        model.fit(RATINGS)
    after = vars(model)
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before if name != "features")


def test_tables_are_shared_by_clones_and_shown_by_sizes():
    model = MFRecommender(features={"film": FILMS, "user": PEOPLE})
    for other in (clone(model), clone(clone(model)), clone(Pipeline([("mf", model)]))[-1], copy.copy(model)):
        assert other.features["film"] is FILMS
        assert other.features["user"] is PEOPLE
    shown = "MFRecommender(features={'film': 4 x 2 table, 'user': 4 x 2 table})"
    assert repr(model) == repr(clone(model)) == shown
    assert "4 x 2 table" in " ".join(repr(Pipeline([("mf", model)])).split())
    assert "1979" not in model._repr_html_()
    assert model.set_params(features=None).features is None


def test_a_search_shares_the_tables():
    seen = []

    class Watched(MFRecommender):
        def fit(self, X, y=None):
            seen.append(self.features["film"])
            return super().fit(X, y)

    model = Watched(1, max_iter=1, features={"film": FILMS}, random_state=0)
    GridSearchCV(model, {"alpha": [0.1, 0.2]}, cv=2).fit(pd.concat([X] * 4), np.tile(RATINGS["stars"], 4))
    assert len(seen) == 5
    assert all(table is FILMS for table in seen)


def test_it_can_be_stored():
    skops = pytest.importorskip("skops.io")
    model = MFRecommender(
        2, max_iter=2, features={"film": FILMS, 0: (["ann"], np.array([[1.0]]))}, random_state=0
    )
    with pytest.warns(UserWarning, match="no row for 3 of the 4"):
        model.fit(RATINGS)
    stored = skops.dumps(model)
    trusted = skops.get_untrusted_types(data=stored)
    assert trusted == ["sklearn_mf.recommenders._mf.MFRecommender"]
    for loaded in (pickle.loads(pickle.dumps(model)), skops.loads(stored, trusted=trusted)):
        pd.testing.assert_frame_equal(loaded.features["film"], FILMS)
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
        with pytest.warns(UserWarning, match="no row for 3 of the 4"):
            again = clone(loaded).fit(RATINGS)
        np.testing.assert_array_equal(again.item_embeddings_, model.item_embeddings_)


def test_a_warm_start_keeps_the_encoders_and_the_features_of_earlier_ids():
    later = pd.DataFrame({"user": ["eve", "eve"], "film": ["heat", "new"], "stars": [1.0, 5.0]})
    films = pd.DataFrame({"year": [1995, 2020], "genres": ["crime", "western|family"]}, index=["heat", "new"])
    model = MFRecommender(1, max_iter=1, features={"film": FILMS}, warm_start=True, random_state=0).fit(
        RATINGS
    )
    first, _ = task_of(MFRecommender(features={"film": FILMS}), RATINGS)
    task, fitted = task_of(model.set_params(features={"film": films}), pd.concat([RATINGS.head(0), later]))
    assert fitted.item_ids_.tolist() == ["alien", "heat", "new", "up", "wall-e"]
    rows, old = task.features[1].toarray(), first.features[1].toarray()
    np.testing.assert_allclose(rows[[0, 1, 3, 4]], old)
    np.testing.assert_array_equal(rows[2, 2:], [0, 1, 0, 0])  # family; western is not known


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (None, {"film": FILMS}, "cannot add features of column 1"),
        ({"film": FILMS}, None, "cannot leave out features of column 1"),
        ({"film": FILMS}, {"film": FILMS[["year"]]}, r"lacks the columns \['genres'\]"),
    ],
)
def test_a_warm_start_needs_the_columns_of_the_last_fit(before, after, problem):
    model = MFRecommender(1, max_iter=1, features=before, warm_start=True, random_state=0).fit(RATINGS)
    with pytest.raises(ValueError, match=problem):
        model.set_params(features=after).fit(RATINGS)
