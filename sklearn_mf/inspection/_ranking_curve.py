"""Ranking metric against the length of the lists."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from sklearn_mf.inspection._estimators import by_name
from sklearn_mf.inspection._held_out_lists import Query, ranking_scorer, read_query
from sklearn_mf.inspection._plotting import (
    GREY,
    Style,
    add_legend,
    draw_curves,
    label_axes,
    new_axes,
    whole_ticks,
)
from sklearn_mf.ratings._columns import short_repr
from sklearn_mf.recommenders._query import recommend_by_scores
from sklearn_mf.retrieval._measures import MEASURES, find_binary_hits
from sklearn_mf.retrieval._pairs import Pairs
from sklearn_mf.utils._sklearn_compat import _interval_max_min_ratio, check_matplotlib_support

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_POPULARITY: Style = {
    "color": GREY,
    "linestyle": "--",
    "linewidth": 2,
    "zorder": 1,
    "label": "most rated items",
}


class RankingCurveDisplay:
    """Ranking metric of recommended lists against their length k.

    Use :meth:`from_estimator` to create a display. All parameters are stored as attributes. Names are drawn
    as they are: a dollar sign does not start mathematics.

    Parameters
    ----------
    curves : DataFrame of shape (n_ks, n_estimators)
        Value of the metric for each estimator at each k; the index holds k.
    metric : str
        Name of the metric.
    popularity : Series of shape (n_ks,), default=None
        Value of the metric for lists of the most rated items.

    Attributes
    ----------
    ax_ : Axes
        The axes.
    figure_ : Figure
        The figure.
    lines_ : list of Line2D
        The curves; the one of the most rated items is last.

    See Also
    --------
    sklearn_mf.metrics.ndcg_at_k : The default metric.
    RankingComparisonDisplay : Differences at one length, with intervals.
    ErrorByActivityDisplay : Errors of predicted ratings.

    Examples
    --------
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_mf import MFRecommender
    >>> from sklearn_mf.datasets import make_ratings
    >>> from sklearn_mf.inspection import RankingCurveDisplay
    >>> train, test = train_test_split(make_ratings(random_state=0), random_state=0)
    >>> model = MFRecommender(8, random_state=0).fit(train)
    >>> display = RankingCurveDisplay.from_estimator(
    ...     model, test[["user", "item"]], test["rating"], metric="recall", relevance_threshold=4.5)
    >>> display.curves.shape
    (6, 1)
    """

    def __init__(self, *, curves: pd.DataFrame, metric: str, popularity: pd.Series | None = None) -> None:
        self.curves = curves
        self.metric = metric
        self.popularity = popularity

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator | Mapping[str, BaseEstimator],
        X: ArrayLike,
        y: ArrayLike,
        *,
        metric: str = "ndcg",
        ks: ArrayLike = (1, 2, 5, 10, 20, 50),
        relevance_threshold: float | None = None,
        popularity: bool = True,
        ax: "Axes | None" = None,
        line_kwargs: Style | None = None,
    ) -> Self:
        """Draw a ranking metric of fitted estimators on held-out ratings.

        Each estimator ranks, for each user of X, all items that the user did not rate in fit. The metric
        compares the first k of them with the user's relevant items.

        Parameters
        ----------
        estimator : estimator, or dict of str -> estimator
            A fitted recommender of two fields, or several by name; Pipelines and searches are possible too.
        X : array-like or DataFrame of shape (n_samples, 2)
            Users and items of held-out ratings.
        y : array-like of shape (n_samples,)
            The held-out ratings.
        metric : str, default="ndcg"
            "precision", "recall", "ndcg", "average_precision", "reciprocal_rank" or "hit_rate", as in
            :mod:`sklearn_mf.metrics`; each relevant item has gain 1.
        ks : array-like of int, default=(1, 2, 5, 10, 20, 50)
            Lengths of the lists.
        relevance_threshold : float, default=None
            Items with a held-out rating of at least this value are relevant. None makes all rated items
            relevant. The mean is over the users who have a relevant item.
        popularity : bool, default=True
            Whether to draw the curve of lists of the most rated items too. Ratings are counted in the
            training data of the first estimator.
        ax : Axes, default=None
            As in :meth:`plot`.
        line_kwargs : dict, default=None
            As in :meth:`plot`.

        Returns
        -------
        display : RankingCurveDisplay
            Display that holds the curves.

        Raises
        ------
        ValueError
            If the metric is unknown, a k is not a whole number of at least 1, X and y differ in length, no
            rating reaches the threshold, all ratings that do are training ratings, or an estimator was fitted
            on a number of columns other than two.
        TypeError
            If an estimator is not a recommender.

        Examples
        --------
        >>> from sklearn.model_selection import train_test_split
        >>> from sklearn_mf import MFRecommender
        >>> from sklearn_mf.datasets import make_ratings
        >>> from sklearn_mf.inspection import RankingCurveDisplay
        >>> train, test = train_test_split(make_ratings(random_state=0), random_state=0)
        >>> models = {dim: MFRecommender(dim, random_state=0).fit(train) for dim in (0, 8)}
        >>> X, y = test[["user", "item"]], test["rating"]
        >>> display = RankingCurveDisplay.from_estimator(models, X, y, ks=[1, 10], relevance_threshold=4.5)
        >>> display.popularity.index.tolist()
        [1, 10]
        """
        check_matplotlib_support(f"{cls.__name__}.from_estimator")
        lengths = _lengths(ks)
        scorer = ranking_scorer(metric, lengths[-1], relevance_threshold)
        queries = {
            name: read_query(each, X, y, scorer, cls.__name__) for name, each in by_name(estimator).items()
        }
        curves = {
            name: _curve(
                metric, query.recommender.recommend(query.users.ids, lengths[-1]), query.relevant, lengths
            )
            for name, query in queries.items()
        }
        first = next(iter(queries.values()))
        most_rated = (
            _curve(metric, _most_rated(first, lengths[-1]), first.relevant, lengths) if popularity else None
        )
        display = cls(curves=pd.DataFrame(curves), metric=metric, popularity=most_rated)
        return display.plot(ax=ax, line_kwargs=line_kwargs)

    def plot(self, ax: "Axes | None" = None, *, line_kwargs: Style | None = None) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : Axes, default=None
            Axes to draw on; they become narrower for the legend beside them. None creates a new figure.
        line_kwargs : dict, default=None
            Keyword arguments of `Axes.plot` for the curves of the estimators.

        Returns
        -------
        self : RankingCurveDisplay
            The display, with the artists as attributes.

        Examples
        --------
        >>> import pandas as pd
        >>> from sklearn_mf.inspection import RankingCurveDisplay
        >>> curves = pd.DataFrame({"model": [0.1, 0.2]}, index=[1, 10])
        >>> RankingCurveDisplay(curves=curves, metric="recall").plot().ax_.get_ylabel()
        'recall at k'
        """
        self.ax_ = ax = new_axes(self, ax)
        self.figure_ = ax.figure
        self.lines_ = draw_curves(ax, self.curves, line_kwargs)
        if self.popularity is not None:
            self.lines_ += ax.plot(self.popularity.index, self.popularity, **_POPULARITY)
        label_axes(ax, "k, items in a list", f"{self.metric.replace('_', ' ')} at k")
        ax.set_ylim(0, None)
        _scale(ax, self.curves.index)
        add_legend(ax, self.lines_)
        return self


def _scale(ax: "Axes", ks: pd.Index) -> None:
    """Use a logarithmic scale if the steps between lengths differ much, as scikit-learn's displays do."""
    if len(ks) > 2 and _interval_max_min_ratio(ks) > 5:
        shown_ks = ks[:: -(-len(ks) // 10)]
        ax.set_xscale("log")
        ax.set_xticks(shown_ks, shown_ks.astype(str))
        ax.minorticks_off()
    else:
        whole_ticks(ax)


def _lengths(ks: ArrayLike) -> list[int]:
    """Distinct lengths of lists, rising."""
    lengths = np.unique(np.asarray(ks))
    if not len(lengths) or lengths.dtype.kind not in "iu" or lengths[0] < 1:
        raise ValueError(f"ks must be whole numbers of at least 1, got {short_repr(ks)}.")
    return [int(k) for k in lengths]


def _curve(metric: str, table: pd.DataFrame, relevant: Pairs, ks: list[int]) -> "pd.Series[float]":
    """The metric of recommended lists cut to each length, (n_ks,)."""
    hits = find_binary_hits(relevant, table, ks[-1])
    scores = [float(MEASURES[metric](hits.within(k)).mean()) for k in ks]
    return pd.Series(scores, index=pd.Index(ks, name="k"))


def _most_rated(query: Query, n: int) -> pd.DataFrame:
    """Lists of the n items with the most training ratings that the user has not rated."""
    counts = query.catalog.seen.counts(1).astype(np.float32)
    return recommend_by_scores(query.recommender, query.users.ids, counts, n)
