"""Shapes, padding and visiting order."""

import itertools

import numpy as np
import pytest

from sklearn_mf.ratings._ratings import Ratings, hold_out
from sklearn_mf.solvers import _rated_ids
from sklearn_mf.solvers._rated_ids import NumberedRatings, RatedIds
from sklearn_mf.solvers._tensors import shared
from sklearn_mf.solvers.sgd import _layout, _memory, _packing, _partition
from tests.solvers.problems import in_runs_of_eight


def ratings_of(n, n_ids=(9, 5)):
    rng = np.random.default_rng(0)
    cells = rng.choice(np.prod(n_ids), n, replace=False)
    codes = [code.astype(np.int32) for code in np.unravel_index(cells, n_ids)]
    return Ratings.merge(codes, rng.normal(size=n), rng.integers(1, 4, n).astype(float), n_ids)


@pytest.mark.parametrize("size", [1, 2, 3, 1000, 2**20, 2**20 + 1, 3_000_000, 10**7])
def test_rounded_up_is_not_less_and_not_much_more(size):
    rounded = _partition.rounded_up(size, 2**20)
    assert size <= rounded <= 4.2 * size
    assert rounded == _partition.rounded_up(rounded, 2**20)
    if size > 2**20:
        assert rounded <= 1.25 * size + 1


@pytest.mark.parametrize("n", [30_000, 80_000, 100_000, 900_188, 1_000_209])
def test_folds_share_the_shape_of_all_ratings(n):
    assert _partition.rounded_up(4 * n // 5 + 1, 2**20) == _partition.rounded_up(n + 1, 2**20)
    assert _partition.choose_batch_size(4 * n // 5) == _partition.choose_batch_size(n)


def test_batch_size_is_a_power_of_two_between_its_limits():
    sizes = [_partition.choose_batch_size(n) for n in (1, 100, 80_000, 100_000, 10**6, 10**7)]
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (64, 512)
    assert sizes[2] == sizes[3], "folds of ML-100K and its refit must share a shape"
    assert all(size & (size - 1) == 0 for size in sizes)


def ratings_of_sizes(n, *n_ids):
    rng = np.random.default_rng(0)
    codes = [rng.integers(0, size, n).astype(np.int32) for size in n_ids]
    return Ratings.merge(codes, rng.normal(size=n), rng.integers(1, 4, n).astype(float), n_ids)


def arranged(*sources, batch_size="auto", width=10, n_parts=None):
    """Layout, and codes, targets and weights of the places of all runs, one after the other."""
    n_ids = sources[0].n_ids
    ids = RatedIds(list(map(np.arange, n_ids)), n_ids)
    numbered = [NumberedRatings(source, ids) for source in sources]
    layout, tiled = _partition.plan_layout(numbered, batch_size, width, n_parts)
    packed = _packing.pack_ratings(layout, tiled, 0.0, 1.0)
    columns = packed[:, 1:].reshape(len(packed), -1, layout.run).swapaxes(0, 1).reshape(len(n_ids) + 1, -1)
    codes = np.column_stack([np.repeat(packed[:, 0], layout.run), *columns[:-2]])
    return layout, codes, *columns[-2:].view(np.float32)


def blocks_of(layout):
    """Each block with the padded row where its window begins."""
    return [(window.first, block) for window in layout.windows for block in window.blocks]


def test_padding_has_no_weight_and_points_to_a_row_of_no_id():
    ratings = ratings_of(20)
    layout, codes, targets, weights = arranged(ratings)
    np.testing.assert_array_equal(codes[:20], ratings.codes)
    np.testing.assert_array_equal(targets[:20], ratings.targets.astype(np.float32))
    np.testing.assert_allclose(weights[:20], ratings.weights / ratings.weights.mean(), rtol=1e-6)
    assert not weights[20:].any()
    assert (codes[20:] == np.array(layout.n_tables) - 1).all()
    assert all(size > n for size, n in zip(layout.n_tables, ratings.n_ids, strict=True))


def test_held_out_ratings_are_scored_and_not_visited():
    train, held_out = hold_out(ratings_of(40), 0.25, seed=0)
    layout, codes, _, weights = arranged(train, held_out)
    assert [block.places.tolist() for _, block in blocks_of(layout)] == [[0, 30, 40]]
    assert (weights[:30] > 0).all()
    np.testing.assert_array_equal(codes[30:40], held_out.codes)
    np.testing.assert_allclose(weights[30:40], -held_out.weights)
    assert sorted(layout.order(0, 0)[:30]) == list(range(30))
    assert (layout.order(0, 0)[30:] == layout.n_padded - 1).all()


def test_order_depends_on_seed_and_epoch_alone():
    layout, *_ = arranged(ratings_of(40))
    assert (layout.order(1, 2) == layout.order(1, 2)).all()
    assert (layout.order(1, 2) != layout.order(1, 3)).any()
    assert (layout.order(1, 2) != layout.order(2, 2)).any()


def test_many_runs_are_visited_once_in_turns_of_one_from_each_segment():
    order = np.empty(16 * 10 + 3, dtype=np.int32)
    _layout._write_shuffled(order, 1000, np.random.default_rng(0), in_segments=True)
    assert sorted(order) == list(range(1000, 1163))
    segments = (order[:160] - 1000).reshape(10, 16) // 10
    assert (segments == np.arange(16)).all()
    columns = order[:160].reshape(10, 16) % 10
    assert len(set(map(tuple, columns.T))) > 4  # rotated by different numbers
    assert not np.array_equal(columns[:, 0], np.sort(columns[:, 0]))


def in_small_windows(monkeypatch, n_rows):
    monkeypatch.setattr(_partition, "_WINDOW", n_rows)
    monkeypatch.setattr(_partition, "_VISITS_OF_A_ROW", 0)


def places_in(layout, window, runs):
    """Places, among those of all runs, of the ratings of some runs of a window."""
    return ((window.first + runs)[:, None] * layout.run + np.arange(layout.run)).ravel()


@pytest.mark.parametrize("in_runs", [False, True])
@pytest.mark.parametrize("n_window", [10**6, 400])
@pytest.mark.parametrize("n_parts", [1, 2, 3])
@pytest.mark.parametrize("n_ids", [(500,), (41, 30), (20, 11, 7)])
def test_strata_of_a_round_share_no_id_and_all_rounds_have_every_rating_once(
    n_ids, n_parts, n_window, in_runs, monkeypatch
):
    in_small_windows(monkeypatch, 2 * n_window if in_runs else n_window)
    monkeypatch.setattr(_partition, "_BATCHES", 1)
    if in_runs:
        in_runs_of_eight(monkeypatch)
    ratings = ratings_of_sizes(900, *n_ids)
    is_held_out = np.random.default_rng(0).random(len(ratings.targets)) < 0.2
    train, held_out = ratings.take(~is_held_out), ratings.take(is_held_out)
    layout, codes, targets, weights = arranged(train, held_out, batch_size=16, n_parts=n_parts)
    assert (len(layout.windows) > 1) == (n_window == 400)
    assert layout.run == (8 if in_runs else 1)
    met = [block.stratum.number for _, block in blocks_of(layout)]
    assert set(met) == set(range(n_parts ** len(n_ids)))
    for strata in itertools.chain(*(window.rounds for window in layout.windows)):
        for field in range(len(n_ids)):
            assert len({block.stratum.parts[field] for block in strata}) == n_parts
    learnt, scored = [], []
    for number, window in enumerate(layout.windows):
        order = layout.order(0, 0, number)
        for block in window.blocks:
            first, last = np.array(block.batches(layout.batch_size)) * layout.batch_size
            assert first == block.places[0]
            assert block.places[-1] < layout.n_window
            visited = places_in(layout, window, order[first:last])
            inside = places_in(layout, window, np.arange(*block.places[[0, -1]]))
            for seen, rows in (
                (learnt, visited[weights[visited] > 0]),
                (scored, inside[weights[inside] != 0]),
            ):
                ids = codes[rows] * n_parts + block.stratum.parts
                seen.extend(
                    (*cell, target, weight > 0)
                    for cell, target, weight in zip(ids.tolist(), targets[rows], weights[rows], strict=True)
                )
    cells = [
        {
            (*code, np.float32(target), trained)
            for code, target in zip(of.codes.tolist(), of.targets, strict=True)
        }
        for of, trained in ((train, True), (held_out, False))
    ]
    assert len(learnt) == len(train.targets)
    assert set(learnt) == cells[0]
    assert len(scored) == len(train.targets) + len(held_out.targets)
    assert set(scored) == cells[0] | cells[1]


@pytest.mark.parametrize(
    ("n_fields", "n_rows", "batch_size", "n_parts"),
    [
        (1, 1_015_808, 512, 2),
        (3, 1_015_808, 512, 2),
        (4, 1_015_808, 512, 1),
        (2, 253_952, 512, 1),
        (2, 1_015_808, 31_744, 2),
        (2, 1_015_808, 31_745, 1),
    ],
)
def test_many_small_batches_of_few_fields_are_learnt_from_side_by_side(n_fields, n_rows, batch_size, n_parts):
    assert _partition.choose_n_parts(n_fields, n_rows, batch_size) == n_parts


def test_scattered_values_lie_in_the_row_and_part_of_their_id():
    layout, *_ = arranged(ratings_of_sizes(300, 41, 30), n_parts=2)
    values = np.arange(41 * 3).reshape(41, 3)
    even, odd = layout.scatter_to_parts(0, values)
    assert len(even) == len(odd) == layout.n_tables[0]
    np.testing.assert_array_equal(even[:21], values[::2])
    np.testing.assert_array_equal(odd[:20], values[1::2])
    assert not even[21:].any()
    assert not odd[20:].any()


@pytest.mark.parametrize("n_window", [10**6, 700])
@pytest.mark.parametrize("n_parts", [1, 2])
def test_tiles_touch_few_rows_and_are_visited_one_after_another(n_parts, n_window, monkeypatch):
    in_small_windows(monkeypatch, n_window)
    monkeypatch.setattr(_partition, "_CACHED_BYTES", 0)
    monkeypatch.setattr(_partition, "_TILE_BYTES", 400)  # ten rows of ten floats
    ratings = ratings_of_sizes(2000, 40 * n_parts, 25 * n_parts)
    layout, codes, _, weights = arranged(ratings, n_parts=n_parts, batch_size=16)
    n_tiles = [len(block.places) - 2 for _, block in blocks_of(layout)]
    assert sum(n_tiles) >= n_parts**2 * 4 * 3
    for number, window in enumerate(layout.windows):
        order = layout.order(0, 0, number)
        for block in window.blocks:
            places = block.places
            for first, last in itertools.pairwise(places[:-1]):
                assert first == last or (np.ptp(codes[window.first :][first:last], axis=0) < 10).all()
            visited = order[places[0] : places[-2]]
            tiles = np.searchsorted(places[:-2], visited, "right")
            assert np.sort(visited).tolist() == list(range(places[0], places[-2]))
            assert (np.diff(tiles) != 0).sum() == (np.diff(places[:-1]) > 0).sum() - 1
            assert not np.array_equal(visited, np.sort(visited))
        own = order[order != layout.ends()[number] - 1]
        assert (weights[window.first + own] > 0).all()


@pytest.mark.parametrize("n_parts", [1, 2])
def test_a_run_has_ratings_of_one_id_and_from_all_its_items(n_parts, monkeypatch):
    monkeypatch.setattr(_partition, "_RUNS_FROM", 0)
    ratings = ratings_of_sizes(4000, 40, 400)
    layout, codes, _, weights = arranged(ratings, batch_size=16, n_parts=n_parts)
    assert (layout.run, layout.batch_size) == (8, 2)
    n_runs = 0
    for first, block in blocks_of(layout):
        runs = slice(first + block.places[0], first + block.places[-2])
        users, items = codes.reshape(-1, 8, 2)[runs].transpose(2, 0, 1)
        filled = weights.reshape(-1, 8)[runs] > 0
        assert (users == users[:, :1]).all()
        n_ratings = np.bincount(users[filled])
        np.testing.assert_array_equal(np.bincount(users[:, 0]), -(-n_ratings // 8))
        assert np.ptp(filled.sum(axis=1)[users[:, 0] == 0]) <= 1, "the empty places are shared out"
        spans = np.ptp(np.where(filled, items, items[:, :1]), axis=1)
        assert np.median(spans) > 0.6 * 400 / n_parts, "the ratings of a run are from all items"
        n_runs += len(users)
    assert 1 <= 8 * n_runs / len(ratings.targets) <= 1.25


def test_few_ratings_or_batches_of_odd_sizes_have_no_runs(monkeypatch):
    ratings = ratings_of_sizes(2000, 10, 300)
    assert arranged(ratings)[0].run == 1
    monkeypatch.setattr(_partition, "_RUNS_FROM", 0)
    assert [arranged(ratings, batch_size=size)[0].run for size in (8, 12, 13, 16)] == [8, 4, 1, 8]


@pytest.mark.parametrize(("n_users", "run"), [(20, 8), (130, 4), (250, 2), (1000, 1)])
def test_runs_are_as_long_as_the_ids_have_ratings(n_users, run, monkeypatch):
    monkeypatch.setattr(_partition, "_RUNS_FROM", 0)
    ratings = ratings_of_sizes(1500, n_users, 3000)
    layout, *_ = arranged(ratings, batch_size=16)
    assert layout.run == run
    (_, block), *_ = blocks_of(layout)
    assert 1 <= run * block.places[-2] / len(ratings.targets) <= 1.25


def test_empty_places_that_make_several_windows_make_tiles_of_all_ids_too(monkeypatch):
    in_small_windows(monkeypatch, 3968)
    in_runs_of_eight(monkeypatch)
    monkeypatch.setattr(_partition, "_TILE_RATINGS", 300)
    ratings = ratings_of_sizes(1900, 900, 400)
    assert _partition.rounded_up(len(ratings.targets) + 1, 2**20) == 3968
    source = NumberedRatings(ratings, RatedIds.of(ratings))
    layout, (tiled,) = _partition.plan_layout([source], 16, 10)
    assert len(layout.windows) > 1
    assert tiled.tiling.n_mixed > 1


def test_tables_in_the_cache_are_one_tile():
    layout, *_ = arranged(ratings_of_sizes(300, 41, 30))
    assert [block.places.shape for _, block in blocks_of(layout)] == [(3,)]


def test_windows_hold_equal_shares_in_random_order(monkeypatch):
    in_small_windows(monkeypatch, 400)
    layout, *_ = arranged(ratings_of_sizes(2000, 80, 60), n_parts=2, batch_size=16)
    sizes = np.array([[block.places[-2] - block.places[0] for block in w.blocks] for w in layout.windows])
    assert len(sizes) == 6
    assert np.ptp(sizes) < 0.2 * sizes.mean()
    assert max(layout.ends()[:-1]) <= layout.n_window == 400
    assert all(window.first * 4 * 4 % 64 == 0 for window in layout.windows), "TensorFlow needs aligned memory"
    visits = [layout.visits(0, epoch) for epoch in range(5)]
    assert all(sorted(each) == list(range(len(sizes))) for each in visits)
    assert len(set(map(tuple, visits))) == 5
    assert layout.visits(0, 3) == visits[3]
    orders = [layout.order(0, 0, number) for number in (0, 1)]
    assert not np.array_equal(*orders)


def test_windows_of_small_tables_have_ratings_of_all_ids(monkeypatch):
    in_small_windows(monkeypatch, 1000)
    layout, codes, _, weights = arranged(ratings_of_sizes(5000, 80, 60), n_parts=2, batch_size=16)
    assert len(layout.windows) == 4
    for window in layout.windows:
        for block in window.blocks:
            rows = window.first + np.arange(block.places[0], block.places[-2])
            assert weights[rows].all()
            for column, n_ids in zip(codes[rows].T, (80, 60), strict=True):
                assert len(np.unique(column)) == n_ids / 2


def test_row_numbers_of_many_ratings_stay_below_the_limit(monkeypatch):
    monkeypatch.setattr(_partition, "_LARGEST_WINDOW", 512)
    layout, *_ = arranged(ratings_of_sizes(3000, 41, 30), n_parts=2, batch_size=10**9)
    assert layout.n_padded > 2 * 512 == 2 * layout.n_window
    assert layout.batch_size == 512 // 32
    for number in range(len(layout.windows)):
        assert layout.order(0, 0, number).max() < 512


@pytest.mark.parametrize("in_runs", [False, True])
@pytest.mark.parametrize("n_parts", [1, 2])
def test_the_places_do_not_depend_on_the_number_of_rows_read_at_a_time(n_parts, in_runs, monkeypatch):
    in_small_windows(monkeypatch, 800 if in_runs else 400)
    if in_runs:
        in_runs_of_eight(monkeypatch)
    monkeypatch.setattr(_partition, "_CACHED_BYTES", 0)
    monkeypatch.setattr(_partition, "_TILE_BYTES", 400)
    ratings = ratings_of_sizes(1000, 41, 30)
    train, held_out = hold_out(ratings, 0.2, seed=0)
    _, *whole = arranged(train, held_out, n_parts=n_parts, batch_size=16)
    monkeypatch.setattr(_rated_ids, "_CHUNK", 77)
    layout, *parts = arranged(train, held_out, n_parts=n_parts, batch_size=16)
    assert layout.run == (8 if in_runs else 1)
    for ours, theirs in zip(parts, whole, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("shape", [(1,), (7, 3), (1000, 4)])
def test_tensorflow_takes_over_aligned_memory(shape):
    array = _memory.aligned(shape)
    array[:] = 5
    assert array.ctypes.data % 64 == 0
    tensor = shared(array)
    array[0] = 7
    assert tensor.dtype == "int32"
    np.testing.assert_array_equal(tensor.numpy(), array)
