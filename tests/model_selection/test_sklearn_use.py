"""Splitters as cv= of scikit-learn's tools, and what they share."""

import copy
import pickle
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import GridSearchCV, check_cv, cross_val_predict, cross_validate
from sklearn.pipeline import make_pipeline

from sklearn_mf import MFRecommender
from sklearn_mf.datasets import make_ratings
from sklearn_mf.model_selection import (
    ColdItemSplit,
    ColdUserSplit,
    LeaveLastOut,
    PerUserKFold,
    TemporalSplit,
    WarmKFold,
)
from tests.conftest import QUICK
from tests.model_selection.helpers import same

SPLITTERS = [
    PerUserKFold(3, random_state=0),
    PerUserKFold(3, shuffle=False),
    LeaveLastOut(2),
    TemporalSplit(0.3),
    ColdUserSplit(3, random_state=0),
    ColdUserSplit(3, given=2, random_state=0),
    ColdItemSplit(3, random_state=0),
    ColdItemSplit(3, given=2, random_state=0),
    WarmKFold(3, random_state=0),
]
TIMED = [LeaveLastOut(2), TemporalSplit(0.3), ColdUserSplit(3, given=2, random_state=0)]
MODEL = MFRecommender(2, **QUICK)
UNKNOWN = pytest.mark.filterwarnings("ignore:Every id of '(user|item)' is unknown")  # what given=0 is for
each = pytest.mark.parametrize("cv", SPLITTERS, ids=str)
each_timed = pytest.mark.parametrize("cv", TIMED, ids=str)


@pytest.fixture(scope="module")
def ratings():
    table = make_ratings(30, 20, 400, random_state=0)
    table["user"] = table["user"].map("user {}".format)
    return table.assign(time=np.random.default_rng(0).permutation(len(table)))


@pytest.fixture(scope="module")
def X(ratings):
    return ratings[["user", "item"]]


@UNKNOWN
@each
def test_search(cv, X, ratings):
    search = GridSearchCV(MODEL, {"alpha": [0.1, 1]}, cv=cv).fit(X, ratings.rating)
    assert search.n_splits_ == cv.get_n_splits(X)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@UNKNOWN
@each
def test_three_columns_without_y(cv, ratings):
    three = ratings[["user", "item", "rating"]]
    with_y = cross_validate(MODEL, three[["user", "item"]], three.rating, cv=cv)
    np.testing.assert_array_equal(cross_validate(MODEL, three, cv=cv)["test_score"], with_y["test_score"])


@UNKNOWN
@each
def test_pipeline_over_further_columns(cv, ratings):
    table = ratings[["user", "item", "time"]].assign(note=None)
    pick = ColumnTransformer([("ids", "passthrough", ["user", "item"])], verbose_feature_names_out=False)
    pipe = make_pipeline(pick, MODEL).set_output(transform="pandas")
    assert np.isfinite(cross_validate(pipe, table, ratings.rating, cv=cv)["test_score"]).all()


@UNKNOWN
@pytest.mark.parametrize("cv", [PerUserKFold(3, random_state=0), ColdUserSplit(3, random_state=0)], ids=str)
def test_cross_val_predict(cv, X, ratings):
    assert np.isfinite(cross_val_predict(MODEL, X, ratings.rating, cv=cv)).all()


@each_timed
@pytest.mark.parametrize("routing", [False, True])
def test_groups_are_time(cv, X, ratings, routing):
    time = ratings.time
    scores = [
        MODEL.fit(X.iloc[train], ratings.rating.iloc[train]).score(X.iloc[test], ratings.rating.iloc[test])
        for train, test in cv.split(X, groups=time)
    ]
    with config_context(enable_metadata_routing=routing):
        passed = {"params": {"groups": time}} if routing else {"groups": time}
        result = cross_validate(MODEL, X, ratings.rating, cv=cv, **passed)
        search = GridSearchCV(MODEL, {"alpha": [MODEL.alpha]}, cv=cv).fit(X, ratings.rating, groups=time)
    np.testing.assert_allclose(result["test_score"], scores, rtol=1e-5)
    np.testing.assert_allclose(search.best_score_, np.mean(scores), rtol=1e-5)
    assert not same(cv.split(X), cv.split(X, groups=time))


@pytest.mark.parametrize("cv", [PerUserKFold(2), WarmKFold(2)], ids=str)
def test_groups_mean_nothing_to_the_others(cv, X):
    with pytest.warns(UserWarning, match=f"groups parameter is ignored by {type(cv).__name__}"):
        next(cv.split(X, groups=X.user))
    with pytest.raises(AttributeError):
        _ = cv.set_split_request


@each
def test_request_for_groups(cv):
    asked = cv.get_metadata_routing().split.requests
    assert asked == ({} if isinstance(cv, (PerUserKFold, WarmKFold)) else {"groups": True})


@each
def test_split_changes_nothing_and_an_int_seed_gives_the_same_splits(cv, X):
    before, table = pickle.dumps(vars(cv)), X.copy()
    splits = list(cv.split(X))
    assert len(splits) == cv.get_n_splits()
    assert same(splits, cv.split(X))
    assert pickle.dumps(vars(cv)) == before
    pd.testing.assert_frame_equal(X, table)
    for twin in (pickle.loads(pickle.dumps(cv)), copy.deepcopy(cv), clone(cv, safe=False), check_cv(cv)):
        assert same(splits, twin.split(X, X.item)) and repr(twin) == repr(cv)
        assert vars(twin) == vars(cv)


@pytest.mark.parametrize("kind", [PerUserKFold, ColdUserSplit, ColdItemSplit, WarmKFold])
def test_seeds(kind, X):
    assert not same(kind(random_state=0).split(X), kind(random_state=1).split(X))
    generator = np.random.RandomState(0)
    cv = kind(random_state=generator)
    assert same(kind(random_state=0).split(X), cv.split(X))
    assert not same(cv.split(X), cv.split(X))
    np.random.seed(0)  # noqa: NPY002
    assert same(kind().split(X), kind(random_state=0).split(X))  # None is the global generator


def test_repr():
    assert [repr(cv) for cv in SPLITTERS] == [
        "PerUserKFold(n_splits=3, random_state=0, shuffle=True)",
        "PerUserKFold(n_splits=3, random_state=None, shuffle=False)",
        "LeaveLastOut(n=2)",
        "TemporalSplit(test_size=0.3)",
        "ColdUserSplit(given=0, n_splits=3, random_state=0)",
        "ColdUserSplit(given=2, n_splits=3, random_state=0)",
        "ColdItemSplit(given=0, n_splits=3, random_state=0)",
        "ColdItemSplit(given=2, n_splits=3, random_state=0)",
        "WarmKFold(n_splits=3, random_state=0)",
    ]


@each
def test_ids_of_any_kind_give_the_same_splits(cv, X):
    codes = X.apply(lambda column: pd.factorize(column)[0])
    users = codes.user.to_numpy()
    mixed = np.where(users % 2, codes.user.astype(object), codes.user.map("u{}".format))
    days = pd.Timestamp("2020-01-01", tz="Asia/Tokyo") + pd.to_timedelta(codes.user, unit="D")
    forms = {
        "array": codes.to_numpy(),
        "float": codes.to_numpy(float),
        "text": codes.to_numpy().astype(str),
        "lists": X.to_numpy().tolist(),
        "further lists": X.assign(note=None).to_numpy().tolist(),
        "tuples": [tuple(row) for row in X.to_numpy()],
        "mixed": np.column_stack([mixed, codes.item.astype(object)]),
        "categories": X.astype("category"),
        "dates": codes.assign(user=days),
        "datetime64": codes.assign(user=days.dt.tz_localize(None)),
        "index": X.set_index(pd.Index(X.index[::-1])),
        "polars": pl.DataFrame({"user": X.user.tolist(), "item": X.item.to_numpy()}),
        "further columns": X.assign(note=None, more=np.nan),
        "further polars": pl.DataFrame({"u": users, "i": codes.item.to_numpy(), "n": [None] * len(X)}),
    }
    splits = list(cv.split(X))
    for name, form in forms.items():
        assert same(splits, cv.split(form)), name


@each
def test_input_that_makes_no_sense(cv, X):
    for sparse in (sp.csr_array(np.ones((30, 20))), sp.coo_matrix(np.ones((30, 20)))):
        with pytest.raises(TypeError, match="A sparse matrix is not a table of ids: pass one row for each"):
            next(cv.split(sparse))
    for missing in (X.assign(user=X.user.where(X.index != 7)), X.to_numpy(dtype=object, copy=True)):
        if isinstance(missing, np.ndarray):
            missing[7, 0] = None
        with pytest.raises(ValueError, match=r"missing id .* in row 7: drop such rows"):
            next(cv.split(missing))
    with pytest.raises(ValueError, match="2D"):
        next(cv.split(X.user.to_numpy()))
    with pytest.raises(ValueError, match="2D"):
        next(cv.split(X.user.tolist()))
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[400, 399\]"):
        next(cv.split(X, X.item[1:]))
    with pytest.raises((ValueError, TypeError)):
        next(cv.split(X[:0]))


@pytest.mark.parametrize("kind", [PerUserKFold, ColdUserSplit, ColdItemSplit, WarmKFold])
def test_number_of_folds(kind, X):
    for n_splits in (1, 0, -1):
        with pytest.raises(ValueError, match="n_splits=2 or more"):
            kind(n_splits)
    with pytest.raises(ValueError, match="Integral"):
        kind(2.5)
    with pytest.raises(ValueError, match="n_splits=401 greater than the number of samples"):
        next(kind(401).split(X))
    assert kind().n_splits == 5
    assert kind(np.int64(3)).get_n_splits() == 3


@pytest.mark.parametrize(
    ("kind", "name", "values"),
    [
        (LeaveLastOut, "n", [0, -1, 1.5, "two", None]),
        (TemporalSplit, "test_size", [0, 0.0, 1.0, -0.1, 1.5, -3, "half", None]),
        (ColdUserSplit, "given", [-1, 0.5, None]),
        (ColdItemSplit, "given", [-1, 0.5, None]),
    ],
)
def test_other_parameters(kind, name, values):
    for value in values:
        with pytest.raises(ValueError, match=f"The '{name}' parameter of {kind.__name__}"):
            kind(**{name: value})


def test_shuffle_is_yes_or_no():
    with pytest.raises(TypeError, match="shuffle must be True or False"):
        PerUserKFold(shuffle="yes")
    with pytest.raises(ValueError, match="random_state"):
        PerUserKFold(shuffle=False, random_state=0)


def test_quiet(X):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for cv in SPLITTERS:
            list(cv.split(X))
