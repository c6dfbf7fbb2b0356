"""The arguments of recommend, as a query for the rankings."""

from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sklearn_mf.model._fold_in import FoldInRatings
from sklearn_mf.ratings._columns import read_id_list, short_repr
from sklearn_mf.ratings._seen_items import SeenItems
from sklearn_mf.ratings._vocabulary import Values, Vocabulary, compatible_dtype
from sklearn_mf.recommenders._catalog import Catalog, catalog_for_table, codes_of
from sklearn_mf.recommenders._choices import read_choices
from sklearn_mf.recommenders._newcomers import Extensible, read_fold_in
from sklearn_mf.retrieval._top_n import Cells, Excluded, Ranking, top_n
from sklearn_mf.utils._warnings import warn_user


class RecommendQuery(NamedTuple):
    """Users to recommend to, and items to choose from.

    Parameters
    ----------
    catalog : Catalog
        Ids, column names and rated items of the recommender.
    ids : ndarray of shape (n_users,)
        Users as the caller gave them.
    codes : ndarray of shape (n_users,), intp
        Their rows in fit, -1 for an unknown user and for one who comes with ratings.
    fold_in : FoldInRatings or None
        Ratings of the users where they come with them.
    n : int
        Length of a list.
    items : ndarray of shape (n_candidates,), intp, or None
        Codes of the candidates; None for all items.
    excluded : callable or None
        Cells to leave out, as `top_n` takes them.
    cells : tuple of two ndarray of shape (n_cells,), or None
        The only cells to choose from, as `top_n` takes them, where each user has candidates of their own.
    """

    catalog: Catalog
    ids: NDArray[np.generic]
    codes: NDArray[np.intp]
    fold_in: FoldInRatings | None
    n: int
    items: NDArray[np.intp] | None
    excluded: Excluded
    cells: Cells | None


class Listing(Extensible, Protocol):
    """A fitted recommender that answers queries."""

    def _query_rows(self, query: RecommendQuery) -> tuple[NDArray[np.floating], NDArray[np.floating]]: ...
    def _recommendations(self, query: RecommendQuery, ranking: Ranking) -> pd.DataFrame: ...


def read_query(
    recommender: Extensible,
    users: object,
    n: int,
    exclude_seen: bool = True,
    candidates: object = None,
    ratings: ArrayLike | None = None,
    exclude: object = None,
    features: object = None,
) -> RecommendQuery:
    """Read the arguments of recommend."""
    catalog = catalog_for_table(recommender, "recommend", n)
    if ratings is not None and users is not None:
        raise ValueError(f"Give either users or ratings, got both: users={short_repr(users)}.")
    if ratings is None and features is not None:
        raise ValueError(
            "features are those of the users of ratings, which were not given: pass users=features."
        )
    if ratings is None:
        known = recommender.categories_[0]
        ids = known if users is None else read_id_list(users, "users", known)
        codes = np.arange(len(ids)) if users is None else codes_of(recommender, 0, ids)
        fold_in, seen = None, [(catalog.seen, codes)] if exclude_seen else []
    else:
        fold_in = read_fold_in(recommender, ratings, "recommend", features=features)
        ids, codes = fold_in.ids, np.full(len(fold_in.ids), -1)
        rated = SeenItems(fold_in.starts, fold_in.items, catalog.n_items), np.arange(len(ids))
        seen = [rated] if exclude_seen else []
    choices = read_choices(catalog, ids, seen, candidates, exclude)
    return RecommendQuery(catalog, ids, codes, fold_in, int(n), *choices)


def user_values(query: RecommendQuery, rows: NDArray[np.intp]) -> Values:
    """Users as fit spells them; unknown ones as the caller gave them, in that dtype if it holds them."""
    codes, known = query.codes[rows], query.catalog.vocabularies[0]
    if (codes >= 0).all():
        return known.values_of(codes)
    return Vocabulary(query.ids, compatible_dtype(known.dtype, query.ids)).values_of(rows)


def warn_of_empty_lists(query: RecommendQuery, ranking: Ranking) -> None:
    """Warn of users whose list is empty."""
    has_list = np.zeros(len(query.ids), dtype=bool)
    has_list[ranking.rows] = True
    if not has_list.all():
        warn_user(
            f"recommend found nothing for {np.count_nonzero(~has_list)} of {len(has_list)} users, the "
            f"first is {short_repr(query.ids[np.argmin(has_list)])}, who has no candidate left: pass more "
            "candidates, exclude_seen=False or a shorter exclude."
        )


def recommend_by_scores(
    recommender: Listing, users: ArrayLike, scores: NDArray[np.float32], n: int
) -> pd.DataFrame:
    """Table of recommend for item scores (n_items,) that are the same for all users."""
    query = read_query(recommender, users, n)
    ranking = top_n(np.ones((len(query.ids), 1)), scores[:, None], n, query.excluded)
    return recommender._recommendations(query, ranking)
