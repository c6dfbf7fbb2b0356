"""The part of recommenders that learn from unobserved cells: their prior ratings, and a user's row."""

import functools
import weakref
import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from sklearn_mf.model._fold_in import RowPrior
from sklearn_mf.recommenders._point_model import model_of

# Most prior ratings, as a share of the observed cells: with more, small data have embeddings of zeros.
_MOST_PRIOR = 0.2
# Fits whose sums over all items are kept: for the list of one newcomer they would take most of the time.
_N_KEPT = 8


class _Fit:
    """The arrays of items of a fitted recommender as a key; it keeps nothing alive.

    Two keys are equal if their arrays are the same objects with the same content: neither other arrays nor
    arrays that were changed in place get the sums of these.
    """

    def __init__(self, recommender: BaseEstimator) -> None:
        arrays = recommender.embeddings_[1], recommender.biases_[1], recommender._id_weights[1]
        self.recommender: Callable[[], BaseEstimator] = weakref.ref(recommender)
        self.arrays = [weakref.ref(array) for array in arrays]
        self.number = _checksum(*arrays)

    def __hash__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Fit):
            return NotImplemented
        return self.number == other.number and all(
            mine() is theirs() for mine, theirs in zip(self.arrays, other.arrays, strict=True)
        )


def _checksum(
    embeddings: NDArray[np.floating], biases: NDArray[np.floating], weights: NDArray[np.floating]
) -> int:
    """Checksum of the rows of items, (n_items, embedding_dim), (n_items,), (n_items,).

    The embeddings are projected to one number per row, in a tenth of the time of a checksum of all of them.
    """
    projection = embeddings @ np.cos(np.arange(embeddings.shape[1], dtype=embeddings.dtype))
    checksum = 0
    for array in (projection, biases, weights):
        checksum = zlib.crc32(np.ascontiguousarray(array), checksum)
    return checksum


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
    """Prior of the unobserved cells alone; kept while the arrays of the fit are the same and unchanged."""
    recommender = fit.recommender()
    items = np.flatnonzero(recommender._id_weights[1])
    return RowPrior(0.0).with_unobserved(model_of(recommender), items, weight, value, fit_bias)
