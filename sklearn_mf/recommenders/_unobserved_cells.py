"""The part of recommenders that learn from unobserved cells: their prior ratings, and a user's row."""

import functools
import weakref
from collections.abc import Callable

import numpy as np
from sklearn.base import BaseEstimator

from sklearn_mf.model._fold_in import RowPrior
from sklearn_mf.recommenders._point_model import model_of

# Most prior ratings, as a share of the observed cells: with more, small data have embeddings of zeros.
_MOST_PRIOR = 0.2
# Fits whose sums over all items are kept: for the list of one newcomer they would take most of the time.
_N_KEPT = 8


class _Fit:
    """The arrays of items of a fitted recommender as a key, by identity; it keeps nothing alive."""

    def __init__(self, recommender: BaseEstimator) -> None:
        arrays = recommender.embeddings_[1], recommender.biases_[1], recommender._id_weights[1]
        self.recommender: Callable[[], BaseEstimator] = weakref.ref(recommender)
        self.arrays = [weakref.ref(array) for array in arrays]
        self.number = hash(tuple(map(id, arrays)))

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Fit):
            return NotImplemented
        return all(mine() is theirs() for mine, theirs in zip(self.arrays, other.arrays, strict=True))


def bounded_prior_ratings(prior_ratings: float, n_ratings: float) -> float:
    """Number of prior ratings that the number of observed cells allows."""
    return min(float(prior_ratings), _MOST_PRIOR * n_ratings)


def with_unobserved_cells(
    recommender: BaseEstimator, prior: RowPrior, weight: float, value: float
) -> RowPrior:
    """Prior of a user's row with the unobserved cells of all items that have ratings, as in fit."""
    cells = _unobserved_cells(_Fit(recommender), weight, value, recommender.fit_bias)
    return prior._replace(
        prior_ratings=prior.prior_ratings + cells.prior_ratings,
        precision=prior.precision + cells.precision,
        shift=prior.shift + cells.shift,
    )


@functools.lru_cache(_N_KEPT)
def _unobserved_cells(fit: _Fit, weight: float, value: float, fit_bias: bool) -> RowPrior:
    """Prior of the unobserved cells alone; kept while the arrays of the fit are the same objects."""
    recommender = fit.recommender()
    items = np.flatnonzero(recommender._id_weights[1])
    return RowPrior(0.0).with_unobserved(model_of(recommender), items, weight, value, fit_bias)
