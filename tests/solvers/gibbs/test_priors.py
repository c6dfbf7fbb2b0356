"""Draws of priors and noise against their distributions: closed forms, and numerical integration."""

import numpy as np
import pytest
from scipy import stats

from sklearn_mf.solvers.gibbs import _priors as priors
from sklearn_mf.solvers.gibbs._slice import draw_by_slice

# Every seed is fixed, so that no test fails by chance; these are the least p-value and largest z-score.
LEAST_P, LARGEST_Z = 1e-3, 4.5


def z_of_mean(samples, mean):
    """Standardised distance of the means over the first axis from what they should be."""
    samples = np.asarray(samples)
    return np.abs(samples.mean(0) - mean) / (samples.std(0, ddof=1) / np.sqrt(len(samples)))


def assert_follows(samples, distribution):
    assert stats.kstest(samples, distribution.cdf).pvalue > LEAST_P


def rows_of(n_ids, width):
    rng = np.random.default_rng(n_ids)
    mixing = np.eye(width) + 0.5 * rng.normal(size=(width, width))
    return rng.normal(size=(n_ids, width)) @ mixing + np.arange(width)


def moments_of(rows):
    mean = rows.mean(0) if len(rows) else np.zeros(rows.shape[1])
    return priors.Moments(len(rows), mean, (rows - mean).T @ (rows - mean))


def conjugate(rows):
    """Normal-Wishart posterior: Murphy, "Conjugate Bayesian analysis of the Gaussian distribution", 2007."""
    n, width = rows.shape
    beta0, total = priors.BETA0, rows.sum(0)
    beta = beta0 + n
    mean = total / beta
    prior = priors.precision_prior(width, n)
    inverse_scale = np.diag(prior.inverse_scale) + rows.T @ rows - beta * np.outer(mean, mean)
    return mean, beta, stats.wishart(prior.degrees + n, np.linalg.inv(inverse_scale))


@pytest.mark.parametrize(("n_ids", "width"), [(1, 1), (3, 2), (6, 4)])
def test_the_conjugate_posterior_is_prior_times_likelihood(n_ids, width):
    rows = rows_of(n_ids, width)
    mean, beta, wishart = conjugate(rows)
    parameters = priors.precision_prior(width, n_ids)
    prior = stats.wishart(parameters.degrees, np.diag(1 / parameters.inverse_scale))
    evidence = []
    for seed in range(5):
        precision = np.atleast_2d(stats.wishart.rvs(width + 2, np.eye(width), random_state=seed))
        mu = np.random.default_rng(seed).normal(size=width)
        covariance = np.linalg.inv(precision)

        def normal(x, centre, covariance, weight):
            return np.sum(stats.multivariate_normal.logpdf(x, centre, covariance / weight))

        joint = prior.logpdf(precision) + normal(mu, np.zeros(width), covariance, priors.BETA0)
        joint += normal(rows, mu, covariance, 1)
        evidence.append(joint - wishart.logpdf(precision) - normal(mu, mean, covariance, beta))
    np.testing.assert_allclose(evidence, evidence[0], rtol=1e-9)


@pytest.mark.parametrize(("n_ids", "width"), [(0, 1), (0, 4), (1, 3), (6, 3), (40, 4)])
def test_prior_draws_are_normal_wishart(n_ids, width):
    rng = np.random.default_rng([n_ids, width])
    rows = rows_of(n_ids, width)
    mean, beta, wishart = conjugate(rows)
    draws = [priors.draw_prior(moments_of(rows), rng) for _ in range(5000)]
    precisions = np.array([draw.precision for draw in draws])
    expected, scale = np.atleast_2d(wishart.mean()), np.atleast_2d(wishart.scale)
    diagonal = np.diag(scale)
    degrees = wishart.df
    variance = degrees * (scale**2 + np.outer(diagonal, diagonal))
    assert (z_of_mean(precisions, expected) < LARGEST_Z).all()
    assert (z_of_mean((precisions - expected) ** 2, variance) < LARGEST_Z).all()
    for place in range(width):
        assert_follows(precisions[:, place, place] / diagonal[place], stats.chi2(degrees))
    # The determinant, over that of the scale, is a product of chi-square numbers.
    product = rng.chisquare(degrees - np.arange(width), (20_000, width)).prod(1)
    ratio = np.linalg.det(precisions) / np.linalg.det(scale)
    assert stats.ks_2samp(ratio, product).pvalue > LEAST_P
    # Given the precision L L^T, L^T (mu - mean) is white, of precision beta.
    white = [np.sqrt(beta) * np.linalg.cholesky(draw.precision).T @ (draw.mean - mean) for draw in draws]
    for column in np.transpose(white):
        assert_follows(column, stats.norm)
    log_det = np.log(ratio) - np.log(ratio).mean()
    assert (z_of_mean(np.transpose(white).T * log_det[:, None], 0.0) < LARGEST_Z).all()
    outer = np.einsum("ni,nj->nij", white, white)
    assert (z_of_mean(outer, np.eye(width)) < LARGEST_Z).all()


def test_the_prior_mean_of_the_precision_does_not_depend_on_the_number_of_ids():
    few, many = (priors.precision_prior(9, n_ids) for n_ids in (10, 1000))
    np.testing.assert_allclose(few.degrees / few.inverse_scale, many.degrees / many.inverse_scale)
    assert few.degrees == pytest.approx(9 + 10 * priors._PRIOR_IDS)
    assert many.degrees == pytest.approx(9 + 1000 * priors._PRIOR_IDS)


@pytest.mark.parametrize("width", [2, 9, 33])
def test_inner_products_of_embeddings_have_the_same_prior_variance_for_every_dimension(width):
    prior = priors.precision_prior(width, 100)
    variances = prior.inverse_scale[:-1] / prior.degrees  # of the coordinates
    assert np.sum(variances**2) == pytest.approx(priors._PAIR_VARIANCE)


def simulated_squares(rng, n_ids=30, n_ratings=200):
    """Errors and parts of the prediction of some ratings, summed by id."""
    ids, parts, errors = (
        rng.integers(n_ids, size=n_ratings),
        rng.normal(size=n_ratings),
        rng.normal(size=n_ratings),
    )
    sums = [np.bincount(ids, values, n_ids) for values in (errors**2, errors * parts, parts**2)]
    return priors.SquaresByScale(*sums), (ids, parts, errors)


def test_squares_at_another_scale_are_those_of_the_scaled_parts():
    squares, (ids, parts, errors) = simulated_squares(np.random.default_rng(0))
    expected = np.bincount(ids, (errors - 0.7 * parts) ** 2, 30)
    np.testing.assert_allclose(squares.at(1.7), expected, rtol=1e-10)
    assert squares.total(np.arange(30.0)).at(1.7).item() == pytest.approx(np.arange(30.0) @ expected)


def test_the_scale_of_embeddings_has_its_density():
    rng = np.random.default_rng(0)
    squares, (_, parts, errors) = simulated_squares(rng)
    root = rng.normal(size=(3, 3)) + 3 * np.eye(3)
    prior = priors.Prior(np.zeros(3), root @ root.T)
    wishart = priors.precision_prior(3, 30)

    def log_density(scale):
        """Wishart density of the scaled precision, its Jacobian, and the ratings without the noise."""
        values = []
        for one in np.atleast_1d(scale):
            scaled = prior.rescaled(one).precision
            value = stats.wishart.logpdf(scaled, wishart.degrees, np.diag(1 / wishart.inverse_scale))
            value -= (3 + 1) * 2 * np.log(one) + np.log(one)  # of the precision, and of the scale
            rate = priors.RATE + np.sum((errors - (one - 1) * parts) ** 2) / 2
            values.append(value - (priors.SHAPE + 100) * np.log(rate))
        return np.array(values)

    scale, draws = 1.0, []
    for _ in range(4000):
        fit = priors.SquaresByScale(
            squares.at(scale),
            scale * (squares.slopes - (scale - 1) * squares.curvatures),
            scale**2 * squares.curvatures,
        )
        scale *= priors.draw_embedding_scale(fit, np.ones(30), prior.rescaled(scale), 200.0, rng)
        draws.append(scale)
    assert stats.kstest(draws[::4], cdf_of(log_density, 0.2, 5.0, 1001)).pvalue > LEAST_P


def test_the_level_of_biases_has_its_density():
    rng = np.random.default_rng(0)
    first, second = (
        priors.Prior(rng.normal(size=3), root @ root.T) for root in rng.normal(size=(2, 3, 3)) + 2 * np.eye(3)
    )

    def log_density(level):
        """Of the means of the shifted priors."""
        return sum(
            stats.multivariate_normal.logpdf(
                prior.shifted(sign * level).mean, np.zeros(3), np.linalg.inv(priors.BETA0 * prior.precision)
            )
            for prior, sign in ((first, 1), (second, -1))
        )

    draws = [priors.draw_level(first, second, rng) for _ in range(5000)]
    grid = np.linspace(-5, 5, 2001)
    density = np.exp([log_density(level) for level in grid])
    mean = (grid @ density) / density.sum()
    std = np.sqrt(((grid - mean) ** 2 @ density) / density.sum())
    assert_follows((np.array(draws) - mean) / std, stats.norm)


def test_slices_follow_a_density_with_two_modes():
    rng = np.random.default_rng(0)

    def log_density(x):
        return np.logaddexp(-(((x + 1) / 0.3) ** 2) / 2 + np.log(2), -(((x - 2) / 0.6) ** 2) / 2)

    x, draws = 0.0, []
    for _ in range(20_000):
        x = draw_by_slice(log_density, x, 0.5, rng)
        draws.append(x)
    expected = [np.mean([stats.norm.cdf(q, -1, 0.3), stats.norm.cdf(q, 2, 0.6)]) for q in (-1, 0, 2)]
    np.testing.assert_allclose([np.mean(np.array(draws) < q) for q in (-1, 0, 2)], expected, atol=0.03)


@pytest.mark.parametrize(("squares", "total_weight"), [(0.0, 0.0), (3.0, 1.0), (70.0, 200.0), (2.0, 2.5)])
def test_noise_precisions_are_gamma(squares, total_weight):
    rng = np.random.default_rng(0)
    draws = np.array([priors.draw_noise_precision(squares, total_weight, rng) for _ in range(10_000)])
    gamma = stats.gamma(priors.SHAPE + total_weight / 2, scale=1 / (priors.RATE + squares / 2))
    assert z_of_mean(draws, gamma.mean()) < LARGEST_Z
    assert z_of_mean((draws - gamma.mean()) ** 2, gamma.var()) < LARGEST_Z
    assert_follows(draws, gamma)


def cdf_of(log_density, low, high, n=20_001):
    """Distribution function by numerical integration."""
    grid = np.geomspace(low, high, n)
    density = log_density(grid)
    density = np.exp(density - density.max())
    steps = np.diff(grid) * (density[1:] + density[:-1]) / 2
    cumulated = np.append(0.0, np.cumsum(steps))
    return lambda x: np.interp(x, grid, cumulated / cumulated[-1])


def test_noise_precision_and_factors_are_prior_times_likelihood():
    rng = np.random.default_rng(0)
    errors = np.array([0.3, -1.1, 2.0, 0.4])
    weights = np.array([1.0, 2.0, 1.0, 3.0])  # of integers: so many ratings with the same error
    squares = weights @ errors**2

    def log_likelihood(precision):
        return sum(
            w * stats.norm.logpdf(e, 0, 1 / np.sqrt(precision)) for w, e in zip(weights, errors, strict=True)
        )

    def noise_density(tau):
        return stats.gamma.logpdf(tau, priors.SHAPE, scale=1 / priors.RATE) + log_likelihood(tau)

    draws = [priors.draw_noise_precision(squares, weights.sum(), rng) for _ in range(5000)]
    assert stats.kstest(draws, cdf_of(noise_density, 1e-3, 50)).pvalue > LEAST_P

    def factor_density(factor):
        return stats.gamma.logpdf(factor, 2.5, scale=1 / 2.5) + log_likelihood(0.7 * factor)

    one = np.array([squares]), np.array([weights.sum()])
    draws = [priors.draw_factors(*one, 0.7, 5.0, rng)[0] for _ in range(5000)]
    assert stats.kstest(draws, cdf_of(factor_density, 1e-3, 50)).pvalue > LEAST_P


@pytest.mark.parametrize("degrees", [4.0, 30.0])
def test_factors_are_gamma_each_with_its_own_errors(degrees):
    squares, weights = np.array([0.0, 0.1, 5.0, 80.0]), np.array([1.0, 7.0, 2.5, 100.0])
    rng = np.random.default_rng(0)
    draws = np.array([priors.draw_factors(squares, weights, 1.7, degrees, rng) for _ in range(5000)])
    gamma = stats.gamma((degrees + weights) / 2, scale=2 / (degrees + 1.7 * squares))
    assert (z_of_mean(draws, gamma.mean()) < LARGEST_Z).all()
    assert (z_of_mean((draws - gamma.mean()) ** 2, gamma.var()) < LARGEST_Z).all()
    for column, mean, var in zip(draws.T, gamma.mean(), gamma.var(), strict=True):
        assert_follows(column, stats.gamma(mean**2 / var, scale=var / mean))
    correlations = np.corrcoef(draws.T)[np.triu_indices(4, 1)]
    assert (np.abs(correlations) < LARGEST_Z / np.sqrt(len(draws))).all()


@pytest.mark.parametrize(("n_ids", "degrees"), [(1, 4.0), (5, 4.0), (30, 4.0), (100, 40.0), (1000, 400.0)])
def test_degrees_have_their_posterior_probabilities(n_ids, degrees):
    rng = np.random.default_rng(n_ids)
    factors = rng.gamma(degrees / 2, 2 / degrees, n_ids)
    log_density = np.array([stats.gamma.logpdf(factors, nu / 2, scale=2 / nu).sum() for nu in priors.DEGREES])
    expected = np.exp(log_density - log_density.max())
    expected *= 5000 / expected.sum()
    draws = [priors.draw_degrees(factors, rng) for _ in range(5000)]
    observed = np.array([np.sum(np.equal(draws, nu)) for nu in priors.DEGREES])
    assert observed.sum() == 5000
    rare = expected < 5
    observed = np.append(observed[~rare], observed[rare].sum())
    expected = np.append(expected[~rare], expected[rare].sum() + 1e-9)
    if expected[-1] < 5:  # too few for the chi-square distribution
        assert observed[-1] < 30
        observed, expected = observed[:-1], expected[:-1] * observed[:-1].sum() / expected[:-1].sum()
    assert stats.chisquare(observed, expected).pvalue > LEAST_P


RESCALINGS = [(1, 4.0), (2, 5.0), (6, 4.0), (20, 40.0)]


@pytest.mark.parametrize(("shape", "rate"), [(0.5, 0.5), (1.5, 6.0)])
@pytest.mark.parametrize(("n_ids", "degrees"), RESCALINGS)
def test_rescaling_leaves_the_prior_of_factors_and_noise_precision(n_ids, degrees, shape, rate, monkeypatch):
    monkeypatch.setattr(priors, "SHAPE", shape)
    monkeypatch.setattr(priors, "RATE", rate)
    rng = np.random.default_rng(n_ids)
    factors, precisions = (
        rng.gamma(degrees / 2, 2 / degrees, (10_000, n_ids)),
        rng.gamma(shape, 1 / rate, 10_000),
    )
    multipliers = np.array(
        [priors.draw_rescaling(c, degrees, tau, rng) for c, tau in zip(factors, precisions, strict=True)]
    )
    assert np.mean(multipliers != 1) > 0.1
    moved, divided = factors * multipliers[:, None], precisions / multipliers
    assert_follows(moved.sum(1), stats.gamma(n_ids * degrees / 2, scale=2 / degrees))
    assert_follows(moved[:, 0], stats.gamma(degrees / 2, scale=2 / degrees))
    assert_follows(divided, stats.gamma(shape, scale=1 / rate))
    # Before and after, factors and precision are independent.
    logs = np.log(moved.sum(1)), np.log(divided)
    assert abs(np.corrcoef(*logs)[0, 1]) < LARGEST_Z / 100


@pytest.mark.parametrize(("n_ids", "degrees"), RESCALINGS)
def test_rescaling_has_its_density_along_what_the_likelihood_leaves_open(n_ids, degrees):
    rng = np.random.default_rng(n_ids)
    factors, tau = rng.gamma(degrees / 2, 2 / degrees, n_ids), 1.3

    def log_density(c):
        """Of c, from the priors of c * factors and tau / c and the Jacobian c^(n_ids - 1) / c."""
        log_prior = stats.gamma.logpdf(np.outer(c, factors), degrees / 2, scale=2 / degrees).sum(1)
        log_prior += stats.gamma.logpdf(tau / c, priors.SHAPE, scale=1 / priors.RATE)
        return log_prior + (n_ids - 2) * np.log(c)

    c, draws = 1.0, []
    for number in range(30_000):
        c *= priors.draw_rescaling(c * factors, degrees, tau / c, rng)
        if number % 10 == 9:
            draws.append(c)
    assert stats.kstest(draws, cdf_of(log_density, 1e-4, 1e3)).pvalue > LEAST_P
