"""What a solver learns, and the prediction formula; NumPy only."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

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
        What an unknown id of each field is answered with.
    average_biases : ndarray of shape (n_fields,), float64
        Its bias.
    epochs : list of ndarray of shape (n_ids[f],), int32
        Epochs that each id has been in training, 0 for an id without ratings; a warm start goes on there.
    """

    intercept: float
    scale: float
    embeddings: list[NDArray[np.float32]]
    biases: list[NDArray[np.float32]]
    average_embeddings: NDArray[np.float64]
    average_biases: NDArray[np.float64]
    epochs: list[NDArray[np.int32]]

    def rows(self, field: int, codes: NDArray[np.integer]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Embeddings and biases of some ids.

        Parameters
        ----------
        field : int
            Number of the field.
        codes : ndarray of shape (n,), integer
            Row numbers; -1 for an unknown id, which gets the field's average.

        Returns
        -------
        embeddings : ndarray of shape (n, embedding_dim), float64
            One row for each code.
        biases : ndarray of shape (n,), float64
            One number for each code.
        """
        embeddings = self.embeddings[field][codes].astype(np.float64)
        biases = self.biases[field][codes].astype(np.float64)
        unknown = codes < 0
        embeddings[unknown] = self.average_embeddings[field]
        biases[unknown] = self.average_biases[field]
        return embeddings, biases

    def predict(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Predict ratings of cells: m + s * (sum of biases + sum over pairs of <v_f, v_g>).

        Parameters
        ----------
        codes : ndarray of shape (n_samples, n_fields), integer
            Row number of each id; -1 for an unknown id.

        Returns
        -------
        ratings : ndarray of shape (n_samples,), float64
            Not clipped.
        """
        chunks = [codes[start : start + _CHUNK] for start in range(0, len(codes), _CHUNK)]
        z = np.concatenate([self._standardised(chunk) for chunk in chunks]) if chunks else np.empty(0)
        return self.intercept + self.scale * z

    def _standardised(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        """Prediction in units of z, (n, n_fields) -> (n,): pairs by the running sum of embeddings."""
        total, z = self.rows(0, codes[:, 0])
        for field in range(1, codes.shape[1]):
            embeddings, biases = self.rows(field, codes[:, field])
            z += biases + np.einsum("nk,nk->n", total, embeddings)
            total += embeddings
        return z


def fill_unrated(model: Model, id_weights: list[NDArray[np.float64]]) -> Model:
    """Fill in what an unknown id, and one without ratings, is answered with: the average of each field.

    Parameters
    ----------
    model : Model
        As a solver leaves it.
    id_weights : list of ndarray of shape (n_ids[f],), float64
        Summed weight of the training ratings of each id: the average is over ratings.

    Returns
    -------
    model : Model
        The same with its averages.
    """
    weights = [weight / weight.sum() for weight in id_weights]
    averages = np.array([weight @ rows for weight, rows in zip(weights, model.embeddings, strict=True)])
    bias_averages = np.array([weight @ bias for weight, bias in zip(weights, model.biases, strict=True)])
    return replace(
        model,
        embeddings=[
            np.where(epochs[:, None] > 0, rows, average.astype(np.float32))
            for epochs, rows, average in zip(model.epochs, model.embeddings, averages, strict=True)
        ],
        biases=[
            np.where(epochs > 0, bias, np.float32(average))
            for epochs, bias, average in zip(model.epochs, model.biases, bias_averages, strict=True)
        ],
        average_embeddings=averages,
        average_biases=bias_averages,
    )
