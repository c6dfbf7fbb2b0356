"""Where a solver begins: small random embeddings, or those of the last fit re-expressed."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sklearn_mf.model._factors import Model
from sklearn_mf.ratings._ratings import Ratings

_POSITIVE_STD = 0.1


def fresh_start(
    ratings: Ratings,
    intercept: float,
    scale: float,
    embedding_dim: int,
    seed: int,
    std: float,
    positive: bool = False,
) -> Model:
    """Draw embeddings from N(0, std^2); biases are 0.

    Parameters
    ----------
    ratings : Ratings
        Gives the number of ids of each field.
    intercept, scale : float
        m and s.
    embedding_dim : int
        Length of an embedding.
    seed : int
        Of the draw.
    std : float
        Standard deviation. Small, so that the strongest directions of taste grow first.
    positive : bool, default=False
        Whether to take absolute values, of a larger standard deviation: what can only add up is slow to grow.

    Returns
    -------
    model : Model
        Untrained.
    """
    rng = np.random.default_rng(seed)
    draws = [rng.standard_normal((n, embedding_dim), dtype=np.float32) for n in ratings.n_ids]
    return Model(
        intercept,
        scale,
        [np.float32(_POSITIVE_STD) * np.abs(draw) if positive else np.float32(std) * draw for draw in draws],
        [np.zeros(n, dtype=np.float32) for n in ratings.n_ids],
        np.zeros((ratings.n_fields, embedding_dim)),
        np.zeros(ratings.n_fields),
        [np.zeros(n, dtype=np.int32) for n in ratings.n_ids],
    )


def warm_start_model(
    start: Model, previous: Model, known_codes: list[NDArray[np.int32]], positive: bool = False
) -> Model:
    """Put trained embeddings in place of a fresh start, in units of its mean and scale.

    With s and m of the last fit and s' and m' of the new one, v' = v sqrt(s / s') and
    b' = b s / s' + (m - m') / (F s'): the predictions of the last fit, unchanged.

    Parameters
    ----------
    start : Model
        Fresh start over all ids, old and new.
    previous : Model
        The last fit's.
    known_codes : list of ndarray of shape (n_previous_ids[f],), int32
        The row in `start` of each id of the last fit. Of those, ids that never had a rating start fresh.
    positive : bool, default=False
        Whether to raise negative coordinates to 0.

    Returns
    -------
    model : Model
        Old ids as they were, and as old; new ids fresh.
    """
    ratio = previous.scale / start.scale
    shift = (previous.intercept - start.intercept) / (len(known_codes) * start.scale)
    embeddings = [array.copy() for array in start.embeddings]
    biases = [array.copy() for array in start.biases]
    epochs = [array.copy() for array in start.epochs]
    for field, all_codes in enumerate(known_codes):
        old = previous.epochs[field] > 0
        codes = all_codes[old]
        embeddings[field][codes] = previous.embeddings[field][old] * np.float32(np.sqrt(ratio))
        biases[field][codes] = previous.biases[field][old] * np.float32(ratio) + np.float32(shift)
        epochs[field][codes] = previous.epochs[field][old]
    if positive:
        embeddings = [np.maximum(array, 0) for array in embeddings]
    return replace(start, embeddings=embeddings, biases=biases, epochs=epochs)
