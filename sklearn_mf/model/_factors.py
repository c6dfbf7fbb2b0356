"""The learnt factorization and its prediction formula; NumPy only."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from sklearn_mf.ratings._features import Features
from sklearn_mf.utils._batches import batches

# Rows that predict takes at a time: bounds its memory whatever the number of rows.
_CHUNK = 65_536


@dataclass(frozen=True)
class Model:
    """Embeddings and biases of the ids of every field, in units of the standardised rating z.

    Parameters
    ----------
    intercept : float
        Mean m of the ratings.
    scale : float
        Standard deviation s of the ratings.
    embeddings : list of ndarray of shape (n_ids[f], embedding_dim), float32
        One array for each field.
    biases : list of ndarray of shape (n_ids[f],), float32
        One array for each field.
    average_embeddings : ndarray of shape (n_fields, embedding_dim), float64
        Fallback embedding for unknown ids of each field.
    average_biases : ndarray of shape (n_fields,), float64
        Fallback bias.
    epochs : list of ndarray of shape (n_ids[f],), int32
        Epochs that each id has been in training, 0 for an id without ratings; a warm start counts on.
    coefficients : tuple of ndarray of shape (n_features[f], embedding_dim + 1), float64, or None
        For each field, the effect of each feature of an id on its prior mean, the bias last; None for a field
        without features. The tuple is empty where no field has any.
    apart : ndarray of shape (n_fields, embedding_dim + 1), float64, or 0.0
        Part of the average rows that the fallback leaves out: an unknown id has none of it.
    """

    intercept: float
    scale: float
    embeddings: list[NDArray[np.float32]]
    biases: list[NDArray[np.float32]]
    average_embeddings: NDArray[np.float64]
    average_biases: NDArray[np.float64]
    epochs: list[NDArray[np.int32]]
    coefficients: tuple[NDArray[np.float64] | None, ...] = ()
    apart: NDArray[np.float64] | float = 0.0

    def rows(self, field: int, codes: NDArray[np.integer]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Embeddings (n, embedding_dim) and biases (n,) of ids; code -1 gets the fallback of the field."""
        embeddings = self.embeddings[field][codes].astype(np.float64)
        biases = self.biases[field][codes].astype(np.float64)
        unknown = codes < 0
        embeddings[unknown] = self.average_embeddings[field]
        biases[unknown] = self.average_biases[field]
        return embeddings, biases

    def predict(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Ratings m + s * (biases + pairs of <v_f, v_g>) of cells, (n, n_fields) -> (n,), not clipped."""
        parts = [self._standardised(codes[rows]) for rows in batches(len(codes), _CHUNK)]
        z = np.concatenate(parts) if parts else np.empty(0)
        return self.intercept + self.scale * z

    def _standardised(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Prediction in units of z, (n, n_fields) -> (n,): pairs by the running sum of embeddings."""
        total, z = self.rows(0, codes[:, 0])
        for field in range(1, codes.shape[1]):
            embeddings, biases = self.rows(field, codes[:, field])
            z += biases + np.einsum("nk,nk->n", total, embeddings)
            total += embeddings
        return z


def fill_unrated(model: Model, id_weights: list[NDArray[np.float64]], features: Features = ()) -> Model:
    """Set the fallback of each field, the mean over training ratings, and the rows of ids without ratings.

    These are the prior mean of an id with features, and else the fallback.

    Parameters
    ----------
    model : Model
        As a solver leaves it.
    id_weights : list of ndarray of shape (n_ids[f],), float64
        Summed weight of the training ratings of each id.
    features : tuple of csr_array of shape (n_ids[f], n_features[f]), float64, or None
        Features of the ids; empty where no field has any.

    Returns
    -------
    model : Model
        The same with its averages and the rows of all ids.
    """
    return with_unrated_rows(with_averages(model, id_weights), features)


def with_averages(model: Model, id_weights: list[NDArray[np.float64]]) -> Model:
    """Set the fallback of each field, given the summed weights of its ids, (n_ids[f],)."""
    apart = np.broadcast_to(model.apart, (len(model.biases), model.embeddings[0].shape[1] + 1))
    return replace(
        model,
        average_embeddings=np.array(list(map(_average, model.embeddings, id_weights))) - apart[:, :-1],
        average_biases=np.array(list(map(_average, model.biases, id_weights))) - apart[:, -1],
    )


def with_unrated_rows(model: Model, features: Features = ()) -> Model:
    """Set the rows of ids without ratings: the prior means that features give, else the fallback."""
    filled = replace(
        model,
        embeddings=list(map(_filled, model.embeddings, model.average_embeddings, model.epochs)),
        biases=list(map(_filled, model.biases, model.average_biases, model.epochs)),
    )
    for field, table in enumerate(features):
        if table is not None:
            _set_prior_means(filled, field, table)
    return filled


def has_features(table: csr_array) -> NDArray[np.bool_]:
    """Whether each id is in a table of features, (n_ids, n_features) -> (n_ids,)."""
    mask: NDArray[np.bool_] = np.diff(table.indptr) > 0
    return mask


def _set_prior_means(model: Model, field: int, table: csr_array) -> None:
    """Set the rows of the ids of a field that have features and no ratings, in place."""
    coefficients = model.coefficients[field]
    untrained = np.flatnonzero((model.epochs[field] == 0) & has_features(table))
    if coefficients is None or not len(untrained):
        return
    means = table[untrained] @ coefficients
    model.embeddings[field][untrained], model.biases[field][untrained] = means[:, :-1], means[:, -1]


def _average(rows: NDArray[np.float32], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted mean of rows (n_ids, ...), of which few may have a weight, (n_ids,) -> (...)."""
    rated = weights > 0
    if not rated.all():
        rows, weights = rows[rated], weights[rated]
    mean: NDArray[np.float64] = (weights / weights.sum()) @ rows
    return mean


def _filled(
    rows: NDArray[np.float32], average: NDArray[np.float64], epochs: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Rows (n_ids, ...) with the average in those of ids that were not trained."""
    untrained = epochs == 0
    if not untrained.any():
        return rows
    filled = rows.copy()
    filled[untrained] = average
    return filled
