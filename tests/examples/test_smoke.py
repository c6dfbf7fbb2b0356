"""The counts of docs/benchmarks/smoke.py: more of any of them is a regression."""

import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "docs" / "benchmarks" / "smoke.py"


@pytest.fixture(scope="module")
def smoke():
    return runpy.run_path(str(SCRIPT))


def test_a_search_compiles_each_of_three_programs_once_for_each_embedding_dim(smoke):
    assert smoke["compilations"]() == 3 * len(smoke["DIMS"])


def test_a_search_traces_each_method_of_als_once(smoke):
    assert smoke["traces"]() == 2
    assert smoke["traces"]() == 2


def test_scores_of_all_users_take_one_bounded_buffer_a_thread(smoke):
    counts = smoke["score_buffers"]()
    assert counts["score buffers"] == 2
    assert counts["bytes of the largest"] <= 32 * 2**20
