"""Ranking metrics at k: precision, recall, NDCG, average precision, reciprocal rank and hit rate."""

from numbers import Integral

import pandas as pd
from numpy.typing import ArrayLike

from sklearn_mf.retrieval._measures import evaluate
from sklearn_mf.utils._sklearn_compat import Interval, validate_params

_CONSTRAINTS: dict[str, list[object]] = {
    "k": [Interval(Integral, 1, None, closed="left")],
    "per_user": ["boolean"],
}


@validate_params(_CONSTRAINTS, prefer_skip_nested_validation=True)
def precision_at_k(
    relevant: ArrayLike, recommended: ArrayLike, k: int = 10, *, per_user: bool = False
) -> float | pd.Series:
    """Share of the first k recommended items that are relevant.

    For each user, this is the number of relevant items among the first k recommended ones, divided by k.
    If fewer than k items are recommended, missing recommendations count as misses.

    Parameters
    ----------
    relevant : DataFrame or array-like of shape (n_relevant, 2) or (n_relevant, 3)
        Users and their relevant items, each pair once; a third column is ignored.
    recommended : DataFrame of at least two columns, or array-like of shape (n_recommended, 2)
        Users and items as `recommend` returns them, each pair once. A frame with a column "rank" is sorted by
        it; otherwise the rows are in order, best first. Scores are ignored: the order has broken their ties.
        Users without a relevant item are ignored.
    k : int, default=10
        Length of the lists: only the first k items of each user count.
    per_user : bool, default=False
        Whether to return one value for each user instead of the mean.

    Returns
    -------
    value : float or Series of shape (n_users,)
        Mean over the users who have a relevant item; users without recommendations count as 0. With
        `per_user=True`, one value for each of these users, indexed by user in sorted order.

    Raises
    ------
    ValueError
        If `relevant` has no rows, a pair occurs more than once, ids are missing, k < 1, or the users or items
        of the two tables have different types and none in common, such as 3 and "3".

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


@validate_params(_CONSTRAINTS, prefer_skip_nested_validation=True)
def recall_at_k(
    relevant: ArrayLike, recommended: ArrayLike, k: int = 10, *, per_user: bool = False
) -> float | pd.Series:
    """Share of the relevant items that are among the first k recommended ones.

    For each user, this is the number of relevant items among the first k recommended ones, divided by the
    number of relevant items. It is below 1 for a user with more than k relevant items.

    Parameters
    ----------
    relevant : DataFrame or array-like of shape (n_relevant, 2) or (n_relevant, 3)
        Users and their relevant items, each pair once; a third column is ignored.
    recommended : DataFrame of at least two columns, or array-like of shape (n_recommended, 2)
        Users and items as `recommend` returns them, each pair once. A frame with a column "rank" is sorted by
        it; otherwise the rows are in order, best first. Scores are ignored: the order has broken their ties.
        Users without a relevant item are ignored.
    k : int, default=10
        Length of the lists: only the first k items of each user count.
    per_user : bool, default=False
        Whether to return one value for each user instead of the mean.

    Returns
    -------
    value : float or Series of shape (n_users,)
        Mean over the users who have a relevant item; users without recommendations count as 0. With
        `per_user=True`, one value for each of these users, indexed by user in sorted order.

    Raises
    ------
    ValueError
        If `relevant` has no rows, a pair occurs more than once, ids are missing, k < 1, or the users or items
        of the two tables have different types and none in common, such as 3 and "3".

    See Also
    --------
    precision_at_k : Share of the recommended items that are relevant.
    average_precision_at_k : Relevant items count more at the top of the list.

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


@validate_params(_CONSTRAINTS, prefer_skip_nested_validation=True)
def ndcg_at_k(
    relevant: ArrayLike, recommended: ArrayLike, k: int = 10, *, per_user: bool = False
) -> float | pd.Series:
    """Normalised discounted cumulative gain of the first k recommended items.

    For each user, this is the sum of gain / log2(rank + 1) over the first k recommended items, divided by the
    sum for the ideal list: the relevant items by falling gain, cut at k. Gains are linear, as in trec_eval
    and scikit-learn; for exponential gains pass `2**gain - 1`.

    Parameters
    ----------
    relevant : DataFrame or array-like of shape (n_relevant, 2) or (n_relevant, 3)
        Users and their relevant items, each pair once. An optional third column holds gains above 0;
        without it all gains are 1.
    recommended : DataFrame of at least two columns, or array-like of shape (n_recommended, 2)
        Users and items as `recommend` returns them, each pair once. A frame with a column "rank" is sorted by
        it; otherwise the rows are in order, best first. Scores are ignored: the order has broken their ties.
        Users without a relevant item are ignored.
    k : int, default=10
        Length of the lists: only the first k items of each user count.
    per_user : bool, default=False
        Whether to return one value for each user instead of the mean.

    Returns
    -------
    value : float or Series of shape (n_users,)
        Mean over the users who have a relevant item; users without recommendations count as 0. With
        `per_user=True`, one value for each of these users, indexed by user in sorted order.

    Raises
    ------
    ValueError
        If `relevant` has no rows, a pair occurs more than once, ids are missing, gains are not above 0,
        k < 1, or the users or items of the two tables have different types and none in common, such as 3 and
        "3".

    See Also
    --------
    average_precision_at_k : Rank-aware metric with a steeper discount.
    sklearn.metrics.ndcg_score : NDCG of a dense matrix of scores; it averages over ties.

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


@validate_params(_CONSTRAINTS, prefer_skip_nested_validation=True)
def average_precision_at_k(
    relevant: ArrayLike, recommended: ArrayLike, k: int = 10, *, per_user: bool = False
) -> float | pd.Series:
    """Mean average precision of the first k recommended items.

    For each user, this is the sum of the precision at r over the ranks r <= k of relevant items, divided by
    the smaller of k and the number of relevant items. So a list of k relevant items has the value 1. The
    measure map_cut of trec_eval divides by the number of relevant items even if it is larger than k.

    Parameters
    ----------
    relevant : DataFrame or array-like of shape (n_relevant, 2) or (n_relevant, 3)
        Users and their relevant items, each pair once; a third column is ignored.
    recommended : DataFrame of at least two columns, or array-like of shape (n_recommended, 2)
        Users and items as `recommend` returns them, each pair once. A frame with a column "rank" is sorted by
        it; otherwise the rows are in order, best first. Scores are ignored: the order has broken their ties.
        Users without a relevant item are ignored.
    k : int, default=10
        Length of the lists: only the first k items of each user count.
    per_user : bool, default=False
        Whether to return one value for each user instead of the mean.

    Returns
    -------
    value : float or Series of shape (n_users,)
        Mean over the users who have a relevant item; users without recommendations count as 0. With
        `per_user=True`, one value for each of these users, indexed by user in sorted order.

    Raises
    ------
    ValueError
        If `relevant` has no rows, a pair occurs more than once, ids are missing, k < 1, or the users or items
        of the two tables have different types and none in common, such as 3 and "3".

    See Also
    --------
    ndcg_at_k : Rank-aware metric with a milder discount.
    precision_at_k : Metric that ignores the ranks within the first k.

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


@validate_params(_CONSTRAINTS, prefer_skip_nested_validation=True)
def reciprocal_rank_at_k(
    relevant: ArrayLike, recommended: ArrayLike, k: int = 10, *, per_user: bool = False
) -> float | pd.Series:
    """Mean reciprocal rank of the first relevant item among the first k.

    For each user, this is 1 / rank of the first relevant item, or 0 if none is among the first k.

    Parameters
    ----------
    relevant : DataFrame or array-like of shape (n_relevant, 2) or (n_relevant, 3)
        Users and their relevant items, each pair once; a third column is ignored.
    recommended : DataFrame of at least two columns, or array-like of shape (n_recommended, 2)
        Users and items as `recommend` returns them, each pair once. A frame with a column "rank" is sorted by
        it; otherwise the rows are in order, best first. Scores are ignored: the order has broken their ties.
        Users without a relevant item are ignored.
    k : int, default=10
        Length of the lists: only the first k items of each user count.
    per_user : bool, default=False
        Whether to return one value for each user instead of the mean.

    Returns
    -------
    value : float or Series of shape (n_users,)
        Mean over the users who have a relevant item; users without recommendations count as 0. With
        `per_user=True`, one value for each of these users, indexed by user in sorted order.

    Raises
    ------
    ValueError
        If `relevant` has no rows, a pair occurs more than once, ids are missing, k < 1, or the users or items
        of the two tables have different types and none in common, such as 3 and "3".

    See Also
    --------
    hit_rate_at_k : Whether a relevant item is among the first k.
    average_precision_at_k : Rank-aware metric of all relevant items.

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


@validate_params(_CONSTRAINTS, prefer_skip_nested_validation=True)
def hit_rate_at_k(
    relevant: ArrayLike, recommended: ArrayLike, k: int = 10, *, per_user: bool = False
) -> float | pd.Series:
    """Share of users with a relevant item among the first k.

    For each user, this is 1 if at least one of the first k recommended items is relevant, else 0.

    Parameters
    ----------
    relevant : DataFrame or array-like of shape (n_relevant, 2) or (n_relevant, 3)
        Users and their relevant items, each pair once; a third column is ignored.
    recommended : DataFrame of at least two columns, or array-like of shape (n_recommended, 2)
        Users and items as `recommend` returns them, each pair once. A frame with a column "rank" is sorted by
        it; otherwise the rows are in order, best first. Scores are ignored: the order has broken their ties.
        Users without a relevant item are ignored.
    k : int, default=10
        Length of the lists: only the first k items of each user count.
    per_user : bool, default=False
        Whether to return one value for each user instead of the mean.

    Returns
    -------
    value : float or Series of shape (n_users,)
        Mean over the users who have a relevant item; users without recommendations count as 0. With
        `per_user=True`, one value for each of these users, indexed by user in sorted order.

    Raises
    ------
    ValueError
        If `relevant` has no rows, a pair occurs more than once, ids are missing, k < 1, or the users or items
        of the two tables have different types and none in common, such as 3 and "3".

    See Also
    --------
    reciprocal_rank_at_k : Reciprocal rank of the first relevant item.
    recall_at_k : Share of the relevant items; equal to the hit rate if each user has one.

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
