"""The Gibbs sampler: its conditionals in plain NumPy, and whether together they sample the posterior.

Geweke, "Getting it right: joint distribution tests of posterior simulators", JASA 2004; Talts et al.,
"Validating Bayesian inference algorithms with simulation-based calibration", 2018.
"""

from collections import namedtuple
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from sklearn_mf import BayesianMFRecommender
from sklearn_mf.model._factors import Model
from sklearn_mf.model._posterior import Noise
from sklearn_mf.model._side_information import RegressionDraw
from sklearn_mf.ratings._ratings import Ratings, sorted_by
from sklearn_mf.solvers._training import GibbsOptions
from sklearn_mf.solvers.als import _field_tables as field_tables
from sklearn_mf.solvers.als import _least_squares as least_squares
from sklearn_mf.solvers.als._field_tables import FieldTables
from sklearn_mf.solvers.gibbs import _priors as priors
from sklearn_mf.solvers.gibbs import _regression as regression
from sklearn_mf.solvers.gibbs import _sampler as gibbs
from sklearn_mf.solvers.gibbs._knowledge import Knowledge
from sklearn_mf.solvers.gibbs._noise import ChainState
from tests.conftest import low_rank_ratings
from tests.solvers.reference import Reference

# Every seed is fixed, so that no test fails by chance; these are the least p-value and largest z-score.
LEAST_P, LARGEST_Z = 1e-3, 4.5
pytestmark = pytest.mark.filterwarnings("ignore:The chains have not converged")


def fit(X, y, weights=None, **parameters):
    choice = {"embedding_dim": 2, "max_iter": 6, "burn_in": 2, "n_chains": 1, "random_state": 0, **parameters}
    return BayesianMFRecommender(**choice).fit(X, y, weights)


NAMES = ["embeddings_", "bias_samples_", "noise_factor_samples_", "noise_dof_", "noise_std_samples_"]
NAMES += ["prior_means_", "prior_precisions_", "log_likelihood_curve_"]


def assert_same_bits(one, other):
    for name in NAMES:
        np.testing.assert_equal(getattr(one, name), getattr(other, name), err_msg=name)


def model_of(tables, intercept, scale):
    tables = [table.astype(np.float32) for table in tables]
    averages = np.zeros((len(tables), tables[0].shape[1]))
    parts = [table[:, :-1] for table in tables], [table[:, -1] for table in tables]
    ages = [np.zeros(len(table), dtype=np.int32) for table in tables]
    return Model(intercept, scale, *parts, averages[:, :-1], averages[:, -1], ages)


def chain_of(n_fields, heteroscedastic, dim=3, seed=7):
    """A chain somewhere, the raw rows behind it, two ids of each field without ratings."""
    rng, n_ids = np.random.default_rng(seed), (14, 11, 9)[:n_fields]
    codes = [rng.integers(0, n - 2, 400).astype(np.int32) for n in n_ids]
    y, weights = rng.normal(3, 2, 400), rng.integers(1, 5, 400).astype(float)
    ratings = Ratings.merge(codes, y, weights, n_ids)
    start = model_of([rng.normal(0.1, 0.5, (n, dim + 1)) for n in n_ids], 2.7, 1.6)
    factors = [rng.gamma(3, 1 / 3, n) if heteroscedastic else np.ones(n) for n in n_ids]
    noise = Noise(1.9, factors, np.full(n_fields, priors.DEGREES[9] if heteroscedastic else np.inf))
    options = GibbsOptions(seed, heteroscedastic, (0, 2))
    return chain_at(ratings, options, ChainState(start, noise, 4)), (codes, y, weights)


def chain_at(ratings, options, state):
    tables = FieldTables(ratings, state.model, "cholesky")
    return gibbs.Gibbs(ratings, tables, options, state, Knowledge.of(ratings, tables, options))


class Slow:
    """The sweep in plain NumPy float64, row by row over the rows of the data as they were given."""

    def __init__(self, chain, rows):
        codes, y, weights = rows
        self.chain, start, ranks = chain, chain.field_tables.start, chain.field_tables.rows
        self.codes, self.weights = np.stack([r[c] for r, c in zip(ranks, codes, strict=True)], 1), weights
        tables = [table.numpy() for table in chain.field_tables.tables]
        self.model = Reference(self.codes, (y - start.intercept) / start.scale, weights, tables, 0, 0)
        self.tables, self.priors = self.model.tables, list(chain.priors)
        self.noise = chain.noise.take([np.arange(len(table)) for table in tables])

    def errors(self):
        return self.model.errors_and_partners(np.arange(len(self.weights)))

    def precisions(self, but=None):
        """Weight of each row times the noise factors of its ids, but for those of one field."""
        picked = [f[self.codes[:, g]] for g, f in enumerate(self.noise.factors) if g != but]
        return self.weights * np.prod(picked, axis=0) if picked else self.weights

    def draw_rows(self, field, number):
        """Draw the rows of a field in sweep `number`, counted from 0; the squares they leave."""
        errors, partners, picked = self.errors()
        X, weights = partners[field], self.precisions(field)
        targets = (X * picked[field]).sum(1) - errors
        bounds = self.chain.field_tables.fields[field].read(slice(None)).blocks.bounds.numpy()
        assert len(bounds) > 2, "several blocks"
        key = tf.constant([self.chain.options.seed, number * len(self.tables) + field], tf.int32)
        mean, precision, _ = self.priors[field]
        for block, (first, last) in enumerate(pairwise(bounds)):
            seed = tf.random.experimental.stateless_fold_in(key, block)
            normal = tf.random.stateless_normal((last - first, len(mean)), seed).numpy()
            for j, eps in zip(range(first, last), normal, strict=True):
                rows = self.codes[:, field] == j
                w = self.noise.precision * self.noise.factors[field][j] * weights[rows]
                G = X[rows].T @ (w[:, None] * X[rows])
                G += least_squares.LOADING * np.trace(G) * np.eye(len(mean)) + precision
                r = X[rows].T @ (w * targets[rows]) + precision @ mean
                root = np.linalg.cholesky(G)
                self.tables[field][j] = np.linalg.solve(G, r) + np.linalg.solve(root.T, eps)
        return np.bincount(self.codes[:, field], weights * self.errors()[0] ** 2)

    def rescale(self, field, rng):
        """Draw the scale of the embeddings of a field, row by row; the squares they leave."""
        (errors, partners, _), weights = self.errors(), self.precisions(field)
        column, table = self.codes[:, field], self.tables[field]
        parts = (partners[field][:, :-1] * table[column, :-1]).sum(1)
        sums = [np.bincount(column, weights * values) for values in (errors**2, -errors * parts, parts**2)]
        if not parts.any():
            return sums[0]
        prior, factors = self.priors[field], self.noise.factors[field]
        fit = priors.SquaresByScale(*sums)
        scale = priors.draw_embedding_scale(fit, factors, prior, self.weights.sum(), rng)
        table[:, :-1] *= scale
        multipliers = np.append(np.full(len(prior.mean) - 1, scale), 1)
        precision = prior.precision / multipliers / multipliers[:, None]
        self.priors[field] = priors.Prior(prior.mean * multipliers, precision)
        squares = np.bincount(column, weights * self.errors()[0] ** 2)
        tau = priors.draw_noise_precision(factors @ squares, self.weights.sum(), rng)
        self.noise = self.noise._replace(precision=tau)
        return squares

    def exchange_levels(self, rng):
        """Move the biases of the first field against those of each other one."""
        for other in range(1, len(self.tables)):
            level = priors.draw_level(self.priors[0], self.priors[other], rng)
            for field, change in ((0, level), (other, -level)):
                self.tables[field][:, -1] += change
                self.priors[field].mean[-1] += change

    def sweep(self, number, heteroscedastic):
        rng = np.random.default_rng([self.chain.options.seed, number + 1])
        for field in reversed(range(len(self.tables))):
            rows = self.tables[field]
            scatter = (len(rows) - 1) * np.atleast_2d(np.cov(rows.T))
            self.priors[field] = priors.draw_prior(priors.Moments(len(rows), rows.mean(0), scatter), rng)
            self.draw_rows(field, number)
            squares, noise = self.rescale(field, rng), self.noise
            if heteroscedastic:
                weights = np.bincount(self.codes[:, field], self.weights)
                drawn = priors.draw_factors(squares, weights, noise.precision, noise.degrees[field], rng)
                noise.factors[field][:] = drawn
                noise.degrees[field] = priors.draw_degrees(drawn, rng)
        total = (self.precisions() * self.errors()[0] ** 2).sum()
        tau = priors.draw_noise_precision(total, self.weights.sum(), rng)
        noise = self.noise
        for field, factors in enumerate(noise.factors if heteroscedastic else []):
            multiplier = priors.draw_rescaling(factors, noise.degrees[field], tau, rng)
            factors *= multiplier
            tau /= multiplier
        self.noise = noise._replace(precision=tau)
        self.exchange_levels(rng)

    def log_likelihood(self):
        """Of the rows as given, one of weight w counted w times, in units of the ratings."""
        scale = self.chain.field_tables.start.scale
        picked = [f[self.codes[:, g]] for g, f in enumerate(self.noise.factors)]
        std = scale / np.sqrt(self.noise.precision * np.prod(picked, axis=0))
        return self.weights @ stats.norm.logpdf(scale * self.errors()[0], 0, std)


@pytest.fixture
def small_blocks(monkeypatch, dim):
    monkeypatch.setattr(field_tables, "_BLOCK_FLOATS", {"cholesky": 16 * (dim + 1) ** 2})


CASES = [(n_fields, dim, noisy) for n_fields in (1, 2, 3) for dim in (0, 3) for noisy in (False, True)]


@pytest.mark.parametrize(("n_fields", "dim", "heteroscedastic"), CASES)
def test_rows_are_drawn_as_in_the_reference(n_fields, dim, heteroscedastic, small_blocks):
    chain, rows = chain_of(n_fields, heteroscedastic, dim)
    slow = Slow(chain, rows)
    for field in range(n_fields):
        before = chain.field_tables.tables[field].numpy()
        expected = slow.draw_rows(field, chain.n_sweeps)
        np.testing.assert_allclose(chain._draw_rows(field).squares, expected, rtol=1e-4)
        table = chain.field_tables.tables[field].numpy()
        np.testing.assert_allclose(table, slow.tables[field], atol=1e-4)
        assert np.abs(table - before).min() > 0


@pytest.mark.parametrize(("n_fields", "dim", "heteroscedastic"), CASES)
def test_sweeps_follow_the_reference(n_fields, dim, heteroscedastic, small_blocks):
    chain, rows = chain_of(n_fields, heteroscedastic, dim)
    slow = Slow(chain, rows)
    for number in (4, 5):
        slow.sweep(number, heteroscedastic)
        chain.sweep()
        np.testing.assert_allclose(chain.noise.precision, slow.noise.precision, rtol=1e-4)
        np.testing.assert_equal(chain.noise.degrees, slow.noise.degrees)
        for field in range(n_fields):
            np.testing.assert_allclose(chain.field_tables.tables[field], slow.tables[field], atol=1e-4)
            np.testing.assert_allclose(chain.noise.factors[field], slow.noise.factors[field], rtol=1e-4)
            np.testing.assert_allclose(chain.priors[field].mean, slow.priors[field].mean, atol=1e-4)
            precisions = chain.priors[field].precision, slow.priors[field].precision
            np.testing.assert_allclose(*precisions, rtol=1e-3, atol=1e-3)
    draw = chain.snapshot()
    assert draw.n_sweeps == 6
    for field, ids in enumerate(chain.field_tables.ids):
        table = chain.field_tables.tables[field].numpy()
        np.testing.assert_array_equal(draw.model.biases[field][ids], table[:, -1])
        np.testing.assert_array_equal(draw.noise.factors[field][ids], chain.noise.factors[field])


@pytest.mark.parametrize("heteroscedastic", [False, True])
def test_ids_without_ratings_stay_as_they_were(heteroscedastic):
    chain, _ = chain_of(3, heteroscedastic)
    before, begin = chain.start_factors, chain.field_tables.start
    for _ in range(2):
        chain.sweep()
    draw = chain.snapshot()
    for field, ids in enumerate(chain.field_tables.ids):
        n_ids = len(begin.biases[field])
        unrated = np.setdiff1d(np.arange(n_ids), ids)
        np.testing.assert_array_equal(unrated, [n_ids - 2, n_ids - 1])
        for ours, theirs in [
            (draw.model.embeddings, begin.embeddings),
            (draw.model.biases, begin.biases),
            (draw.noise.factors, before),
        ]:
            np.testing.assert_array_equal(ours[field][unrated], theirs[field][unrated])
            assert (ours[field] is not theirs[field]) and not np.shares_memory(ours[field], theirs[field])
        np.testing.assert_array_equal(
            draw.model.epochs[field], np.where(np.isin(np.arange(n_ids), ids), 2, 0)
        )


def test_a_sweep_leaves_snapshots_taken_before_it_as_they_were():
    chain, _ = chain_of(2, True)
    noise, draw = chain.noise, chain.snapshot()
    copies = [factors.copy() for factors in (*noise.factors, *draw.noise.factors, noise.degrees)]
    chain.sweep()
    for now, before in zip((*noise.factors, *draw.noise.factors, noise.degrees), copies, strict=True):
        np.testing.assert_array_equal(now, before)


@pytest.mark.parametrize(("n_fields", "dim", "heteroscedastic"), CASES)
def test_the_log_likelihood_is_that_of_the_rows(n_fields, dim, heteroscedastic):
    chain, rows = chain_of(n_fields, heteroscedastic, dim)
    for _ in range(3):
        value = chain.sweep()
        np.testing.assert_allclose(value, Slow(chain, rows).log_likelihood(), rtol=1e-5)


@pytest.mark.parametrize("heteroscedastic", [False, True])
def test_the_noise_is_drawn_from_the_errors_of_the_rows_not_of_the_cells(heteroscedastic, monkeypatch):
    chain, rows = chain_of(2, heteroscedastic)
    assert chain.within_cells.total > 1, "cells have different ratings"

    def compare(squares, total_weight, rng):
        slow = Slow(chain, rows)
        np.testing.assert_allclose(squares, slow.precisions() @ slow.errors()[0] ** 2, rtol=1e-5)
        assert total_weight == rows[2].sum()
        return 12.5

    monkeypatch.setattr(gibbs, "draw_noise_precision", compare)
    monkeypatch.setattr(gibbs, "rescale_noise", lambda noise, rng: noise)
    chain.sweep()
    assert chain.noise.precision == 12.5


@pytest.mark.parametrize("dim", [0, 2])
def test_biases_of_one_field_have_the_posterior_of_a_random_intercept(dim):
    chain, (codes, y, weights) = chain_of(1, False, dim)
    root = np.random.default_rng(0).normal(size=(dim + 1, dim + 1)) + 2 * np.eye(dim + 1)
    prior = priors.Prior(np.linspace(-1, 0.5, dim + 1), root @ root.T)
    chain.priors[0], chain.noise = prior, chain.noise._replace(precision=0.3)
    draws = []
    for _ in range(1000):
        chain._draw_rows(0)
        chain.n_sweeps += 1
        draws.append(chain.field_tables.tables[0].numpy())
    draws = np.array(draws, dtype=np.float64)[:, chain.field_tables.rows[0]]  # the last two ids have none
    z, variance = (y - 2.7) / 1.6, np.linalg.inv(prior.precision)[-1, -1]
    # The ratings say nothing on the embedding but through the bias.
    rest = prior.precision[:-1, :-1]
    slope, root = np.linalg.solve(rest, prior.precision[:-1, -1]), np.linalg.cholesky(rest)
    for j in range(len(chain.field_tables.rows[0]) - 2):
        w = 0.3 * weights[codes[0] == j]
        precision = w.sum() + 1 / variance
        white = draws[:, j] - [
            *prior.mean[:-1],
            (w @ z[codes[0] == j] + prior.mean[-1] / variance) / precision,
        ]
        shift = np.outer(draws[:, j, -1] - prior.mean[-1], slope)
        columns = [*((white[:, :-1] + shift) @ root).T, np.sqrt(precision) * white[:, -1]]
        assert min(stats.kstest(column, stats.norm.cdf).pvalue for column in columns) > LEAST_P


class Tame:
    """Hyperpriors with lighter tails, so that moments exist and float32 suffices."""

    EXTRA, SHAPE, RATE, DEGREES = 6, 2.0, 2.0, np.array([4.0, 12.0, 60.0])

    @staticmethod
    def precision_prior(width, n_ids):
        """Wishart prior of more degrees of freedom."""
        return priors.PrecisionPrior(width + Tame.EXTRA, np.ones(width))


@pytest.fixture
def tame(monkeypatch):
    for name in ("SHAPE", "RATE", "DEGREES", "precision_prior"):
        monkeypatch.setattr(priors, name, getattr(Tame, name))
    monkeypatch.setattr(regression, "SHAPE", Tame.SHAPE)
    with threadpool_limits(1, "blas"):  # the threads of NumPy and those of TensorFlow wait for each other
        yield


Unknowns = namedtuple("Unknowns", "priors tables noise")  # ids in the order of the rows


class Simulation:
    """A chain on fixed cells whose ratings are simulated anew, given the unknowns."""

    def __init__(self, n_fields, dim, heteroscedastic, n_cells=6, sizes=(3, 2, 2), seed=0, features=()):
        rng = np.random.default_rng(seed)
        self.n_ids, self.dim, self.heteroscedastic = sizes[:n_fields], dim, heteroscedastic
        cells, times = np.arange(n_cells, dtype=np.int32), rng.integers(1, 4, n_cells)
        codes = [np.repeat(rng.permutation(cells % np.int32(n)), times) for n in self.n_ids]
        y = rng.normal(size=times.sum())
        self.ratings = Ratings.merge(codes, y, np.ones(len(y)), self.n_ids)
        assert self.ratings.weights.max() > 1
        start = model_of([np.zeros((n, dim + 1)) for n in self.n_ids], 0.0, 1.0)
        noise = Noise(1.0, [np.ones(n) for n in self.n_ids], np.full(n_fields, np.inf))
        options = GibbsOptions(seed, heteroscedastic, (), features)
        self.chain = chain_at(self.ratings, options, ChainState(start, noise, 0))
        ranks, columns = self.chain.field_tables.rows, self.ratings.codes.T
        self.rows = [rank[column] for rank, column in zip(ranks, columns, strict=True)]
        self.orders = [sorted_by(rows, n)[0] for rows, n in zip(self.rows, self.n_ids, strict=True)]

    def simulate_unknowns(self, rng):
        """From the prior, by other means than the sampler: a Wishart matrix as a sum of outer products."""
        drawn, tables, factors, degrees = [], [], [], np.full(len(self.n_ids), np.inf)
        for field, n in enumerate(self.n_ids):
            parts = rng.normal(size=(self.dim + 1 + Tame.EXTRA, self.dim + 1))
            root = np.linalg.cholesky(np.linalg.inv(parts.T @ parts))
            mean = root @ rng.normal(size=self.dim + 1) / np.sqrt(priors.BETA0)
            drawn.append(priors.Prior(mean, parts.T @ parts, self.simulate_regression(field, root, rng)))
            features = self.chain.knowledge.features[field]
            means = mean if features is None else features.prior_means(drawn[-1])
            tables.append(means + rng.normal(size=(n, self.dim + 1)) @ root.T)
            nu = rng.choice(Tame.DEGREES)
            degrees[field] = nu if self.heteroscedastic else np.inf
            factors.append(rng.gamma(nu / 2, 2 / nu, n) if self.heteroscedastic else np.ones(n))
        return Unknowns(drawn, tables, Noise(rng.gamma(Tame.SHAPE, 1 / Tame.RATE), factors, degrees))

    def simulate_regression(self, field, root, rng):
        features = self.chain.knowledge.features[field]
        if features is None:
            return None
        precisions = rng.gamma(Tame.SHAPE, 1 / features.rates)
        deviations = rng.normal(size=(features.n_features, self.dim + 1))
        scales = np.repeat(1 / np.sqrt(precisions), features.sizes[1:])
        return RegressionDraw(scales[:, None] * deviations @ root.T, precisions)

    def expected(self, tables):
        picked = [table[rows] for table, rows in zip(tables, self.rows, strict=True)]
        total = sum(picked)
        pairs = (total[:, :-1] ** 2).sum(1) - sum((row[:, :-1] ** 2).sum(1) for row in picked)
        return total[:, -1] + pairs / 2

    def precisions(self, noise):
        factors = [factor[rows] for factor, rows in zip(noise.factors, self.rows, strict=True)]
        return noise.precision * np.prod(factors, axis=0)

    def simulate_cells(self, unknowns, rng):
        """Means and within-cell squares of the ratings of each cell: as many ratings as its weight says."""
        precision, weights = self.precisions(unknowns.noise), self.ratings.weights
        means = self.expected(unknowns.tables) + rng.normal(size=len(weights)) / np.sqrt(weights * precision)
        return means, 2 * rng.gamma((weights - 1) / 2) / precision

    def put_cells(self, means, within_squares):
        chain = self.chain
        for field, order in enumerate(self.orders):
            targets = tf.constant(means[order], tf.float32)
            fields = chain.field_tables.fields
            fields[field] = fields[field].with_targets(targets)
        squares = within_squares[self.ratings.within_squares > 0]
        chain.within_cells = chain.within_cells._replace(squares=squares)

    def put_unknowns(self, unknowns):
        self.chain.field_tables.tables = [tf.constant(table, tf.float32) for table in unknowns.tables]
        self.chain.noise = unknowns.noise
        self.chain.precisions = [
            np.empty(0) if prior.regression is None else prior.regression.precisions
            for prior in unknowns.priors
        ]

    def unknowns(self):
        tables = [table.numpy().astype(np.float64) for table in self.chain.field_tables.tables]
        return Unknowns(self.chain.priors, tables, self.chain.noise)


def watched(simulation, unknowns, means, within_squares):
    """Functions of unknowns and ratings without tails, and their squares."""
    noise, width = unknowns.noise, simulation.dim + 1
    values = [np.log(noise.precision), within_squares.sum(), *means[:2]]
    for (mean, precision, drawn), table in zip(unknowns.priors, unknowns.tables, strict=True):
        if drawn is not None:
            values += [*drawn.coefficients.ravel(), *np.log(drawn.precisions)]
            values += [*(drawn.coefficients[0] * table[0]), *(drawn.coefficients[1] * mean)]
        values += [*mean, *np.log(np.diag(precision) / (width + Tame.EXTRA)), precision[0, -1]]
        values += [*table[0], *table.mean(0), *np.log(table.var(0)), *table[0] * table[1]]
    values += [np.prod([table[0, 0] for table in unknowns.tables])]
    precisions = simulation.precisions(noise)
    errors = np.sqrt(precisions) * (means - simulation.expected(unknowns.tables))
    values += [np.log(precisions).mean(), *errors[:2], np.log(np.mean(errors**2))]
    if simulation.heteroscedastic:
        for factors, degrees in zip(noise.factors, noise.degrees, strict=True):
            values += [np.log(degrees / Tame.DEGREES[1]), *np.log(factors), np.log(factors.sum())]
            values += [np.log(factors[0]) * np.log(noise.precision), np.log(factors[0]) * table[0, -1]]
    return np.concatenate([np.tanh(values), np.tanh(values) ** 2])


def geweke(n_fields, dim, heteroscedastic, n_sweeps=720, n_prior=1440, features=()):
    """z-scores: unknowns and ratings from the prior, against sweeps that take turns with new ratings."""
    simulation = Simulation(n_fields, dim, heteroscedastic, features=features)
    rng = np.random.default_rng([n_fields, dim, heteroscedastic])
    independent, successive = [], []
    for _ in range(n_prior):
        unknowns = simulation.simulate_unknowns(rng)
        independent.append(watched(simulation, unknowns, *simulation.simulate_cells(unknowns, rng)))
    simulation.put_unknowns(unknowns)
    for _ in range(n_sweeps):
        simulation.put_cells(*(cells := simulation.simulate_cells(simulation.unknowns(), rng)))
        simulation.chain.sweep()
        successive.append(watched(simulation, simulation.unknowns(), *cells))
    # Means of 40 batches, as draws of a chain are not independent.
    one, two = (np.reshape(g, (40, -1, len(g[0]))).mean(1) for g in (independent, successive))
    return (one.mean(0) - two.mean(0)) / np.sqrt((one.var(0, ddof=1) + two.var(0, ddof=1)) / 40)


@pytest.mark.parametrize(
    ("n_fields", "dim", "heteroscedastic"), [(1, 1, False), (2, 1, False), (2, 1, True), (3, 2, True)]
)
def test_sweeps_and_new_ratings_in_turn_leave_the_prior(n_fields, dim, heteroscedastic, tame):
    z = geweke(n_fields, dim, heteroscedastic)
    assert np.abs(z).max() < LARGEST_Z


def test_sweeps_with_features_leave_the_prior(tame):
    features = csr_array([[1.0, 0.5], [1.0, -1.0], [0.0, 0.0]]), None
    z = geweke(2, 1, False, features=features)
    assert np.abs(z).max() < LARGEST_Z


def calibrated(unknowns):
    """Noise precision of all ratings and of a cell; what is expected of two cells; the mean of the biases."""
    (v, w), noise = unknowns.tables, unknowns.noise
    expected = [v[i, :-1] @ w[j, :-1] + v[i, -1] + w[j, -1] for i, j in ((0, 0), (1, 3))]
    one = noise.precision * noise.factors[0][0] * noise.factors[1][0]
    return np.array([noise.precision, one, *expected, unknowns.priors[0].mean[-1]])


def test_simulated_unknowns_have_uniform_ranks_among_the_draws(tame):
    n_replicates, n_draws, thin, burn_in = 80, 9, 3, 8
    simulation, rng = Simulation(2, 1, True, n_cells=12, sizes=(4, 4)), np.random.default_rng(0)
    chain, ranks = simulation.chain, []
    for seed in range(n_replicates):
        truth = simulation.simulate_unknowns(rng)
        simulation.put_cells(*simulation.simulate_cells(truth, rng))
        simulation.put_unknowns(simulation.simulate_unknowns(rng))
        chain.options = replace(chain.options, seed=seed)
        values = []
        for _ in range(burn_in + n_draws * thin):
            chain.sweep()
            values.append(calibrated(simulation.unknowns()))
        ranks.append((np.array(values[burn_in + thin - 1 :: thin]) < calibrated(truth)).sum(0))
    for column in np.transpose(ranks):
        assert stats.chisquare(np.bincount(column, minlength=n_draws + 1)).pvalue > LEAST_P


@pytest.mark.parametrize("heteroscedastic", [False, True])
@pytest.mark.parametrize("n_fields", [1, 2, 3])
def test_weight_two_is_the_row_twice(n_fields, heteroscedastic):
    X, y = low_rank_ratings(n_ratings=200, n_fields=n_fields)
    times = np.random.default_rng(0).integers(1, 4, len(y))
    repeated = fit(np.repeat(X, times, 0), np.repeat(y, times), heteroscedastic=heteroscedastic)
    assert_same_bits(fit(X, y, times, heteroscedastic=heteroscedastic), repeated)


def test_the_seed_decides_on_every_bit():
    X, y = low_rank_ratings(n_ratings=200)
    base, other = fit(X, y), fit(X, y, random_state=1)
    assert_same_bits(base, fit(X, y))
    for name in set(NAMES) - {"noise_dof_"}:
        assert not any(map(np.array_equal, getattr(base, name), getattr(other, name)))


@pytest.mark.parametrize("heteroscedastic", [False, True])
def test_five_sweeps_and_five_more_are_ten(heteroscedastic):
    X, y = low_rank_ratings(n_ratings=200)
    choice = {"heteroscedastic": heteroscedastic, "burn_in": 0, "n_samples": 99}
    whole = fit(X, y, max_iter=10, **choice)
    first = fit(X, y, max_iter=5, warm_start=True, **choice)
    np.testing.assert_equal(first.log_likelihood_curve_, whole.log_likelihood_curve_[:5])
    first.fit(X, y)
    np.testing.assert_equal(first.log_likelihood_curve_, whole.log_likelihood_curve_[5:])
    np.testing.assert_equal(first.noise_std_samples_, whole.noise_std_samples_[5:])
    np.testing.assert_equal(first.prior_precisions_, whole.prior_precisions_[5:])
    for field in range(2):
        for name in ("embedding_samples_", "bias_samples_", "noise_factor_samples_"):
            np.testing.assert_equal(getattr(first, name)[field], getattr(whole, name)[field][5:])


@pytest.mark.parametrize("n_fields", [1, 2, 3])
def test_one_graph_serves_every_size(n_fields):
    for n_ratings in (60, 200):
        X, y = low_rank_ratings(n_users=n_ratings // 6, n_ratings=n_ratings, n_fields=n_fields)
        for dim in (0, 3, 20):
            for heteroscedastic in (False, True):
                fit(X, y, embedding_dim=dim, max_iter=1, heteroscedastic=heteroscedastic)
    assert gibbs.program(n_fields).n_traces() == 1
    assert gibbs._moments_program.n_traces() == 1


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_chain_that_diverges_leaves_the_estimator_as_it_was(value, monkeypatch):
    X, y = low_rank_ratings(n_ratings=200)
    fitted, original = fit(X, y, warm_start=True), gibbs.Gibbs.sweep

    def diverge(chain):
        return value if chain.n_sweeps - chain.n_before == 2 else original(chain)

    monkeypatch.setattr(gibbs.Gibbs, "sweep", diverge)
    for model in (fitted, BayesianMFRecommender(2, max_iter=6)):
        before = model.__dict__.copy()
        with pytest.raises(ValueError, match=f"diverged in sweep 3, the log-likelihood became {value}"):
            model.fit(X, y)
        assert model.__dict__.keys() == before.keys()
        assert all(model.__dict__[name] is old for name, old in before.items())
