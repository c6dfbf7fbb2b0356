"""Shapes, padding and visiting order."""

import itertools

import numpy as np
import pytest

from sklearn_mf._ratings import Ratings, hold_out
from sklearn_mf.core import batches


def ratings_of(n, n_ids=(9, 5)):
    rng = np.random.default_rng(0)
    cells = rng.choice(np.prod(n_ids), n, replace=False)
    codes = [code.astype(np.int32) for code in np.unravel_index(cells, n_ids)]
    return Ratings.merge(codes, rng.normal(size=n), rng.integers(1, 4, n).astype(float), n_ids)


@pytest.mark.parametrize("size", [1, 2, 3, 1000, 2**20, 2**20 + 1, 3_000_000, 10**7])
def test_rounded_up_is_not_less_and_not_much_more(size):
    rounded = batches.rounded_up(size, 2**20)
    assert size <= rounded <= 4.2 * size
    assert rounded == batches.rounded_up(rounded, 2**20)
    if size > 2**20:
        assert rounded <= 1.25 * size + 1


@pytest.mark.parametrize("n", [30_000, 80_000, 100_000, 900_188, 1_000_209])
def test_folds_share_the_shape_of_all_ratings(n):
    assert batches.rounded_up(4 * n // 5 + 1, 2**20) == batches.rounded_up(n + 1, 2**20)
    assert batches.choose_batch_size(4 * n // 5) == batches.choose_batch_size(n)


def test_batch_size_is_a_power_of_two_between_its_limits():
    sizes = [batches.choose_batch_size(n) for n in (1, 100, 80_000, 100_000, 10**6, 10**7)]
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (64, 4096)
    assert sizes[2] == sizes[3], "folds of ML-100K and its refit must share a shape"
    assert all(size & (size - 1) == 0 for size in sizes)


def arranged(train, held_out=None):
    layout = batches.lay_out(train, held_out, "auto")
    return layout, batches.arrange(layout, train, held_out, 0.0, 1.0)


def test_padding_has_no_weight_and_points_to_a_row_of_no_id():
    layout, arrays = arranged(ratings_of(20))
    assert arrays.weights[20:].sum() == 0
    assert all((column[20:] == layout.n_table - 1).all() for column in arrays.codes)
    assert arrays.id_weights[layout.offsets[-1] :].sum() == 0
    np.testing.assert_allclose(arrays.weights[:20].mean(), 1)
    np.testing.assert_allclose(arrays.id_weights.sum(), 2 * 20)
    assert {array.dtype for array in arrays[1:]} == {np.dtype(np.float32)}
    assert {column.dtype for column in arrays.codes} == {np.dtype(np.int32)}


def test_held_out_ratings_are_scored_and_not_visited():
    train, held_out = hold_out(ratings_of(40), 0.25, seed=0)
    layout, arrays = arranged(train, held_out)
    assert (layout.n_train, layout.n_rows) == (30, 40)
    assert (arrays.weights[:30] > 0).all()
    np.testing.assert_allclose(arrays.weights[30:40], -held_out.weights)
    assert sorted(layout.order(0, 0)[:30]) == list(range(30))
    assert (layout.order(0, 0)[30:] == layout.n_padded - 1).all()


def test_order_depends_on_seed_and_epoch_alone():
    layout, _ = arranged(ratings_of(40))
    assert (layout.order(1, 2) == layout.order(1, 2)).all()
    assert (layout.order(1, 2) != layout.order(1, 3)).any()
    assert (layout.order(1, 2) != layout.order(2, 2)).any()


def test_tiles_touch_few_rows_and_are_visited_one_after_another(monkeypatch):
    monkeypatch.setattr(batches, "_CACHED_BYTES", 0)
    monkeypatch.setattr(batches, "_TILE_BYTES", 400)  # ten rows of ten floats
    rng = np.random.default_rng(0)
    codes = [rng.integers(0, n, 2000).astype(np.int32) for n in (40, 25)]
    ratings = Ratings.merge(codes, rng.normal(size=2000), np.ones(2000), (40, 25))
    order, starts = batches.tile(ratings, width=10)
    layout = batches.lay_out(ratings, None, 64, starts)
    assert len(starts) == 4 * 3 + 1
    assert np.sort(order).tolist() == list(range(layout.n_train))
    for first, last in itertools.pairwise(starts):
        assert (np.ptp(ratings.codes[order[first:last]], axis=0) < 10).all()
    visited = layout.order(seed=0, epoch=0)[: layout.n_train]
    tiles = np.searchsorted(starts, visited, "right")
    assert np.sort(visited).tolist() == list(range(layout.n_train))
    assert (np.diff(tiles) != 0).sum() == len(starts) - 2
    assert not np.array_equal(visited, np.sort(visited))


def test_a_table_in_the_cache_is_one_tile():
    ratings = Ratings.merge([np.arange(9, dtype=np.int32)], np.arange(9.0), np.ones(9), (9,))
    order, starts = batches.tile(ratings, width=10)
    assert order is None
    assert list(starts) == [0, 9]
