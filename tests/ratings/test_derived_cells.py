"""Ratings on disk with other codes or values, beside the same ratings in memory."""

import errno
import os

import numpy as np
import pytest

from sklearn_mf.ratings import _derived_cells as derived
from sklearn_mf.ratings._derived_cells import renumbered, with_values
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.ratings._temporary_arrays import array_on_disk
from tests.ratings.stores import write_store

N_IDS = 9, 7


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(derived, "_CHUNK", 4)


@pytest.fixture
def rows():
    """Codes, ratings and weights of rows, of which some repeat a cell."""
    rng = np.random.default_rng(0)
    codes = [rng.integers(0, n, 40).astype(np.int32) for n in N_IDS]
    return codes, rng.integers(1, 6, 40) / 2, rng.integers(1, 4, 40) / 1.0


def on_disk(ratings, folder):
    return write_store(ratings, [np.arange(n) for n in ratings.n_ids], folder).ratings()


def assert_same_cells(found, expected):
    """All arrays are equal, also those in the order of the items."""
    for name in ("codes", "targets", "weights", "within_squares", "n_ids"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    for cells, others in zip(found.field_cells, expected.field_cells, strict=True):
        for part, other in zip(cells, others, strict=True):
            np.testing.assert_array_equal(part, other)


def test_renumbered_cells_are_those_of_rows_with_the_new_codes(rows, tmp_path):
    codes, targets, weights = rows
    new = [np.array([0, 2, 3, 5, 6, 7, 8, 10, 11], np.int32), np.arange(7, dtype=np.int32)]
    stored = on_disk(Ratings.merge(codes, targets, weights, N_IDS), tmp_path / "one")
    expected = Ratings.merge([part[code] for part, code in zip(new, codes, strict=True)], *rows[1:], (12, 7))
    assert_same_cells(renumbered(stored, new, (12, 7)), on_disk(expected, tmp_path / "other"))
    assert renumbered(stored, [np.arange(9), np.arange(7)], N_IDS) is stored


def test_other_values_are_computed_for_both_orders(rows, tmp_path):
    merged = Ratings.merge(*rows, N_IDS)
    found = with_values(on_disk(merged, tmp_path / "one"), np.multiply, None)
    assert_same_cells(found, on_disk(with_values(merged, np.multiply, None), tmp_path / "other"))
    np.testing.assert_array_equal(found.targets, merged.targets * merged.weights)
    assert (found.weights == 1).all()
    weighed = with_values(merged, None, lambda targets, weights: targets + weights)
    np.testing.assert_array_equal(weighed.weights, merged.targets + merged.weights)


def test_an_array_on_disk_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    array = array_on_disk((3, 2), np.int32)
    array[1] = 5
    assert array.tolist() == [[0, 0], [5, 5], [0, 0]]
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error_before_anything_is_written(monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(OSError, match=r"temporary file of 800 bytes in .*No space left.* set TMPDIR"):
        array_on_disk((100,), np.float64)
