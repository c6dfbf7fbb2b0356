"""forget removes users and items from a fitted estimator, and nothing else changes."""

import copy
import pickle

import numpy as np
import pandas as pd
import pytest

from sklearn_mf import BayesianMFRecommender, MFRecommender
from tests.conftest import OBSERVED_ALONE, low_rank_ratings

USERS, ITEMS = ["u03", "u11"], [104, 129]
MODELS = {
    "two phases": MFRecommender(3, max_iter=4, implicit_features=5, random_state=0),
    "sgd": MFRecommender(3, max_iter=4, **OBSERVED_ALONE, random_state=0),
    "als": MFRecommender(3, solver="als", max_iter=3, implicit_features=5, random_state=0),
    "bayesian": BayesianMFRecommender(3, max_iter=8, implicit_features=5, random_state=0),
}


@pytest.fixture(scope="module", params=MODELS)
def model(request, frame):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sklearn_mf.recommenders._chain_diagnostics.warn_user", lambda *_: None)
        return copy.deepcopy(MODELS[request.param]).fit(frame)


@pytest.fixture
def forgotten(model):
    return copy.deepcopy(model).forget(USERS, ITEMS)


def arrays(value):
    """All arrays in attributes, lists and dicts."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from arrays(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from arrays(part)


def test_no_array_has_a_row_of_them(model, forgotten):
    sizes = {len(ids) for ids in model.categories_}
    assert sizes == {40, 30}
    for name, value in vars(forgotten).items():
        assert not sizes & {len(array) for array in arrays(value) if array.ndim}, name


def test_every_array_of_ids_lost_just_their_rows(model, forgotten):
    kept = [~np.isin(ids, gone) for ids, gone in zip(model.categories_, (USERS, ITEMS), strict=True)]
    n_checked = 0
    for name, value in vars(model).items():
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], np.ndarray):
            for before, after, rows in zip(value, vars(forgotten)[name], kept, strict=True):
                np.testing.assert_array_equal(after, before[rows], err_msg=name)
            n_checked += 1
    assert n_checked >= 5


def test_other_numbers_stay(model, forgotten):
    changed = set(model._id_arrays()) | {"_seen_starts", "_seen_items", "_norm_bounds"}
    for name, value in vars(model).items():
        if name not in changed:
            assert pickle.dumps(value) == pickle.dumps(vars(forgotten)[name]), name


def test_lists_neighbours_and_predictions_are_those_of_before_without_them(model, forgotten, frame):
    others = frame[~frame["user"].isin(USERS) & ~frame["film"].isin(ITEMS)]
    pairs = others[["user", "film"]]
    np.testing.assert_array_equal(forgotten.predict(pairs), model.predict(pairs))
    users = model.user_ids_[~np.isin(model.user_ids_, USERS)]
    expected = model.recommend(users, n=5, exclude=ITEMS)
    pd.testing.assert_frame_equal(forgotten.recommend(n=5), expected)
    near = model.similar_items(100, n=29)
    near = near[~near["neighbor"].isin(ITEMS)].head(5).reset_index(drop=True)
    same = forgotten.similar_items(100, n=5)
    pd.testing.assert_frame_equal(same.drop(columns="rank"), near.drop(columns="rank"))
    assert not set(USERS) & set(forgotten.similar_users("u00", n=100)["neighbor"])


def test_they_are_unknown_afterwards(model, forgotten):
    with pytest.warns(UserWarning, match="Every id of 'user' is unknown"):
        table = forgotten.recommend("u03", n=3)
    with pytest.warns(UserWarning, match="Every id of 'user' is unknown"):
        expected = model.recommend("stranger", n=3, exclude=ITEMS)
    pd.testing.assert_frame_equal(table.drop(columns="user"), expected.drop(columns="user"))
    with pytest.raises(ValueError, match="items not known from fit: 104"):
        forgotten.similar_items(104)


@pytest.mark.parametrize("dtype", ["category", "str", "object"])
def test_a_pickle_does_not_hold_them(frame, dtype):
    names = frame["user"].map("name of {}".format).astype(dtype)
    model = MFRecommender(2, max_iter=1, random_state=0).fit(frame.assign(user=names))
    assert b"name of u03" in pickle.dumps(model)
    stored = pickle.dumps(model.forget("name of u03"))
    assert b"name of u03" not in stored
    assert b"name of u04" in stored
    assert pickle.loads(stored).recommend(n=1)["user"].dtype == model.recommend(n=1)["user"].dtype


def test_a_warm_start_goes_on_without_them(forgotten, frame):
    others = frame[~frame["user"].isin(USERS) & ~frame["film"].isin(ITEMS)]
    forgotten.set_params(warm_start=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sklearn_mf.recommenders._chain_diagnostics.warn_user", lambda *_: None)
        forgotten.fit(others)
        assert len(forgotten.user_ids_) == 38
        forgotten.fit(frame)  # as new ids
    assert len(forgotten.user_ids_) == 40
    assert forgotten.recommend(USERS, n=2)["user"].tolist() == ["u03", "u03", "u11", "u11"]


def test_only_users_or_only_items(model):
    users, items = copy.deepcopy(model).forget(USERS), copy.deepcopy(model).forget(items=104)
    assert (len(users.user_ids_), len(users.item_ids_)) == (38, 30)
    assert (len(items.user_ids_), len(items.item_ids_)) == (40, 29)
    assert copy.deepcopy(model).forget([]).recommend(n=1).equals(model.recommend(n=1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "users, items or both, got neither"),
        ({"users": ["u03", "nobody"]}, "users not known from fit: 'nobody'"),
        ({"users": "u03", "items": -7}, "items not known from fit: -7"),
        ({"users": [f"u{number:02d}" for number in range(40)]}, "cannot remove all 40 users"),
        ({"users": "u03", "items": range(100, 130)}, "cannot remove all 30 items"),
    ],
)
def test_all_or_nothing(model, arguments, message):
    before = pickle.dumps(vars(model))
    with pytest.raises(ValueError, match=message):
        model.forget(**arguments)
    assert pickle.dumps(vars(model)) == before


def test_other_numbers_of_fields_are_refused():
    X, y = low_rank_ratings(n_ratings=50, n_fields=3)
    model = MFRecommender(2, max_iter=1, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="forget needs a model of two fields"):
        model.forget(users=1)
