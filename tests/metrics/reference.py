"""trec_eval, through pytrec_eval-terrier, on random tables, with the conventions of sklearn_mf.metrics."""

from collections import defaultdict

import numpy as np
import pandas as pd
import pytrec_eval

NAMES = ("precision", "recall", "ndcg", "average_precision", "reciprocal_rank", "hit_rate")
_TREC = {
    "precision": "P",
    "recall": "recall",
    "ndcg": "ndcg_cut",
    "average_precision": "map_cut",
    "hit_rate": "success",
}


def random_case(seed):
    """Relevant items with gains, recommended ones (the best of each user last), and k.

    User 0 has no list, user 1 no relevant item; lists are of any length.
    """
    rng = np.random.default_rng(seed)
    n_users, n_items, k = rng.integers(2, 9), rng.integers(2, 40), int(rng.integers(1, 15))
    relevant = _cells(rng, n_users, n_items, without=1)
    relevant = relevant.assign(gain=rng.integers(1, 6, len(relevant)))
    recommended = _cells(rng, n_users, n_items, without=0)
    recommended = recommended.assign(rank=recommended.groupby("user").cumcount() + 1)
    return relevant, recommended[::-1], k


def _cells(rng, n_users, n_items, without):
    users, items = np.divmod(rng.permutation(n_users * n_items), n_items)
    cells = pd.DataFrame({"user": users, "item": items})[users != without]
    return cells.head(max(1, int(rng.uniform(0.05, 0.8) * len(cells))))


def trec_eval(relevant, recommended, k):
    """A frame of each user's values: users in sorted order, one column for each name."""
    gains, run = defaultdict(dict), defaultdict(dict)
    for user, item, gain in relevant.itertuples(index=False):
        gains[str(user)][str(item)] = int(gain)
    for user, item, rank in recommended[recommended["rank"] <= k].itertuples(index=False):
        run[str(user)][str(item)] = -float(rank)
    measures = {f"{measure}.{k}" for measure in _TREC.values()} | {"recip_rank"}
    found = pytrec_eval.RelevanceEvaluator(gains, measures).evaluate(run)
    names = {f"{measure}_{k}": name for name, measure in _TREC.items()} | {"recip_rank": "reciprocal_rank"}
    n_relevant = relevant["user"].value_counts().sort_index()
    values = pd.DataFrame.from_dict(found, orient="index").rename(index=int, columns=names)
    values = values.reindex(index=n_relevant.index, columns=list(NAMES)).fillna(0.0)
    values["average_precision"] *= n_relevant / n_relevant.clip(upper=k)  # trec_eval divides by n_relevant
    return values
