"""Initial values of a solver: small random embeddings, or those of the last fit in units of the new one."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sklearn_mf.model._factors import Model, with_unrated_rows
from sklearn_mf.ratings._features import Features
from sklearn_mf.ratings._ratings import Ratings

# Non-negative embeddings can only add up, so they grow slowly and start larger.
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
    """Draw embeddings from N(0, std^2), or their absolute values; biases are 0.

    A small `std` lets the directions of largest variance grow first.
    """
    rng = np.random.default_rng(seed)
    embeddings = [rng.standard_normal((n, embedding_dim), dtype=np.float32) for n in ratings.n_ids]
    for draws in embeddings:  # in place: a matrix can have many more ids than ratings
        draws *= np.float32(_POSITIVE_STD if positive else std)
        if positive:
            np.abs(draws, out=draws)
    return Model(
        intercept,
        scale,
        embeddings,
        [np.zeros(n, dtype=np.float32) for n in ratings.n_ids],
        np.zeros((ratings.n_fields, embedding_dim)),
        np.zeros(ratings.n_fields),
        [np.zeros(n, dtype=np.int32) for n in ratings.n_ids],
    )


def around_constant(start: Model, z: float) -> Model:
    """Add a constant to the embeddings of each field, so that every prediction is about z.

    More than two fields cannot have a negative constant prediction; their embeddings stay as they are.
    """
    n_fields, dim = start.average_embeddings.shape
    n_pairs = n_fields * (n_fields - 1) // 2
    if not dim or not n_pairs or (z < 0 and n_fields > 2):
        return start
    step = np.float32(np.sqrt(abs(z) / (n_pairs * dim)))
    signs = [np.float32(np.sign(z)), *[np.float32(1)] * (n_fields - 1)]
    embeddings = [rows + sign * step for rows, sign in zip(start.embeddings, signs, strict=True)]
    return replace(start, embeddings=embeddings)


def warm_start_model(
    start: Model, previous: Model, known_codes: list[NDArray[np.int32]], positive: bool = False
) -> Model:
    """Put trained embeddings in place of a fresh start, in units of its mean and scale.

    With s and m of the last fit and s' and m' of the new one, v' = v sqrt(s / s') and
    b' = b s / s' + (m - m') / (F s'): the predictions of the last fit, unchanged. The coefficients of
    features change likewise.

    Parameters
    ----------
    start : Model
        Fresh start over all ids, old and new.
    previous : Model
        Model of the last fit.
    known_codes : list of ndarray of shape (n_previous_ids[f],), int32
        Row in `start` of each id of the last fit. Those of them that never had a rating start fresh.
    positive : bool, default=False
        Whether to raise negative coordinates to 0.

    Returns
    -------
    model : Model
        Ids of the last fit keep their rows and their epochs; new ids start fresh.
    """
    ratio = previous.scale / start.scale
    shift = (previous.intercept - start.intercept) / (len(known_codes) * start.scale)
    embeddings = [array.copy() for array in start.embeddings]
    biases = [array.copy() for array in start.biases]
    epochs = [array.copy() for array in start.epochs]
    for field, all_codes in enumerate(known_codes):
        trained = previous.epochs[field] > 0
        codes = all_codes[trained]
        with np.errstate(over="ignore", invalid="ignore"):
            embeddings[field][codes] = previous.embeddings[field][trained] * np.float32(np.sqrt(ratio))
            biases[field][codes] = previous.biases[field][trained] * np.float32(ratio) + np.float32(shift)
        _check_finite(embeddings[field], biases[field], previous, start)
        epochs[field][codes] = previous.epochs[field][trained]
    if positive:
        embeddings = [np.maximum(array, 0) for array in embeddings]
    coefficients = tuple(_rescaled(each, ratio, shift) for each in previous.coefficients)
    return replace(start, embeddings=embeddings, biases=biases, epochs=epochs, coefficients=coefficients)


def _check_finite(
    embeddings: NDArray[np.float32], biases: NDArray[np.float32], previous: Model, start: Model
) -> None:
    """Refuse rows that float32 does not hold in units of the new mean and scale."""
    if not (np.isfinite(embeddings).all() and np.isfinite(biases).all()):
        raise ValueError(
            f"The ratings differ too much in size from those of the last fit, with mean {start.intercept:g} "
            f"and standard deviation {start.scale:g} after {previous.intercept:g} and {previous.scale:g}: "
            "call fit with warm_start=False to start anew."
        )


def moved_model(
    previous: Model,
    known_codes: list[NDArray[np.int32]],
    n_ids: tuple[int, ...],
    centred: tuple[float, float],
    features: Features = (),
) -> Model:
    """Trained rows over more ids, in units of another mean and scale; ids without ratings have prior means.

    `known_codes` are as in `warm_start_model`, `n_ids` the numbers of all ids, `centred` the mean and scale.
    """
    (intercept, scale), dim = centred, previous.average_embeddings.shape[1]
    blank = Model(
        intercept,
        scale,
        [np.zeros((n, dim), dtype=np.float32) for n in n_ids],
        [np.zeros(n, dtype=np.float32) for n in n_ids],
        previous.average_embeddings * np.sqrt(previous.scale / scale),
        (previous.average_biases * previous.scale + (previous.intercept - intercept) / len(n_ids)) / scale,
        [np.zeros(n, dtype=np.int32) for n in n_ids],
    )
    return with_unrated_rows(warm_start_model(blank, previous, known_codes), features)


def _rescaled(
    coefficients: NDArray[np.float64] | None, ratio: float, shift: float
) -> NDArray[np.float64] | None:
    """Coefficients of features, (n_features, embedding_dim + 1), in units of another scale and mean.

    The first feature is 1 for each id.
    """
    if coefficients is None:
        return None
    rescaled = coefficients * np.append(np.full(coefficients.shape[1] - 1, np.sqrt(ratio)), ratio)
    rescaled[0, -1] += shift
    return rescaled
