"""Differences between recommended lists, with confidence intervals."""

from collections.abc import Hashable, Mapping
from numbers import Integral
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state, check_scalar

from sklearn_mf.inspection._estimators import by_name
from sklearn_mf.inspection._held_out_lists import Query, ranking_scorer, read_query
from sklearn_mf.inspection._plotting import (
    COLORS,
    GREY,
    LITERAL,
    Style,
    label_axes,
    new_axes,
    style_kwargs,
    wrapped,
)
from sklearn_mf.metrics import compare
from sklearn_mf.metrics._compare import compare_columns
from sklearn_mf.retrieval._measures import MEASURES, find_binary_hits
from sklearn_mf.utils._sklearn_compat import check_matplotlib_support

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NO_DIFFERENCE: Style = {"color": GREY, "linestyle": "--", "zorder": 1}


class RankingComparisonDisplay:
    """Differences of a ranking metric between recommenders, with confidence intervals.

    Use :meth:`from_estimator` or :meth:`from_tables` to create a display. All parameters are stored as
    attributes. Names are drawn as they are: a dollar sign does not start mathematics.

    Parameters
    ----------
    comparison : DataFrame of shape (n_pairs, 8)
        Comparison of each pair of recommenders, in the columns of :func:`sklearn_mf.metrics.compare`.
    metric : str
        Name of the metric.
    k : int
        Length of the lists.

    Attributes
    ----------
    ax_ : Axes
        The axes.
    figure_ : Figure
        The figure.
    errorbar_ : ErrorbarContainer
        The differences and their intervals.
    line_ : Line2D
        The vertical line at 0.
    texts_ : list of Text
        The p-values.

    See Also
    --------
    sklearn_mf.metrics.compare : The numbers, and how they are computed.
    RankingCurveDisplay : The metric for several lengths of the lists.

    Examples
    --------
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_mf import MFRecommender
    >>> from sklearn_mf.datasets import make_ratings
    >>> from sklearn_mf.inspection import RankingComparisonDisplay
    >>> train, test = train_test_split(make_ratings(random_state=0), random_state=0)
    >>> models = {f"{dim} dimensions": MFRecommender(dim, random_state=0).fit(train) for dim in (0, 8)}
    >>> X, y = test[["user", "item"]], test["rating"]
    >>> display = RankingComparisonDisplay.from_estimator(models, X, y, relevance_threshold=4.5)
    >>> display.comparison[["first", "second"]].to_numpy().tolist()
    [['0 dimensions', '8 dimensions']]
    """

    def __init__(self, *, comparison: pd.DataFrame, metric: str, k: int) -> None:
        self.comparison = comparison
        self.metric = metric
        self.k = k

    @classmethod
    def from_estimator(
        cls,
        estimator: Mapping[str, BaseEstimator],
        X: ArrayLike,
        y: ArrayLike,
        *,
        metric: str = "ndcg",
        k: int = 10,
        relevance_threshold: float | None = None,
        n_resamples: int = 9999,
        random_state: int | np.random.RandomState | None = None,
        ax: "Axes | None" = None,
        errorbar_kwargs: Style | None = None,
    ) -> Self:
        """Draw the differences between fitted estimators on held-out ratings.

        Each estimator ranks, for each user of X, all items that the user did not rate in fit. The metric
        compares the first k of them with the user's relevant items.

        Parameters
        ----------
        estimator : dict of str -> estimator
            At least two fitted recommenders of two fields by name; Pipelines and searches are possible too.
        X : array-like or DataFrame of shape (n_samples, 2)
            Users and items of held-out ratings.
        y : array-like of shape (n_samples,)
            The held-out ratings.
        metric : str, default="ndcg"
            "precision", "recall", "ndcg", "average_precision", "reciprocal_rank" or "hit_rate", as in
            :mod:`sklearn_mf.metrics`; each relevant item has gain 1.
        k : int, default=10
            Length of the lists.
        relevance_threshold : float, default=None
            Items with a held-out rating of at least this value are relevant. None makes all rated items
            relevant. Users without a relevant item do not count.
        n_resamples : int, default=9999
            Number of resamples, as in :func:`sklearn_mf.metrics.compare`.
        random_state : int, RandomState instance or None, default=None
            Seed of the resamples.
        ax : Axes, default=None
            As in :meth:`plot`.
        errorbar_kwargs : dict, default=None
            As in :meth:`plot`.

        Returns
        -------
        display : RankingComparisonDisplay
            Display that holds the comparison.

        Raises
        ------
        ValueError
            If there are fewer than two estimators or two users with relevant items, the metric is unknown,
            k < 1, n_resamples < 1, X and y differ in length, no rating reaches the threshold, all ratings
            that do are training ratings, or an estimator was fitted on a number of columns other than two.
        TypeError
            If an estimator is not a recommender, or `n_resamples` is not a whole number.

        Notes
        -----
        Fit the estimators on the same ratings. A relevant item counts for an estimator if its fit has not
        seen it, and a user counts if all estimators have such an item.

        Examples
        --------
        >>> from sklearn.model_selection import train_test_split
        >>> from sklearn_mf import MFRecommender
        >>> from sklearn_mf.datasets import make_ratings
        >>> from sklearn_mf.inspection import RankingComparisonDisplay
        >>> train, test = train_test_split(make_ratings(random_state=0), random_state=0)
        >>> models = {
        ...     "biases only": MFRecommender(0, random_state=0).fit(train),
        ...     "embeddings": MFRecommender(8, random_state=0).fit(train),
        ... }
        >>> X, y = test[["user", "item"]], test["rating"]
        >>> display = RankingComparisonDisplay.from_estimator(models, X, y, metric="recall", k=5)
        >>> display.comparison.shape
        (1, 8)
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        estimators = by_name(estimator)
        if len(estimators) < 2:
            raise ValueError(
                f"A comparison needs at least 2 estimators, got {list(estimators)}: pass a dict."
            )
        check_scalar(n_resamples, "n_resamples", Integral, min_val=1)
        scorer = ranking_scorer(metric, k, relevance_threshold)
        queries = {name: read_query(each, X, y, scorer, cls.__name__) for name, each in estimators.items()}
        comparison = compare_columns(
            _values_of_users(queries, metric, k), n_resamples, check_random_state(random_state)
        )
        return cls(comparison=comparison, metric=metric, k=k).plot(ax, errorbar_kwargs=errorbar_kwargs)

    @classmethod
    def from_tables(
        cls,
        relevant: ArrayLike,
        recommended: Mapping[Hashable, ArrayLike],
        *,
        metric: str = "ndcg",
        k: int = 10,
        n_resamples: int = 9999,
        random_state: int | np.random.RandomState | None = None,
        ax: "Axes | None" = None,
        errorbar_kwargs: Style | None = None,
    ) -> Self:
        """Draw the differences between tables of recommended items.

        Parameters
        ----------
        relevant : DataFrame or array-like of shape (n_relevant, 2) or (n_relevant, 3)
            Users and their relevant items, perhaps with gains, as in :func:`sklearn_mf.metrics.compare`.
        recommended : dict of str -> DataFrame or array-like
            At least two tables of users and items by name.
        metric : str, default="ndcg"
            "precision", "recall", "ndcg", "average_precision", "reciprocal_rank" or "hit_rate".
        k : int, default=10
            Length of the lists.
        n_resamples : int, default=9999
            Number of resamples, as in :func:`sklearn_mf.metrics.compare`.
        random_state : int, RandomState instance or None, default=None
            Seed of the resamples.
        ax : Axes, default=None
            As in :meth:`plot`.
        errorbar_kwargs : dict, default=None
            As in :meth:`plot`.

        Returns
        -------
        display : RankingComparisonDisplay
            Display that holds the comparison.

        Examples
        --------
        >>> from sklearn_mf.inspection import RankingComparisonDisplay
        >>> relevant = [[user, "up"] for user in range(30)]
        >>> good = [[user, "up"] for user in range(30)]
        >>> fair = [[user, "up" if user % 3 else "heat"] for user in range(30)]
        >>> display = RankingComparisonDisplay.from_tables(relevant, {"good": good, "fair": fair})
        >>> display.comparison["difference"].round(2).tolist()
        [0.33]
        """
        check_matplotlib_support(f"{cls.__name__}.from_tables")
        comparison = compare(
            relevant, recommended, metric, k, n_resamples=n_resamples, random_state=random_state
        )
        return cls(comparison=comparison, metric=metric, k=k).plot(ax, errorbar_kwargs=errorbar_kwargs)

    def plot(self, ax: "Axes | None" = None, *, errorbar_kwargs: Style | None = None) -> Self:
        """Draw the differences, one row for each pair.

        Parameters
        ----------
        ax : Axes, default=None
            Axes to draw on. None creates a new figure.
        errorbar_kwargs : dict, default=None
            Keyword arguments of `Axes.errorbar` for the differences and their intervals.

        Returns
        -------
        self : RankingComparisonDisplay
            The display, with the artists as attributes.

        Examples
        --------
        >>> import pandas as pd
        >>> from sklearn_mf.inspection import RankingComparisonDisplay
        >>> row = {"first": "new", "second": "old", "mean_first": 0.3, "mean_second": 0.2,
        ...        "difference": 0.1, "low": 0.05, "high": 0.15, "p_value": 0.002}
        >>> display = RankingComparisonDisplay(comparison=pd.DataFrame([row]), metric="ndcg", k=10)
        >>> display.plot().ax_.get_xlabel()
        'difference of ndcg at 10, with 95 % intervals'
        """
        self.ax_ = ax = new_axes(self, ax)
        self.figure_ = ax.figure
        table, rows = self.comparison, np.arange(len(self.comparison))
        lengths = np.clip([table["difference"] - table["low"], table["high"] - table["difference"]], 0, None)
        default = {"fmt": "o", "color": COLORS[0], "capsize": 3}
        self.line_ = ax.axvline(0, **_NO_DIFFERENCE)
        self.errorbar_ = ax.errorbar(
            table["difference"], rows, xerr=lengths, **style_kwargs(default, errorbar_kwargs)
        )
        box = {"facecolor": ax.get_facecolor(), "edgecolor": "none", "pad": 1}
        offset: Style = {"xytext": (0, 6), "textcoords": "offset points", "ha": "center", "bbox": box}
        self.texts_ = [
            ax.annotate(text, (x, y), fontsize="small", **offset)
            for text, x, y in zip(table["p_value"].map(_text_of), table["difference"], rows, strict=True)
        ]
        pairs = zip(table["first"], table["second"], strict=True)
        ax.set_yticks(
            rows, [f"{wrapped(first)}\nminus {wrapped(second)}" for first, second in pairs], **LITERAL
        )
        ax.set_ylim(len(rows) - 0.4, -0.6)
        ax.margins(x=0.12)
        label_axes(ax, f"difference of {self.metric.replace('_', ' ')} at {self.k}, with 95 % intervals", "")
        return self


def _values_of_users(queries: dict[str, Query], metric: str, k: int) -> pd.DataFrame:
    """Values of the users who have relevant items for all estimators, (n_users, n_estimators).

    Users are matched by the rows of X, since Pipelines may change their ids.
    """
    rows = pd.DataFrame({name: _values_of_rows(query, metric, k) for name, query in queries.items()})
    return rows.groupby(_users_of_rows(next(iter(queries.values())))).first().dropna()


def _values_of_rows(query: Query, metric: str, k: int) -> NDArray[np.float64]:
    """Value of the user of each held-out rating, nan for a user without relevant items, (n_samples,)."""
    table = query.recommender.recommend(query.users.ids, n=k)
    values = MEASURES[metric](find_binary_hits(query.relevant, table, k))
    return np.append(values, np.nan)[_users_of_rows(query)]


def _users_of_rows(query: Query) -> NDArray[np.intp]:
    """Code of the user of each held-out rating, -1 for a user without relevant items, (n_samples,)."""
    return query.relevant.users.codes(query.users.ids).take(query.users.numbers)


def _text_of(p_value: float) -> str:
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
