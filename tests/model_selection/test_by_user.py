"""Folds by user."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold

from sklearn_mf.datasets import make_ratings
from sklearn_mf.model_selection import ColdItemSplit, ColdUserSplit, PerUserKFold
from tests.model_selection.helpers import checked, quick, same, tables


@quick
@given(tables(min_rows=7), st.integers(2, 7), st.booleans(), st.integers(0, 99))
def test_per_user_folds_are_even_in_all_and_for_each_user(X, n_splits, shuffle, seed):
    cv = PerUserKFold(n_splits, shuffle=shuffle, random_state=seed if shuffle else None)
    tested = checked(cv.split(X), len(X))
    assert (tested.sum(axis=0) == 1).all()
    assert np.ptp(tested.sum(axis=1)) <= 1
    for user in X.user.unique():
        of_user = tested[:, X.user == user].sum(axis=1)
        assert np.ptp(of_user) <= 1
        assert np.count_nonzero(of_user) == min(n_splits, (X.user == user).sum())


def test_without_shuffle_ratings_are_dealt_in_the_order_of_rows():
    X = pd.DataFrame({"user": list("abababaab"), "item": range(9)})
    tests = [test.tolist() for _, test in PerUserKFold(2, shuffle=False).split(X)]
    # a: rows 0, 2, 4, 6, 7 to folds 0, 1, 0, 1, 0; b goes on with fold 1: rows 1, 3, 5, 8 to 1, 0, 1, 0
    assert tests == [[0, 3, 4, 7, 8], [1, 2, 5, 6]]


def test_shuffle_draws_ratings_and_the_folds_of_single_ratings():
    X = pd.DataFrame({"user": [*"aaaaaa", *"bcdefg"], "item": 0})
    drawn = np.array(
        [np.concatenate([test for _, test in PerUserKFold(3, random_state=s).split(X)]) for s in range(60)]
    )
    first = np.sort(drawn, axis=1)
    assert (first == np.arange(12)).all()
    assert all(len(set(map(tuple, part))) > 10 for part in (drawn[:, :4], drawn[:, 4:]))
    in_first_fold = [[row in draw[:4] for draw in drawn] for row in range(12)]
    np.testing.assert_allclose(np.mean(in_first_fold, axis=1), 1 / 3, atol=0.25)


@quick
@given(tables(min_rows=20), st.integers(2, 4), st.integers(0, 3), st.integers(0, 99), st.booleans())
def test_cold_users_are_whole_but_for_what_is_given(X, n_splits, given_, seed, timed):
    counts = X.user.map(X.user.value_counts())
    n_cold = X.user[counts > given_].nunique()
    cv = ColdUserSplit(n_splits, given=given_, random_state=seed)
    time = np.random.default_rng(seed).integers(0, 9, len(X)) if timed else None
    if n_cold < n_splits:
        with pytest.raises(ValueError, match=f"n_splits={n_splits} folds of {n_cold} users"):
            next(cv.split(X, groups=time))
        return
    tested = checked(cv.split(X, groups=time), len(X))
    assert tested.sum(axis=0).max() == 1
    assert tested.sum() == (counts > given_).sum() - given_ * n_cold
    users = [set(X.user[fold]) for fold in tested]
    assert sum(map(len, users)) == len(set.union(*users)) == n_cold
    assert max(map(len, users)) - min(map(len, users)) <= 1
    if timed:
        order = X.assign(time=time).sort_values("time", kind="stable")
        place = order.groupby("user").cumcount().sort_index()
        np.testing.assert_array_equal(tested.any(axis=0), (place >= given_) & (counts > given_))


def test_cold_folds_have_about_the_same_number_of_ratings():
    X = make_ratings(500, 200, 20_000, skew=0.9, random_state=0)
    sizes = [[len(test) for _, test in ColdUserSplit(random_state=seed).split(X)] for seed in range(5)]
    largest = X.user.value_counts().max()
    assert np.ptp(sizes, axis=1).max() <= largest
    assert len({tuple(row) for row in sizes}) == 5
    assert {int(np.argmax(row)) for row in sizes} != {0}


def test_without_given_it_is_a_group_kfold_by_user():
    X = make_ratings(50, 20, 300, random_state=0)
    for cv in (ColdUserSplit(5, random_state=0), GroupKFold(5)):
        tested = checked(cv.split(X, groups=X.user), len(X))
        assert (tested.sum(axis=0) == 1).all()
        by_user = pd.DataFrame(tested.T).groupby(X.user)
        assert by_user.min().equals(by_user.max())


def test_given_ratings_are_drawn_where_there_is_no_time():
    X = pd.DataFrame({"user": [*"aaaaaaaabbbbbbbb"], "item": range(16)})
    tests = {tuple(next(ColdUserSplit(2, given=3, random_state=s).split(X))[1]) for s in range(20)}
    assert len(tests) > 10
    assert not same(
        ColdUserSplit(2, given=3, random_state=0).split(X), ColdUserSplit(2, random_state=0).split(X)
    )


@pytest.mark.parametrize("first", [0, 3])
def test_cold_items_are_cold_users_of_the_columns_in_the_other_order(first):
    X = make_ratings(50, 20, 300, random_state=0)[["user", "item"]].assign(note=None)
    times = np.random.default_rng(0).permutation(len(X))
    items, users = (kind(4, given=first, random_state=0) for kind in (ColdItemSplit, ColdUserSplit))
    for groups in (None, times):
        tested = checked(items.split(X, groups=groups), len(X))
        assert same(items.split(X, groups=groups), users.split(X[["item", "user"]], groups=groups))
        cold = [set(X.item[fold]) for fold in tested]
        assert sum(map(len, cold)) == len(set.union(*cold))
    with pytest.raises(ValueError, match="n_splits=30 folds of 20 items"):
        next(ColdItemSplit(30).split(X))
    with pytest.raises(ValueError, match="X has 1 column"):
        next(items.split(X[["user"]]))
