"""Statistics of ratings add up."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_mf.ratings import _statistics
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.ratings._statistics import RatingStatistics, weighted_mean

N_IDS = 4, 3
rows = st.tuples(st.integers(0, 3), st.integers(0, 2), st.floats(-5, 5), st.integers(1, 9))


def statistics(table):
    codes = [np.array(column, dtype=np.int32) for column in list(zip(*table, strict=True))[:2]]
    targets, weights = (np.array(column, dtype=float) for column in list(zip(*table, strict=True))[2:])
    return RatingStatistics.of(Ratings.merge(codes, targets, weights, N_IDS))


@given(st.lists(rows, min_size=1, max_size=20))
@settings(deadline=None, max_examples=50, derandomize=True)
def test_statistics_are_those_of_the_rows(table):
    users, _, targets, weights = (np.array(column, dtype=float) for column in zip(*table, strict=True))
    found = statistics(table)
    mean = np.average(targets, weights=weights)
    assert found.weight == weights.sum()
    np.testing.assert_allclose(found.mean, mean, atol=1e-12)
    np.testing.assert_allclose(found.centred_squares, weights @ (targets - mean) ** 2, atol=1e-9)
    np.testing.assert_allclose(found.squares, weights @ targets**2, atol=1e-9)
    np.testing.assert_array_equal(found.id_weights[0], np.bincount(users.astype(int), weights, 4))


@given(st.lists(rows, min_size=1, max_size=20), st.lists(rows, min_size=1, max_size=20))
@settings(deadline=None, max_examples=50, derandomize=True)
def test_the_sum_of_statistics_is_that_of_all_rows(one, other):
    added, whole = statistics(one) + statistics(other), statistics([*one, *other])
    for name in ("weight", "mean", "centred_squares", "squares"):
        np.testing.assert_allclose(getattr(added, name), getattr(whole, name), rtol=1e-12, atol=1e-10)
    for mine, theirs in zip(added.id_weights, whole.id_weights, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_small_differences_of_large_ratings_survive_the_sum():
    parts = [statistics([(0, 0, 1e9 + value, 1)]) for value in (1, 2, 3, 4)]
    total = parts[0] + parts[1] + parts[2] + parts[3]
    assert total.intercept_and_scale(True) == (1e9 + 2.5, np.sqrt(1.25))


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 + 0.1, -3.3])
def test_constant_ratings_have_that_mean_and_scale_one(value):
    one, other = statistics([(0, 0, value, 1), (1, 1, value, 2)]), statistics([(2, 2, value, 3)])
    assert one.intercept_and_scale(True) == (value, 1.0)
    assert (one + other).intercept_and_scale(True) == (value, 1.0)


def test_without_centring_the_scale_is_the_root_mean_square():
    table = [(0, 0, 3.0, 1), (1, 1, 4.0, 1)]
    assert statistics(table).intercept_and_scale(False) == (0.0, np.sqrt(12.5))
    assert (statistics(table[:1]) + statistics(table[1:])).intercept_and_scale(False) == (0.0, np.sqrt(12.5))


def test_chunks_change_no_statistic(monkeypatch):
    rng = np.random.default_rng(0)
    codes = [rng.integers(0, n, 50).astype(np.int32) for n in (9, 8)]
    ratings = Ratings.merge(codes, rng.random(50), rng.integers(1, 4, 50) / 1.0, (9, 8))
    whole, mean = RatingStatistics.of(ratings), weighted_mean(ratings, np.square)
    monkeypatch.setattr(_statistics, "_CHUNK", 7)
    np.testing.assert_allclose(weighted_mean(ratings, np.square), mean, rtol=1e-14)
    np.testing.assert_allclose(mean, np.average(ratings.targets**2, weights=ratings.weights), rtol=1e-14)
    for name in ("weight", "mean", "centred_squares", "squares"):
        np.testing.assert_allclose(
            getattr(RatingStatistics.of(ratings), name), getattr(whole, name), rtol=1e-13
        )
