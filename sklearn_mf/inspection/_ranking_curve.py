"""A ranking metric against the length of the lists."""

from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sklearn_mf.inspection._estimators import by_name, ids_in, n_ratings, recommender_in
from sklearn_mf.inspection._plotting import GREY, add_legend, draw_curves, new_axes, whole_ticks
from sklearn_mf.metrics import make_ranking_scorer
from sklearn_mf.metrics._measures import MEASURES, find_hits
from sklearn_mf.metrics._pairs import Pairs, read_lists
from sklearn_mf.ratings._columns import check_length, read_targets, short_repr
from sklearn_mf.recommenders._tables import Excluded, RecommendQuery
from sklearn_mf.retrieval._top_n import Ranking, top_n
from sklearn_mf.utils._sklearn_compat import _interval_max_min_ratio, check_matplotlib_support


class RankingCurveDisplay:
    """How good lists of recommendations are, against their length k.

    Use :meth:`from_estimator` to make one. All parameters are stored as attributes.

    Parameters
    ----------
    curves : DataFrame of shape (n_ks, n_estimators)
        The metric at each k, which is the index.
    metric : str
        Its name.
    popularity : Series of shape (n_ks,), default=None
        The same of lists of the most rated items.

    Attributes
    ----------
    ax_ : Axes
        The axes.
    figure_ : Figure
        The figure.
    lines_ : list of Line2D
        The curves, that of popularity last.

    See Also
    --------
    sklearn_mf.metrics.ndcg_at_k : The default metric.
    ErrorByActivityDisplay : Errors of predicted ratings.

    Examples
    --------
    >>> from sklearn.model_selection import train_test_split
    >>> from sklearn_mf import MFRecommender
    >>> from sklearn_mf.datasets import make_ratings
    >>> from sklearn_mf.inspection import RankingCurveDisplay
    >>> train, test = train_test_split(make_ratings(random_state=0), random_state=0)
    >>> model = MFRecommender(random_state=0).fit(train)
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
        estimator: Any,
        X: Any,
        y: Any,
        *,
        metric: str = "ndcg",
        ks: Any = (1, 2, 5, 10, 20, 50),
        relevance_threshold: float | None = None,
        popularity: bool = True,
        ax: Any = None,
        line_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Draw a ranking metric of fitted estimators on held-out ratings.

        Each user of X gets a list of all items that were not seen in fit, best first. It is good where the
        relevant ones stand in front.

        Parameters
        ----------
        estimator : estimator, or dict of str -> estimator
            Fitted on two columns of ids, one or several by name; also a Pipeline or a search.
        X : array-like or DataFrame of shape (n_samples, 2)
            Users and items of held-out ratings.
        y : array-like of shape (n_samples,)
            The ratings.
        metric : str, default="ndcg"
            "precision", "recall", "ndcg", "average_precision", "reciprocal_rank" or "hit_rate", as in
            :mod:`sklearn_mf.metrics`; every relevant item counts as much.
        ks : array-like of int, default=(1, 2, 5, 10, 20, 50)
            Lengths of the lists.
        relevance_threshold : float, default=None
            An item is relevant where the held-out rating is at least this; None takes every rated item. The
            mean is over users with a relevant item.
        popularity : bool, default=True
            Whether to show lists of the items with the most training ratings too. Those are counted in the
            first estimator.
        ax : Axes, default=None
            As in :meth:`plot`.
        line_kwargs : dict, default=None
            As in :meth:`plot`.

        Returns
        -------
        display : RankingCurveDisplay
            With the curves.

        Raises
        ------
        ValueError
            Where the metric is unknown, a k is not a whole number of at least 1, X and y differ in length, no
            rating reaches the threshold, fit has seen all that do, or an estimator has not two fields.
        TypeError
            Where an estimator is not a recommender.

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
        ks = _lengths(ks)
        if metric not in tuple(MEASURES):
            raise ValueError(f"metric must be one of {', '.join(MEASURES)}, got {metric!r}.")
        scorer = make_ranking_scorer(metric, relevance_threshold=relevance_threshold)
        estimators, y = by_name(estimator), read_targets(y)
        held_out = {name: _held_out(each, X, y, scorer) for name, each in estimators.items()}
        curves = {
            name: _curve(metric, recommender.recommend(users, ks[-1]), relevant, ks)
            for name, (recommender, users, relevant) in held_out.items()
        }
        first, users, relevant = next(iter(held_out.values()))
        popular = _curve(metric, _most_rated(first, users, ks[-1]), relevant, ks) if popularity else None
        display = cls(curves=pd.DataFrame(curves), metric=metric, popularity=popular)
        return display.plot(ax=ax, line_kwargs=line_kwargs)

    def plot(self, ax: Any = None, *, line_kwargs: dict[str, Any] | None = None) -> Self:
        """Draw the curves.

        Parameters
        ----------
        ax : Axes, default=None
            None makes a new figure. A given one becomes narrower, for the legend beside it.
        line_kwargs : dict, default=None
            Keyword arguments of `Axes.plot` for the curves of the estimators.

        Returns
        -------
        self : RankingCurveDisplay
            With the artists as attributes.

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
            style = {
                "color": GREY,
                "linestyle": "--",
                "linewidth": 2,
                "zorder": 1,
                "label": "most rated items",
            }
            self.lines_ += ax.plot(self.popularity.index, self.popularity, **style)
        name = self.metric.replace("_", " ")
        ax.set(xlabel="k, items in a list", ylabel=f"{name} at k", ylim=(0, None))
        _scale(ax, self.curves.index)
        add_legend(ax, self.lines_)
        return self


def _scale(ax: Any, ks: "pd.Index[Any]") -> None:
    """Logarithmic where the steps between the lengths differ much, as scikit-learn's displays decide."""
    if len(ks) > 2 and _interval_max_min_ratio(ks) > 5:
        shown_ks = ks[:: -(-len(ks) // 10)]
        ax.set_xscale("log")
        ax.set_xticks(shown_ks, shown_ks.astype(str))
        ax.minorticks_off()
    else:
        whole_ticks(ax)


def _lengths(ks: Any) -> list[int]:
    lengths = np.unique(np.asarray(ks))
    if not len(lengths) or lengths.dtype.kind not in "iu" or lengths[0] < 1:
        raise ValueError(f"ks must be whole numbers of at least 1, got {short_repr(ks)}.")
    return [int(k) for k in lengths]


def _held_out(estimator: Any, X: Any, y: NDArray[np.float64], scorer: Any) -> tuple[Any, NDArray[Any], Pairs]:
    """The recommender inside, whom to recommend to, and what is relevant to them."""
    recommender = recommender_in(estimator, "RankingCurveDisplay")
    users, items = ids_in(estimator, recommender, X)
    check_length(y, len(users.numbers), "ratings")
    relevant = scorer._relevant(recommender, users, items, y)
    if not len(relevant.user_codes):
        raise ValueError("Fit has seen all relevant ratings in X: pass ratings that were held out.")
    return recommender, users.ids, relevant


def _curve(metric: str, table: pd.DataFrame, relevant: Pairs, ks: list[int]) -> "pd.Series[float]":
    """The metric of recommended lists, cut to each length."""
    hits = find_hits(relevant, np.ones(len(relevant.user_codes)), read_lists(table, ks[-1]), ks[-1])
    scores = [float(MEASURES[metric](hits.within(k)).mean()) for k in ks]
    return pd.Series(scores, index=pd.Index(ks, name="k"))


def _most_rated(recommender: Any, users: NDArray[Any], n: int) -> pd.DataFrame:
    """Items by their number of training ratings, less those that the user has rated."""
    counts = n_ratings(recommender, 1).astype(np.float32)[:, None]

    def by_count(
        query: RecommendQuery, items: NDArray[np.intp] | None, n: int, excluded: Excluded
    ) -> Ranking:
        """The same scores for everybody."""
        return top_n(np.ones((len(query.ids), 1)), counts, n, excluded)

    query = recommender._recommend_query(users, None)
    table: pd.DataFrame = recommender._recommendations(query, n, True, None, by_count)
    return table
