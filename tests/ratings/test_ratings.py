"""Merging, centring and holding out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_mf.ratings import _ratings
from sklearn_mf.ratings._ratings import Ratings, centre_and_scale, hold_out


def merge(cells, targets, weights, n_ids=(5, 4)):
    codes = [np.array(column, dtype=np.int32) for column in zip(*cells, strict=True)]
    return Ratings.merge(codes, np.array(targets, float), np.array(weights, float), n_ids)


def same(one, other):
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("codes", "targets", "weights", "spread")
    )


def test_cells_are_sorted_and_merged_with_mean_and_spread():
    ratings = merge([(1, 0), (0, 2), (1, 0)], [5, 3, 2], [1, 1, 2])
    assert ratings.codes.tolist() == [[0, 2], [1, 0]]
    assert ratings.targets.tolist() == [3, 3]
    assert ratings.weights.tolist() == [1, 3]
    assert ratings.spread == 1 * (5 - 3) ** 2 + 2 * (2 - 3) ** 2
    assert ratings.total_weight == 4
    assert ratings.id_weights(0).tolist() == [1, 3, 0, 0, 0]


@pytest.mark.parametrize("chunk", [1, 2, 5])
def test_the_weights_of_ids_are_summed_in_chunks(chunk, monkeypatch):
    monkeypatch.setattr(_ratings, "_CHUNK", chunk)
    ratings = merge([(0, 0), (0, 1), (3, 1), (3, 2), (3, 3)], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5])
    assert ratings.id_weights(0).tolist() == [3, 0, 0, 12, 0]
    assert ratings.id_weights(1).tolist() == [1, 5, 4, 5]


rows = st.tuples(st.integers(0, 4), st.integers(0, 3), st.floats(-5, 5, allow_nan=False), st.integers(1, 9))


@given(st.lists(rows, min_size=1, max_size=30), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=200)
def test_whole_weights_equal_repetition_and_row_order_does_not_matter(table, random):
    cells, targets, weights = [row[:2] for row in table], [row[2] for row in table], [row[3] for row in table]
    weighted = merge(cells, targets, weights)
    repeated = [
        (cell, target)
        for cell, target, weight in zip(cells, targets, weights, strict=True)
        for _ in range(weight)
    ]
    random.shuffle(repeated)
    assert same(
        weighted, merge([row[0] for row in repeated], [row[1] for row in repeated], np.ones(len(repeated)))
    )


@given(st.lists(rows, min_size=1, max_size=30))
@settings(deadline=None)
def test_centre_and_scale_are_those_of_the_raw_rows(table):
    targets, weights = np.array([row[2] for row in table]), np.array([row[3] for row in table], float)
    mean, scale = centre_and_scale(merge([row[:2] for row in table], targets, weights), True)
    np.testing.assert_allclose(mean, np.average(targets, weights=weights), atol=1e-12)
    std = np.sqrt(np.average((targets - np.average(targets, weights=weights)) ** 2, weights=weights))
    if std > 1e-6:
        np.testing.assert_allclose(scale, std)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6 + 0.1, -3.3])
def test_constant_ratings_have_scale_one(value):
    mean, scale = centre_and_scale(merge([(0, 0), (1, 1), (2, 2)], [value] * 3, [1, 2, 3]), True)
    assert (mean, scale) == (value, 1.0)


def test_without_centring_the_scale_is_the_root_mean_square():
    assert centre_and_scale(merge([(0, 0), (1, 1)], [3, 4], [1, 1]), False) == (0.0, np.sqrt(12.5))


def test_more_cells_than_an_integer_can_number():
    big = 2**20
    codes = [np.array([big - 1, 0, big - 1], dtype=np.int32)] * 4
    ratings = Ratings.merge(codes, np.array([1.0, 2.0, 3.0]), np.ones(3), (big,) * 4)
    assert ratings.codes[:, 0].tolist() == [0, big - 1]
    assert ratings.targets.tolist() == [2, 2]


def test_hold_out_splits_without_loss():
    ratings = merge([(u, i) for u in range(5) for i in range(4)], range(20), np.ones(20))
    train, held_out = hold_out(ratings, 0.25, seed=0)
    assert (len(train.targets), len(held_out.targets)) == (15, 5)
    assert sorted([*train.targets, *held_out.targets]) == list(range(20))
    assert all((train.id_weights(field) > 0).all() for field in range(2))
    assert hold_out(ratings, 0.04, seed=0) == (ratings, None)


def test_the_only_rating_of_an_id_is_not_held_out():
    ratings = merge([(u, 0) for u in range(6)], range(6), np.ones(6))
    assert hold_out(ratings, 0.5, seed=0) == (ratings, None)
