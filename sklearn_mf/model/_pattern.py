"""Features of ids by the pattern of rated cells: who has rated what, whatever the ratings."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn import config_context

from sklearn_mf.model._rated_cells import CellRows, scaled_operator
from sklearn_mf.utils._sklearn_compat import _randomized_svd

Floats = NDArray[np.float64]

# Power of the numbers of ratings of users and items by which the indicator of a cell is divided.
_POWER = 1 / 3
# Spread of features, relative to their mean, below which they are the same for all ids.
_LEAST = 1e-8


@dataclass(frozen=True)
class Pattern:
    """Features of users and items: principal components of the indicator matrix of the rated cells.

    With A the indicator matrix, users x items, and the numbers of ratings of users and items on the diagonals
    of D and E, the singular value decomposition of D^-1/3 A E^-1/3 is U S V'. The features of users are U S,
    and those of items V S, each shifted and scaled to mean 0 and mean square 1. As U S = D^-1/3 A (E^-1/3 V),
    the features of a user are a sum over the rated items, like the implicit feedback of Koren ("Factorization
    meets the neighborhood", KDD 2008), so that the ratings of a new user give features too. An id with fewer
    ratings than nine in ten others counts as if further ratings, up to that number, were average ones.

    Parameters
    ----------
    loadings : tuple of two ndarrays of shape (n_ids[f], n_features), float64
        Share of each id of a field in the features of the ids of the other field that it occurs with.
    centres : tuple of two ndarrays of shape (n_features,), float64
        Mean of these sums over the rated ids of each field, which is subtracted.
    least : tuple of two floats
        Number of ratings of each field up to which average ones are added.
    """

    loadings: tuple[Floats, ...]
    centres: tuple[Floats, ...]
    least: tuple[float, float]

    @classmethod
    def of(cls, cells: tuple[CellRows, CellRows], n_features: int) -> Self:
        """Find the principal components of the indicator matrix of the rated cells, given by both fields."""
        least = _least_number(cells[0]), _least_number(cells[1])
        users, items = _divisors(cells[0], least[0]), _divisors(cells[1], least[1])
        scaled = scaled_operator(*cells, 1 / users, 1 / items)
        with config_context(array_api_dispatch=False):  # an operator is no array
            U, _, V = _randomized_svd(scaled, min(n_features, *scaled.shape), random_state=0)
        by_users, by_items = U / users[:, None], V.T / items[:, None]
        item_loadings, user_centre = _standardized(by_items, cells[0], least[0])
        user_loadings, item_centre = _standardized(by_users, cells[1], least[1])
        return cls((user_loadings, item_loadings), (user_centre, item_centre), least)

    def features(self, field: int, cells: CellRows | csr_array) -> Floats:
        """Features of ids of a field by their rated cells, (n, n_ids[other field]) -> (n, n_features).

        An id without ratings has the mean features of the others, which are 0.
        """
        least = self.least[field]
        sums = _sums(cells, self.loadings[1 - field], least)
        return sums - _shares(cells, least)[:, None] * self.centres[field]

    def effects_on_users(self, coefficients: Floats) -> Self:
        """The pattern whose features of users are these times coefficients (n_features, n_effects).

        It has none of items.
        """
        loadings = self.loadings[0][:, :0], self.loadings[1] @ coefficients
        return type(self)(loadings, (self.centres[0] @ coefficients,), self.least)


def _least_number(cells: CellRows | csr_array) -> float:
    """Number of cells that nine in ten of the rows with cells reach, at least 1."""
    counts = np.diff(cells.indptr)
    return float(np.quantile(counts[counts > 0], 0.1, method="lower"))


def _divisors(cells: CellRows | csr_array, least: float) -> Floats:
    """Power of the number of cells of each row, at least of the least number, (n, m) -> (n,)."""
    return np.maximum(np.diff(cells.indptr), least) ** _POWER


def _shares(cells: CellRows | csr_array, least: float) -> Floats:
    """Share of the least number of cells that each row has, at most 1, (n, m) -> (n,)."""
    return np.minimum(np.diff(cells.indptr) / least, 1.0)


def _sums(cells: CellRows | csr_array, loadings: Floats, least: float) -> Floats:
    """Sums of loadings over the cells of each row, scaled by their number, (n, m), (m, k) -> (n, k)."""
    sums: Floats = (cells @ loadings) / _divisors(cells, least)[:, None]
    return sums


def _standardized(loadings: Floats, cells: CellRows | csr_array, least: float) -> tuple[Floats, Floats]:
    """Loadings that give the features of rated rows mean square 1, and the centre that gives them mean 0.

    (m, n_features), (n, m) -> (m, n_features), (n_features,).
    """
    rated = np.diff(cells.indptr) > 0
    sums, shares = _sums(cells, loadings, least)[rated], _shares(cells, least)[rated]
    centre = sums.sum(axis=0) / shares.sum()
    spread = float(np.sqrt(np.square(sums - shares[:, None] * centre).mean()))
    scale = 1 / spread if spread > _LEAST * np.abs(sums).max() else 0.0
    return scale * loadings, scale * centre
