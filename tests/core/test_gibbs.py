"""The Gibbs sampler: its conditionals in plain NumPy, and whether together they sample the posterior.

Joint-distribution tests: Geweke, "Getting it right", JASA 2004; calibration: Talts et al., "Validating Bayesian
inference algorithms with simulation-based calibration", 2018.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from threadpoolctl import threadpool_limits

from sklearn_mf import BayesianMFRecommender
from sklearn_mf._model import Model
from sklearn_mf._posterior import Noise
from sklearn_mf._ratings import Ratings, sorted_by
from sklearn_mf.core import arrangement, gibbs, priors
from tests.conftest import low_rank_ratings
from tests.core.reference import Reference
from tests.core.test_sgd import problem

# Every seed is fixed, so that no test fails by chance; these are the least p-value and largest z-score.
LEAST_P, LARGEST_Z = 1e-3, 4.5


def raw_rows(n_fields, n_rows=400, sizes=(12, 9, 7), seed=0):
    """Codes and ratings of rows, many of them in the same cells."""
    rng = np.random.default_rng(seed)
    codes = [rng.integers(0, size, n_rows).astype(np.int32) for size in sizes[:n_fields]]
    return codes, rng.normal(3, 2, n_rows), rng.integers(1, 5, n_rows).astype(float)


def chain_of(n_fields, heteroscedastic, dim=3, seed=7):
    """A chain somewhere, the raw rows behind it, two ids of each field without ratings."""
    codes, y, weights = raw_rows(n_fields)
    n_ids = tuple(int(column.max()) + 3 for column in codes)
    ratings = Ratings.merge(codes, y, weights, n_ids)
    rng = np.random.default_rng(seed)
    start = Model(
        2.7,
        1.6,
        [rng.normal(0.2, 0.5, (n, dim)).astype(np.float32) for n in n_ids],
        [rng.normal(-0.1, 0.5, n).astype(np.float32) for n in n_ids],
        np.zeros((n_fields, dim)),
        np.zeros(n_fields),
        [np.zeros(n, dtype=np.int32) for n in n_ids],
    )
    factors = [rng.gamma(3, 1 / 3, n) if heteroscedastic else np.ones(n) for n in n_ids]
    noise = Noise(1.9, factors, np.full(n_fields, priors.DEGREES[9] if heteroscedastic else np.inf))
    return gibbs.Gibbs(ratings, start, noise, 4, seed, heteroscedastic), (codes, y, weights)


class Slow:
    """The sweep in plain NumPy float64, row by row over the rows of the data as they were given."""

    def __init__(self, chain, rows):
        codes, y, weights = rows
        self.chain, self.seed = chain, chain.seed
        self.codes = np.stack(
            [rank[column] for rank, column in zip(chain.arrangement.rows, codes, strict=True)], 1
        )
        start, self.weights = chain.arrangement.start, weights
        tables = [table.numpy() for table in chain.arrangement.tables]
        self.model = Reference(self.codes, (y - start.intercept) / start.scale, weights, tables, 0.0, 0.0)
        self.tables = self.model.tables
        self.noise = chain.noise.take([np.arange(len(table)) for table in tables])
        self.rated = [
            np.bincount(column, minlength=len(t)) > 0 for column, t in zip(self.codes.T, tables, strict=True)
        ]
        self.priors = list(chain.priors)

    def errors(self):
        return self.model.errors_and_partners(np.arange(len(self.weights)))

    def precisions(self, but=None):
        """Of each row, the common precision and the factors of one field left out."""
        picked = [f[self.codes[:, g]] for g, f in enumerate(self.noise.factors) if g != but]
        return self.weights * np.prod(picked, axis=0) if picked else self.weights

    def draw_rows(self, field, number):
        """Draw the rows of a field in sweep `number`, counted from 0; the squares they leave."""
        errors, partners, picked = self.errors()
        X, weights = partners[field], self.precisions(field)
        targets = (X * picked[field]).sum(1) - errors
        bounds = self.chain.arrangement.fields[field].bounds.numpy()
        assert len(bounds) > 2, "several blocks"
        key = tf.constant([self.seed, number * len(self.tables) + field], tf.int32)
        mean, precision = self.priors[field]
        for block, (first, last) in enumerate(zip(bounds[:-1], bounds[1:], strict=True)):
            seed = tf.random.experimental.stateless_fold_in(key, block)
            normal = tf.random.stateless_normal((last - first, len(mean)), seed).numpy()
            for j, eps in zip(range(first, last), normal, strict=True):
                rows = self.codes[:, field] == j
                w = self.noise.precision * self.noise.factors[field][j] * weights[rows]
                G = X[rows].T @ (w[:, None] * X[rows]) + precision
                r = X[rows].T @ (w * targets[rows]) + precision @ mean
                root = np.linalg.cholesky(G)
                self.tables[field][j] = np.linalg.solve(G, r) + np.linalg.solve(root.T, eps)
        squares = np.bincount(self.codes[:, field], weights * self.errors()[0] ** 2, len(self.tables[field]))
        return squares[self.rated[field]]

    def sweep(self, number, heteroscedastic):
        rng, noise = np.random.default_rng([self.seed, number + 1]), self.noise
        for field in reversed(range(len(self.tables))):
            rated = self.rated[field]
            rows = self.tables[field][rated]
            scatter = (rows - rows.mean(0)).T @ (rows - rows.mean(0))
            self.priors[field] = priors.draw_prior(priors.Moments(len(rows), rows.mean(0), scatter), rng)
            squares = self.draw_rows(field, number)
            if heteroscedastic:
                weights = np.bincount(self.codes[:, field], self.weights, len(rated))[rated]
                drawn = priors.draw_factors(squares, weights, noise.precision, noise.degrees[field], rng)
                noise.factors[field][rated] = drawn
                noise.degrees[field] = priors.draw_degrees(drawn, rng)
        total = (self.precisions() * self.errors()[0] ** 2).sum()
        tau = priors.draw_noise_precision(total, self.weights.sum(), rng)
        for field, factors in enumerate(noise.factors if heteroscedastic else []):
            rated = self.rated[field]
            multiplier = priors.draw_rescaling(factors[rated], noise.degrees[field], tau, rng)
            factors[rated] *= multiplier
            tau /= multiplier
        self.noise = noise._replace(precision=tau)

    def log_likelihood(self):
        """Of the rows as given, one of weight w counted w times, in units of the ratings."""
        scale = self.chain.arrangement.start.scale
        picked = [f[self.codes[:, g]] for g, f in enumerate(self.noise.factors)]
        std = scale / np.sqrt(self.noise.precision * np.prod(picked, axis=0))
        return self.weights @ stats.norm.logpdf(scale * self.errors()[0], 0, std)


@pytest.fixture
def small_blocks(monkeypatch, dim):
    monkeypatch.setattr(arrangement, "_BLOCK_FLOATS", {"cholesky": 16 * (dim + 1) ** 2})


CASES = [(n_fields, dim, noisy) for n_fields in (1, 2, 3) for dim in (0, 3) for noisy in (False, True)]


@pytest.mark.parametrize(("n_fields", "dim", "heteroscedastic"), CASES)
def test_rows_are_drawn_as_in_the_reference(n_fields, dim, heteroscedastic, small_blocks):
    chain, rows = chain_of(n_fields, heteroscedastic, dim)
    slow = Slow(chain, rows)
    for field in range(n_fields):
        before = chain.arrangement.tables[field].numpy()
        expected = slow.draw_rows(field, chain.n_sweeps)
        squares = chain._draw_rows(field)
        np.testing.assert_allclose(squares, expected, rtol=1e-4)
        table = chain.arrangement.tables[field].numpy()
        np.testing.assert_allclose(table, slow.tables[field], atol=1e-4)
        np.testing.assert_array_equal(table[:2], before[:2], "two ids have no ratings")
        assert np.abs(table[2:] - before[2:]).min() > 0


@pytest.mark.parametrize(("n_fields", "dim", "heteroscedastic"), CASES)
def test_sweeps_follow_the_reference(n_fields, dim, heteroscedastic, small_blocks):
    chain, rows = chain_of(n_fields, heteroscedastic, dim)
    slow = Slow(chain, rows)
    for number in (4, 5):
        slow.sweep(number, heteroscedastic)
        chain.run_sweep()
        np.testing.assert_allclose(chain.noise.precision, slow.noise.precision, rtol=1e-4)
        np.testing.assert_array_equal(chain.noise.degrees, slow.noise.degrees)
        for field in range(n_fields):
            np.testing.assert_allclose(chain.arrangement.tables[field], slow.tables[field], atol=1e-4)
            np.testing.assert_allclose(chain.noise.factors[field], slow.noise.factors[field], rtol=1e-4)
            np.testing.assert_allclose(chain.priors[field].mean, slow.priors[field].mean, atol=1e-4)
            ours, theirs = chain.priors[field].precision, slow.priors[field].precision
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)
    draw = chain.draw()
    assert draw.n_sweeps == 6
    for field, ranks in enumerate(chain.arrangement.rows):
        np.testing.assert_array_equal(
            draw.model.biases[field], chain.arrangement.tables[field].numpy()[ranks, -1]
        )
        np.testing.assert_array_equal(draw.noise.factors[field], chain.noise.factors[field][ranks])


@pytest.mark.parametrize(("n_fields", "dim", "heteroscedastic"), CASES)
def test_the_log_likelihood_is_that_of_the_rows(n_fields, dim, heteroscedastic):
    chain, rows = chain_of(n_fields, heteroscedastic, dim)
    for _ in range(3):
        value = chain.run_sweep()
        np.testing.assert_allclose(value, Slow(chain, rows).log_likelihood(), rtol=1e-5)


@pytest.mark.parametrize("heteroscedastic", [False, True])
def test_the_noise_is_drawn_from_the_errors_of_the_rows_not_of_the_cells(heteroscedastic, monkeypatch):
    chain, rows = chain_of(2, heteroscedastic)
    assert chain.spreads.total > 1, "cells have different ratings"
    seen, original = [], priors.draw_noise_precision

    def record(squares, total_weight, rng):
        slow = Slow(chain, rows)
        seen.append((squares, (slow.precisions() * slow.errors()[0] ** 2).sum(), total_weight))
        return original(squares, total_weight, rng)

    monkeypatch.setattr(priors, "draw_noise_precision", record)
    chain.run_sweep()
    ((squares, expected, total_weight),) = seen
    np.testing.assert_allclose(squares, expected, rtol=1e-5)
    assert total_weight == rows[2].sum()


@pytest.mark.parametrize("dim", [0, 2])
def test_biases_of_one_field_have_the_posterior_of_a_random_intercept(dim):
    chain, (codes, y, weights) = chain_of(1, False, dim)
    rng = np.random.default_rng(0)
    root = rng.normal(size=(dim + 1, dim + 1)) + 2 * np.eye(dim + 1)
    prior = priors.Prior(rng.normal(size=dim + 1), root @ root.T)
    chain.priors[0], chain.noise = prior, chain.noise._replace(precision=0.3)
    draws = []
    for _ in range(2000):
        chain._draw_rows(0)
        chain.n_sweeps += 1
        draws.append(chain.arrangement.tables[0].numpy())
    draws = np.array(draws, dtype=np.float64)[:, chain.arrangement.rows[0]]
    start, variance = chain.arrangement.start, np.linalg.inv(prior.precision)[-1, -1]
    z = (y - start.intercept) / start.scale
    for j in range(len(chain.arrangement.rows[0]) - 2):
        w = 0.3 * weights[codes[0] == j]
        bias = (w @ z[codes[0] == j] + prior.mean[-1] / variance) / (w.sum() + 1 / variance)
        normal = stats.norm(bias, 1 / np.sqrt(w.sum() + 1 / variance))
        assert stats.kstest(draws[:, j, -1], normal.cdf).pvalue > LEAST_P
        if dim:  # the ratings say nothing on the embedding but through the bias
            slope = np.linalg.solve(prior.precision[:-1, :-1], prior.precision[:-1, -1])
            rest = draws[:, j, :-1] - prior.mean[:-1] + np.outer(draws[:, j, -1] - prior.mean[-1], slope)
            white = rest @ np.linalg.cholesky(prior.precision[:-1, :-1])
            for column in white.T:
                assert stats.kstest(column, stats.norm.cdf).pvalue > LEAST_P


class Tame:
    """Hyperpriors with lighter tails, so that moments exist and float32 suffices."""

    EXTRA, SHAPE, RATE, DEGREES = 6, 2.0, 2.0, np.array([4.0, 12.0, 60.0])


@pytest.fixture
def one_thread():
    """For NumPy and SciPy: its threads and those of TensorFlow wait for each other."""
    with threadpool_limits(1, "blas"):
        yield


@pytest.fixture
def tame(monkeypatch, one_thread):
    factor = priors._draw_wishart_factor
    monkeypatch.setattr(
        priors, "_draw_wishart_factor", lambda scale, degrees, rng: factor(scale, degrees + Tame.EXTRA, rng)
    )
    monkeypatch.setattr(priors, "_SHAPE", Tame.SHAPE)
    monkeypatch.setattr(priors, "_RATE", Tame.RATE)
    monkeypatch.setattr(priors, "DEGREES", Tame.DEGREES)


class Unknowns(NamedTuple):
    """One draw of all that is unknown, ids in the order of the rows."""

    priors: list
    tables: list
    noise: Noise


def simulate_unknowns(n_ids, dim, heteroscedastic, rng):
    """From the prior, by other means than the sampler: a Wishart matrix as a sum of outer products."""
    drawn, tables, factors, degrees = [], [], [], np.full(len(n_ids), np.inf)
    for field, n in enumerate(n_ids):
        parts = rng.normal(size=(dim + 1 + Tame.EXTRA, dim + 1))
        precision = parts.T @ parts
        root = np.linalg.cholesky(np.linalg.inv(precision))
        mean = root @ rng.normal(size=dim + 1) / np.sqrt(priors._BETA0)
        drawn.append(priors.Prior(mean, precision))
        tables.append(mean + rng.normal(size=(n, dim + 1)) @ root.T)
        if heteroscedastic:
            degrees[field] = rng.choice(Tame.DEGREES)
        factors.append(
            rng.gamma(degrees[field] / 2, 2 / degrees[field], n) if heteroscedastic else np.ones(n)
        )
    return Unknowns(drawn, tables, Noise(rng.gamma(Tame.SHAPE, 1 / Tame.RATE), factors, degrees))


class Simulation:
    """A chain on fixed cells whose ratings are simulated anew, given the unknowns."""

    def __init__(self, n_fields, dim, heteroscedastic, n_cells=6, sizes=(3, 2, 2), seed=0):
        rng = np.random.default_rng(seed)
        self.n_ids, self.dim, self.heteroscedastic = sizes[:n_fields], dim, heteroscedastic
        cells = [rng.permutation(np.arange(n_cells) % n).astype(np.int32) for n in self.n_ids]
        times = rng.integers(1, 4, n_cells)
        codes = [np.repeat(column, times) for column in cells]
        y = rng.normal(size=times.sum())
        self.ratings = Ratings.merge(codes, y, np.ones(len(y)), self.n_ids)
        assert self.ratings.weights.max() > 1
        zeros = [np.zeros(n, dtype=np.float32) for n in self.n_ids]
        self.start = Model(
            0.0,
            1.0,
            [np.zeros((n, dim), dtype=np.float32) for n in self.n_ids],
            zeros,
            np.zeros((n_fields, dim)),
            np.zeros(n_fields),
            [np.zeros(n, dtype=np.int32) for n in self.n_ids],
        )
        noise = Noise(1.0, [np.ones(n) for n in self.n_ids], np.full(n_fields, np.inf))
        self.chain = gibbs.Gibbs(self.ratings, self.start, noise, 0, seed, heteroscedastic)
        ranks, columns = self.chain.arrangement.rows, self.ratings.codes.T
        self.rows = [rank[column] for rank, column in zip(ranks, columns, strict=True)]
        self.orders = [sorted_by(rows, n)[0] for rows, n in zip(self.rows, self.n_ids, strict=True)]

    def simulate_unknowns(self, rng):
        return simulate_unknowns(self.n_ids, self.dim, self.heteroscedastic, rng)

    def expected(self, tables):
        picked = [table[rows] for table, rows in zip(tables, self.rows, strict=True)]
        total = sum(picked)
        pairs = (total[:, :-1] ** 2).sum(1) - sum((row[:, :-1] ** 2).sum(1) for row in picked)
        return total[:, -1] + pairs / 2

    def simulate_cells(self, unknowns, rng):
        """Mean and spread of the ratings of each cell: as many ratings as its weight says."""
        precision, weights = unknowns.noise.precision, self.ratings.weights
        for factors, rows in zip(unknowns.noise.factors, self.rows, strict=True):
            precision = precision * factors[rows]
        means = self.expected(unknowns.tables) + rng.normal(size=len(weights)) / np.sqrt(weights * precision)
        return means, 2 * rng.gamma((weights - 1) / 2) / precision

    def put_cells(self, means, spreads):
        chain = self.chain
        for field, order in enumerate(self.orders):
            targets = tf.constant(means[order], tf.float32)
            chain.arrangement.fields[field] = chain.arrangement.fields[field]._replace(targets=targets)
        chain.spreads = chain.spreads._replace(values=spreads[self.ratings.spreads > 0])

    def put_unknowns(self, unknowns):
        self.chain.arrangement.tables = [tf.constant(table, tf.float32) for table in unknowns.tables]
        self.chain.noise = unknowns.noise

    def unknowns(self):
        tables = [table.numpy().astype(np.float64) for table in self.chain.arrangement.tables]
        return Unknowns(self.chain.priors, tables, self.chain.noise)


def watched(simulation, unknowns, means, spreads):
    """Functions of unknowns and ratings without long tails, and their squares."""
    noise, values = unknowns.noise, [unknowns.noise.precision, np.log(unknowns.noise.precision)]
    for (mean, precision), table in zip(unknowns.priors, unknowns.tables, strict=True):
        covariance = np.linalg.inv(precision)
        values += [*np.tanh(mean), *np.log(np.diag(precision)), *np.log(np.diag(covariance))]
        values += (
            [covariance[0, -1] / np.sqrt(covariance[0, 0] * covariance[-1, -1])] if len(mean) > 1 else []
        )
        rows = [*table[:2], table.mean(0), np.log(table.var(0)), table[0] * table[1]]
        values += [*np.tanh(np.concatenate(rows))]
    values += [np.tanh(np.prod([table[0, 0] for table in unknowns.tables])), *np.tanh(means[:2])]
    precisions = noise.precision * np.prod(
        [f[r] for f, r in zip(noise.factors, simulation.rows, strict=True)], 0
    )
    errors = means - simulation.expected(unknowns.tables)
    values += [np.log(precisions).mean(), *np.tanh(np.sqrt(precisions) * errors)[:2], np.tanh(spreads.sum())]
    if simulation.heteroscedastic:
        for factors, degrees in zip(noise.factors, noise.degrees, strict=True):
            values += [np.log(degrees), factors[0], *np.log(factors[:2]), np.log(factors.sum())]
            values += [np.tanh(np.log(factors[0]) * np.log(noise.precision))]
    values = np.array(values)
    return np.concatenate([values, values**2])


def mean_and_error(samples, n_batches=40):
    """Mean and, by batch means, its standard error: draws of a chain are not independent."""
    samples = samples[: len(samples) // n_batches * n_batches]
    batches = samples.reshape(n_batches, -1, samples.shape[1]).mean(1)
    return samples.mean(0), batches.std(0, ddof=1) / np.sqrt(n_batches)


def geweke(n_fields, dim, heteroscedastic, n_sweeps, n_prior=6000):
    """z-scores: unknowns and ratings from the prior, against sweeps that take turns with new ratings."""
    simulation = Simulation(n_fields, dim, heteroscedastic)
    rng = np.random.default_rng([n_fields, dim, heteroscedastic])
    independent = []
    for _ in range(n_prior):
        unknowns = simulation.simulate_unknowns(rng)
        independent.append(watched(simulation, unknowns, *simulation.simulate_cells(unknowns, rng)))
    simulation.put_unknowns(unknowns)
    successive = []
    for _ in range(n_sweeps):
        cells = simulation.simulate_cells(simulation.unknowns(), rng)
        simulation.put_cells(*cells)
        simulation.chain.run_sweep()
        successive.append(watched(simulation, simulation.unknowns(), *cells))
    means, errors = zip(*map(mean_and_error, map(np.array, (independent, successive))), strict=True)
    return (means[0] - means[1]) / np.hypot(*errors)


@pytest.mark.parametrize("heteroscedastic", [False, True])
@pytest.mark.parametrize(("n_fields", "dim"), [(1, 1), (2, 1), (3, 2)])
def test_sweeps_and_new_ratings_in_turn_leave_the_prior(n_fields, dim, heteroscedastic, tame):
    z = geweke(n_fields, dim, heteroscedastic, 2000)
    assert np.abs(z).max() < LARGEST_Z
