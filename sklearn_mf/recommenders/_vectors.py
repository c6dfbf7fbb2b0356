"""Vectors of users and items for an index of inner products."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch

from sklearn_mf.recommenders._catalog import catalog_of
from sklearn_mf.recommenders._query import Listing, read_query


def ranking_vectors(
    recommender: Listing, users: object, ratings: ArrayLike | None, features: object, rank_by: str
) -> Bunch:
    """Vectors whose inner products rank as recommend does, and the scores that belong to them."""
    catalog_of(recommender, "retrieval_vectors")
    query = read_query(recommender, users, 1, exclude_seen=False, ratings=ratings, features=features)
    ranker = recommender._ranked_by(rank_by)
    rows, biases = ranker._query_rows(query)
    return Bunch(
        item_ids=recommender.categories_[1].copy(),
        item_vectors=_with_column(ranker._ranking_vectors(1), ranker.biases_[1]),
        user_ids=query.ids.copy(),
        user_vectors=_with_column(rows, 1.0),
        user_offsets=recommender.intercept_ + recommender.scale_ * biases.astype(np.float64),
        scale=recommender.scale_,
    )


def _with_column(rows: NDArray[np.floating], column: NDArray[np.floating] | float) -> NDArray[np.float32]:
    """Rows (n, width) with one more column (n,) -> (n, width + 1)."""
    wider = np.empty((len(rows), rows.shape[1] + 1), dtype=np.float32)
    wider[:, :-1], wider[:, -1] = rows, column
    return wider
