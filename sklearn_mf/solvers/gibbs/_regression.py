"""Draws of a regression prior: rows of ids that depend on features of the ids. No TensorFlow.

The row t of an id with features f has the distribution N(mu + B' f, Lambda^-1), with independent
B ~ N(0, (lambda Lambda)^-1) for each feature and one lambda for each block of features (Simm et al., "Macau:
Scalable Bayesian factorization with high-dimensional side information using MCMC", MLSP 2017). Here mu, B and
Lambda are drawn together, given the rows and every lambda.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, solve_triangular
from scipy.sparse import csr_array

from sklearn_mf.model._side_information import RegressionDraw, SideInformation
from sklearn_mf.solvers._conjugate_gradient import approach
from sklearn_mf.solvers.gibbs._priors import BETA0, SHAPE, Prior, draw_precision

Floats = NDArray[np.float64]
Block = csr_array | Floats

# Number of coefficients from which on conjugate gradient replaces the exact solution, its largest number of
# steps, and the norm of a residual, relative to that of the right-hand side, that ends it sooner.
_GRADIENT_FROM, _MOST_STEPS, _TOLERANCE = 1500, 200, 1e-6


class RowFeatures:
    """Features of the rows of a field, in blocks with a precision of the coefficients each.

    Parameters
    ----------
    blocks : sequence of csr_array or ndarray of shape (n_rows, n_features[block]), float64
        The features. A column of ones, whose coefficient is mu, stands before the first one.
    n_rows : int
        Number of rows of the field.
    """

    def __init__(self, blocks: Sequence[Block], n_rows: int) -> None:
        self.blocks: list[Block] = [np.ones((n_rows, 1)), *blocks]
        self.n_rows, self.sizes = n_rows, [block.shape[1] for block in self.blocks]

    @property
    def n_features(self) -> int:
        """Number of features, without the column of ones."""
        return sum(self.sizes[1:])

    def prior_means(self, prior: Prior) -> Floats:
        """Prior means of the rows, (n_rows, width)."""
        assert prior.regression is not None
        return self.times(np.concatenate([prior.mean[None], prior.regression.coefficients]))

    def split(self, coefficients: Floats) -> list[Floats]:
        """Parts of an array with a row for each column of all blocks, (1 + n_features, ...), by block."""
        return np.split(coefficients, np.cumsum(self.sizes)[:-1])

    def times(self, coefficients: Floats) -> Floats:
        """F X, (1 + n_features, width) -> (n_rows, width)."""
        parts = zip(self.blocks, self.split(coefficients), strict=True)
        products: list[Floats] = [block @ part for block, part in parts]
        return np.sum(products, axis=0)

    def times_transposed(self, rows: Floats) -> Floats:
        """F' T, (n_rows, width) -> (1 + n_features, width)."""
        return np.concatenate([block.T @ rows for block in self.blocks])

    @cached_property
    def gram(self) -> Floats:
        """F' F, (1 + n_features, 1 + n_features)."""
        dense = [block if isinstance(block, np.ndarray) else block.toarray() for block in self.blocks]
        return self.times_transposed(np.concatenate(dense, axis=1))

    @cached_property
    def squares(self) -> Floats:
        """Diagonal of F' F, (1 + n_features,)."""
        return np.concatenate([np.asarray((block * block).sum(axis=0)).ravel() for block in self.blocks])

    @cached_property
    def rates(self) -> Floats:
        """Rate of the Gamma prior of each lambda, (n_blocks,).

        The features of a block then explain, a priori, about as much variance as the rows have around B' f,
        whatever the units and the number of features.
        """
        squares = np.array([part.sum() for part in self.split(self.squares)[1:]])
        return SHAPE * self.n_rows / np.where(squares > 0, squares, self.n_rows)

    @property
    def first_precisions(self) -> Floats:
        """Mean of the prior of each lambda, (n_blocks,), with which a chain begins."""
        return SHAPE / self.rates

    def ridge(self, precisions: Floats) -> Floats:
        """Prior precision of each coefficient relative to Lambda, (n_blocks,) -> (1 + n_features,)."""
        return np.repeat([BETA0, *precisions], self.sizes)

    def solve(self, right: Floats, ridge: Floats) -> Floats:
        """Solve (F' F + diag(ridge)) X = right, (1 + n_features, n), (1 + n_features,) -> right's."""
        if self.n_features < _GRADIENT_FROM:
            root = np.linalg.cholesky(self.gram + np.diag(ridge))
            return cho_solve((root, True), right)

        def times(coefficients: Floats) -> Floats:
            """Multiply without F' F."""
            return self.times_transposed(self.times(coefficients)) + ridge[:, None] * coefficients

        start = np.zeros_like(right)
        return approach(times, self.squares + ridge, start, right, _MOST_STEPS, _TOLERANCE)


def row_features(side: SideInformation, ids: Sequence[NDArray[np.integer]]) -> list[RowFeatures | None]:
    """Features of the rows of each field, given their ids, (n_rows[f],); None for a field without any."""
    return [
        RowFeatures([block[rows] for block in side.blocks(field)], len(rows)) if side.blocks(field) else None
        for field, rows in enumerate(ids)
    ]


def draw_regression_prior(
    rows: Floats, features: RowFeatures, precisions: Floats, rng: np.random.Generator
) -> Prior:
    """Draw prior mean, coefficients and precision of the rows (n_rows, width) of a field.

    `precisions`, (n_blocks,), are those of the coefficients; the next ones are drawn as well. One system of
    equations with a further, random right-hand side gives both the mean of the coefficients and a deviation
    that has their posterior covariance.
    """
    n, width = rows.shape
    ridge = features.ridge(precisions)
    moments = features.times_transposed(rows)
    perturbed = features.times_transposed(rng.standard_normal((n, width)))
    perturbed += np.sqrt(ridge)[:, None] * rng.standard_normal(moments.shape)
    solution = features.solve(np.concatenate([moments, perturbed], axis=1), ridge)
    mean, deviation = solution[:, :width], solution[:, width:]
    precision = draw_precision(rows.T @ rows - moments.T @ mean, n, rng)
    root = np.linalg.cholesky(precision)
    drawn = mean + solve_triangular(root, deviation.T, lower=True, trans="T").T
    regression = RegressionDraw(drawn[1:], _draw_precisions(features, drawn @ root, rng))
    return Prior(drawn[0], precision, regression)


def _draw_precisions(features: RowFeatures, scaled: Floats, rng: np.random.Generator) -> Floats:
    """Draw lambda of each block, given mu and B times the root of Lambda, (1 + n_features, width)."""
    sums = np.array([np.square(part).sum() for part in features.split(scaled)[1:]])
    sizes = np.array(features.sizes[1:]) * scaled.shape[1]
    return rng.gamma(SHAPE + sizes / 2) / (features.rates + sums / 2)
