"""Ranking measures of each user, computed from the ranks of the relevant items in the recommended lists."""

from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sklearn_mf.retrieval._pairs import (
    Lists,
    Pairs,
    codes_among,
    ranks_within,
    read_gains,
    read_lists,
    read_relevant,
)

Floats = NDArray[np.float64]


class Hits(NamedTuple):
    """Relevant items that were recommended, and all relevant items.

    Parameters
    ----------
    k : int
        Length of the lists.
    users : ndarray of shape (n_hits,), integer
        Number of the user of each hit, rising.
    ranks : ndarray of shape (n_hits,), integer
        Rank of each hit, from 1 to k, rising for each user.
    gains : ndarray of shape (n_hits,), float64
        Gain of each hit.
    n_relevant : ndarray of shape (n_users,), integer
        Number of relevant items of each user, at least 1.
    relevant_users, relevant_gains : ndarray of shape (n_relevant,), integer and float64
        User and gain of each relevant item.
    """

    k: int
    users: NDArray[np.integer]
    ranks: NDArray[np.integer]
    gains: Floats
    n_relevant: NDArray[np.integer]
    relevant_users: NDArray[np.integer]
    relevant_gains: Floats

    def per_user(self, weights: Floats | None = None) -> Floats:
        """Sum of the weights of each user's hits, 1 for each hit by default, (n_hits,) -> (n_users,)."""
        return np.bincount(self.users, weights, len(self.n_relevant)).astype(np.float64, copy=False)

    def within(self, k: int) -> Self:
        """The hits at ranks up to k, which is at most the length of the lists."""
        kept = self.ranks <= k
        return self._replace(k=k, users=self.users[kept], ranks=self.ranks[kept], gains=self.gains[kept])


def evaluate(
    name: str, relevant: ArrayLike, recommended: ArrayLike, k: int, per_user: bool
) -> float | pd.Series:
    """One of `MEASURES` for two tables: the mean over users, or a value for each (n_users,)."""
    values = values_of_users(name, relevant, recommended, k)
    return values if per_user else float(values.to_numpy().mean())


def values_of_users(
    name: str, relevant: ArrayLike, recommended: ArrayLike, k: int, label: str = "recommended"
) -> "pd.Series[float]":
    """One of `MEASURES` for each user of `relevant`, (n_users,); errors call the lists by `label`."""
    pairs, columns = read_relevant(relevant)
    graded = name == "ndcg" and len(columns) == 3
    gains = read_gains(columns[2]) if graded else np.ones(len(pairs.user_codes))
    values = MEASURES[name](find_hits(pairs, gains, read_lists(recommended, k, label), k))
    users = pd.Index(pairs.users.column(pairs.users.ids), name=getattr(columns[0], "name", None))
    return pd.Series(values, index=users, name=name)


def find_binary_hits(relevant: Pairs, recommended: ArrayLike, k: int) -> Hits:
    """Relevant items of gain 1 among the first k items of each user in a table of lists."""
    return find_hits(relevant, np.ones(len(relevant.user_codes)), read_lists(recommended, k), k)


def find_hits(relevant: Pairs, gains: Floats, lists: Lists, k: int) -> Hits:
    """Relevant items (n_relevant,) among lists of at most k items; users are those of `relevant`."""
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
    return hits.per_user((ranks_within(hits.users) == 1) / hits.ranks)


def _average_precision(hits: Hits) -> Floats:
    return hits.per_user(ranks_within(hits.users) / hits.ranks) / np.minimum(hits.n_relevant, hits.k)


def _ndcg(hits: Hits) -> Floats:
    order = np.lexsort((-hits.relevant_gains, hits.relevant_users))
    users, gains = hits.relevant_users[order], hits.relevant_gains[order]
    ranks = ranks_within(users)
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
