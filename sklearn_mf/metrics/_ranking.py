"""Ranking metrics at k: how many of the items that matter are shown, and how far up."""

from numbers import Integral
from typing import Any

import pandas as pd

from sklearn_mf.metrics._measures import evaluate
from sklearn_mf.utils._sklearn_compat import Interval, validate_params

CONSTRAINTS: dict[str, list[Any]] = {
    "k": [Interval(Integral, 1, None, closed="left")],
    "per_user": ["boolean"],
}


@validate_params(CONSTRAINTS, prefer_skip_nested_validation=True)
def precision_at_k(
    relevant: Any, recommended: Any, k: int = 10, *, per_user: bool = False
) -> "float | pd.Series[Any]":
    """Share of the first k places that hold a relevant item.

    For a user it is the number of relevant items among the first k recommended ones, divided by k, also where
    fewer than k are recommended: an empty place is a wrong one.

    Parameters
    ----------
    relevant : DataFrame or array-like of shape (n_relevant, 2) or (n_relevant, 3)
        Users and items that matter, each pair once; a third column does not matter.
    recommended : DataFrame of at least two columns, or array-like of shape (n_recommended, 2)
        Users and items as `recommend` returns them, each pair once; best first in the column "rank" where
        there is one, else in the order of the rows. That order alone counts, scores do not: it has decided
        between equal ones. Users without a relevant item are left out.
    k : int, default=10
        Only the first k items of each user count.
    per_user : bool, default=False
        Whether to return the value of each user instead of the mean.

    Returns
    -------
    value : float or Series of shape (n_users,)
        Mean over all users with a relevant item, where one to whom nothing is recommended counts 0; or the
        value of each, indexed by user in sorted order.

    Raises
    ------
    ValueError
        Where `relevant` has no rows, a pair stands more than once, ids are missing, k < 1, or users or items
        of both tables come in different types without one in common, as 3 and "3".

    See Also
    --------
    recall_at_k : Share of the relevant items that are recommended.
    hit_rate_at_k : Share of users with at least one relevant item.

    Examples
    --------
    >>> from sklearn_mf.metrics import precision_at_k
    >>> relevant = [["ann", "up"], ["ann", "heat"], ["bob", "heat"]]
    >>> recommended = [["ann", "up"], ["ann", "alien"], ["bob", "up"], ["bob", "heat"]]
    >>> precision_at_k(relevant, recommended, k=2)
    0.5
    >>> precision_at_k(relevant, recommended, k=2, per_user=True).round(3).to_dict()
    {'ann': 0.5, 'bob': 0.5}
    """
    return evaluate("precision", relevant, recommended, k, per_user)


@validate_params(CONSTRAINTS, prefer_skip_nested_validation=True)
def recall_at_k(
    relevant: Any, recommended: Any, k: int = 10, *, per_user: bool = False
) -> "float | pd.Series[Any]":
    """Share of the relevant items that are among the first k.

    For a user it is the number of relevant items among the first k recommended ones, divided by the number of
    relevant items. With more than k of these it cannot reach 1.

    Parameters
    ----------
    relevant : DataFrame or array-like of shape (n_relevant, 2) or (n_relevant, 3)
        Users and items that matter, each pair once; a third column does not matter.
    recommended : DataFrame of at least two columns, or array-like of shape (n_recommended, 2)
        Users and items as `recommend` returns them, each pair once; best first in the column "rank" where
        there is one, else in the order of the rows. That order alone counts, scores do not: it has decided
        between equal ones. Users without a relevant item are left out.
    k : int, default=10
        Only the first k items of each user count.
    per_user : bool, default=False
        Whether to return the value of each user instead of the mean.

    Returns
    -------
    value : float or Series of shape (n_users,)
        Mean over all users with a relevant item, where one to whom nothing is recommended counts 0; or the
        value of each, indexed by user in sorted order.

    Raises
    ------
    ValueError
        Where `relevant` has no rows, a pair stands more than once, ids are missing, k < 1, or users or items
        of both tables come in different types without one in common, as 3 and "3".

    See Also
    --------
    precision_at_k : Share of the places that hold a relevant item.
    average_precision_at_k : The same hits, worth more at the top.

    Examples
    --------
    >>> from sklearn_mf.metrics import recall_at_k
    >>> relevant = [["ann", "up"], ["ann", "heat"], ["bob", "heat"]]
    >>> recommended = [["ann", "up"], ["ann", "alien"], ["bob", "up"], ["bob", "heat"]]
    >>> recall_at_k(relevant, recommended, k=2)
    0.75
    >>> recall_at_k(relevant, recommended, k=2, per_user=True).round(3).to_dict()
    {'ann': 0.5, 'bob': 1.0}
    """
    return evaluate("recall", relevant, recommended, k, per_user)


@validate_params(CONSTRAINTS, prefer_skip_nested_validation=True)
def ndcg_at_k(
    relevant: Any, recommended: Any, k: int = 10, *, per_user: bool = False
) -> "float | pd.Series[Any]":
    """Normalised discounted cumulative gain of the first k places.

    For a user it is the sum over the first k places of gain / log2(rank + 1), divided by that of the best
    list possible: all relevant items by falling gain, cut at k. Gains are linear, as in trec_eval and
    scikit-learn; for exponential ones pass `2**gain - 1`.

    Parameters
    ----------
    relevant : DataFrame or array-like of shape (n_relevant, 2) or (n_relevant, 3)
        Users and items that matter, each pair once and in a third
        column, if there is one, its gain above 0; else all gains are 1.
    recommended : DataFrame of at least two columns, or array-like of shape (n_recommended, 2)
        Users and items as `recommend` returns them, each pair once; best first in the column "rank" where
        there is one, else in the order of the rows. That order alone counts, scores do not: it has decided
        between equal ones. Users without a relevant item are left out.
    k : int, default=10
        Only the first k items of each user count.
    per_user : bool, default=False
        Whether to return the value of each user instead of the mean.

    Returns
    -------
    value : float or Series of shape (n_users,)
        Mean over all users with a relevant item, where one to whom nothing is recommended counts 0; or the
        value of each, indexed by user in sorted order.

    Raises
    ------
    ValueError
        Where `relevant` has no rows, a pair stands more than once, ids are missing, gains are not above 0,
        k < 1,
        or users or items of both tables come in different types without one in common, as 3 and "3".

    See Also
    --------
    average_precision_at_k : Position matters too, with a steeper discount.
    sklearn.metrics.ndcg_score : The same for a dense matrix of scores, which averages over ties.

    References
    ----------
    .. [1] Kalervo Järvelin, Jaana Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM
       Transactions on Information Systems 20(4), 2002.

    Examples
    --------
    >>> from sklearn_mf.metrics import ndcg_at_k
    >>> relevant = [["ann", "up"], ["ann", "heat"], ["bob", "heat"]]
    >>> recommended = [["ann", "up"], ["ann", "alien"], ["bob", "up"], ["bob", "heat"]]
    >>> round(ndcg_at_k(relevant, recommended, k=2), 4)
    0.622
    >>> ndcg_at_k(relevant, recommended, k=2, per_user=True).round(3).to_dict()
    {'ann': 0.613, 'bob': 0.631}
    """
    return evaluate("ndcg", relevant, recommended, k, per_user)


@validate_params(CONSTRAINTS, prefer_skip_nested_validation=True)
def average_precision_at_k(
    relevant: Any, recommended: Any, k: int = 10, *, per_user: bool = False
) -> "float | pd.Series[Any]":
    """Mean average precision of the first k places.

    For a user it is the sum, over the ranks r <= k that hold a relevant item, of the precision among the
    first r, divided by the smaller of k and the number of relevant items: k relevant items in the first k
    places give 1. trec_eval (map_cut) divides by the number of relevant items, also where that is above k.

    Parameters
    ----------
    relevant : DataFrame or array-like of shape (n_relevant, 2) or (n_relevant, 3)
        Users and items that matter, each pair once; a third column does not matter.
    recommended : DataFrame of at least two columns, or array-like of shape (n_recommended, 2)
        Users and items as `recommend` returns them, each pair once; best first in the column "rank" where
        there is one, else in the order of the rows. That order alone counts, scores do not: it has decided
        between equal ones. Users without a relevant item are left out.
    k : int, default=10
        Only the first k items of each user count.
    per_user : bool, default=False
        Whether to return the value of each user instead of the mean.

    Returns
    -------
    value : float or Series of shape (n_users,)
        Mean over all users with a relevant item, where one to whom nothing is recommended counts 0; or the
        value of each, indexed by user in sorted order.

    Raises
    ------
    ValueError
        Where `relevant` has no rows, a pair stands more than once, ids are missing, k < 1, or users or items
        of both tables come in different types without one in common, as 3 and "3".

    See Also
    --------
    ndcg_at_k : Position matters too, with a milder discount.
    precision_at_k : Position within the first k does not matter.

    Examples
    --------
    >>> from sklearn_mf.metrics import average_precision_at_k
    >>> relevant = [["ann", "up"], ["ann", "heat"], ["bob", "heat"]]
    >>> recommended = [["ann", "up"], ["ann", "alien"], ["bob", "up"], ["bob", "heat"]]
    >>> average_precision_at_k(relevant, recommended, k=2)
    0.5
    >>> average_precision_at_k(relevant, recommended, k=2, per_user=True).round(3).to_dict()
    {'ann': 0.5, 'bob': 0.5}
    """
    return evaluate("average_precision", relevant, recommended, k, per_user)


@validate_params(CONSTRAINTS, prefer_skip_nested_validation=True)
def reciprocal_rank_at_k(
    relevant: Any, recommended: Any, k: int = 10, *, per_user: bool = False
) -> "float | pd.Series[Any]":
    """Mean reciprocal rank of the first relevant item among the first k.

    For a user it is 1 / rank of the first relevant item, 0 where there is none among the first k.

    Parameters
    ----------
    relevant : DataFrame or array-like of shape (n_relevant, 2) or (n_relevant, 3)
        Users and items that matter, each pair once; a third column does not matter.
    recommended : DataFrame of at least two columns, or array-like of shape (n_recommended, 2)
        Users and items as `recommend` returns them, each pair once; best first in the column "rank" where
        there is one, else in the order of the rows. That order alone counts, scores do not: it has decided
        between equal ones. Users without a relevant item are left out.
    k : int, default=10
        Only the first k items of each user count.
    per_user : bool, default=False
        Whether to return the value of each user instead of the mean.

    Returns
    -------
    value : float or Series of shape (n_users,)
        Mean over all users with a relevant item, where one to whom nothing is recommended counts 0; or the
        value of each, indexed by user in sorted order.

    Raises
    ------
    ValueError
        Where `relevant` has no rows, a pair stands more than once, ids are missing, k < 1, or users or items
        of both tables come in different types without one in common, as 3 and "3".

    See Also
    --------
    hit_rate_at_k : Whether there is one.
    average_precision_at_k : All relevant items count, not the first alone.

    Examples
    --------
    >>> from sklearn_mf.metrics import reciprocal_rank_at_k
    >>> relevant = [["ann", "up"], ["ann", "heat"], ["bob", "heat"]]
    >>> recommended = [["ann", "up"], ["ann", "alien"], ["bob", "up"], ["bob", "heat"]]
    >>> reciprocal_rank_at_k(relevant, recommended, k=2)
    0.75
    >>> reciprocal_rank_at_k(relevant, recommended, k=2, per_user=True).round(3).to_dict()
    {'ann': 1.0, 'bob': 0.5}
    """
    return evaluate("reciprocal_rank", relevant, recommended, k, per_user)


@validate_params(CONSTRAINTS, prefer_skip_nested_validation=True)
def hit_rate_at_k(
    relevant: Any, recommended: Any, k: int = 10, *, per_user: bool = False
) -> "float | pd.Series[Any]":
    """Share of users with a relevant item among the first k.

    For a user it is 1 where at least one of the first k recommended items is relevant, else 0.

    Parameters
    ----------
    relevant : DataFrame or array-like of shape (n_relevant, 2) or (n_relevant, 3)
        Users and items that matter, each pair once; a third column does not matter.
    recommended : DataFrame of at least two columns, or array-like of shape (n_recommended, 2)
        Users and items as `recommend` returns them, each pair once; best first in the column "rank" where
        there is one, else in the order of the rows. That order alone counts, scores do not: it has decided
        between equal ones. Users without a relevant item are left out.
    k : int, default=10
        Only the first k items of each user count.
    per_user : bool, default=False
        Whether to return the value of each user instead of the mean.

    Returns
    -------
    value : float or Series of shape (n_users,)
        Mean over all users with a relevant item, where one to whom nothing is recommended counts 0; or the
        value of each, indexed by user in sorted order.

    Raises
    ------
    ValueError
        Where `relevant` has no rows, a pair stands more than once, ids are missing, k < 1, or users or items
        of both tables come in different types without one in common, as 3 and "3".

    See Also
    --------
    reciprocal_rank_at_k : How far up the first one is.
    recall_at_k : The share of relevant items; the same where each user has one.

    Examples
    --------
    >>> from sklearn_mf.metrics import hit_rate_at_k
    >>> relevant = [["ann", "up"], ["ann", "heat"], ["bob", "heat"]]
    >>> recommended = [["ann", "up"], ["ann", "alien"], ["bob", "up"], ["bob", "heat"]]
    >>> hit_rate_at_k(relevant, recommended, k=2)
    1.0
    >>> hit_rate_at_k(relevant, recommended, k=2, per_user=True).round(3).to_dict()
    {'ann': 1.0, 'bob': 1.0}
    """
    return evaluate("hit_rate", relevant, recommended, k, per_user)
