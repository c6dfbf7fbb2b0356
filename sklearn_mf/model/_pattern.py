"""Features of ids by the pattern of rated cells: who has rated what, whatever the ratings."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array
from sklearn.utils.extmath import randomized_svd

from sklearn_mf.ratings._ratings import Ratings

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
    meets the neighborhood", KDD 2008), so that the ratings of a new user give features too.

    Parameters
    ----------
    loadings : tuple of two ndarrays of shape (n_ids[f], n_features), float64
        Share of each id of a field in the features of the ids of the other field that it occurs with.
    centres : tuple of two ndarrays of shape (n_features,), float64
        Mean of these sums over the rated ids of each field, which is subtracted.
    """

    loadings: tuple[Floats, ...]
    centres: tuple[Floats, ...]

    @classmethod
    def of(cls, ratings: Ratings, n_features: int) -> Self:
        """Find the principal components of the rated cells of the first two fields."""
        cells = indicator(ratings.codes, ratings.n_ids)
        users, items = _divisors(cells), _divisors(cells.T.tocsr())
        scaled = csr_array(diags_array(1 / users) @ cells @ diags_array(1 / items))
        U, _, V = randomized_svd(scaled, min(n_features, *scaled.shape), random_state=0)
        by_users, by_items = U / users[:, None], V.T / items[:, None]
        item_loadings, user_centre = _standardized(by_items, cells)
        user_loadings, item_centre = _standardized(by_users, cells.T.tocsr())
        return cls((user_loadings, item_loadings), (user_centre, item_centre))

    def features(self, field: int, cells: csr_array) -> Floats:
        """Features of ids of a field by their rated cells, (n, n_ids[other field]) -> (n, n_features).

        An id without ratings has the mean features of the others, which are 0.
        """
        rated = np.diff(cells.indptr)[:, None] > 0
        return np.where(rated, _sums(cells, self.loadings[1 - field]) - self.centres[field], 0.0)

    def times(self, coefficients: tuple[Floats, Floats]) -> Self:
        """The features of each field multiplied by coefficients (n_features, n_effects)."""
        of_users, of_items = coefficients
        loadings = self.loadings[0] @ of_items, self.loadings[1] @ of_users
        return type(self)(loadings, (self.centres[0] @ of_users, self.centres[1] @ of_items))


def indicator(codes: NDArray[np.int32], n_ids: tuple[int, ...]) -> csr_array:
    """Indicator matrix of the cells of the first two fields, (n, n_fields) -> (n_ids[0], n_ids[1])."""
    places = codes[:, 0], codes[:, 1]
    cells = csr_array((np.ones(len(codes)), places), shape=(n_ids[0], n_ids[1]))
    cells.sum_duplicates()
    cells.data[:] = 1.0
    return cells


def _divisors(cells: csr_array) -> Floats:
    """Power of the number of cells of each row, 1 where there are none, (n, m) -> (n,)."""
    return np.maximum(np.diff(cells.indptr), 1) ** _POWER


def _sums(cells: csr_array, loadings: Floats) -> Floats:
    """Sums of loadings over the cells of each row, scaled by their number, (n, m), (m, k) -> (n, k)."""
    sums: Floats = (cells @ loadings) / _divisors(cells)[:, None]
    return sums


def _standardized(loadings: Floats, cells: csr_array) -> tuple[Floats, Floats]:
    """Loadings that give the sums over the cells of rated rows mean square 1, and the mean of those sums.

    (m, n_features), (n, m) -> (m, n_features), (n_features,).
    """
    sums = _sums(cells, loadings)[np.diff(cells.indptr) > 0]
    centre = sums.mean(axis=0)
    spread = float(np.sqrt(np.square(sums - centre).mean()))
    scale = 1 / spread if spread > _LEAST * np.abs(sums).max() else 0.0
    return scale * loadings, scale * centre
