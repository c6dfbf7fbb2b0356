"""Coverage, Gini index and novelty."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sklearn_mf.metrics import catalog_coverage, gini_index, novelty

RECOMMENDED = pd.DataFrame({"user": [1, 1, 2, 2, 3], "film": list("abaca"), "rank": [1, 2, 1, 2, 1]})
CATALOGUE = list("abcd")
RATINGS = pd.DataFrame({"user": [1, 2, 3, 4, 1, 2, 1], "film": list("aaaabbb"), "stars": 5.0, "time": 0})


def test_coverage_by_hand():
    assert catalog_coverage(RECOMMENDED, CATALOGUE) == 3 / 4
    assert catalog_coverage(RECOMMENDED, CATALOGUE, k=1) == 1 / 4
    assert catalog_coverage(RECOMMENDED.iloc[:0], CATALOGUE) == 0
    for catalogue in (pd.Series(CATALOGUE), np.array(CATALOGUE * 2), pd.Index(CATALOGUE)):
        assert catalog_coverage(RECOMMENDED, catalogue) == 3 / 4


def test_gini_by_hand():
    counts = np.array([0, 1, 1, 3])
    assert gini_index(RECOMMENDED, CATALOGUE) == pytest.approx((np.array([-3, -1, 1, 3]) @ counts) / (3 * 5))
    assert gini_index(RECOMMENDED, CATALOGUE, k=1) == 1
    assert gini_index([[1, "a"], [2, "b"]], ["a", "b"]) == 0
    assert gini_index([[1, "a"]], ["a"]) == 0


@given(st.lists(st.integers(0, 4), min_size=2, max_size=12).filter(any))
def test_gini_is_the_mean_absolute_difference(counts):
    """Half the relative mean absolute difference of all pairs of items, an independent definition."""
    rows = [(user, item) for item, count in enumerate(counts) for user in range(count)]
    gini = gini_index(rows, np.arange(len(counts)), k=len(counts))
    differences = np.abs(np.subtract.outer(counts, counts)).sum() / (len(counts) * (len(counts) - 1))
    assert gini == pytest.approx(differences / (2 * np.mean(counts)))
    assert -1e-12 <= gini <= 1 + 1e-12


def test_novelty_by_hand():
    # 4 users; a was rated by all, b by two of them (by one of them twice), c by nobody.
    assert novelty(RECOMMENDED, RATINGS) == pytest.approx((3 * 0 + 1 + 2) / 5)
    assert novelty(RECOMMENDED, RATINGS, k=1) == 0
    assert novelty([[9, "b"]], RATINGS) == 1


@pytest.mark.parametrize("function", [catalog_coverage, gini_index])
@pytest.mark.parametrize(
    ("recommended", "items", "message"),
    [
        (RECOMMENDED, ["a", "b"], "Item 'c' is recommended but not among items"),
        (RECOMMENDED, [], "items has no ids"),
        (RECOMMENDED, [1, 2], "Items .* come in two types, 1 and 'a', and none"),
        (pd.concat([RECOMMENDED, RECOMMENDED]), CATALOGUE, "more than once"),
        ([["a"]], CATALOGUE, "recommended must be a table"),
    ],
)
def test_errors_of_the_catalogue(function, recommended, items, message):
    with pytest.raises(ValueError, match=message):
        function(recommended, items)


def test_items_beyond_k_need_not_be_in_the_catalogue():
    assert catalog_coverage(RECOMMENDED, ["a", "d"], k=1) == 1 / 2


def test_gini_of_nothing_raises():
    with pytest.raises(ValueError, match="recommended has no rows"):
        gini_index(RECOMMENDED.iloc[:0], CATALOGUE)


@pytest.mark.parametrize(
    ("recommended", "ratings", "message"),
    [
        (RECOMMENDED.iloc[:0], RATINGS, "recommended has no rows"),
        (RECOMMENDED, RATINGS.iloc[:0], "ratings has no rows"),
        (RECOMMENDED, RATINGS.assign(film=7), "Items .* come in two types"),
        (RECOMMENDED, ["a", "b"], r"ratings must be a table of users and items, and more columns"),
    ],
)
def test_errors_of_novelty(recommended, ratings, message):
    with pytest.raises(ValueError, match=message):
        novelty(recommended, ratings)


@pytest.mark.parametrize("k", [0, 1.5, "ten"])
def test_k_must_be_a_whole_number_above_0(k):
    for function, other in ((catalog_coverage, CATALOGUE), (gini_index, CATALOGUE), (novelty, RATINGS)):
        with pytest.raises(ValueError, match="'k' parameter of"):
            function(RECOMMENDED, other, k)
