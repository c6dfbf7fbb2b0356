"""The part of recommenders that learn from unobserved cells: their prior ratings, and a user's row."""

from typing import Any

import numpy as np

from sklearn_mf.model._fold_in import RowPrior
from sklearn_mf.recommenders._point_model import model_of

# Most prior ratings, as a share of the observed cells: with more, small data have embeddings of zeros.
_MOST_PRIOR = 0.2


def bounded_prior_ratings(prior_ratings: float, n_ratings: float) -> float:
    """Number of prior ratings that the number of observed cells allows."""
    return min(float(prior_ratings), _MOST_PRIOR * n_ratings)


def with_unobserved_cells(recommender: Any, prior: RowPrior, weight: float, value: float) -> RowPrior:
    """Prior of a user's row with the unobserved cells of all items that have ratings, as in fit."""
    items = np.flatnonzero(recommender._id_weights[1])
    return prior.with_unobserved(model_of(recommender), items, weight, value, recommender.fit_bias)
