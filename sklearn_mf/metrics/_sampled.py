"""Relevant items ranked among a sample of the others."""

import copy
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import gen_batches

from sklearn_mf.metrics._pairs import Pairs
from sklearn_mf.retrieval._top_n import Cells, best_n, seen_cells

_CELLS = 2**22  # users times items at a time


def rank_among_sampled(
    recommender: Any, relevant: Pairs, n_negatives: int, random: np.random.RandomState
) -> pd.DataFrame:
    """Rank each user's relevant items among sampled items that are neither relevant nor seen in fit.

    Parameters
    ----------
    recommender : BaseRecommender
        Fitted, of two fields.
    relevant : Pairs
        Relevant items, not seen in fit. Those of items unknown to fit are in no list.
    n_negatives : int
        Others to draw for each user, all of them where there are fewer.
    random : RandomState
        Draws them.

    Returns
    -------
    table : DataFrame of shape (n_ranked, 2)
        Users and items, best first by predicted rating without limits, ties in order of the item ids.
    """
    users = recommender._vocabulary(0).codes(relevant.users.ids)
    items = recommender._vocabulary(1).codes(relevant.items.ids)[relevant.item_codes]
    cells = relevant.user_codes[items >= 0], items[items >= 0]
    negatives = _sample(recommender, users, cells, n_negatives, random)
    rows, columns = (np.concatenate(both) for both in zip(cells, negatives, strict=True))
    names = getattr(recommender, "feature_names_in_", [0, 1])
    ids = relevant.users.column_of(rows), recommender._vocabulary(1).column_of(columns)
    table = pd.DataFrame(dict(zip(names, ids, strict=True)))
    scores = copy.copy(recommender).set_params(clip=False).predict(table)
    return table.iloc[np.lexsort((columns, -scores, rows))]


def _sample(
    recommender: Any, users: NDArray[np.intp], relevant: Cells, n: int, random: np.random.RandomState
) -> Cells:
    """Draw n other items for each of users (n_users,), codes in fit; rows and items of shape (n_drawn,)."""
    drawn = []
    for block in gen_batches(len(users), max(1, _CELLS // len(recommender.item_ids_))):
        seen = seen_cells(recommender._seen_starts, recommender._seen_items, users[block])
        inside = (relevant[0] >= block.start) & (relevant[0] < block.stop)
        also = relevant[0][inside] - block.start, relevant[1][inside]
        out = np.concatenate([seen[0], also[0]]), np.concatenate([seen[1], also[1]])
        keys = random.random_sample((block.stop - block.start, len(recommender.item_ids_)))
        found = best_n(keys, n, out)
        drawn.append((found.rows + block.start, found.columns))
    rows, items = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
    return rows, items
