"""Exact top-n against sorting everything."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from sklearn_mf import _retrieval
from sklearn_mf._retrieval import seen_cells, top_n, unit_rows


def brute_force(queries, candidates, n, excluded):
    scores = queries @ candidates.T
    scores[excluded] = -np.inf
    lists = []
    for row, line in enumerate(scores):
        order = sorted(range(len(line)), key=lambda column: (-line[column], column))
        lists += [(row, column, rank + 1) for rank, column in enumerate(order[:n]) if line[column] > -np.inf]
    return lists


def found(ranking):
    return list(zip(ranking.rows.tolist(), ranking.columns.tolist(), ranking.ranks.tolist(), strict=True))


def none_excluded(block):
    return np.array([], int), np.array([], int)


@given(st.integers(0, 2**16), st.integers(1, 12), st.integers(1, 60), st.integers(1, 70), st.booleans())
@settings(deadline=None, max_examples=150)
def test_equals_sorting_everything_ties_by_column(seed, n_queries, n_candidates, n, whole_numbers):
    rng = np.random.default_rng(seed)
    draw = (lambda size: rng.integers(-1, 2, size).astype(float)) if whole_numbers else rng.normal
    queries, candidates = draw(size=(n_queries, 3)), draw(size=(n_candidates, 3))
    mask = rng.random((n_queries, n_candidates)) < 0.3
    expected = brute_force(queries, candidates, n, mask)
    ranking = top_n(queries, candidates, n, lambda block: np.nonzero(mask[block]))
    assert found(ranking) == expected
    np.testing.assert_allclose(
        ranking.scores, [queries[r] @ candidates[c] for r, c, _ in expected], atol=1e-12
    )


def test_many_blocks_give_what_one_gives(monkeypatch):
    rng = np.random.default_rng(0)
    queries, candidates = rng.normal(size=(50, 4)), rng.normal(size=(300, 4))
    whole = top_n(queries, candidates, 5, none_excluded)
    sizes = []
    monkeypatch.setattr(_retrieval, "_BLOCK_BYTES", 4 * 300 * 7)
    largest = _retrieval._largest
    monkeypatch.setattr(
        _retrieval, "_largest", lambda scores, n: sizes.append(scores.nbytes) or largest(scores, n)
    )
    parts = top_n(queries, candidates, 5, none_excluded)
    assert all((one == other).all() for one, other in zip(whole, parts, strict=True))
    assert max(sizes) <= 4 * 300 * 7 and len(sizes) == 8


def test_a_crowd_of_ties_goes_by_column():
    ranking = top_n(np.ones((2, 1)), np.ones((1000, 1)), 4, none_excluded)
    assert ranking.columns.tolist() == [0, 1, 2, 3] * 2


def test_no_queries_and_all_excluded_give_empty_lists():
    assert len(top_n(np.ones((0, 1)), np.ones((3, 1)), 2, none_excluded).rows) == 0
    everything = top_n(np.ones((2, 1)), np.ones((3, 1)), 2, lambda block: np.nonzero(np.ones((2, 3))))
    assert len(everything.rows) == 0


def test_seen_cells_of_known_users_and_listed_candidates():
    seen = sp.csr_array(np.array([[1, 0, 1], [0, 1, 0]], dtype=bool))
    rows, columns = seen_cells(seen, np.array([-1, 1, 0]), np.array([0, -1, 1]))
    assert list(zip(rows.tolist(), columns.tolist(), strict=True)) == [(2, 0), (2, 1)]


def test_unit_rows_leave_zeros():
    np.testing.assert_allclose(unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])), [[0.6, 0.8], [0, 0]])


@pytest.mark.parametrize("n", [1, 3])
def test_near_ties_are_ranked_in_double_precision(n):
    candidates = 1 + np.arange(12)[::-1, None] * 1e-12
    assert top_n(np.ones((1, 1)), candidates, n, none_excluded).columns.tolist() == list(range(n))
