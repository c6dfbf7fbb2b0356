"""The update of rows by a chunk of further ratings: each row minimises its objective."""

import numpy as np
import pytest

from sklearn_mf.model._chunk import Chunk, FieldProblems, Memory
from sklearn_mf.model._chunk_update import Moments, RowUpdate, mean_curvature
from sklearn_mf.model._factors import Model

WIDTH = 4


def a_problem(n_fields, seed=0):
    """Tables and a chunk over a few ids, some of which have no earlier ratings."""
    rng = np.random.default_rng(seed)
    n_ids = (5, 6, 4)[:n_fields]
    tables = [rng.standard_normal((n, WIDTH)).astype(np.float32) for n in n_ids]
    codes = np.unique(np.column_stack([rng.integers(0, n, 12) for n in n_ids]), axis=0).astype(np.int32)
    n = len(codes)
    seen = [rng.integers(0, 4, size).astype(float) for size in n_ids]
    return tables, Chunk(codes, rng.standard_normal(n), rng.uniform(0.5, 2, n), seen, 0.0)


def predicted(rows):
    """Sum of the biases and of the inner products of all pairs of rows (n_fields, width)."""
    vectors = rows[:, :-1]
    pairs = sum(vectors[f] @ vectors[g] for g in range(len(rows)) for f in range(g))
    return rows[:, -1].sum() + pairs


def objective(row, number, field, tables, chunk, memory, variances):
    """The objective of the module, written out for the row of one id."""
    start, held = tables[field][number].astype(float), chunk.seen[field][number] or memory.of_new
    total = 0.5 * (row - start) @ (held * memory.of_rating + memory.shared) @ (row - start)
    for codes, z, w in zip(chunk.codes, chunk.targets, chunk.weights, strict=True):
        if codes[field] == number:
            rows = np.array([table[code] for table, code in zip(tables, codes, strict=True)], dtype=float)
            rows[field] = row
            total += (
                w / 2 * (z - predicted(rows)) ** 2 + memory.l2 * w / 2 * ((row - memory.centres) ** 2).sum()
            )
            if variances is not None:
                spread = variances[1 - field][codes[1 - field]].astype(float)
                total += w / 2 * (spread[:-1] @ row[:-1] ** 2)
    return total


@pytest.mark.parametrize(("n_fields", "is_uncertain"), [(1, False), (2, False), (2, True), (3, False)])
def test_rows_minimise_their_objective(n_fields, is_uncertain):
    tables, chunk = a_problem(n_fields)
    rng = np.random.default_rng(1)
    variances = (
        [rng.uniform(0, 1, table.shape).astype(np.float32) for table in tables] if is_uncertain else None
    )
    root = rng.standard_normal((WIDTH, WIDTH))
    memory = Memory(root @ root.T, 0.3 * np.eye(WIDTH), 0.2, rng.standard_normal(WIDTH), 2.5)
    for field in range(n_fields):
        problems = FieldProblems.of(tables, chunk, field, memory, True, variances)
        np.testing.assert_array_equal(problems.ids, np.unique(chunk.codes[:, field]))
        for number, row in zip(problems.ids, problems.solutions(), strict=True):
            arguments = number, field, tables, chunk, memory, variances
            least = objective(row, *arguments)
            for step in 0.01 * np.vstack([np.eye(WIDTH), -np.eye(WIDTH)]):
                assert objective(row + step, *arguments) > least


def test_many_rows_are_solved_in_parts(monkeypatch):
    tables, chunk = a_problem(2)
    memory = Memory(np.eye(WIDTH), np.eye(WIDTH), 0.2, np.zeros(WIDTH), 1.0)
    whole = FieldProblems.of(tables, chunk, 0, memory).solutions()
    monkeypatch.setattr("sklearn_mf.model._chunk._MOST_FLOATS", 2 * WIDTH**2)
    np.testing.assert_array_equal(FieldProblems.of(tables, chunk, 0, memory).solutions(), whole)


def test_non_negative_rows_are_the_best_non_negative_ones():
    tables, chunk = a_problem(2)
    memory = Memory(np.eye(WIDTH), np.eye(WIDTH), 0.2, np.zeros(WIDTH), 1.0)
    problems = FieldProblems.of(tables, chunk, 0, memory)
    free, positive = problems.solutions(), problems.solutions(positive=True)
    assert (free[:, :-1] < -0.01).any() and (positive[:, :-1] >= 0).all()
    for number, row in zip(problems.ids, positive, strict=True):
        arguments = number, 0, tables, chunk, memory, None
        for coordinate in range(WIDTH):
            for step in (-0.001, 0.001):
                other = row.copy()
                other[coordinate] += step
                if coordinate == WIDTH - 1 or other[coordinate] >= 0:
                    assert objective(other, *arguments) >= objective(row, *arguments) - 1e-9


@pytest.mark.parametrize("fit_bias", [True, False])
def test_mean_curvature_of_two_fields_is_the_mean_over_the_ratings(fit_bias):
    tables, chunk = a_problem(2)
    rng = np.random.default_rng(0)
    items, weights = rng.integers(0, 6, 50), rng.uniform(0, 1, 50)
    X = tables[1][items].astype(float)
    X[:, -1] = fit_bias
    seen = np.bincount(items, weights, 6)
    moments = [Moments.of(tables[0], chunk.seen[0]), Moments.of(tables[1], seen)]
    expected = (X * weights[:, None]).T @ X / weights.sum()
    np.testing.assert_allclose(mean_curvature(moments, 0, fit_bias), expected, atol=1e-12)


def a_model(tables):
    embeddings = [table[:, :-1].copy() for table in tables]
    averages = np.array([table[:, :-1].mean(axis=0) for table in tables], dtype=float)
    epochs = [np.ones(len(table), dtype=np.int32) for table in tables]
    biases = [table[:, -1].copy() for table in tables]
    return Model(0.0, 1.0, embeddings, biases, averages, np.zeros(len(tables)), epochs)


def test_a_new_row_explains_the_unobserved_cells_and_its_rating():
    """With unobserved cells it minimises the objective of fit: all cells, its ratings and the penalty."""
    tables, _ = a_problem(2)
    seen = [np.array([1.0, 1, 1, 1, 0]), np.ones(6)]
    chunk = Chunk(np.array([[4, 2]], dtype=np.int32), np.array([1.5]), np.array([1.0]), seen, 0.0)
    l2, prior, weight, value = 0.1, 2.0, 0.3, -2.0
    update = RowUpdate(l2, prior, unobserved=(weight, value))
    after = update.apply(a_model(tables), chunk)
    row = np.append(after.embeddings[0][4], after.biases[0][4]).astype(float)
    X = tables[1].astype(float)
    b, X[:, -1] = X[:, -1].copy(), 1.0
    rows, targets, w = (
        np.vstack([X, X[2]]),
        np.append(value - b, 1.5 - b[2]),
        np.append(np.full(6, weight), 1.0),
    )
    G = (rows * w[:, None]).T @ rows + l2 * (1 + prior + weight * 6) * np.eye(WIDTH)
    np.testing.assert_allclose(row, np.linalg.solve(G, rows.T @ (w * targets)), rtol=1e-4, atol=1e-5)
