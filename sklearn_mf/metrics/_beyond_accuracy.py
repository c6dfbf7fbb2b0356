"""What lists show beside what is liked: how much of the catalogue, how evenly, how little known."""

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_mf.metrics._pairs import codes_among, read_columns, read_lists, read_pairs
from sklearn_mf.ratings._columns import IdColumn, read_id_list, short_repr
from sklearn_mf.ratings._vocabulary import Vocabulary
from sklearn_mf.utils._sklearn_compat import Interval, validate_params

_CONSTRAINTS: dict[str, list[Any]] = {"k": [Interval(Integral, 1, None, closed="left")]}


@validate_params(_CONSTRAINTS, prefer_skip_nested_validation=True)
def catalog_coverage(recommended: Any, items: Any, k: int = 10) -> float:
    """Share of the catalogue that is recommended at least once.

    Parameters
    ----------
    recommended : DataFrame of at least two columns, or array-like of shape (n_recommended, 2)
        Users and items as `recommend` returns them, each pair once; best first in the column "rank" where
        there is one, else in the order of the rows.
    items : list, array, Series or Index of ids
        The catalogue, `item_ids_` of a recommender; repeated ids count once.
    k : int, default=10
        Only the first k items of each user count.

    Returns
    -------
    coverage : float
        Between 0 and 1; 0 where nothing is recommended.

    Raises
    ------
    ValueError
        Where the catalogue is empty or lacks a recommended item, a pair stands more than once, ids are
        missing or k < 1.

    See Also
    --------
    gini_index : How evenly the catalogue is recommended.

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
def gini_index(recommended: Any, items: Any, k: int = 10) -> float:
    """Gini index of how often the items of the catalogue are recommended.

    With c_1 <= ... <= c_n the number of lists that each of the n items is in, it is
    sum_j (2 j - n - 1) c_j / ((n - 1) sum_j c_j).

    Parameters
    ----------
    recommended : DataFrame of at least two columns, or array-like of shape (n_recommended, 2)
        Users and items as `recommend` returns them, each pair once; best first in the column "rank" where
        there is one, else in the order of the rows.
    items : list, array, Series or Index of ids
        The catalogue, `item_ids_` of a recommender; repeated ids count once.
    k : int, default=10
        Only the first k items of each user count.

    Returns
    -------
    gini : float
        0 where all items are recommended equally often, 1 where one takes every place; 0 for a catalogue of
        one item.

    Raises
    ------
    ValueError
        Where nothing is recommended, the catalogue is empty or lacks a recommended item, a pair stands more
        than once, ids are missing or k < 1.

    See Also
    --------
    catalog_coverage : Share of the catalogue that is recommended at all.

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
def novelty(recommended: Any, ratings: Any, k: int = 10) -> float:
    """Mean self-information of the recommended items: how little known they are.

    The self-information of an item is -log2 of the share of users who rated it, in bits: 0 for an item that
    everybody rated, 1 more each time that half as many did. An item that nobody rated counts as if one user
    had. The mean is over all recommended rows.

    Parameters
    ----------
    recommended : DataFrame of at least two columns, or array-like of shape (n_recommended, 2)
        Users and items as `recommend` returns them, each pair once; best first in the column "rank" where
        there is one, else in the order of the rows.
    ratings : DataFrame or array-like of at least two columns
        Users and items of the ratings of fit; what else there is does not matter, repeated pairs count once.
    k : int, default=10
        Only the first k items of each user count.

    Returns
    -------
    novelty : float
        At least 0, at most log2 of the number of users in `ratings`.

    Raises
    ------
    ValueError
        Where a table has no rows, a recommended pair stands more than once, ids are missing, k < 1, or the
        items of both tables come in different types without one in common.

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
    shown_items = read_lists(recommended, k).pairs
    if not len(rated.user_codes) or not len(shown_items.user_codes):
        empty = "recommended" if len(rated.user_codes) else "ratings"
        raise ValueError(f"{empty} has no rows: the mean needs ratings and recommended items.")
    n_raters = np.bincount(pd.unique(rated.keys) % len(rated.items.ids))
    codes = codes_among(rated.items, shown_items.items.ids, "Items of ratings and recommended")
    n_raters = np.where(codes < 0, 1, n_raters[codes])
    information = np.log2(len(rated.users.ids) / n_raters)
    return float(information[shown_items.item_codes].mean())


def _counts(recommended: Any, items: Any, k: int) -> NDArray[np.intp]:
    """Number of lists that each item of the catalogue is in, (n_items,)."""
    ids = read_id_list(items, "items")
    catalogue = Vocabulary.learn(IdColumn.of(ids), "object")[0]
    if not len(ids):
        raise ValueError("items has no ids: pass the whole catalogue, as item_ids_ of a recommender.")
    pairs = read_lists(recommended, k).pairs
    codes = codes_among(catalogue, pairs.items.ids, "Items of the catalogue and recommended")[
        pairs.item_codes
    ]
    if (codes < 0).any():
        stranger = short_repr(pairs.items.ids[pairs.item_codes[np.argmin(codes)]])
        raise ValueError(f"Item {stranger} is recommended but not among items: pass the whole catalogue.")
    return np.bincount(codes, minlength=len(catalogue.ids))
