"""The least-squares problem of each id against NumPy in float64."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from sklearn_mf.solvers.als import _least_squares as least_squares
from sklearn_mf.solvers.als._least_squares import RowProblems

FREE = np.full(5, -np.inf, np.float32)
POSITIVE = np.array([0, 0, 0, 0, -np.inf], np.float32)


def problems(l1=0.0, l2=0.05, damping=4.0, n_rows=6, length=12, width=5, seed=0, prior=False):
    """Rows of 1 to `length` ratings, some with fewer than unknowns; in padding nonsense of weight 0."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, length, width))
    X[..., -1] = 1
    y, w = rng.normal(size=(n_rows, length)), rng.integers(1, 4, (n_rows, length)).astype(float)
    w[np.arange(length) >= np.linspace(1, length, n_rows).astype(int)[:, None]] = 0
    start = np.abs(rng.normal(0, 0.1, (n_rows, width)))
    total = w.sum(1)
    block = RowProblems(X, y, w, start, l1 * total, l2 * total, np.full(n_rows, damping))
    if not prior:
        return block
    linked = rng.normal(size=(width - 2, width))  # its Gramian is singular
    return block._replace(
        prior_precision=linked.T @ linked, prior_shift=linked.T @ rng.normal(size=width - 2)
    )


def tensors(block):
    return RowProblems(*(part if part is None else tf.constant(part, tf.float32) for part in block))


def value(block, t):
    """Objective of each row."""
    residuals = block.y - np.einsum("nlk,nk->nl", block.X, t)
    parts = (block.w * residuals**2).sum(1) / 2, block.l1 * np.abs(t).sum(1), block.ridge / 2 * (t**2).sum(1)
    value = sum(parts) + block.damping / 2 * ((t - block.start) ** 2).sum(1)
    if block.prior_precision is None:
        return value
    return value + ((t @ block.prior_precision) * t).sum(1) / 2 - t @ block.prior_shift


def gram(block, least=0.0):
    """Normal equations of each row; `least` is the diagonal loading as a share of the trace."""
    G = np.einsum("nlk,nl,nlj->nkj", block.X, block.w, block.X)
    damping = block.damping + least * np.trace(G, axis1=1, axis2=2)
    r = np.einsum("nlk,nl->nk", block.X, block.w * block.y) + damping[:, None] * block.start
    G += (block.ridge + damping)[:, None, None] * np.eye(G.shape[-1])
    if block.prior_precision is None:
        return G, r
    return G + block.prior_precision, r + block.prior_shift


def ridge(block, least=0.0):
    G, r = gram(block, least)
    return np.linalg.solve(G, r[..., None])[..., 0]


def descent(block, floor, n_passes=1000):
    """Coordinate descent, one coordinate after the other."""
    G, r = gram(block, least_squares.LOADING)
    t = np.maximum(block.start, floor)
    for _ in range(n_passes):
        for k in range(t.shape[1]):
            partial_residual = r[:, k] - (G[:, k] * t).sum(1) + G[:, k, k] * t[:, k]
            shrunk = np.sign(partial_residual) * np.maximum(np.abs(partial_residual) - block.l1, 0)
            t[:, k] = np.maximum(shrunk / G[:, k, k], floor[k])
    return t


@functools.cache
def graph(method, *_constants):
    return tf.function(getattr(least_squares, method), autograph=False, reduce_retracing=True)


def solve(method, block, floor=FREE):
    arguments = {
        "cholesky": (),
        "block_descent": (),
        "conjugate_gradient": (np.ones(block.X.shape[-1], np.float32),),
        "coordinate_descent": (floor,),
    }[method]
    constants = least_squares.BLOCK, least_squares._STEPS, least_squares._PASSES, least_squares._CHANGE
    rows, errors = graph(method, *constants)(tensors(block), *map(tf.constant, arguments))
    return rows.numpy(), errors.numpy()


METHODS = ["cholesky", "block_descent", "conjugate_gradient", "coordinate_descent"]


@pytest.mark.parametrize("damping", [0.0, 4.0, 160.0])
@pytest.mark.parametrize("l2", [0.0, 0.05, 1.0])
def test_cholesky_is_the_damped_ridge_solution(l2, damping):
    block = problems(l2=l2, damping=damping)
    rows, _ = solve("cholesky", block)
    undamped = l2 == damping == 0  # only the diagonal loading then determines flat directions
    np.testing.assert_allclose(rows, ridge(block, least_squares.LOADING), atol=0.1 if undamped else 1e-4)
    np.testing.assert_allclose(value(block, rows), value(block, ridge(block, 1e-9)), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("l2", "damping"), [(0.05, 4.0), (0.0, 4.0), (0.5, 0.0), (0.05, 160.0)])
def test_conjugate_gradient_converges_to_the_damped_ridge_solution(l2, damping, monkeypatch):
    monkeypatch.setattr(least_squares, "_STEPS", 25)
    block = problems(l2=l2, damping=damping)
    rows, _ = solve("conjugate_gradient", block)
    np.testing.assert_allclose(rows, ridge(block), atol=2e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_precision_common_to_all_rows_joins_the_normal_equations(method, monkeypatch):
    monkeypatch.setattr(least_squares, "_STEPS", 30)
    monkeypatch.setattr(least_squares, "_PASSES", 1000)
    monkeypatch.setattr(least_squares, "_CHANGE", 1e-6)
    block = problems(prior=True)
    rows, _ = solve(method, block)
    np.testing.assert_allclose(rows, ridge(block), atol=1e-4)
    assert np.abs(rows - ridge(problems())).max() > 0.1, "the prior counts"


@pytest.mark.parametrize("method", ["cholesky", "block_descent", "conjugate_gradient"])
def test_a_diagonal_precision_may_be_given_as_uncertainty(method):
    block = problems(prior=True)._replace(prior_precision=None, uncertainty=np.arange(5.0))
    dense = block._replace(prior_precision=np.diag(block.uncertainty), uncertainty=0.0)
    np.testing.assert_allclose(solve(method, block)[0], solve(method, dense)[0], atol=1e-5)


@pytest.mark.parametrize("prior", [False, True])
def test_blocks_of_coordinates_converge_to_the_ridge_solution(prior, monkeypatch):
    monkeypatch.setattr(least_squares, "BLOCK", 2)  # two blocks and a part
    block = problems(prior=prior, damping=0.0, l2=0.5)
    rows, values = block.start, [value(block, block.start)]
    for _ in range(60):
        rows, _ = solve("block_descent", block._replace(start=rows))
        values.append(value(block, rows))
    np.testing.assert_allclose(rows, ridge(block), atol=1e-3)
    assert (np.diff(values, axis=0) < 1e-4).all()


def test_a_common_precision_preconditions_the_conjugate_gradient(monkeypatch):
    monkeypatch.setattr(least_squares, "_STEPS", 1)
    block = problems(damping=0.0, l2=1e-3)
    shift = np.random.default_rng(0).normal(size=5)
    block = block._replace(prior_precision=np.diag([1e4, 1e3, 1e2, 1e3, 1e4]), prior_shift=100 * shift)
    rows, _ = solve("conjugate_gradient", block)
    least = value(block, ridge(block))
    assert ((value(block, rows) - least) < 0.2 * (value(block, block.start) - least)).all()


def test_draws_have_the_mean_and_covariance_of_the_normal_equations():
    block, n_draws = problems(prior=True, n_rows=2), 4000
    repeated = RowProblems(*(np.repeat(part, n_draws, 0) for part in block[:7]), *block[7:])
    noise = np.random.default_rng(0).normal(size=(2 * n_draws, 5)).astype(np.float32)
    draws, _ = least_squares.normal_draw(tensors(repeated), tf.constant(noise))
    G, _ = gram(block, least_squares.LOADING)
    means = ridge(block, least_squares.LOADING)
    for some, mean, precision in zip(np.split(draws.numpy(), 2), means, G, strict=True):
        white = (some - mean) @ np.linalg.cholesky(precision)
        np.testing.assert_allclose(white.mean(0), 0, atol=5 / np.sqrt(n_draws))
        np.testing.assert_allclose(np.cov(white.T), np.eye(5), atol=8 / np.sqrt(n_draws))


def test_each_step_of_conjugate_gradient_brings_every_row_lower(monkeypatch):
    block = problems()
    values = [value(block, block.start)]
    for steps in (1, 2, 3, 4):
        monkeypatch.setattr(least_squares, "_STEPS", steps)
        values.append(value(block, solve("conjugate_gradient", block)[0]))
    assert (np.diff(values, axis=0) < 1e-6).all()
    assert (values[1] < values[0]).all()
    assert (values[2] - value(block, ridge(block)) < 0.25 * (values[0] - value(block, ridge(block)))).all()


def test_conjugate_gradient_stays_at_the_solution():
    block = problems(damping=0.0, l2=0.5)
    block = block._replace(start=ridge(block))
    rows, _ = solve("conjugate_gradient", block)
    np.testing.assert_allclose(rows, block.start, atol=1e-5)
    still = block._replace(start=np.zeros((6, 5)), y=np.zeros((6, 12)))
    assert (solve("conjugate_gradient", still)[0] == 0).all()


def test_scales_of_the_columns_precondition(monkeypatch):
    monkeypatch.setattr(least_squares, "_STEPS", 2)
    block = problems(damping=0.0, l2=1e-3, length=80)
    scales = np.array([1000.0, 100.0, 10.0, 1.0, 0.1])
    block = block._replace(X=block.X * np.sqrt(scales), w=np.ones_like(block.w))

    def gap(scales):
        rows, _ = least_squares.conjugate_gradient(tensors(block), tf.constant(scales, tf.float32))
        return (value(block, rows.numpy()) - value(block, ridge(block))).sum()

    assert gap(scales) < 0.3 * gap(np.ones(5))


@pytest.mark.parametrize("floor", [FREE, POSITIVE], ids=["free", "positive"])
@pytest.mark.parametrize(("l1", "l2"), [(0.1, 0.0), (0.3, 0.0), (0.1, 0.2), (0.0, 0.1), (0.0, 0.0)])
@pytest.mark.parametrize("damping", [0.0, 4.0])
def test_coordinate_descent_converges_to_the_plain_loop(l1, l2, damping, floor, monkeypatch):
    monkeypatch.setattr(least_squares, "_PASSES", 3000)
    monkeypatch.setattr(least_squares, "_CHANGE", 1e-6)
    block = problems(l1=l1, l2=l2, damping=damping)
    rows, _ = solve("coordinate_descent", block, floor)
    if l1 == l2 == damping == 0:  # flat directions: only the value is determined
        np.testing.assert_allclose(
            value(block, rows), value(block, descent(block, floor)), rtol=1e-3, atol=2e-3
        )
    else:
        expected = descent(block, floor)
        np.testing.assert_allclose(rows, expected, atol=2e-4)
        assert ((rows == 0) == (np.abs(expected) < 1e-12)).all()
    assert (rows >= floor).all()


@pytest.mark.parametrize("floor", [FREE, POSITIVE], ids=["free", "positive"])
@pytest.mark.parametrize(("l1", "l2", "damping"), [(0.1, 0.0, 0.0), (0.1, 0.2, 0.0), (0.0, 0.1, 4.0)])
def test_coordinate_descent_with_its_default_limits_nearly_meets_the_conditions_of_the_minimum(
    l1, l2, damping, floor
):
    block = problems(l1=l1, l2=l2, damping=damping, n_rows=30, length=40)
    rows, _ = solve("coordinate_descent", block, floor)
    G, r = gram(block)
    slope = np.einsum("nkj,nj->nk", G, rows) - r
    l1 = block.l1[:, None]
    at_floor = (rows == floor) & np.isfinite(floor)
    excess = np.where(rows == 0, np.maximum(np.abs(slope) - l1, 0), np.abs(slope + l1 * np.sign(rows)))
    excess = np.where(at_floor, np.maximum(-slope - l1, 0), excess)
    assert (excess / block.w.sum(1)[:, None]).max() < 5e-3
    if block.l1.any():
        assert (rows == 0).any()
    if not block.ridge.any():
        assert ((rows != 0).sum(1) <= (block.w > 0).sum(1)).all(), "no more than ratings"


@pytest.mark.parametrize("method", METHODS)
def test_rows_are_never_worse_than_the_start(method):
    for seed in range(5):
        block = problems(l1=0.1 * (method == "coordinate_descent"), seed=seed, damping=4.0)
        rows, _ = solve(method, block)
        assert (value(block, rows) < value(block, block.start)).all()


@pytest.mark.parametrize("method", METHODS)
def test_the_residuals_are_those_of_the_rows(method):
    block = problems()
    rows, errors = solve(method, block)
    residuals = block.y - np.einsum("nlk,nk->nl", block.X, rows)
    np.testing.assert_allclose(errors[block.w > 0], residuals[block.w > 0], atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_padding_plays_no_part(method):
    block = problems(damping=1.0)
    padding = block.w == 0
    other = block._replace(X=np.where(padding[..., None], 7.0, block.X), y=np.where(padding, -1e3, block.y))
    rows, _ = solve(method, block)
    np.testing.assert_array_equal(solve(method, other)[0], rows)
    longer = block._replace(
        X=np.pad(block.X, ((0, 0), (0, 5), (0, 0)), constant_values=3.0),
        y=np.pad(block.y, ((0, 0), (0, 5)), constant_values=9.0),
        w=np.pad(block.w, ((0, 0), (0, 5))),
    )
    np.testing.assert_allclose(solve(method, longer)[0], rows, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_weight_of_two_is_the_rating_twice(method):
    block = problems()
    twice = block._replace(
        X=np.repeat(block.X, 2, 1), y=np.repeat(block.y, 2, 1), w=np.repeat(block.w / 2, 2, 1)
    )
    np.testing.assert_allclose(solve(method, twice)[0], solve(method, block)[0], atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_large_damping_keeps_a_row_at_its_start(method):
    block = problems(damping=1e9)
    np.testing.assert_allclose(solve(method, block)[0], block.start, atol=1e-5)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("length", [1, 2, 40])
def test_cholesky_of_dependent_ratings_never_breaks_down(length, scale):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, length, 2)) @ rng.normal(size=(200, 2, 31)) * scale
    X = np.concatenate([X, np.ones((200, length, 1))], axis=2)
    w = 1e6 * rng.exponential(size=(200, length))
    nothing = np.zeros(200)
    rows, errors = solve(
        "cholesky",
        RowProblems(X, rng.normal(size=w.shape), w, np.zeros((200, 32)), nothing, nothing, nothing),
    )
    assert np.isfinite(rows).all()
    assert np.isfinite(errors).all()
