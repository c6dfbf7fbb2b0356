"""The compiled conjugate gradient over segments of ratings against the one over padded rows."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_mf import MFRecommender
from sklearn_mf.model._initialization import fresh_start
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.solvers._training import ALSOptions
from sklearn_mf.solvers.als import _field_tables
from sklearn_mf.solvers.als import _grouping as grouping
from sklearn_mf.solvers.als import _parts as parts
from sklearn_mf.solvers.als import _segments as segments
from sklearn_mf.solvers.als import _solver as als
from sklearn_mf.solvers.als._field_tables import FieldTables
from tests.solvers.problems import as_on_disk

L2 = ALSOptions(0.0, 0.05, False, True)


@pytest.fixture(scope="module")
def data():
    """Ratings of 1,100 users and 9 items: one item has more ratings than a block holds, one a single one."""
    rng = np.random.default_rng(0)
    n_of_items = [5000, 900, 300, 33, 32, 31, 3, 2, 1]
    users = np.concatenate([rng.choice(6000, n, replace=False) for n in n_of_items])
    items = np.repeat(np.arange(9), n_of_items)
    y = 0.3 * (users % 7) + 0.2 * (items % 5) + rng.normal(size=len(users))
    return np.column_stack([users, items]), y, rng.uniform(0.5, 2, len(y))


@pytest.fixture(scope="module")
def ratings(data):
    X, y, weights = data
    codes = [np.unique(column, return_inverse=True)[1].astype(np.int32) for column in X.T]
    return Ratings.merge(codes, y, weights, tuple(int(column.max()) + 1 for column in codes))


@pytest.fixture
def one_size(monkeypatch):
    """All arrays are padded to one size, so that these tests share a compilation."""
    monkeypatch.setattr(grouping, "rounded_up", lambda *_: 8192)


def swept(ratings, method, n_sweeps=2):
    """Tables, and the objectives after each sweep."""
    start = fresh_start(ratings, 3.0, 1.0, 5, seed=0, std=0.3)
    tables = FieldTables(ratings, start, method)
    dampings = [np.full(len(ids), 2.0, np.float32) for ids in tables.ids]
    objectives = [tables.minimise(f"sweep {number}", dampings, L2) for number in range(n_sweeps)]
    return tables, objectives


@pytest.mark.usefixtures("one_size")
def test_a_sweep_equals_that_over_padded_rows(ratings):
    assert ratings.counts(1).max() > segments.MOST_RATINGS, "one row has too many ratings for a block"
    padded, expected = swept(ratings, "gradient")
    compiled, objectives = swept(ratings, "segments")
    np.testing.assert_allclose(objectives, expected, rtol=1e-6)
    for ours, theirs in zip(compiled.tables, padded.tables, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_fields_grouped_side_by_side_are_the_same(ratings, monkeypatch):
    in_turn, expected = swept(ratings, "gradient")
    monkeypatch.setattr(_field_tables, "SIDE_BY_SIDE_FROM", 0)
    side_by_side, objectives = swept(ratings, "gradient")
    assert objectives == expected
    for ours, theirs in zip(side_by_side.tables, in_turn.tables, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 9000), max_size=300), st.randoms(use_true_random=False))
def test_segments_hold_each_rating_of_the_rows_with_few_ratings_once(counts, random):
    counts = np.sort(np.array(counts, np.int32))
    places = list(range(len(counts)))
    random.shuffle(places)  # the ratings of the rows lie in any order
    lies_at = np.cumsum([0, *counts[places]])[:-1]
    starts = np.empty(len(counts), np.int32)
    starts[places] = lies_at
    bounds = segments.segment_bounds(counts)
    cut = segments.cut_into_segments(starts, starts + counts, bounds)
    assert bounds[-1] == (counts <= segments.MOST_RATINGS).sum()
    assert (np.diff(bounds) > 0).all()
    assert cut.shape == (len(bounds) - 1, segments._SEGMENTS, 3)
    for block, (first, last) in enumerate(pairwise(bounds)):
        assert last - first <= segments._ROWS
        held = {row: [] for row in range(first, last)}
        for row, begin, end in cut[block]:
            held[first + row] += range(begin, min(begin + 32, end))
        for row, found in held.items():
            assert found == list(range(starts[row], starts[row] + counts[row]))


@pytest.mark.usefixtures("one_size")
def test_parts_on_disk_give_the_rows_of_one_part_in_memory(ratings, monkeypatch):
    monkeypatch.setattr(parts, "_PART_RATINGS", 2000)
    in_memory, _ = swept(ratings, "segments", 1)
    on_disk, _ = swept(as_on_disk(ratings), "segments", 1)
    assert on_disk.fields[0].n_parts > 1
    for field in (0, 1):
        rows = [each.tables[field].numpy()[np.argsort(each.ids[field])] for each in (in_memory, on_disk)]
        np.testing.assert_allclose(*rows, atol=1e-6)


def test_unobserved_cells_and_prior_ratings_give_the_same_objective(data, monkeypatch):
    X, y, _ = data
    curves = []
    for limit in (len(y) + 1, len(y)):
        monkeypatch.setattr(als, "_SEGMENTS_FROM", limit)
        model = MFRecommender(
            40, solver="als", unobserved_weight=0.1, prior_ratings=2.0, max_iter=2, random_state=0
        )
        curves.append(model.fit(X, y).loss_curve_)
    np.testing.assert_allclose(*curves, rtol=1e-6)
    assert curves[0] != curves[1], "another method has other roundings"


@pytest.mark.parametrize(
    ("n_fields", "n_ratings", "dim", "method"),
    [
        (2, 2**20, 64, "segments"),
        (2, 2**20 - 1, 64, "gradient"),
        (3, 2**20, 64, "gradient"),
        (2, 2**20, 8, "cholesky"),
    ],
)
def test_many_ratings_of_two_fields_are_solved_in_segments(n_fields, n_ratings, dim, method):
    codes = np.broadcast_to(np.int32(0), (n_ratings, n_fields))
    ones = np.broadcast_to(1.0, n_ratings)
    assert als.best_method(L2, dim, Ratings(codes, ones, ones, (1,) * n_fields, ones)) == method
