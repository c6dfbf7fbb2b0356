"""Value and proximal step of the penalty."""

import numpy as np

from sklearn_mf.solvers._objective import elastic_net, soft_threshold


def test_value_counts_the_penalty_once_a_rating():
    table = np.array([[1.0, -2.0], [3.0, 0.0]], dtype=np.float32)
    value = elastic_net(table, np.array([2.0, 1.0], np.float32), np.float32(0.5), np.float32(0.1))
    np.testing.assert_allclose(value, 2 * (0.5 * 3 + 0.05 * 5) + (0.5 * 3 + 0.05 * 9), rtol=1e-6)


def test_value_of_a_broken_table_is_not_finite_even_without_penalty():
    table = np.array([[np.inf, 0.0]], dtype=np.float32)
    zero = np.float32(0)
    assert not np.isfinite(elastic_net(table, np.ones(1, np.float32), zero, zero))


def test_soft_threshold_minimises_its_proximal_problem():
    rows = np.array([[-2.0, -0.3, 0.0, 0.4, 3.0]], dtype=np.float32)
    shrunk = np.asarray(soft_threshold(rows, np.array([[0.5]], np.float32)))
    np.testing.assert_allclose(shrunk, [[-1.5, 0, 0, 0, 2.5]], atol=1e-6)
    grid = np.linspace(-4, 4, 8001)
    for start, end in zip(rows[0], shrunk[0], strict=True):
        best = grid[np.argmin(0.5 * (grid - start) ** 2 + 0.5 * np.abs(grid))]
        assert abs(best - end) < 2e-3
