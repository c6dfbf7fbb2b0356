"""Diverse lists by maximal marginal relevance."""

from numbers import Integral, Real

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from sklearn_mf.recommenders._catalog import catalog_of
from sklearn_mf.reranking._lists import RankedTable, read_ranked
from sklearn_mf.retrieval._top_n import unit_rows
from sklearn_mf.utils._batches import batches
from sklearn_mf.utils._pipeline import last_step
from sklearn_mf.utils._sklearn_compat import Interval, validate_params

# Entries of the gathered embeddings that are held at a time.
_BLOCK_ENTRIES = 2**22


@validate_params(
    {
        "n": [Interval(Integral, 1, None, closed="left")],
        "trade_off": [Interval(Real, 0, 1, closed="both")],
    },
    prefer_skip_nested_validation=True,
)
def diversify(
    table: pd.DataFrame, estimator: BaseEstimator, n: int = 10, trade_off: float = 0.7
) -> pd.DataFrame:
    r"""Choose diverse items from recommended lists by maximal marginal relevance.

    The list of each user is built anew, item by item [1]_. The next item i is the one of largest

    .. math:: \lambda \, r_i - (1 - \lambda) \max_{j \in S} \cos(v_i, v_j)

    where S are the items chosen so far, v their embeddings, r the scores of the user's list, scaled so that
    the lowest is 0 and the highest 1, and :math:`\lambda` is `trade_off`. Ties are in the order of the ranks.
    So recommend more items than you want to show, and pass the table.

    Parameters
    ----------
    table : DataFrame of shape (n_rows, n_columns)
        Lists as `recommend` returns them: users, items, "rank" and "score", and perhaps other columns.
    estimator : estimator
        The fitted recommender, whose item embeddings tell which items are similar; also a Pipeline or a
        search that contains it.
    n : int, default=10
        Length of the new lists; shorter for a user with fewer rows.
    trade_off : float, default=0.7
        Weight of the scores, between 0 and 1: 1 keeps the order of the scores, 0 ignores them but for the
        first item.

    Returns
    -------
    table : DataFrame of shape (n_chosen, n_columns)
        The chosen rows with the same columns, in the new order, with ranks from 1. Scores are unchanged.

    Raises
    ------
    ValueError
        If the table is not one of `recommend`, an item is unknown to the estimator, or the estimator was
        fitted on a number of columns other than two.

    See Also
    --------
    limit_per_group : Few items of one group, such as an artist.

    References
    ----------
    .. [1] Jaime Carbonell, Jade Goldstein, "The Use of MMR, Diversity-Based Reranking for Reordering
       Documents and Producing Summaries", SIGIR 1998.

    Examples
    --------
    >>> from sklearn_mf import MFRecommender
    >>> from sklearn_mf.datasets import make_ratings
    >>> from sklearn_mf.reranking import diversify
    >>> model = MFRecommender(8, random_state=0).fit(make_ratings(random_state=0))
    >>> table = diversify(model.recommend(n=50), model, n=5, trade_off=0.5)
    >>> table["rank"].head(6).tolist()
    [1, 2, 3, 4, 5, 1]
    """
    ranked = read_ranked(table, "score")
    recommender = last_step(estimator)
    catalog = catalog_of(recommender, "diversify")
    codes = catalog.known_codes(1, ranked.items.ids, "items of table").take(ranked.items.numbers)
    vectors = unit_rows(recommender.item_embeddings_)
    return ranked.take(_chosen_rows(ranked, codes, vectors, n, trade_off))


def _chosen_rows(
    ranked: RankedTable, codes: NDArray[np.intp], vectors: NDArray[np.float64], n: int, trade_off: float
) -> NDArray[np.intp]:
    """Rows of the table that are chosen, in order; item codes (n_rows,), unit vectors (n_items, k)."""
    starts = np.flatnonzero(np.diff(ranked.users, prepend=-1))
    lengths = np.diff(np.append(starts, len(codes)))
    relevance = _scaled(ranked.table["score"].to_numpy(dtype=np.float64), starts, lengths)
    longest = int(lengths.max(initial=1))
    chosen = []
    for block in batches(len(starts), max(1, _BLOCK_ENTRIES // (longest * max(vectors.shape[1], 1)))):
        places = np.arange(longest)
        present = places < lengths[block, None]
        rows = np.where(present, starts[block, None] + places, 0)
        order = _greedy(relevance[rows], vectors[codes[rows]], present, min(n, longest), trade_off)
        chosen.append(np.take_along_axis(rows, order, axis=1)[order >= 0])
    return np.concatenate(chosen) if chosen else starts


def _scaled(
    scores: NDArray[np.float64], starts: NDArray[np.intp], lengths: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Scores (n_rows,) moved and scaled to 0 to 1 within each list; 0 where all of a list are equal."""
    if not len(scores):
        return scores
    lowest = np.minimum.reduceat(scores, starts)
    spread = np.maximum.reduceat(scores, starts) - lowest
    spread[spread == 0] = 1
    return (scores - np.repeat(lowest, lengths)) / np.repeat(spread, lengths)


def _greedy(
    relevance: NDArray[np.float64],
    vectors: NDArray[np.float64],
    present: NDArray[np.bool_],
    n: int,
    trade_off: float,
) -> NDArray[np.intp]:
    """Places of the chosen items, (users, L), (users, L, k), (users, L) -> (users, n), -1 for none."""
    users, free = np.arange(len(relevance)), present.copy()
    chosen = np.full((len(relevance), n), -1)
    value, nearest = relevance.copy(), np.full(relevance.shape, -np.inf)
    for step in range(n):
        value[~free] = -np.inf
        best = value.argmax(axis=1)
        chosen[:, step] = np.where(free[users, best], best, -1)
        free[users, best] = False
        np.maximum(nearest, (vectors @ vectors[users, best][:, :, None])[:, :, 0], out=nearest)
        value = trade_off * relevance - (1 - trade_off) * nearest
    return chosen
