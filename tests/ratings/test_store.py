"""Ratings on disk: the folder of a store, and what goes wrong with it."""

import json
import pickle
import shutil

import numpy as np
import pytest

from sklearn_mf import RatingsStore
from sklearn_mf.ratings import _store_files, _store_shuffle, _store_writing
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.ratings._statistics import RatingStatistics
from sklearn_mf.ratings._store import CONTENTS
from sklearn_mf.ratings._store_files import CompactFile
from tests.ratings.stores import write_store

N_IDS = 20, 12
IDS = [np.arange(20) * 7, np.array([f"film {letter}" for letter in "abcdefghijkl"], dtype=object)]


def merged(weights=3, n=200):
    rng = np.random.default_rng(0)
    codes = [rng.integers(0, size, n).astype(np.int32) for size in N_IDS]
    return Ratings.merge(codes, rng.integers(1, 6, n) / 3, rng.integers(1, weights + 1, n) / 2, N_IDS)


RATINGS = merged()


@pytest.fixture(autouse=True)
def small_buckets(monkeypatch):
    monkeypatch.setattr(_store_shuffle, "_BUCKET_ROWS", 17)
    monkeypatch.setattr(_store_writing, "_CHUNK", 29)


@pytest.fixture
def store(tmp_path):
    return write_store(RATINGS, IDS, tmp_path / "store")


def test_a_store_has_the_ratings_of_memory(store):
    found = store.ratings()
    for name in ("codes", "targets", "weights", "within_squares"):
        assert np.array_equal(getattr(found, name), getattr(RATINGS, name))
        assert getattr(found, name).dtype == getattr(RATINGS, name).dtype
    assert found.n_ids == N_IDS
    assert [ids.tolist() for ids in store.ids] == [ids.tolist() for ids in IDS]
    assert store.id_types == ["int64", "object"]
    assert store.target_range.tolist() == [RATINGS.targets.min(), RATINGS.targets.max()]


@pytest.mark.parametrize("field", [0, 1])
def test_the_cells_of_a_field_are_in_its_order(store, field):
    order = np.lexsort([RATINGS.codes[:, 1 - field], RATINGS.codes[:, field]])
    cells = store.ratings().field_cells[field]
    assert cells.other_codes.tolist() == RATINGS.codes[order, 1 - field].tolist()
    assert cells.targets.tolist() == RATINGS.targets[order].tolist()
    assert cells.weights.tolist() == RATINGS.weights[order].tolist()
    assert np.diff(cells.starts).tolist() == RATINGS.counts(field).tolist()
    assert cells.starts.dtype == np.int64


def test_the_statistics_are_those_of_memory(store):
    found, expected = store.statistics, RatingStatistics.of(RATINGS)
    for name in ("weight", "mean", "centred_squares", "squares"):
        assert getattr(found, name) == getattr(expected, name)
    for one, other in zip(found.id_weights, expected.id_weights, strict=True):
        assert one.tolist() == other.tolist()


def test_equal_weights_take_no_space(tmp_path):
    ratings = Ratings.merge([np.arange(12, dtype=np.int32)] * 2, np.arange(12.0), np.full(12, 2.0), (20, 12))
    store = write_store(ratings, IDS, tmp_path / "store")
    assert not list(store.folder.glob("*weights.npy")) + list(store.folder.glob("*squares.npy"))
    assert store.ratings().weights.strides == (0,)
    assert store.ratings().weights.tolist() == [2.0] * 12
    assert store.ratings().field_cells[1].weights.tolist() == [2.0] * 12


def test_a_file_starts_with_the_equal_numbers_before_the_first_that_differs(tmp_path):
    with CompactFile(tmp_path / "numbers.npy") as file:
        for part in ([2.0, 2.0], [2.0], [2.0, 3.0]):
            file.append(np.array(part))
    assert file.equal is None
    assert np.load(tmp_path / "numbers.npy").tolist() == [2, 2, 2, 2, 3]


def test_a_store_is_pickled_as_the_path_of_its_folder(store, tmp_path):
    pickled = pickle.dumps(RatingsStore(store.folder, keep_seen_items=False))
    assert len(pickled) < 500
    again = pickle.loads(pickled)
    assert again == store and hash(again) == hash(store)
    assert not again.keep_seen_items
    assert len(again) == len(RATINGS.targets)
    shutil.copytree(store.folder, tmp_path / "copy")
    assert RatingsStore(tmp_path / "copy") != store


def test_the_text_of_a_store_is_one_short_line(store):
    n = len(RATINGS.targets)
    assert repr(store) == f"RatingsStore({str(store.folder)!r}) of {n} ratings, 20 users and 12 items"
    assert "keep_seen_items=False" in repr(RatingsStore(store.folder, keep_seen_items=False))


def test_a_relative_path_is_resolved_once(store, monkeypatch, tmp_path):
    monkeypatch.chdir(store.folder.parent)
    found = RatingsStore("store")
    monkeypatch.chdir("/")
    assert len(found.ratings().targets) == len(store)


def test_an_existing_folder_is_replaced_only_if_asked(store, tmp_path):
    with pytest.raises(ValueError, match=r"store exists: pass overwrite=True to replace it, or read it with"):
        write_store(merged(1), IDS, store.folder)
    assert np.array_equal(store.ratings().weights, RATINGS.weights)
    write_store(merged(1), IDS, store.folder, overwrite=True)
    assert RatingsStore(store.folder).ratings().total_weight == 100
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_a_folder_of_something_else_is_never_replaced(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.jpg").touch()
    (tmp_path / "photos" / "store.json").write_text('{"of": "another program"}')
    with pytest.raises(ValueError, match="photos exists and holds no ratings store"):
        write_store(RATINGS, IDS, tmp_path / "photos", overwrite=True)
    with pytest.raises(ValueError, match=r"one\.jpg is a file"):
        write_store(RATINGS, IDS, tmp_path / "photos" / "one.jpg", overwrite=True)
    assert (tmp_path / "photos" / "one.jpg").exists()


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "store").mkdir()
    assert len(write_store(RATINGS, IDS, tmp_path / "store")) == len(RATINGS.targets)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_nothing_remains_after_an_error(tmp_path, monkeypatch, error):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(_store_writing, "_write_contents", fail)
    with pytest.raises(error):
        write_store(RATINGS, IDS, tmp_path / "store")
    assert list(tmp_path.iterdir()) == []


def test_the_remains_of_a_killed_preparation_are_no_store_and_are_removed_by_the_next(tmp_path, monkeypatch):
    def fail(*arguments):
        raise InterruptedError

    with monkeypatch.context() as killed:  # no code runs after the kill
        killed.setattr(_store_writing, "_write_contents", fail)
        killed.setattr(_store_files.shutil, "rmtree", lambda *arguments, **options: None)
        with pytest.raises(InterruptedError):
            write_store(RATINGS, IDS, tmp_path / "store")
    (remains,) = tmp_path.iterdir()
    assert any(remains.rglob("codes.npy"))
    for folder in (tmp_path / "store", remains, remains / "store"):
        with pytest.raises(ValueError, match=r"pass a folder that prepare_ratings made"):
            RatingsStore(folder)
    write_store(RATINGS, IDS, tmp_path / "store")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_a_folder_that_is_missing_or_no_store_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere does not exist: pass a folder that prepare_ratings made"):
        RatingsStore(tmp_path / "nowhere")
    for text in (None, "not JSON", "[]", '{"format": "another"}'):
        if text is not None:
            (tmp_path / CONTENTS).write_text(text)
        with pytest.raises(ValueError, match=rf"{tmp_path.name} holds no store\.json of a ratings store"):
            RatingsStore(tmp_path)


def test_another_version_is_refused(store):
    file = store.folder / CONTENTS
    file.write_text(json.dumps({**json.loads(file.read_text()), "version": 7, "new": 1}))
    with pytest.raises(
        ValueError, match=r"store of format 7 while .* reads format 1: prepare the ratings anew"
    ):
        RatingsStore(store.folder)


@pytest.mark.parametrize("name", ["codes.npy", "item_targets.npy", "ids_1.arrow", "starts_0.npy"])
def test_missing_and_truncated_files_are_named(store, name):
    file = store.folder / name
    data = file.read_bytes()
    file.write_bytes(data[:-5])
    with pytest.raises(
        ValueError, match=rf"{name} has {len(data) - 5} bytes instead of {len(data)}: .* damaged"
    ):
        RatingsStore(store.folder)
    file.unlink()
    with pytest.raises(ValueError, match=rf"{name} is missing: the ratings store is damaged"):
        RatingsStore(store.folder)


def test_ids_with_categories_are_refused(tmp_path):
    with pytest.raises(TypeError, match="ids of plain types, not categories"):
        write_store(RATINGS, IDS, tmp_path / "store", id_types=["int64", {"categories": IDS[1]}])
    assert list(tmp_path.iterdir()) == []


def test_a_bucket_holds_a_range_of_codes_with_few_rows(tmp_path):
    dtype = np.dtype([("users", np.int32), ("place", np.int64)])
    rows = np.zeros(100, dtype)
    rows["users"], rows["place"] = np.random.default_rng(0).integers(0, 30, 100), np.arange(100)
    counts = np.bincount(rows["users"], minlength=32)
    with _store_shuffle.Buckets(tmp_path / "rows", dtype, "users", counts) as buckets:
        for part in np.split(rows, [7, 40]):
            buckets.add(part)
        found = list(buckets)
    assert not list(tmp_path.iterdir())
    assert [code for bucket in found for code in bucket.codes] == list(range(32))
    for codes, part in found:
        assert len(part) < 17 + counts.max()
        assert part.tolist() == [row for row in rows.tolist() if row[0] in codes]


def test_an_id_may_have_more_ratings_than_a_bucket(tmp_path):
    codes = [np.repeat([0, 3], [50, 2]).astype(np.int32), np.r_[np.arange(50), 7, 9].astype(np.int32)]
    ratings = Ratings.merge(codes, np.arange(52.0), np.ones(52), (5, 60))
    store = write_store(ratings, [np.arange(5), np.arange(60)], tmp_path / "store")
    users, items = store.ratings().field_cells
    assert users.targets.tolist() == ratings.targets.tolist()
    assert items.other_codes[items.starts[7] : items.starts[8]].tolist() == [0, 3]
