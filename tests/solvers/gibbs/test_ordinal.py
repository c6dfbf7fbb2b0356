"""Latent values of ordered ratings and their thresholds."""

import numpy as np
import pytest
from scipy import stats

from sklearn_mf.model._initialization import fresh_start
from sklearn_mf.model._posterior import Noise
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.solvers.als._field_tables import FieldTables
from sklearn_mf.solvers.gibbs._ordinal import OrderedRatings, levels_of
from tests.solvers.gibbs.test_priors import LARGEST_Z, LEAST_P, z_of_mean


def ratings_of(targets, n_ids=(6, 5)):
    codes = np.indices(n_ids).reshape(2, -1)[:, : len(targets)].astype(np.int32)
    return Ratings.merge(list(codes), np.array(targets, dtype=float), np.ones(len(targets)), n_ids)


@pytest.fixture
def ratings():
    return ratings_of(np.random.default_rng(0).integers(1, 6, size=30))


@pytest.fixture
def tables(ratings):
    return FieldTables(ratings, fresh_start(ratings, 3.0, 1.0, 3, 0, 0.5), "cholesky")


@pytest.fixture
def ordered(ratings, tables):
    return OrderedRatings(ratings, tables)


def test_latent_values_are_truncated_normal(ordered):
    rng, n = np.random.default_rng(1), len(ordered.level_of)
    centres, stds = rng.normal(size=n), rng.uniform(0.5, 1.5, size=n)
    draws = np.array([ordered.draw_latent(ordered.midpoints, centres, stds, rng) for _ in range(2000)])
    bounds = np.concatenate([[-np.inf], ordered.midpoints, [np.inf]])
    for cell in range(0, n, 5):
        lower, upper = (bounds[ordered.level_of[cell] + np.arange(2)] - centres[cell]) / stds[cell]
        distribution = stats.truncnorm(lower, upper, centres[cell], stds[cell])
        assert stats.kstest(draws[:, cell], distribution.cdf).pvalue > LEAST_P


def test_latent_values_far_from_their_centre_stay_within_the_thresholds(ordered):
    n = len(ordered.level_of)
    for centre in (-200.0, 200.0):
        latent = ordered.draw_latent(
            ordered.midpoints, np.full(n, centre), np.ones(n), np.random.default_rng(0)
        )
        assert np.isfinite(latent).all()
        bounds = np.concatenate([[-np.inf], ordered.midpoints, [np.inf]])
        assert (latent >= bounds[ordered.level_of]).all()
        assert (latent <= bounds[ordered.level_of + 1]).all()


def test_thresholds_follow_their_density(ordered):
    """Two free thresholds of four levels held fixed at the ends: against the density on a grid."""
    rng, n = np.random.default_rng(2), len(ordered.level_of)
    centres, stds = rng.normal(0.0, 0.7, size=n), np.full(n, 0.8)
    first, last = ordered.midpoints[[0, -1]]
    grid = np.linspace(first, last, 121)[1:-1]
    log_density = np.full((len(grid), len(grid)), -np.inf)
    for row, low in enumerate(grid):
        for column in range(row + 1, len(grid)):
            thresholds = np.array([first, low, grid[column], last])
            log_density[row, column] = ordered.log_probabilities(thresholds, centres, stds).sum()
            log_density[row, column] -= np.square(thresholds - ordered.midpoints).sum() / 2
    density = np.exp(log_density - log_density.max())
    expected = [(density.sum(axis) @ grid) / density.sum() for axis in (1, 0)]
    thresholds, draws = ordered.midpoints, []
    for _ in range(6000):
        thresholds = ordered.draw_thresholds(thresholds, centres, stds, rng)
        draws.append(thresholds)
    draws = np.array(draws)
    np.testing.assert_array_equal(draws[:, [0, -1]], np.tile([first, last], (len(draws), 1)))
    assert (np.diff(draws, axis=1) > 0).all()
    independent = draws[::20, 1:-1]
    assert (z_of_mean(independent, expected) < LARGEST_Z).all()


def test_predictions_and_noise_are_those_of_the_model(ratings, tables, ordered):
    model = tables.model(0)
    vectors = [rows[codes] for rows, codes in zip(model.embeddings, ratings.codes.T, strict=True)]
    biases = [rows[codes] for rows, codes in zip(model.biases, ratings.codes.T, strict=True)]
    expected = (vectors[0] * vectors[1]).sum(axis=1) + biases[0] + biases[1]
    np.testing.assert_allclose(ordered.centres(tables), expected, rtol=1e-5)
    factors = [np.arange(1.0, 1 + n) for n in ratings.n_ids]
    noise = Noise(2.0, factors, np.array([5.0, 5.0])).take(tables.ids)
    product = factors[0][ratings.codes[:, 0]] * factors[1][ratings.codes[:, 1]]
    np.testing.assert_allclose(ordered.stds(noise), 1 / np.sqrt(2.0 * product))


def test_latent_values_replace_the_targets_of_every_field(ratings, tables, ordered):
    latent = np.random.default_rng(3).normal(size=len(ratings.targets))
    by_cell = dict(zip(map(tuple, ratings.codes), latent.astype(np.float32), strict=True))
    ordered.put(latent, tables)
    for field in (0, 1):
        ratings_by_field = tables.fields[field].read(slice(None))
        counts = (ratings_by_field.ends - ratings_by_field.starts).numpy()
        rows, other = np.repeat(np.arange(len(counts)), counts), ratings_by_field.other_ids.numpy()[:, 0]
        cells = [tables.ids[field][rows], tables.ids[1 - field][other]][:: 1 if field == 0 else -1]
        expected = [by_cell[cell] for cell in zip(*cells, strict=True)]
        np.testing.assert_array_equal(ratings_by_field.targets.numpy(), expected)


@pytest.mark.parametrize(
    ("ratings", "message"),
    [
        (ratings_of([1, 1, 1]), "2 to 30 distinct ratings, got 1"),
        (ratings_of(range(31), (7, 5)), "2 to 30 distinct ratings, got 31"),
    ],
)
def test_too_few_or_too_many_levels(ratings, message):
    with pytest.raises(ValueError, match=message):
        levels_of(ratings)


@pytest.mark.parametrize(("targets", "weights"), [([1, 2], [1, 1]), ([2, 2], [1, 1]), ([1], [2])])
def test_repeated_or_weighted_ratings(targets, weights):
    codes = [np.zeros(len(targets), dtype=np.int32)] * 2
    merged = Ratings.merge(codes, np.array(targets, dtype=float), np.array(weights, dtype=float), (1, 1))
    with pytest.raises(ValueError, match="each combination of ids once and without sample weights"):
        levels_of(merged)
