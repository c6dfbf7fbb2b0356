"""A fitted recommender as plain arrays, for its export; NumPy only."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Factors(NamedTuple):
    """Rows of users (field 0) and items (field 1), in several draws or one; lists hold one array per field.

    Parameters
    ----------
    intercept, scale : float
        m and s.
    embeddings : list of ndarray of shape (n_ids[f], n_draws, dim), float32
        Embeddings.
    biases : list of ndarray of shape (n_ids[f], n_draws), float32
        Biases.
    unknown : list of ndarray of shape (n_draws, dim + 1), float64
        Fallback for unknown ids, the bias last.
    offsets : ndarray of shape (n_items,), float32
        Biases by which items are ranked: their means over the draws.
    """

    intercept: float
    scale: float
    embeddings: list[NDArray[np.float32]]
    biases: list[NDArray[np.float32]]
    unknown: list[NDArray[np.float64]]
    offsets: NDArray[np.float32]


class RowPosterior(NamedTuple):
    """The row t of a newcomer: in each draw (X'PX + D + precision) t = X'Pz + pull + features @ effects.

    X are the rows of the rated items, P the weights of the ratings times `item_precisions`, z the ratings in
    units of the model, and D is diagonal: the number of ratings times `l2`, the sum of their
    `item_variances`, and `least` times the trace of X'PX.

    Parameters
    ----------
    fit_bias : bool
        Whether t has a bias; else its column of X is 0.
    l2, least : float
        See above.
    precision : ndarray of shape (n_draws, dim + 1, dim + 1), float64
        Part that does not depend on the ratings.
    pull : ndarray of shape (n_draws, dim + 1), float64
        The same.
    loadings : ndarray of shape (n_items, n_features), float64
        Share of each item in the features of the pattern of rated items; no columns without a pattern.
    centre : ndarray of shape (n_features,), float64
        Mean of their sums.
    least_rated : float
        Number of ratings up to which average ones are added to the pattern.
    effects : ndarray of shape (n_draws, n_features, dim + 1), float64
        Right-hand side that each feature adds.
    item_precisions : ndarray of shape (n_items, n_draws), float64, or None
        Precision of the ratings of each item; None for 1.
    item_variances : ndarray of shape (n_items, dim), float32, or None
        See above; None for 0.
    without : ndarray of shape (n_draws, dim + 1), float64
        Row of a newcomer without ratings.
    """

    fit_bias: bool
    l2: float
    least: float
    precision: NDArray[np.float64]
    pull: NDArray[np.float64]
    loadings: NDArray[np.float64]
    centre: NDArray[np.float64]
    least_rated: float
    effects: NDArray[np.float64]
    item_precisions: NDArray[np.float64] | None
    item_variances: NDArray[np.floating] | None
    without: NDArray[np.float64]


class Strengths(NamedTuple):
    """Weights of interactions by their strengths.

    Parameters
    ----------
    confidence : {"linear", "log"} or None
        Growth of the weight; None counts the interactions.
    mean_strength, mean_confidence : float
        Units of both.
    """

    confidence: str | None
    mean_strength: float
    mean_confidence: float


class Content(NamedTuple):
    """A recommender of two fields.

    Parameters
    ----------
    ids : list of ndarray of shape (n_ids[f],), int64 or object
        Ids of users and items: numbers, or text in UTF-8.
    refuses_unknown : bool
        Whether an unknown id is an error.
    ranking, rating : Factors
        Rows that rank and rows that predict; the same object where they are the same.
    limits : ndarray of shape (2,), float64, or None
        Range of the predictions.
    predicts : bool
        Whether `rating` gives predictions.
    seen_starts : ndarray of shape (n_users + 1,), int64
        First place of each user in `seen_items`, and the end of the last.
    seen_items : ndarray of shape (n_ratings,), int32
        Codes of the rated items.
    newcomers : dict of {str: RowPosterior}
        Rows of newcomers for "ranking" and for "rating"; empty where they have no closed form.
    strengths : Strengths or None
        Where newcomers have interactions in place of ratings.
    """

    ids: list[NDArray[np.generic]]
    refuses_unknown: bool
    ranking: Factors
    rating: Factors
    limits: NDArray[np.float64] | None
    predicts: bool
    seen_starts: NDArray[np.int64]
    seen_items: NDArray[np.int32]
    newcomers: dict[str, RowPosterior]
    strengths: Strengths | None
