"""A factorization whose rows have variances and priors; NumPy only."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from sklearn_mf.model._factors import Model, has_features
from sklearn_mf.model._pattern import Pattern
from sklearn_mf.ratings._features import Features
from sklearn_mf.utils._batches import batches

# Rows whose variances are computed at a time.
_CHUNK = 65_536


@dataclass(frozen=True)
class UncertainModel:
    """Rows [embedding, bias] of two fields as normal distributions with independent coordinates.

    Parameters
    ----------
    model : Model
        Their means.
    variances : list of ndarray of shape (n_ids[f], width), float32
        Their variances, those of the biases last, in units of z.
    noise : float
        Variance of a rating around its expectation, in units of z.
    precisions : ndarray of shape (2, width), float64
        Prior precision of each coordinate of the rows of each field.
    user_mean : ndarray of shape (width,), float64
        Prior mean of the rows of the users.
    item_means : ndarray of shape (n_items, embedding_dim), float32
        Prior means of the embeddings of the items.
    coefficients : tuple of ndarray of shape (n_features[f], width), float64, or None
        For each field, what each feature of an id adds to these prior means, those of the table first, then
        those of the pattern of rated cells; empty where no field has any.
    pattern : Pattern or None
        Its features are what the pattern of rated cells adds to the prior means of users.
    """

    model: Model
    variances: list[NDArray[np.float32]]
    noise: float
    precisions: NDArray[np.float64]
    user_mean: NDArray[np.float64]
    item_means: NDArray[np.float32]
    coefficients: tuple[NDArray[np.float64] | None, ...] = ()
    pattern: Pattern | None = None

    def rescaled(self, ratio: float) -> Self:
        """The variances and priors in units of another scale of the ratings, with means left alone.

        `ratio` is the old scale over the new one: embeddings grow by its root, biases by it.
        """
        unit = np.append(np.full(self.item_means.shape[1], np.sqrt(ratio)), ratio)
        return replace(
            self,
            variances=[rows * (unit**2).astype(np.float32) for rows in self.variances],
            noise=self.noise * ratio**2,
            precisions=self.precisions / unit**2,
            user_mean=self.user_mean * unit,
            item_means=self.item_means * np.float32(np.sqrt(ratio)),
            coefficients=tuple(None if each is None else each * unit for each in self.coefficients),
        )

    def filled_variances(
        self, id_weights: list[NDArray[np.float64]], features: Features = ()
    ) -> list[NDArray[np.float32]]:
        """The variances, with those of unknown ids also for ids without ratings, as their means are.

        Ids with features have the variance around the linear function of the features instead.
        """
        filled = [rows.copy() for rows in self.variances]
        for field, rows in enumerate(filled):
            rows[self.model.epochs[field] == 0] = self._spread(field, id_weights[field])
        for field, table in enumerate(features):
            if table is not None:
                self._set_spread(filled[field], field, id_weights[field], table)
        return filled

    def _set_spread(
        self, filled: NDArray[np.float32], field: int, id_weights: NDArray[np.float64], table: csr_array
    ) -> None:
        """Set the variances (n_ids, width) of the ids of a field that have features and no ratings."""
        in_table, coefficients = has_features(table), self.model.coefficients[field]
        weights = np.where(in_table, id_weights, 0.0)
        if coefficients is not None and weights.any():
            spread = self._spread(field, weights, table @ coefficients)
            filled[in_table & (self.model.epochs[field] == 0)] = spread

    def variance(
        self, codes: NDArray[np.integer], id_weights: list[NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        """Variance of the ratings of cells, (n, 2) -> (n,), in their own units, the noise included.

        An unknown id has the mean variance of its field and the spread of the rows between its ids.
        """
        fallback = [self._spread(field, id_weights[field]) for field in (0, 1)]
        parts = [self._variance(codes[rows], fallback) for rows in batches(len(codes), _CHUNK)]
        return self.model.scale**2 * (np.concatenate(parts) if parts else np.empty(0))

    def _spread(
        self, field: int, weights: NDArray[np.float64], centres: NDArray[np.float64] | None = None
    ) -> NDArray[np.float64]:
        """Variance of the row of an unknown id around the average, or centres (n_ids, width); (width,)."""
        rows = np.column_stack([self.model.embeddings[field], self.model.biases[field]]).astype(np.float64)
        if centres is None:
            centres = np.append(self.model.average_embeddings[field], self.model.average_biases[field])
        spread: NDArray[np.float64] = weights @ ((rows - centres) ** 2 + self.variances[field])
        return spread / weights.sum()

    def _variance(
        self, codes: NDArray[np.integer], fallback: list[NDArray[np.float64]]
    ) -> NDArray[np.float64]:
        means, variances = [], []
        for field in (0, 1):
            means.append(self.model.rows(field, codes[:, field])[0])
            rows = self.variances[field][codes[:, field]].astype(np.float64)
            rows[codes[:, field] < 0] = fallback[field]
            variances.append(rows)
        (u, v), (s, t) = means, variances
        pairs = u**2 * t[:, :-1] + v**2 * s[:, :-1] + s[:, :-1] * t[:, :-1]
        total: NDArray[np.float64] = pairs.sum(axis=1) + s[:, -1] + t[:, -1] + self.noise
        return total


@dataclass(frozen=True)
class TwoPhaseModel:
    """Rows for ratings and rows for lists.

    Parameters
    ----------
    ratings : UncertainModel
        Rows of the second phase, which predict ratings.
    relevance : Model
        Rows of the first phase, which rank.
    relevance_curve : list of float
        Objective after each sweep of the first phase.
    n_sweeps : int
        Sweeps of the second phase so far, those of earlier fits to the same ratings included.
    """

    ratings: UncertainModel
    relevance: Model
    relevance_curve: list[float]
    n_sweeps: int
