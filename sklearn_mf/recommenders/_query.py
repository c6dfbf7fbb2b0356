"""The arguments of recommend, as a query for the rankings."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sklearn_mf.model._fold_in import FoldInRatings
from sklearn_mf.ratings._columns import read_id_list, short_repr
from sklearn_mf.ratings._seen_items import SeenItems
from sklearn_mf.recommenders._catalog import catalog_for_table, read_fold_in
from sklearn_mf.retrieval._tables import excluded_cells
from sklearn_mf.retrieval._top_n import Excluded, top_n


class RecommendQuery(NamedTuple):
    """Users to recommend to, and items to choose from.

    Parameters
    ----------
    ids : ndarray of shape (n_users,)
        Users as the caller gave them.
    codes : ndarray of shape (n_users,), intp
        Their rows in fit, -1 for an unknown user and for one who comes with ratings.
    fold_in : FoldInRatings or None
        Ratings of the users where they come with them.
    items : ndarray of shape (n_candidates,), intp, or None
        Codes of the candidates; None for all items.
    n : int
        Length of a list.
    excluded : callable or None
        Cells to leave out, as `top_n` takes them.
    """

    ids: NDArray[np.generic]
    codes: NDArray[np.intp]
    fold_in: FoldInRatings | None
    items: NDArray[np.intp] | None
    n: int
    excluded: Excluded


def read_query(
    recommender: Any,
    users: object,
    n: int,
    exclude_seen: bool = True,
    candidates: object = None,
    ratings: ArrayLike | None = None,
) -> RecommendQuery:
    """Read the arguments of recommend."""
    catalog = catalog_for_table(recommender, "recommend", n)
    items = None if candidates is None else np.unique(catalog.known_codes(1, candidates, "candidates"))
    if ratings is None:
        ids = (
            recommender.categories_[0]
            if users is None
            else read_id_list(users, "users", recommender.categories_[0])
        )
        codes = np.arange(len(ids)) if users is None else recommender._codes(0, ids)
        excluded = excluded_cells(catalog.seen, codes, items) if exclude_seen else None
        return RecommendQuery(ids, codes, None, items, int(n), excluded)
    if users is not None:
        raise ValueError(f"Give either users or ratings, got both: users={short_repr(users)}.")
    fold_in = read_fold_in(recommender, ratings, "recommend")
    places = np.arange(len(fold_in.ids))
    seen = SeenItems(fold_in.starts, fold_in.items, catalog.seen.n_items)
    excluded = excluded_cells(seen, places, items) if exclude_seen else None
    return RecommendQuery(fold_in.ids, np.full(len(places), -1), fold_in, items, int(n), excluded)


def recommend_by_scores(
    recommender: Any, users: ArrayLike, scores: NDArray[np.float32], n: int
) -> pd.DataFrame:
    """Table of recommend for item scores (n_items,) that are the same for all users."""
    query = read_query(recommender, users, n)
    ranking = top_n(np.ones((len(query.ids), 1)), scores[:, None], n, query.excluded)
    table: pd.DataFrame = recommender._recommendations(query, ranking)
    return table
