"""Beyond-accuracy metrics: catalogue coverage, Gini index, novelty."""

from numbers import Integral

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from sklearn_mf.ratings._columns import IdColumn, read_id_list, short_repr
from sklearn_mf.ratings._vocabulary import Vocabulary
from sklearn_mf.retrieval._pairs import codes_among, read_columns, read_lists, read_pairs
from sklearn_mf.utils._sklearn_compat import Interval, validate_params

_CONSTRAINTS: dict[str, list[object]] = {"k": [Interval(Integral, 1, None, closed="left")]}


@validate_params(_CONSTRAINTS, prefer_skip_nested_validation=True)
def catalog_coverage(recommended: ArrayLike, items: ArrayLike, k: int = 10) -> float:
    """Share of the items of the catalogue that are recommended at least once.

    Parameters
    ----------
    recommended : DataFrame of at least two columns, or array-like of shape (n_recommended, 2)
        Users and items as `recommend` returns them, each pair once. A frame with a column "rank" is sorted by
        it; otherwise the rows are in order, best first.
    items : list, array, Series or Index of ids
        The catalogue, for example `item_ids_` of a recommender; repeated ids count once.
    k : int, default=10
        Length of the lists: only the first k items of each user count.

    Returns
    -------
    coverage : float
        Between 0 and 1; 0 if nothing is recommended.

    Raises
    ------
    ValueError
        If the catalogue is empty or lacks a recommended item, a pair occurs more than once, ids are missing
        or k < 1.

    See Also
    --------
    gini_index : Inequality of the numbers of recommendations of the items.

    References
    ----------
    .. [1] Mouzhi Ge, Carla Delgado-Battenfeld, Dietmar Jannach, "Beyond Accuracy: Evaluating Recommender
       Systems by Coverage and Serendipity", RecSys 2010.

    Examples
    --------
    >>> from sklearn_mf.metrics import catalog_coverage
    >>> recommended = [["ann", "up"], ["ann", "alien"], ["bob", "up"], ["bob", "heat"]]
    >>> catalog_coverage(recommended, ["alien", "heat", "jaws", "up"], k=1)
    0.25
    >>> catalog_coverage(recommended, ["alien", "heat", "jaws", "up"], k=2)
    0.75
    """
    return float(np.mean(_counts(recommended, items, k) > 0))


@validate_params(_CONSTRAINTS, prefer_skip_nested_validation=True)
def gini_index(recommended: ArrayLike, items: ArrayLike, k: int = 10) -> float:
    """Gini index of the numbers of recommendations of the items of the catalogue.

    Let c_1 <= ... <= c_n be the number of lists that contain each of the n items. The index is
    sum_j (2 j - n - 1) c_j / ((n - 1) sum_j c_j).

    Parameters
    ----------
    recommended : DataFrame of at least two columns, or array-like of shape (n_recommended, 2)
        Users and items as `recommend` returns them, each pair once. A frame with a column "rank" is sorted by
        it; otherwise the rows are in order, best first.
    items : list, array, Series or Index of ids
        The catalogue, for example `item_ids_` of a recommender; repeated ids count once.
    k : int, default=10
        Length of the lists: only the first k items of each user count.

    Returns
    -------
    gini : float
        0 if all items are recommended equally often, 1 if all recommendations are of one item; 0 for a
        catalogue of one item.

    Raises
    ------
    ValueError
        If nothing is recommended, the catalogue is empty or lacks a recommended item, a pair occurs more than
        once, ids are missing or k < 1.

    See Also
    --------
    catalog_coverage : Share of the catalogue that is recommended at least once.

    References
    ----------
    .. [1] Guy Shani, Asela Gunawardana, "Evaluating Recommendation Systems", Recommender Systems Handbook,
       2011.

    Examples
    --------
    >>> from sklearn_mf.metrics import gini_index
    >>> gini_index([["ann", "up"], ["bob", "up"]], ["alien", "heat", "up"])
    1.0
    >>> gini_index([["ann", "up"], ["bob", "heat"], ["cat", "alien"]], ["alien", "heat", "up"])
    0.0
    """
    counts = np.sort(_counts(recommended, items, k))
    if not counts.any():
        raise ValueError("recommended has no rows: shares need at least one recommended item.")
    n = len(counts)
    weights = np.arange(1 - n, n, 2)
    return float(weights @ counts / (max(n - 1, 1) * counts.sum()))


@validate_params(_CONSTRAINTS, prefer_skip_nested_validation=True)
def novelty(recommended: ArrayLike, ratings: ArrayLike, k: int = 10) -> float:
    """Mean self-information of the recommended items, which is large for little known items.

    The self-information of an item is -log2 of the share of users who rated it, in bits. It is 0 for an item
    that everybody rated, and it grows by 1 when the number of raters is halved. An item without ratings
    counts as if one user had rated it. The mean is over all recommended rows.

    Parameters
    ----------
    recommended : DataFrame of at least two columns, or array-like of shape (n_recommended, 2)
        Users and items as `recommend` returns them, each pair once. A frame with a column "rank" is sorted by
        it; otherwise the rows are in order, best first.
    ratings : DataFrame or array-like of at least two columns
        Users and items of the training ratings. Further columns are ignored, and repeated pairs count once.
    k : int, default=10
        Length of the lists: only the first k items of each user count.

    Returns
    -------
    novelty : float
        Between 0 and log2 of the number of users in `ratings`.

    Raises
    ------
    ValueError
        If a table has no rows, a recommended pair occurs more than once, ids are missing, k < 1, or the items
        of the two tables have different types and none in common.

    See Also
    --------
    catalog_coverage : Share of the catalogue that is recommended.

    References
    ----------
    .. [1] Saúl Vargas, Pablo Castells, "Rank and Relevance in Novelty and Diversity Metrics for Recommender
       Systems", RecSys 2011.

    Examples
    --------
    >>> from sklearn_mf.metrics import novelty
    >>> ratings = [["ann", "up"], ["bob", "up"], ["cat", "up"], ["dan", "up"], ["dan", "heat"]]
    >>> novelty([["ann", "up"], ["bob", "heat"]], ratings)
    1.0
    """
    rated = read_pairs(read_columns(ratings, "ratings", None), "ratings")
    pairs = read_lists(recommended, k).pairs
    if not len(rated.user_codes) or not len(pairs.user_codes):
        empty = "recommended" if len(rated.user_codes) else "ratings"
        raise ValueError(f"{empty} has no rows: the mean needs ratings and recommended items.")
    n_raters = np.bincount(pd.unique(rated.keys) % len(rated.items.ids))
    codes = codes_among(rated.items, pairs.items.ids, "Items of ratings and recommended")
    n_raters = np.where(codes < 0, 1, n_raters[codes])
    information = np.log2(len(rated.users.ids) / n_raters)
    return float(information[pairs.item_codes].mean())


def _counts(recommended: ArrayLike, items: ArrayLike, k: int) -> NDArray[np.intp]:
    """Number of lists that contain each item of the catalogue, (n_items,)."""
    ids = read_id_list(items, "items")
    if not len(ids):
        raise ValueError("items has no ids: pass the whole catalogue, as item_ids_ of a recommender.")
    catalogue = Vocabulary.learn(IdColumn.of(ids), "object")[0]
    pairs = read_lists(recommended, k).pairs
    codes = codes_among(catalogue, pairs.items.ids, "Items of the catalogue and recommended")
    codes = codes[pairs.item_codes]
    if (codes < 0).any():
        stranger = short_repr(pairs.items.ids[pairs.item_codes[np.argmin(codes)]])
        raise ValueError(f"Item {stranger} is recommended but not among items: pass the whole catalogue.")
    return np.bincount(codes, minlength=len(catalogue.ids))
