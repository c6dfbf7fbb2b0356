"""Prior means of the rows of ids: linear functions of their features, by ridge regression. No TensorFlow."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import csr_array

from sklearn_mf.model._factors import Model
from sklearn_mf.ratings._features import Features
from sklearn_mf.solvers._conjugate_gradient import approach

Floats = NDArray[np.float64]
Priors = list["RegressionPrior | None"]

# Ridge penalty of the effect of a feature: in ratings, and in ids where all ids have the same weight.
CHARGE_IN_RATINGS, CHARGE_IN_IDS = 200.0, 2.0
# From this number of features on, steps of conjugate gradient replace the exact solution.
_GRADIENT_FROM = 1000
# Steps of the conjugate gradient, begun from the present coefficients.
_STEPS = 5


class RegressionPrior:
    """Prior means F B of the rows t of one field: B minimises sum_j w_j |t_j - f_j B|^2 + charge |B|^2.

    Parameters
    ----------
    features : csr_array of shape (n_rows, n_features), float64
        Features F of the ids of the rows.
    weights : ndarray of shape (n_rows,), float64
        Weights w of the rows.
    coefficients : ndarray of shape (n_features, width), float64
        First B.
    charge : float
        Ridge penalty of B, in units of the weights.
    """

    def __init__(self, features: csr_array, weights: Floats, coefficients: Floats, charge: float) -> None:
        self.features, self.weights, self.charge = features, weights, charge
        self._weighted = features.multiply(weights[:, None]).tocsr()
        self._factor = None
        if features.shape[1] < _GRADIENT_FROM:
            gram = (features.T @ self._weighted).toarray()
            gram[np.diag_indices(len(gram))] += charge
            self._factor = cho_factor(gram, lower=True)
        self.coefficients = coefficients
        self.means: Floats = features @ coefficients

    def learn(self, rows: NDArray[np.floating]) -> None:
        """Regress rows, (n_rows, width), on their features; exactly, or by some steps from the present B."""
        exact: Floats = rows.astype(np.float64, copy=False)
        if self._factor is not None:
            right = self._weighted.T @ exact
            self.coefficients = cho_solve(self._factor, right, check_finite=False)
        else:
            self._approach(exact)
        self.means = self.features @ self.coefficients

    def _approach(self, rows: Floats) -> None:
        """Some steps from the present coefficients towards the regression of rows (n_rows, width)."""
        diagonal = self.features.multiply(self._weighted).sum(axis=0) + self.charge
        residuals = self._weighted.T @ (rows - self.means) - self.charge * self.coefficients
        self.coefficients = approach(self._times, diagonal, self.coefficients, residuals, _STEPS)

    def _times(self, coefficients: Floats) -> Floats:
        """(F' W F + charge) B, (n_features, width) -> (n_features, width)."""
        product: Floats = self._weighted.T @ (self.features @ coefficients) + self.charge * coefficients
        return product

    def restore(self, coefficients: Floats) -> None:
        """Take coefficients that were learnt before, (n_features, width)."""
        self.coefficients, self.means = coefficients, self.features @ coefficients

    def penalty(self) -> float:
        """charge / 2 |B|^2."""
        return 0.5 * self.charge * float(np.square(self.coefficients).sum())


def regression_priors(
    features: Features,
    ids: Sequence[NDArray[np.integer]],
    weights: Sequence[NDArray[np.floating]],
    start: Model,
    charge: float,
) -> Priors:
    """Priors of the rows of each field, from the coefficients of `start`; None for a field without features.

    `ids` are the codes of the rows, (n_rows[f],), and `weights` the weights of the rows.
    """
    if not features:
        return [None] * len(ids)
    width = start.embeddings[0].shape[1] + 1
    before = start.coefficients or [None] * len(features)
    priors: Priors = []
    for table, rows, rows_weights, old in zip(features, ids, weights, before, strict=True):
        if table is None:
            priors.append(None)
            continue
        first = np.zeros((table.shape[1], width)) if old is None else old
        priors.append(RegressionPrior(table[rows], rows_weights.astype(np.float64), first, charge))
    return priors


def regressed(features: csr_array, rows: Floats, weights: Floats, charge: float) -> Floats:
    """Coefficients of a ridge regression of rows (n_rows, width) on features, with weights (n_rows,)."""
    prior = RegressionPrior(features, weights, np.zeros((features.shape[1], rows.shape[1])), charge)
    prior.learn(rows)
    return prior.coefficients


def restore_coefficients(priors: Priors, coefficients: Sequence[Floats | None]) -> None:
    """Give priors the coefficients that :func:`coefficients_of` took from them."""
    for prior, learnt in zip(priors, coefficients, strict=bool(coefficients)):
        if prior is not None and learnt is not None:
            prior.restore(learnt)


def coefficients_of(priors: Priors) -> tuple[Floats | None, ...]:
    """Coefficients of each field as a model holds them: an empty tuple where no field has any."""
    coefficients = tuple(None if prior is None else prior.coefficients for prior in priors)
    return coefficients if any(each is not None for each in coefficients) else ()
