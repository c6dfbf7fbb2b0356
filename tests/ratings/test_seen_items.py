"""Rated items of users, beside a dense matrix."""

import numpy as np
import pytest

from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.ratings._seen_items import SeenItems

MATRIX = np.array([[1, 0, 1], [0, 0, 0], [0, 1, 0]], dtype=bool)


@pytest.fixture
def seen():
    return seen_of(MATRIX)


def seen_of(matrix):
    users, items = np.nonzero(matrix)
    codes = [users.astype(np.int32), items.astype(np.int32)]
    return SeenItems.of(Ratings.merge(codes, np.ones(len(users)), np.ones(len(users)), matrix.shape))


def test_cells_of_users_leave_unknown_ones_out(seen):
    rows, items = seen.of_users(np.array([-1, 2, 1, 0, -1]))
    assert list(zip(rows.tolist(), items.tolist(), strict=True)) == [(1, 1), (3, 0), (3, 2)]


def test_contains_reads_each_cell_and_knows_no_unknown_id(seen):
    users, items = np.divmod(np.arange(9), 3)
    assert (seen.contains(users, items) == MATRIX.ravel()).all()
    assert not seen.contains(np.array([-1, 0]), np.array([0, -1])).any()


def test_counts_by_user_and_by_item(seen):
    assert seen.counts(0).tolist() == [2, 0, 1]
    assert seen.counts(1).tolist() == [1, 1, 1]


def test_the_items_of_an_earlier_fit_join_under_their_new_codes(seen):
    older = seen_of(np.array([[1, 1]], dtype=bool))
    joined = seen.joined(older, [np.array([1], np.int32), np.array([2, 0], np.int32)])
    expected = MATRIX.copy()
    expected[1, [0, 2]] = True
    users, items = np.divmod(np.arange(9), 3)
    assert (joined.contains(users, items) == expected.ravel()).all()


@pytest.mark.parametrize(("n_items", "dtype"), [(256, np.uint8), (257, np.uint16), (65537, np.uint32)])
def test_items_have_the_smallest_type_that_holds_their_codes(n_items, dtype):
    codes = [np.array([0, 1], np.int32), np.array([0, n_items - 1], np.int32)]
    seen = SeenItems.of(Ratings.merge(codes, np.ones(2), np.ones(2), (2, n_items)))
    joined = seen.joined(seen, [np.arange(2, dtype=np.int32), np.arange(n_items, dtype=np.int32)])
    for each in (seen, joined, seen.without(np.array([True, False]), np.zeros(n_items, dtype=bool))):
        assert each.items.dtype == dtype
        assert each.items[-1] == n_items - 1
