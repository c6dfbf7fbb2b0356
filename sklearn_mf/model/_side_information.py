"""Knowledge about ids that a Bayesian factorization uses beside the ratings; NumPy only."""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, hstack

from sklearn_mf.model._pattern import Pattern
from sklearn_mf.model._rated_cells import rated_cells
from sklearn_mf.ratings._features import Features
from sklearn_mf.ratings._ratings import Ratings

Floats = NDArray[np.float64]


class RegressionDraw(NamedTuple):
    """Coefficients of the features of the ids of a field.

    Parameters
    ----------
    coefficients : ndarray of shape (n_features, width), float64
        Change of the prior mean with each feature: those of the table first, then those of the pattern.
    precisions : ndarray of shape (n_blocks,), float64
        Prior precision of the coefficients of each block of features, as a multiple of that of the ids.
    """

    coefficients: Floats
    precisions: Floats


class SideInformation(NamedTuple):
    """Features of the ids.

    Parameters
    ----------
    features : tuple of csr_array of shape (n_ids[f], n_features[f]), float64, or None
        Features from tables, one entry for each field; empty where no field has any.
    pattern : Pattern or None
        Features from the pattern of rated cells.
    pattern_features : tuple of two ndarrays of shape (n_ids[f], n_components), float64
        Those of users and items; empty where there is no pattern.
    """

    features: Features = ()
    pattern: Pattern | None = None
    pattern_features: tuple[Floats, ...] = ()

    @classmethod
    def of(cls, ratings: Ratings, features: Features, n_components: int) -> Self:
        """Find the features of the pattern; none with 0 components or one field."""
        if not n_components or ratings.n_fields < 2:
            return cls(features)
        cells = rated_cells(ratings)
        pattern = Pattern.of(cells, n_components)
        return cls(features, pattern, tuple(map(pattern.features, (0, 1), cells)))

    def blocks(self, field: int) -> list[csr_array | Floats]:
        """Blocks of features of all ids of a field, (n_ids, n_features) each."""
        table = self.features[field] if self.features else None
        return [*([] if table is None else [table]), *self.pattern_features[field : field + 1]]

    def n_table_features(self, field: int) -> int:
        """Number of features that the table of a field gives."""
        table = self.features[field] if self.features else None
        return 0 if table is None else table.shape[1]

    def unrated_means(self, field: int, mean: Floats, draw: RegressionDraw | None) -> Floats:
        """Prior means of the ids of a field if they had no ratings, (width,) -> (n_ids or 1, width).

        The features of their pattern then have their mean, 0.
        """
        table = self.features[field] if self.features else None
        if draw is None or table is None:
            return mean[None]
        means: Floats = mean + table @ draw.coefficients[: table.shape[1]]
        return means

    def unrated_precision(self, field: int, precision: Floats, draw: RegressionDraw | None) -> Floats:
        """Prior precision of ids whose pattern is unknown, (width, width) -> (width, width).

        Their covariance is larger by that of the part of the pattern.
        """
        if draw is None or not self.pattern_features[field : field + 1]:
            return precision
        found = self.pattern_features[field]
        shares = found[found.any(axis=1)] @ draw.coefficients[self.n_table_features(field) :]
        covariance = shares.T @ shares / max(len(shares), 1)
        return np.linalg.inv(np.linalg.inv(precision) + covariance).astype(np.float64, copy=False)


def joined_features(side: SideInformation, pattern_scale: float) -> Features:
    """For each field the features of its table and then those of the pattern, times a number."""
    n_fields = max(len(side.features), len(side.pattern_features))
    blocks = [[csr_array(block) for block in side.blocks(field)] for field in range(n_fields)]
    for field in range(len(side.pattern_features)):
        blocks[field][-1] *= pattern_scale
    return tuple(csr_array(hstack(parts, format="csr")) if parts else None for parts in blocks)
