"""Ratings in the order of the ids of a field, and blocks of ids with about as many ratings."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_mf.model._factors import Model
from sklearn_mf.ratings._ratings import Ratings, sorted_by
from sklearn_mf.solvers.als._grouping import (
    Blocks,
    block_bounds,
    group_by_field,
    hold_out_by_row,
    rank_ids,
    rows_of,
)

COUNTS = st.lists(st.integers(1, 300), max_size=60).map(lambda counts: np.array(sorted(counts), np.int32))
SHAPES = st.tuples(st.integers(1, 2000), st.integers(1, 80), st.sampled_from([1.0, 1.1, 1.2, 2.0, 10.0]))


@settings(max_examples=200, deadline=None)
@given(COUNTS, SHAPES)
def test_blocks_cover_every_row_once(counts, shape):
    bounds = block_bounds(counts, *shape)
    assert bounds.dtype == np.int32
    assert (np.diff(bounds) > 0).all()
    assert bounds[0] == 0
    assert bounds[-1] == len(counts)


@settings(max_examples=200, deadline=None)
@given(COUNTS, SHAPES)
def test_blocks_are_bounded_and_of_similar_rows_and_none_could_be_longer(counts, shape):
    max_cells, shortest, spread = shape
    bounds = block_bounds(counts, *shape)

    def fits(first, last):
        least, most = counts[first], counts[last - 1]
        size = (last - first) * max(most, shortest)
        return size <= max_cells and most <= max(spread * least, least + 1)

    for first, last in itertools.pairwise(bounds):
        assert last - first == 1 or fits(first, last)
        assert last == len(counts) or not fits(first, last + 1)


def test_blocks_are_filled_to_the_brim():
    assert block_bounds(np.full(5, 2, np.int32), 4, 1, 1.0).tolist() == [0, 2, 4, 5]
    assert block_bounds(np.full(5, 2, np.int32), 12, 6, 1.0).tolist() == [0, 2, 4, 5]


def test_no_rows_have_no_blocks():
    assert block_bounds(np.array([], np.int32), 10, 1, 2.0).tolist() == [0]


def test_a_million_ratings_of_one_id_are_a_block_of_their_own():
    counts = np.array([5, 5, 1_000_000, 2_000_000_000], np.int32)
    assert block_bounds(counts, 2**15, 1, 1.2).tolist() == [0, 2, 3, 4]


START = Model(3.0, 0.5, [], [], np.empty(0), np.empty(0), [])


def some_ratings(n_fields, seed=0, n_ids=(9, 6, 4)):
    rng = np.random.default_rng(seed)
    n_ids = n_ids[:n_fields]
    codes = [rng.integers(0, n - 1, 40).astype(np.int32) for n in n_ids]  # the last id has no rating
    return Ratings.merge(codes, rng.normal(3, 1, 40), rng.integers(1, 4, 40).astype(float), n_ids)


def ranked(ratings):
    counts = [ratings.counts(field) for field in range(ratings.n_fields)]
    return [rank_ids(each, [0, np.count_nonzero(each)]) for each in counts]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_fields", [1, 2, 3])
def test_ids_with_ratings_are_ranked_by_their_number(n_fields, seed):
    ratings = some_ratings(n_fields, seed)
    for field, ids in enumerate(ranked(ratings)):
        n_ids = ratings.n_ids[field]
        counts = np.bincount(ratings.codes[:, field], minlength=n_ids)[ids]
        assert sorted(ids) == np.unique(ratings.codes[:, field]).tolist()
        assert list(zip(counts, ids, strict=True)) == sorted(zip(counts, ids, strict=True))
        rows = rows_of(ids, n_ids)
        np.testing.assert_array_equal(rows[ids], np.arange(len(ids)))
        assert rows[-1] == -1, "the last id has no rating"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=50))
def test_sorting_keeps_ties_in_order(numbers):
    order, starts = sorted_by(np.array(numbers, np.int32), 12)
    np.testing.assert_array_equal(order, np.argsort(numbers, kind="stable"))
    np.testing.assert_array_equal(np.diff(starts), np.bincount(numbers, minlength=12))
    assert starts.dtype == order.dtype == np.int32


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_fields", [1, 2, 3])
def test_groups_hold_the_same_ratings_in_order_with_the_right_other_ids(n_fields, seed):
    ratings = some_ratings(n_fields, seed)
    ids = ranked(ratings)
    rows = [rows_of(*pair) for pair in zip(ids, ratings.n_ids, strict=True)]
    weights = ratings.weights / ratings.weights.mean()
    columns = [*ratings.codes.T, (ratings.targets - START.intercept) / START.scale, weights]
    expected = {tuple(row) for row in np.column_stack(columns).round(4)}
    for field, n_rows in enumerate(map(len, ids)):
        grouped = group_by_field(
            ratings, field, ids, rows, START, lambda starts, ends: Blocks(ends[:0], starts, ends)
        )
        counts = grouped.ends - grouped.starts
        np.testing.assert_array_equal(grouped.starts[1:], grouped.ends[:-1])
        np.testing.assert_array_equal(grouped.blocks.bounds, grouped.ends)
        assert (counts == np.sort(counts)).all()
        own = np.repeat(np.arange(n_rows), counts)
        sizes = [n for number, n in enumerate(map(len, ids)) if number != field]
        places = [*(grouped.other_ids - np.cumsum([0, *sizes])[:-1].astype(int)).T]
        places.insert(field, own)
        codes = [field_ids[place] for field_ids, place in zip(ids, places, strict=True)]
        ours = np.column_stack([*codes, grouped.targets, grouped.weights]).astype(float).round(4)
        assert len(ours) == len(ratings.targets)
        np.testing.assert_allclose(sorted(map(tuple, ours)), sorted(expected), atol=2e-4)
        np.testing.assert_allclose(grouped.row_weights, np.bincount(own, grouped.weights, n_rows), rtol=1e-6)
        assert {array.dtype for array in grouped[1:4]} == {np.dtype(np.float32)}


def test_scored_ratings_are_in_units_of_z_with_their_own_weights():
    ratings = some_ratings(2)
    rows = [rows_of(*pair) for pair in zip(ranked(ratings), ratings.n_ids, strict=True)]
    held_out = hold_out_by_row(ratings, rows, START)
    np.testing.assert_allclose(held_out.targets, (ratings.targets - 3) / 0.5, atol=1e-5)
    np.testing.assert_array_equal(held_out.weights, ratings.weights)
    for field, row in enumerate(rows):
        np.testing.assert_array_equal(held_out.rows[field], row[ratings.codes[:, field]])
