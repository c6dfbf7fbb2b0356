"""Relevant items ranked among a sample of other items."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import gen_batches

from sklearn_mf.ratings._seen_items import Cells, SeenItems
from sklearn_mf.recommenders._catalog import catalog_of
from sklearn_mf.retrieval._pairs import Pairs
from sklearn_mf.retrieval._top_n import best_n

_CELLS = 2**22  # users times items at a time


def rank_among_sampled(
    recommender: BaseEstimator, relevant: Pairs, n_negatives: int, random: np.random.RandomState
) -> pd.DataFrame:
    """Rank the relevant items of each user among n_negatives sampled items: users and items, best first.

    The sampled items are neither relevant nor seen in fit; a user has fewer if there are not enough of them.
    Items are ranked as `recommend` ranks them. Relevant items that are unknown to fit are in no list.
    """
    if not len(relevant.user_codes):
        return pd.DataFrame()
    catalog = catalog_of(recommender, "n_negatives")
    user_ids, item_ids = catalog.vocabularies
    users, items = user_ids.codes(relevant.users.ids), item_ids.codes(relevant.items.ids)
    items = items[relevant.item_codes]
    cells = relevant.user_codes[items >= 0], items[items >= 0]
    negatives = _sample(catalog.seen, users, cells, n_negatives, random)
    rows, columns = (np.concatenate(both) for both in zip(cells, negatives, strict=True))
    ids = relevant.users.column_of(rows), item_ids.column_of(columns)
    table = pd.DataFrame(dict(zip(catalog.names, ids, strict=True)))
    asked = relevant.users.ids[np.unique(rows)]
    return recommender.recommend(asked, n=catalog.n_items, exclude_seen=False, candidates=table)


def _sample(
    seen: SeenItems, users: NDArray[np.intp], relevant: Cells, n: int, random: np.random.RandomState
) -> Cells:
    """Draw n other items for each user code, (n_users,), -1 for an unknown user: cells (row, item)."""
    drawn = []
    for block in gen_batches(len(users), max(1, _CELLS // seen.n_items)):
        inside = (relevant[0] >= block.start) & (relevant[0] < block.stop)
        cells = relevant[0][inside] - block.start, relevant[1][inside]
        rated = seen.of_users(users[block])
        excluded = np.append(rated[0], cells[0]), np.append(rated[1], cells[1])
        found = best_n(random.random_sample((block.stop - block.start, seen.n_items)), n, excluded)
        drawn.append((found.rows + block.start, found.columns))
    rows, items = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
    return rows, items
