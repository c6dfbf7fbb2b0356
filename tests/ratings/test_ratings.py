"""Merging, centring and holding out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_mf.ratings import _ratings
from sklearn_mf.ratings._ratings import Ratings, hold_out, sorted_by


def merge(cells, targets, weights, n_ids=(5, 4), how="mean"):
    codes = [np.array(column, dtype=np.int32) for column in zip(*cells, strict=True)]
    return Ratings.merge(codes, np.array(targets, float), np.array(weights, float), n_ids, how)


def same(one, other):
    return all(
        np.array_equal(getattr(one, name), getattr(other, name))
        for name in ("codes", "targets", "weights", "within_squares")
    )


def test_cells_are_sorted_and_merged_with_mean_and_within_squares():
    ratings = merge([(1, 0), (0, 2), (1, 0)], [5, 3, 2], [1, 1, 2])
    assert ratings.codes.tolist() == [[0, 2], [1, 0]]
    assert ratings.targets.tolist() == [3, 3]
    assert ratings.weights.tolist() == [1, 3]
    assert ratings.within_squares.tolist() == [0, 1 * (5 - 3) ** 2 + 2 * (2 - 3) ** 2]
    assert ratings.within_square_sum == 6
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
@settings(deadline=None, max_examples=60, derandomize=True)
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


@given(st.lists(rows, min_size=1, max_size=30), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=50, derandomize=True)
def test_counts_add_up_and_whole_weights_equal_repetition(table, random):
    repeated = [row for row in table for _ in range(row[3])]
    random.shuffle(repeated)
    cells, targets, weights = [row[:2] for row in table], [row[2] for row in table], [row[3] for row in table]
    summed = merge(cells, targets, weights, how="sum")
    ones = np.ones(len(repeated))
    assert same(summed, merge([row[:2] for row in repeated], [row[2] for row in repeated], ones, how="sum"))
    expected = np.zeros((5, 4))
    np.add.at(expected, tuple(np.transpose(cells)), np.multiply(targets, weights))
    np.testing.assert_allclose(summed.targets, expected[tuple(summed.codes.T)], atol=1e-12)
    assert len(summed.targets) == len(set(cells))
    assert (summed.weights == 1).all()


def test_parts_that_are_gathered_side_by_side_give_the_same_bits(monkeypatch):
    rng = np.random.default_rng(0)
    codes = [rng.integers(0, n, 2000).astype(np.int32) for n in (60, 50)]
    columns = codes, rng.normal(size=2000), rng.integers(1, 4, 2000).astype(float), (60, 50)
    whole = Ratings.merge(*columns)
    assert len(whole.targets) < 2000, "cells repeat"
    monkeypatch.setattr(_ratings, "SIDE_BY_SIDE_FROM", 0)
    monkeypatch.setattr(_ratings, "_CHUNK", 300)
    assert same(Ratings.merge(*columns), whole)


def test_ratings_are_standardized():
    ratings = merge([(0, 0), (1, 1), (2, 2)], [1, 2, 6], [1, 2, 3])
    assert ratings.mean_weight == 2
    assert ratings.standardized(2.0, 4.0).tolist() == [-0.25, 0, 1]
    assert ratings.standardized(2.0, 4.0, np.array([2, 0])).tolist() == [1, -0.25]
    assert ratings.targets.tolist() == [1, 2, 6]


def test_more_cells_than_an_integer_can_number():
    big = 2**20
    codes = [np.array([big - 1, 0, big - 1], dtype=np.int32)] * 4
    ratings = Ratings.merge(codes, np.array([1.0, 2.0, 3.0]), np.ones(3), (big,) * 4)
    assert ratings.codes[:, 0].tolist() == [0, big - 1]
    assert ratings.targets.tolist() == [2, 2]


def test_more_ratings_than_fit_into_memory_are_refused(monkeypatch):
    monkeypatch.setattr(_ratings, "_MOST_IN_MEMORY", 2)
    merge([(0, 0), (1, 1)], [1, 2], [1, 1])
    with pytest.raises(ValueError, match=r"^3 ratings are too many .* at most 2: .* prepare_ratings"):
        merge([(0, 0), (1, 1), (2, 2)], [1, 2, 6], [1, 1, 1])


def test_order_of_very_many_numbers_is_int64(monkeypatch):
    numbers = np.array([2, 0, 2, 1, 0], dtype=np.int32)
    expected = [part.tolist() for part in sorted_by(numbers, 3)]
    monkeypatch.setattr(_ratings.sp, "get_index_dtype", lambda maxval: np.int64)
    found = sorted_by(numbers, 3)
    assert [part.dtype for part in found] == [np.int64, np.int64]
    assert [part.tolist() for part in found] == expected == [[1, 4, 3, 0, 2], [0, 2, 3, 5]]


def test_hold_out_splits_without_loss():
    ratings = merge([(u, i) for u in range(5) for i in range(4)], range(20), np.ones(20))
    train, held_out = hold_out(ratings, 0.25, seed=0)
    assert (len(train.targets), len(held_out.targets)) == (15, 5)
    assert sorted([*train.targets, *held_out.targets]) == list(range(20))
    assert all((train.id_weights(field) > 0).all() for field in range(2))
    assert hold_out(ratings, 0.04, seed=0) == (ratings, None)


@pytest.mark.parametrize("weight", [1e99, 1e-99])
def test_held_out_weights_have_mean_1(weight):
    """The solvers score in float32, which does not hold such weights."""
    ratings = merge([(u, i) for u in range(5) for i in range(4)], range(20), weight * np.arange(1.0, 21))
    held_out = hold_out(ratings, 0.25, seed=0)[1]
    expected = held_out.targets + 1
    np.testing.assert_allclose(held_out.weights, expected / expected.mean())


def test_the_only_rating_of_an_id_is_not_held_out():
    ratings = merge([(u, 0) for u in range(5)], range(5), np.ones(5), n_ids=(5, 1))
    assert hold_out(ratings, 0.5, seed=0) == (ratings, None)
