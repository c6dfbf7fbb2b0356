"""Held-out ratings, and the relevant pairs among them."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import UndefinedMetricWarning

from sklearn_mf.ratings._columns import IdColumn
from sklearn_mf.ratings._row_formats import RATINGS
from sklearn_mf.recommenders._base import BaseRecommender
from sklearn_mf.recommenders._catalog import catalog_of, read_ids_of
from sklearn_mf.retrieval._measures import MEASURES, find_binary_hits
from sklearn_mf.retrieval._pairs import Pairs, codes_among, read_pairs
from sklearn_mf.utils._pipeline import last_step, transform_up_to_last_step
from sklearn_mf.utils._warnings import warn_user


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
    row_format = recommender._row_format if isinstance(recommender, BaseRecommender) else RATINGS
    X, y = row_format.split(transform_up_to_last_step(estimator, X), y, type(recommender).__name__)
    columns = read_ids_of(recommender, X).columns
    if len(columns) != 2:
        raise ValueError(
            f"A ranking needs a column of users and one of items, got {len(columns)} column(s): pass both."
        )
    users, items = columns
    ratings, weights = row_format.read_values(y, None, len(users.numbers))
    if (kept := weights > 0).all():
        return HeldOut(users, items, ratings)
    return HeldOut(users.take(kept), items.take(kept), ratings[kept])


def unseen_pairs(recommender: BaseEstimator, users: IdColumn, items: IdColumn) -> Pairs:
    """Distinct pairs of two columns (n,) that the recommender has not seen in fit."""
    unseen = ~_is_seen(recommender, users, items)
    pairs = read_pairs([users.rows[unseen], items.rows[unseen]], "X")
    return pairs.take(~pd.Index(pairs.keys).duplicated())


def ranking_accuracy(names: list[str], relevant: Pairs, table: pd.DataFrame, k: int) -> dict[str, float]:
    """Value of each measure of recommended lists, a table of recommend; nan without relevant pairs."""
    if not len(relevant.user_codes):
        warn_user(
            "Fit has seen all relevant test ratings and recommend leaves out what was seen, so the score "
            "is nan: score ratings that fit has not seen.",
            UndefinedMetricWarning,
        )
        return dict.fromkeys(names, np.nan)
    hits = find_binary_hits(relevant, table, k)
    return {name: float(MEASURES[name](hits).mean()) for name in names}


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
