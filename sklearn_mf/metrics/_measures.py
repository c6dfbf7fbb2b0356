"""The ranking measures of each user, from the ranks at which relevant items were recommended."""

from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_mf.metrics._pairs import (
    Lists,
    Pairs,
    codes_among,
    places_in_runs,
    read_gains,
    read_lists,
    read_relevant,
)

Floats = NDArray[np.float64]


class Hits(NamedTuple):
    """Relevant items that were recommended, and all that could have been.

    Parameters
    ----------
    k : int
        Length of the lists.
    users : ndarray of shape (n_hits,), integer
        Row of the user of each hit; those of a user stand together, ranks rising.
    ranks : ndarray of shape (n_hits,), intp
        From 1 to k.
    gains : ndarray of shape (n_hits,), float64
        What each hit is worth.
    n_relevant : ndarray of shape (n_users,), intp
        Number of relevant items of each user, at least 1.
    relevant_users, relevant_gains : ndarray of shape (n_relevant,), integer and float64
        User and gain of each relevant item.
    """

    k: int
    users: NDArray[np.integer]
    ranks: NDArray[np.intp]
    gains: Floats
    n_relevant: NDArray[np.intp]
    relevant_users: NDArray[np.integer]
    relevant_gains: Floats

    def per_user(self, worth: Floats | None = None) -> Floats:
        """Sum over the hits of each user.

        Parameters
        ----------
        worth : ndarray of shape (n_hits,), float64, default=None
            What to sum; 1 for each hit where None.

        Returns
        -------
        sums : ndarray of shape (n_users,), float64
            0 for a user without a hit.
        """
        return np.bincount(self.users, worth, len(self.n_relevant)).astype(np.float64, copy=False)

    def within(self, k: int) -> Self:
        """Cut the lists shorter.

        Parameters
        ----------
        k : int
            Their new length, at most the old one.

        Returns
        -------
        hits : Hits
            Those in the first k places.
        """
        kept = self.ranks <= k
        return self._replace(k=k, users=self.users[kept], ranks=self.ranks[kept], gains=self.gains[kept])


def evaluate(name: str, relevant: Any, recommended: Any, k: int, per_user: bool) -> "float | pd.Series[Any]":
    """Compute one measure.

    Parameters
    ----------
    name : str
        Key of `MEASURES`.
    relevant, recommended : DataFrame or array-like
        Tables of users and items.
    k : int
        Length of the lists.
    per_user : bool
        Whether to return each user's value.

    Returns
    -------
    value : float or Series
        Mean over users, or one value for each.
    """
    pairs, columns = read_relevant(relevant)
    graded = name == "ndcg" and len(columns) == 3
    gains = read_gains(columns[2]) if graded else np.ones(len(pairs.user_codes))
    values = MEASURES[name](find_hits(pairs, gains, read_lists(recommended, k), k))
    if not per_user:
        return float(values.mean())
    users = pd.Index(pairs.users.column(pairs.users.ids), name=getattr(columns[0], "name", None))
    return pd.Series(values, index=users, name=name)


def find_hits(relevant: Pairs, gains: Floats, lists: Lists, k: int) -> Hits:
    """Find the relevant items among the recommended ones.

    Parameters
    ----------
    relevant : Pairs
        Each once.
    gains : ndarray of shape (n_relevant,), float64
        What they are worth.
    lists : Lists
        Recommended items, at most k for a user.
    k : int
        Length of the lists.

    Returns
    -------
    hits : Hits
        Over the users of `relevant`.
    """
    of = "of relevant and recommended"
    users = codes_among(relevant.users, lists.pairs.users.ids, f"Users {of}")[lists.pairs.user_codes]
    items = codes_among(relevant.items, lists.pairs.items.ids, f"Items {of}")[lists.pairs.item_codes]
    places = np.full(len(users), -1)
    known = (users >= 0) & (items >= 0)
    wanted = relevant._replace(user_codes=users[known], item_codes=items[known])
    places[known] = pd.Index(relevant.keys).get_indexer(pd.Index(wanted.keys))
    found = places[places >= 0]
    return Hits(
        k,
        relevant.user_codes[found],
        lists.ranks[places >= 0],
        gains[found],
        np.bincount(relevant.user_codes),
        relevant.user_codes,
        gains,
    )


def _precision(hits: Hits) -> Floats:
    return hits.per_user() / hits.k


def _recall(hits: Hits) -> Floats:
    return hits.per_user() / hits.n_relevant


def _hit_rate(hits: Hits) -> Floats:
    return np.minimum(hits.per_user(), 1)


def _reciprocal_rank(hits: Hits) -> Floats:
    return hits.per_user((places_in_runs(hits.users) == 1) / hits.ranks)


def _average_precision(hits: Hits) -> Floats:
    return hits.per_user(places_in_runs(hits.users) / hits.ranks) / np.minimum(hits.n_relevant, hits.k)


def _ndcg(hits: Hits) -> Floats:
    order = np.lexsort((-hits.relevant_gains, hits.relevant_users))
    users, gains = hits.relevant_users[order], hits.relevant_gains[order]
    ranks = places_in_runs(users)
    best = hits._replace(users=users, ranks=ranks, gains=np.where(ranks <= hits.k, gains, 0))
    return _dcg(hits) / _dcg(best)


def _dcg(hits: Hits) -> Floats:
    return hits.per_user(hits.gains / np.log2(hits.ranks + 1))


MEASURES: dict[str, Callable[[Hits], Floats]] = {
    "precision": _precision,
    "recall": _recall,
    "ndcg": _ndcg,
    "average_precision": _average_precision,
    "reciprocal_rank": _reciprocal_rank,
    "hit_rate": _hit_rate,
}
