"""Exact top-n against sorting everything."""

import os
import subprocess
import sys
import threading
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info, threadpool_limits

from sklearn_mf.retrieval import _top_n
from sklearn_mf.retrieval._top_n import top_n, unit_rows
from sklearn_mf.utils import _threads


def brute_force(queries, candidates, n, excluded, offsets=None):
    """Sort all float64 scores, each summed up on its own as `top_n` does."""
    pairs = np.repeat(queries, len(candidates), axis=0), np.tile(candidates.astype(float), (len(queries), 1))
    scores = np.einsum("nk,nk->n", *pairs).reshape(len(queries), -1)
    scores = scores if offsets is None else scores + offsets
    scores[excluded] = -np.inf
    lists = []
    for row, line in enumerate(scores):
        order = np.argsort(-line, kind="stable")[:n]
        lists += [(row, column, rank + 1) for rank, column in enumerate(order) if line[column] > -np.inf]
    return lists


def found(ranking):
    return list(zip(ranking.rows.tolist(), ranking.columns.tolist(), ranking.ranks.tolist(), strict=True))


NOTHING = np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
DRAWS = {
    "normal": lambda rng, size: rng.normal(size=size),
    "whole numbers, many ties": lambda rng, size: rng.integers(-1, 2, size).astype(float),
    "ties in float32 alone": lambda rng, size: 1 + rng.integers(0, 9, size) * 1e-9,
    "near the resolution of float32": lambda rng, size: 1 + rng.integers(0, 9, size) * 2.0**-24,
    "large and small": lambda rng, size: rng.normal(size=size) * 10.0 ** rng.integers(-9, 9, size),
    "zeros": lambda rng, size: np.zeros(size),
    "tiny": lambda rng, size: rng.normal(size=size) * 1e-20,
}


@given(
    st.integers(0, 2**16),
    st.integers(1, 12),
    st.integers(1, 300),
    st.integers(0, 5),
    st.integers(1, 70),
    st.sampled_from(sorted(DRAWS)),
    st.sampled_from([None, np.float32, np.float64]),
    st.integers(1, 12),
)
@settings(deadline=None, max_examples=300)
def test_equals_sorting_everything_ties_by_column(
    seed, n_queries, n_candidates, width, n, draw, offset_type, rows_in_a_block
):
    rng = np.random.default_rng(seed)
    queries, candidates = (DRAWS[draw](rng, (size, width)) for size in (n_queries, n_candidates))
    candidates = candidates if seed % 2 else candidates.astype(np.float32)
    offsets = None if offset_type is None else DRAWS[draw](rng, n_candidates).astype(offset_type)
    queries[rng.random(n_queries) < rng.choice([0, 0.5])] = 0
    mask = rng.random((n_queries, n_candidates)) < rng.choice([0, 0.3, 0.99])
    expected = brute_force(queries, candidates, n, mask, offsets)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_top_n, "_BLOCK_ROWS", rows_in_a_block)
        patch.setattr(_top_n, "_CELLS", 2 ** (seed % 9))
        patch.setattr(_top_n, "_CHUNK", 1 + seed % 99)
        ranking = top_n(queries, candidates, n, lambda block: np.nonzero(mask[block]), offsets)
    assert found(ranking) == expected
    cells = top_n(queries, candidates, n, None, offsets, cells=np.nonzero(~mask))
    assert found(cells) == expected
    assert (cells.scores == ranking.scores).all()


def sample(n_queries=300, n_candidates=2000):
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(n_queries, 16))
    return queries, rng.normal(size=(n_candidates, 16)).astype(np.float32), rng.normal(size=n_candidates)


@pytest.mark.parametrize("rows", [1, 7, 64, 299])
@pytest.mark.parametrize("threads", [1, 2, 5])
def test_blocks_and_threads_change_no_bit(monkeypatch, rows, threads):
    queries, candidates, offsets = sample()
    whole = top_n(queries, candidates, 5, None, offsets)
    monkeypatch.setattr(_top_n, "_BLOCK_ROWS", rows)
    monkeypatch.setattr(_top_n, "n_threads", lambda n_blocks: min(threads, n_blocks))
    parts = top_n(queries, candidates, 5, None, offsets)
    assert all((one == other).all() for one, other in zip(whole, parts, strict=True))


def test_one_query_gives_what_it_gives_among_others():
    queries, candidates, offsets = sample()
    whole = top_n(queries, candidates, 5, None, offsets)
    for row in range(0, 300, 17):
        alone = top_n(queries[[row]], candidates, 5, None, offsets)
        assert (alone.columns == whole.columns[whole.rows == row]).all()
        assert (alone.scores == whole.scores[whole.rows == row]).all()


@pytest.mark.parametrize("ties", [False, True])
def test_memory_is_bounded_by_the_blocks(monkeypatch, ties):
    queries, candidates, _ = sample(2000, 5000)
    if ties:
        queries, candidates = queries[:200] ** 0, candidates**0
    monkeypatch.setattr(_top_n, "_BLOCK_BYTES", 2**20)
    monkeypatch.setattr(_top_n, "_CELLS", 2**16)
    monkeypatch.setattr(_top_n, "n_threads", lambda n_blocks: 2)
    top_n(queries[:99], candidates, 5)
    tracemalloc.start()
    ranking = top_n(queries, candidates, 5)
    peak = tracemalloc.get_traced_memory()[1] - sum(part.nbytes for part in ranking)
    tracemalloc.stop()
    assert peak < 16 * 2**20 < 4 * len(queries) * len(candidates) * (10 if ties else 1)


def test_the_threads_of_blas_are_given_back_whatever_happens():
    queries, candidates, _ = sample()
    _threads._blas_libraries()

    def n_blas_threads():
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    def fail(block):
        time.sleep(0.01)
        raise ZeroDivisionError

    with threadpool_limits(2, user_api="blas"):
        before = n_blas_threads()
        searches = [threading.Thread(target=top_n, args=(queries, candidates, 5)) for _ in range(8)]
        for search in searches:
            search.start()
        for size in (1, 300):
            with pytest.raises(ZeroDivisionError):
                top_n(queries[:size], candidates, 5, fail)
        for search in searches:
            search.join()
        assert n_blas_threads() == before


def n_blas_threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


def test_a_search_in_any_thread_limits_blas_though_another_thread_controls_it():
    """Since threadpoolctl 3.8 the first thread that sets a limit of OpenBLAS has control of it."""
    queries, candidates, _ = sample()
    inside = []
    with threadpool_limits(2, user_api="blas"):
        search = threading.Thread(
            target=top_n,
            args=(queries, candidates, 5, lambda block: inside.append(n_blas_threads()) or NOTHING),
        )
        search.start()
        search.join()
        assert set(map(tuple, inside)) == {tuple(1 for _ in n_blas_threads())}
        assert set(n_blas_threads()) == {2}


def test_a_limit_that_the_user_sets_in_a_thread_counts_after_a_search():
    queries, candidates, _ = sample()
    top_n(queries, candidates, 5)
    found = []

    def limited():
        with threadpool_limits(1, user_api="blas"):
            found.append(n_blas_threads())

    before = n_blas_threads()
    user = threading.Thread(target=limited)
    user.start()
    user.join()
    assert set(found[0]) == {1}
    assert n_blas_threads() == before


def test_a_limit_that_the_user_sets_during_a_search_stays():
    queries, candidates, _ = sample()

    def set_three(block):
        for library in _threads._blas_libraries():
            _threads._set_limit(library, 3)
        return NOTHING

    with threadpool_limits(2, user_api="blas"):
        top_n(queries[:2], candidates, 5, set_three)
        assert set(n_blas_threads()) == {3}


def test_one_query_starts_no_thread_of_blas():
    """The products of one query are too small for OpenBLAS to share among threads, and no limit is set."""
    code = (
        "import numpy as np, os; from sklearn_mf.retrieval._top_n import top_n; "
        "candidates = np.ones((200_000, 64), dtype=np.float32); query = np.ones((1, 64)); "
        "me = str(os.getpid()); "
        "others = lambda: sum(sum(map(int, open(f'/proc/self/task/{task}/stat').read().split()[13:15])) "
        "for task in os.listdir('/proc/self/task') if task != me); "
        "top_n(query, candidates, 5); before = others(); [top_n(query, candidates, 5) for _ in range(10)]; "
        "print(others() - before)"
    )
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    output = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert int(output.stdout) <= 1


def test_the_threads_are_as_many_as_blas_may_use():
    for limit in (1, 2):
        with threadpool_limits(limit, user_api="blas"):
            assert _threads.n_threads(100) == limit
    assert _threads.n_threads(1) == 1


def test_retrieval_does_not_load_tensorflow():
    code = (
        "import sys, numpy as np; from sklearn_mf.retrieval._top_n import top_n; "
        "top_n(np.eye(3), np.eye(3), 1); "
    )
    subprocess.run([sys.executable, "-c", code + "assert 'tensorflow' not in sys.modules"], check=True)


def test_a_crowd_of_ties_goes_by_column():
    ranking = top_n(np.ones((2, 1)), np.ones((1000, 1)), 4)
    assert ranking.columns.tolist() == [0, 1, 2, 3] * 2


def test_no_queries_no_candidates_and_all_excluded_give_empty_lists():
    assert len(top_n(np.ones((0, 1)), np.ones((3, 1)), 2).rows) == 0
    assert len(top_n(np.ones((3, 1)), np.ones((0, 1)), 2).rows) == 0
    everything = top_n(np.ones((2, 1)), np.ones((3, 1)), 2, lambda block: np.nonzero(np.ones((2, 3))))
    assert len(everything.rows) == 0


@pytest.mark.parametrize("n", [1, np.int8(100), 10**30])
def test_any_whole_number_is_a_length(n):
    assert len(top_n(np.ones((1, 1)), np.ones((300, 1)), n).rows) == min(n, 300)


def test_unit_rows_leave_zeros():
    np.testing.assert_allclose(unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])), [[0.6, 0.8], [0, 0]])


@pytest.mark.parametrize("n", [1, 3])
def test_near_ties_are_ranked_in_double_precision(n):
    candidates = 1 + np.arange(12)[::-1, None] * 1e-12
    assert top_n(np.ones((1, 1)), candidates, n).columns.tolist() == list(range(n))
