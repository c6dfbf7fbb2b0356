"""The K-fold that keeps every id in training."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_mf.datasets import make_ratings
from sklearn_mf.model_selection import WarmKFold
from tests.model_selection.helpers import checked, quick, tables


def alone(X):
    """Whether each row is the only one of its user or of its item."""
    return np.logical_or(*(X[name].map(X[name].value_counts()) == 1 for name in ("user", "item"))).to_numpy()


def check_warm(X, tested):
    for fold in tested:
        assert all(set(X[name][~fold]) == set(X[name]) for name in ("user", "item"))
    np.testing.assert_array_equal(tested.sum(axis=0), np.where(alone(X), 0, 1))


@quick
@given(tables(), st.integers(2, 6), st.integers(0, 99))
def test_every_id_is_in_every_training_part_and_what_can_be_tested_is(X, n_splits, seed):
    try:
        splits = list(WarmKFold(n_splits, random_state=seed).split(X))
    except ValueError:
        assert (~alone(X)).sum() < 5 * n_splits
    else:
        check_warm(X, checked(splits, len(X)))


def sparse_graphs():
    """Tables in which nearly every rating matters: rings, paths, trees, stars, repeated cells."""
    n = 60
    ring = pd.DataFrame({"user": np.repeat(np.arange(n), 2), "item": np.roll(np.repeat(np.arange(n), 2), 1)})
    rng = np.random.default_rng(0)
    return {
        "ring": ring,
        "mixed ring": ring.sample(frac=1, random_state=0, ignore_index=True),
        "path": ring[:-1],
        "repeated": pd.concat([ring[::2], ring[::2]], ignore_index=True),
        "two a user": pd.DataFrame({"user": np.repeat(np.arange(n), 2), "item": rng.integers(0, 50, 2 * n)}),
        "two an item": pd.DataFrame({"user": rng.integers(0, 50, 2 * n), "item": np.repeat(np.arange(n), 2)}),
        "three": pd.DataFrame({"user": rng.integers(0, 50, 3 * n), "item": rng.integers(0, 50, 3 * n)}),
        "one item": pd.DataFrame({"user": np.repeat(np.arange(n), 2), "item": 0}),
        "stars": pd.DataFrame({"user": np.repeat([0, 1], n), "item": np.tile(np.arange(n), 2)}),
    }


@pytest.mark.parametrize("n_splits", [2, 3, 5, 130])
@pytest.mark.parametrize("X", sparse_graphs().values(), ids=sparse_graphs())
def test_where_nearly_every_rating_matters(X, n_splits):
    if n_splits > len(X) / 12 and n_splits > 5:
        X = pd.concat([X.assign(user=X.user + 1000 * copy, item=X.item) for copy in range(20)])
        X = X.reset_index(drop=True)
    tested = checked(WarmKFold(n_splits, random_state=0).split(X), len(X))
    check_warm(X, tested)
    sizes = tested.sum(axis=1)
    if n_splits < 10:
        assert sizes.min() > 0.4 * sizes.mean()


@pytest.mark.parametrize("n_splits", [2, 5])
def test_sizes_are_even_where_most_ratings_have_no_link(n_splits):
    X = make_ratings(200, 100, 5000, random_state=0)
    tested = checked(WarmKFold(n_splits, random_state=0).split(X), len(X))
    check_warm(X, tested)
    sizes = tested.sum(axis=1)
    assert np.ptp(sizes) <= 1 and (np.diff(sizes) <= 0).all()


def test_each_rating_is_as_likely_in_each_fold():
    X = sparse_graphs()["three"]
    counts = sum(checked(WarmKFold(3, random_state=seed).split(X), len(X)).astype(int) for seed in range(200))
    may = ~alone(X)
    assert may.sum() > 100
    np.testing.assert_allclose(counts[:, may] / 200, 1 / 3, atol=0.2)
    np.testing.assert_allclose(counts[:, may].mean(axis=1) / 200, 1 / 3, atol=0.02)


def test_too_few_ratings_that_can_be_tested():
    lonely = [["a", 1], ["b", 2], ["c", 3]]
    with pytest.raises(ValueError, match="0 of 3 ratings are not the only one of their user or item"):
        next(WarmKFold(2).split(lonely))
    some = [["a", 1], ["a", 2], ["b", 1], ["b", 2], ["c", 1]]
    with pytest.raises(ValueError, match=r"4 of 5 ratings .* n_splits=5 folds: lower n_splits"):
        next(WarmKFold(5).split(some))
    with pytest.raises(ValueError, match="X has 1 column: pass users in the first"):
        next(WarmKFold(2).split(np.ones((4, 1))))


def test_links_are_needless_where_a_rating_stays_anyway():
    # every user and item has a rating that is alone, so the rest is free
    X = pd.DataFrame({"user": [*"ab", *"ab", *"abab", *"xy"], "item": [*"st", *"mn", *"mmnn", *"mn"]})
    X.loc[2:3, "item"] = ["p", "q"]
    tested = checked(WarmKFold(2, random_state=0).split(X), len(X))
    check_warm(X, tested)
    assert tested.sum() == 4
