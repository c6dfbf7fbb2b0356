"""Held-out ratings, and the relevant pairs among them."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from sklearn_mf.metrics._pairs import Pairs, codes_among, read_pairs
from sklearn_mf.ratings._columns import IdColumn, check_length, read_targets
from sklearn_mf.ratings._validation import split_ratings
from sklearn_mf.recommenders._base import BaseRecommender
from sklearn_mf.recommenders._catalog import catalog_of, read_ids_of
from sklearn_mf.utils._pipeline import last_step, transform_up_to_last_step


class HeldOut(NamedTuple):
    """Held-out ratings.

    Parameters
    ----------
    users, items : IdColumn
        Ids of each row, (n_samples,).
    ratings : ndarray of shape (n_samples,), float64
        Ratings.
    """

    users: IdColumn
    items: IdColumn
    ratings: NDArray[np.float64]


def read_held_out(estimator: BaseEstimator, X: ArrayLike, y: ArrayLike | None) -> HeldOut:
    """Check held-out ratings as they reach the last step of an estimator."""
    recommender = last_step(estimator)
    X, y = split_ratings(transform_up_to_last_step(estimator, X), y, type(recommender).__name__)
    columns = read_ids_of(recommender, X).columns
    if len(columns) != 2:
        raise ValueError(
            f"A ranking needs a column of users and one of items, got {len(columns)} column(s): pass both."
        )
    users, items = columns
    ratings = read_targets(y)
    check_length(ratings, len(users.numbers), "ratings")
    return HeldOut(users, items, ratings)


def is_relevant(held_out: HeldOut, threshold: float | None, share: float | None) -> NDArray[np.bool_]:
    """Whether ratings reach the threshold, or are in the highest share of their user, else True, (n,)."""
    users, ratings = held_out.users.numbers, held_out.ratings
    if threshold is not None:
        return ratings >= threshold
    if share is None:
        return np.ones(len(ratings), dtype=bool)
    n_best = (share * np.bincount(users)).round(9)  # 0.29 * 100 is below 29
    ranks = pd.Series(ratings).groupby(users).rank(method="min", ascending=False)
    return ranks.to_numpy() <= np.maximum(n_best, 1).take(users)


def unseen_pairs(recommender: BaseEstimator, users: IdColumn, items: IdColumn) -> Pairs:
    """Distinct pairs of two columns (n,) that the recommender has not seen in fit."""
    unseen = ~_is_seen(recommender, users, items)
    pairs = read_pairs([users.rows[unseen], items.rows[unseen]], "X")
    return pairs.take(~pd.Index(pairs.keys).duplicated())


def _is_seen(recommender: BaseEstimator, users: IdColumn, items: IdColumn) -> NDArray[np.bool_]:
    """Whether fit had a rating of each pair (n,); False if the recommender is not one of this package."""
    if not isinstance(recommender, BaseRecommender):
        return np.zeros(len(users.numbers), dtype=bool)
    catalog = catalog_of(recommender, "A ranking")
    user_codes, item_codes = (
        codes_among(vocabulary, column.ids, f"{what} of fit and of the test part").take(column.numbers)
        for vocabulary, column, what in zip(
            catalog.vocabularies, (users, items), ("Users", "Items"), strict=True
        )
    )
    return catalog.seen.contains(user_codes, item_codes)
