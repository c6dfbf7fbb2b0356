"""Comparison of recommended lists: differences of a ranking metric, paired by user."""

from collections.abc import Hashable, Mapping
from numbers import Integral

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.utils import check_random_state

from sklearn_mf.retrieval._measures import MEASURES, values_of_users
from sklearn_mf.utils._sklearn_compat import Interval, StrOptions, validate_params

Floats = NDArray[np.float64]
_CELLS = 2**21  # users times resamples at a time


@validate_params(
    {
        "recommended": [Mapping],
        "metric": [StrOptions(set(MEASURES))],
        "k": [Interval(Integral, 1, None, closed="left")],
        "per_user": ["boolean"],
        "n_resamples": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def compare(
    relevant: ArrayLike,
    recommended: Mapping[Hashable, ArrayLike],
    metric: str = "ndcg",
    k: int = 10,
    *,
    per_user: bool = False,
    n_resamples: int = 9999,
    random_state: int | np.random.RandomState | None = None,
) -> pd.DataFrame:
    """Compare the recommended lists of several recommenders, user by user.

    The metric is computed for each user and each table. For each pair of tables, the function gives the mean
    difference, a confidence interval for it, and a p-value. All of them are paired: they use the differences
    of the same user, which vary less than the values.

    Parameters
    ----------
    relevant : DataFrame or array-like of shape (n_relevant, 2) or (n_relevant, 3)
        Users and their relevant items, each pair once. A third column holds the gains of "ndcg"; the other
        metrics ignore it.
    recommended : dict of str -> DataFrame or array-like
        At least two tables by name. Each has users and items as `recommend` returns them, best first, as in
        :func:`ndcg_at_k`.
    metric : str, default="ndcg"
        "precision", "recall", "ndcg", "average_precision", "reciprocal_rank" or "hit_rate" for the functions
        with these names and the ending `_at_k`.
    k : int, default=10
        Length of the lists: only the first k items of each user count.
    per_user : bool, default=False
        Whether to return the values of the users instead of the comparison. One table is then enough.
    n_resamples : int, default=9999
        Number of resamples for each interval and each p-value. The smallest possible p-value is
        2 / (n_resamples + 1). The time is proportional to this number, the number of users and the number of
        pairs.
    random_state : int, RandomState instance or None, default=None
        Seed of the resamples. An int gives the same numbers in each call.

    Returns
    -------
    comparison : DataFrame of shape (n_pairs, 8) or (n_users, n_tables)
        One row for each pair of tables: their names "first" and "second", "mean_first" and "mean_second"
        over users, their "difference" (first minus second), the bounds "low" and "high" of its 95 %
        confidence interval, and "p_value". With `per_user=True`, the value of each user (index, in sorted
        order) for each table (columns).

    Raises
    ------
    ValueError
        If there are fewer than two tables or fewer than two users with a relevant item, the metric is
        unknown, k < 1, or a table is not valid for the metric functions.

    See Also
    --------
    ndcg_at_k : The default metric.
    sklearn_mf.inspection.RankingComparisonDisplay : Picture of the differences and their intervals.

    Notes
    -----
    A user without a list counts as 0, and a user without a relevant item does not count, as in the metric
    functions.

    The interval is the percentile bootstrap interval of the mean difference, with resampled users
    (:func:`scipy.stats.bootstrap`). The p-value is that of a two-sided paired permutation test: if the two
    lists of a user are interchangeable, each difference has either sign with equal probability, so the signs
    are drawn at random (:func:`scipy.stats.monte_carlo_test`). For ranking metrics these two methods agree
    with the paired t-test, while the Wilcoxon and sign tests can mislead [1]_.

    - The users are the sample. The interval does not contain the variation between other splits or other
      seeds of a fit.
    - With fewer than about 20 users the interval is too short.
    - The p-values are not corrected for the number of pairs: use :func:`scipy.stats.false_discovery_control`.

    References
    ----------
    .. [1] Mark D. Smucker, James Allan, Ben Carterette, "A Comparison of Statistical Significance Tests for
       Information Retrieval Evaluation", CIKM 2007.

    Examples
    --------
    >>> from sklearn_mf.metrics import compare
    >>> relevant = [[user, "up"] for user in range(30)]
    >>> good = [[user, item] for user in range(30) for item in ("up", "heat")]
    >>> fair = [[user, "up" if user % 3 else "heat"] for user in range(30)]
    >>> tables = {"good": good, "fair": fair}
    >>> compare(relevant, tables, metric="recall", random_state=0).round(3).T
                        0
    first            good
    second           fair
    mean_first        1.0
    mean_second     0.667
    difference      0.333
    low             0.167
    high              0.5
    p_value         0.002
    >>> compare(relevant, tables, metric="recall", per_user=True).head(2)
       good  fair
    0   1.0   0.0
    1   1.0   1.0
    """
    least = 1 if per_user else 2
    if len(recommended) < least:
        raise ValueError(
            f"recommended must have at least {least} table(s) by name, got {len(recommended)}: pass a dict "
            "such as {'popular': table, 'model': other_table}."
        )
    values = {
        name: values_of_users(metric, relevant, table, k, f"recommended[{name!r}]")
        for name, table in recommended.items()
    }
    frame = pd.concat(values.values(), axis=1, keys=pd.Index(values, tupleize_cols=False))
    return frame if per_user else compare_columns(frame, n_resamples, check_random_state(random_state))


def compare_columns(values: pd.DataFrame, n_resamples: int, random: np.random.RandomState) -> pd.DataFrame:
    """Comparison of each pair of columns, (n_users, n_tables) -> (n_pairs, 8)."""
    if len(values) < 2:
        raise ValueError(
            f"An interval needs at least 2 users with relevant items, got {len(values)}: pass more users."
        )
    first, second = np.triu_indices(values.shape[1], k=1)
    columns = values.to_numpy().T
    differences, means = columns[first] - columns[second], columns.mean(axis=1)
    low, high = _interval(differences, n_resamples, random)
    return pd.DataFrame(
        {
            "first": values.columns[first],
            "second": values.columns[second],
            "mean_first": means[first],
            "mean_second": means[second],
            "difference": differences.mean(axis=1),
            "low": low,
            "high": high,
            "p_value": [_p_value(each, n_resamples, random) for each in differences],
        }
    )


def _interval(differences: Floats, n_resamples: int, random: np.random.RandomState) -> tuple[Floats, Floats]:
    """Bounds of the 95 % bootstrap interval of each mean, (n_pairs, n_users) -> (n_pairs,), (n_pairs,)."""
    found = stats.bootstrap(
        (differences,),
        np.mean,
        n_resamples=n_resamples,
        batch=max(1, _CELLS // differences.size),
        vectorized=True,
        axis=-1,
        method="percentile",  # the others are undefined where all differences are equal
        random_state=random,
    )
    low, high = found.confidence_interval
    return np.asarray(low), np.asarray(high)


def _p_value(differences: Floats, n_resamples: int, random: np.random.RandomState) -> float:
    """Two-sided p-value of the mean under random signs, (n_users,) -> number."""

    def with_random_signs(size: tuple[int, ...]) -> Floats:
        """The differences with a random sign each, many times, -> size."""
        return differences * random.choice([-1.0, 1.0], size)

    batch = max(1, _CELLS // differences.size)
    found = stats.monte_carlo_test(
        differences, with_random_signs, np.mean, vectorized=True, n_resamples=n_resamples, batch=batch
    )
    return float(found.pvalue)
