"""Scorers of rankings for scikit-learn."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from numbers import Integral, Real

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state

from sklearn_mf.metrics._beyond_accuracy import catalog_coverage, gini_index, novelty
from sklearn_mf.metrics._sampled import rank_among_sampled
from sklearn_mf.recommenders._base import BaseRecommender
from sklearn_mf.recommenders._catalog import catalog_of
from sklearn_mf.recommenders._held_out import HeldOut, ranking_accuracy, read_held_out, unseen_pairs
from sklearn_mf.retrieval._measures import MEASURES
from sklearn_mf.retrieval._pairs import Pairs
from sklearn_mf.utils._pipeline import last_step
from sklearn_mf.utils._sklearn_compat import Interval, StrOptions, validate_params

_BEYOND_ACCURACY: dict[str, Callable[[pd.DataFrame, BaseEstimator, int], float]] = {
    "coverage": lambda table, recommender, k: catalog_coverage(table, recommender.item_ids_, k),
    "novelty": lambda table, recommender, k: novelty(table, _training_pairs(recommender), k),
    "gini": lambda table, recommender, k: gini_index(table, recommender.item_ids_, k),
}
_NAMES = (*MEASURES, *_BEYOND_ACCURACY)


@validate_params(
    {
        "metrics": [StrOptions(set(_NAMES)), list, tuple],
        "k": [Interval(Integral, 1, None, closed="left")],
        "relevance_threshold": [Interval(Real, None, None, closed="neither"), None],
        "relevance_share": [Interval(Real, 0, 1, closed="right"), None],
        "n_negatives": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_ranking_scorer(
    metrics: str | list[str] | tuple[str, ...] = "ndcg",
    *,
    k: int = 10,
    relevance_threshold: float | None = None,
    relevance_share: float | None = None,
    n_negatives: int | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> "RankingScorer":
    """Make a scorer of rankings for the `scoring=` of scikit-learn.

    The scorer is called with a fitted estimator and the test part. For each user of the test part, the
    estimator ranks all items of fit that the user did not rate in fit. The scorer compares the first k of
    them with the user's relevant items, which are chosen by their test ratings.

    Parameters
    ----------
    metrics : str, or list or tuple of str, default="ndcg"
        "precision", "recall", "ndcg", "average_precision", "reciprocal_rank" or "hit_rate" for the functions
        with these names and the ending `_at_k`. Three metrics need no relevant items: "coverage"
        (:func:`catalog_coverage`), "novelty" (:func:`novelty` with the training ratings) and "gini"
        (:func:`gini_index`; smaller values mean more even lists, so do not refit on it). Several names give
        a dict of scores from one ranking.
    k : int, default=10
        Length of the lists.
    relevance_threshold : float, default=None
        Test ratings of at least this value are relevant.
    relevance_share : float, default=None
        Alternative to the threshold: this share of the test ratings of each user is relevant, namely the
        highest ones, at least one, and all ratings equal to the lowest of these. If both parameters are None,
        all test ratings are relevant.
    n_negatives : int, default=None
        Rank the relevant items of each user only among this number of other items. They are drawn at random
        from the items that are not relevant and that the user did not rate in fit. None ranks all items.

        .. warning::
           Metrics of sampled items say little about the ranking of all items and can order recommenders
           differently [1]_. Use them only to compare with published results.

    random_state : int, RandomState instance or None, default=None
        Seed of the sampled items with `n_negatives`. An int gives the same items in each call.

    Returns
    -------
    scorer : callable
        The call `scorer(estimator, X, y)` returns a float, or a dict of floats for several names. It can be
        pickled. `y` may be None if X has three columns user, item, rating. A `sample_weight` is accepted and
        ignored: each user counts once.

    Raises
    ------
    ValueError
        If a name is unknown, both `relevance_threshold` and `relevance_share` are given, or `n_negatives` is
        given with a metric that needs no relevant items.

    See Also
    --------
    sklearn.metrics.make_scorer : Scorers of predictions.
    ndcg_at_k : Definition of the default metric.

    Notes
    -----
    Each relevant item has gain 1. The mean is over users with a relevant item. Repeated test rows count once.

    - A relevant item that is unknown to fit cannot be recommended. It counts as a miss.
    - An unknown user gets the ranking of the average user. With `handle_unknown="error"` the scorer raises an
      error for unknown users, but not for unknown items.
    - A training rating cannot be recommended either, so it is not relevant. If no relevant rating is left,
      the score is nan with an `UndefinedMetricWarning`. This is the case for the training rows that
      `return_train_score` and :class:`sklearn.callback.ScoringMonitor` score.
    - If no test rating is relevant, the scorer raises a ValueError.

    A :class:`~sklearn.pipeline.Pipeline` ranks with its last step after X has passed through the other steps,
    and a search ranks with its `best_estimator_`. Any BaseEstimator with `recommend(users, n=k)` can be
    scored, with two exceptions: "novelty" and `n_negatives` need a recommender of this package, and
    "coverage" and "gini" need `item_ids_`.

    ScoringMonitor needs a dict: a dict of scorers, or one scorer of a list of names.

    References
    ----------
    .. [1] Walid Krichene, Steffen Rendle, "On Sampled Metrics for Item Recommendation", KDD 2020.

    Examples
    --------
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn_mf import MFRecommender
    >>> from sklearn_mf.datasets import make_ratings
    >>> from sklearn_mf.metrics import make_ranking_scorer
    >>> ratings = make_ratings(100, 40, 1500, random_state=0)
    >>> scorer = make_ranking_scorer(["ndcg", "recall"], k=5, relevance_threshold=4)
    >>> scorer
    make_ranking_scorer(['ndcg', 'recall'], k=5, relevance_threshold=4)
    >>> search = GridSearchCV(
    ...     MFRecommender(random_state=0), {"alpha": [0.02, 0.2]}, scoring=scorer, refit="ndcg", cv=2
    ... )
    >>> search = search.fit(ratings[["user", "item"]], ratings["rating"])
    >>> bool(0 < search.best_score_ < 1)
    True
    """
    names = [metrics] if isinstance(metrics, str) else list(metrics)
    if not names or any(name not in _NAMES for name in names):
        raise ValueError(f"metrics must be one or more of {', '.join(_NAMES)}, got {metrics!r}.")
    if relevance_threshold is not None and relevance_share is not None:
        raise ValueError(
            f"Give relevance_threshold={relevance_threshold} or relevance_share={relevance_share}, not both: "
            "each says alone which ratings are relevant."
        )
    if n_negatives is not None and any(name in _BEYOND_ACCURACY for name in names):
        raise ValueError(
            f"n_negatives={n_negatives} ranks samples of the catalogue, of which "
            f"{', '.join(_BEYOND_ACCURACY)} would tell nothing: make a scorer of their own for them."
        )
    metrics = metrics if isinstance(metrics, str) else list(metrics)
    return RankingScorer(metrics, k, relevance_threshold, relevance_share, n_negatives, random_state)


@dataclass(frozen=True, repr=False)
class RankingScorer:
    """Scorer made by :func:`make_ranking_scorer`."""

    metrics: str | list[str]
    k: int
    relevance_threshold: float | None
    relevance_share: float | None
    n_negatives: int | None
    random_state: int | np.random.RandomState | None

    def __call__(
        self, estimator: BaseEstimator, X: ArrayLike, y: ArrayLike | None = None, sample_weight: object = None
    ) -> float | dict[str, float]:
        recommender = last_step(estimator)
        self._check_estimator(recommender)
        scores = self._scores(recommender, read_held_out(estimator, X, y))
        return scores[self.metrics] if isinstance(self.metrics, str) else scores

    def __repr__(self) -> str:
        options = {field.name: getattr(self, field.name) for field in fields(self)[1:]}
        given = [f", {name}={value!r}" for name, value in options.items() if value is not None]
        return f"make_ranking_scorer({self.metrics!r}{''.join(given)})"

    @property
    def _names(self) -> list[str]:
        return [self.metrics] if isinstance(self.metrics, str) else self.metrics

    def _accept_sample_weight(self) -> bool:
        """Tell scikit-learn's dicts of scorers that `sample_weight` may be passed."""
        return True

    def relevant_pairs(self, recommender: BaseEstimator, held_out: HeldOut) -> Pairs:
        """Relevant pairs of the held-out ratings that fit has not seen, each once."""
        chosen = _is_relevant(held_out, self.relevance_threshold, self.relevance_share)
        if not chosen.any():
            raise ValueError(
                f"None of the {len(chosen)} test ratings reaches relevance_threshold="
                f"{self.relevance_threshold}, the highest is {held_out.ratings.max():g}: lower the threshold."
            )
        return unseen_pairs(recommender, held_out.users.take(chosen), held_out.items.take(chosen))

    def _check_estimator(self, recommender: BaseEstimator) -> None:
        name = type(recommender).__name__
        if not hasattr(recommender, "recommend"):
            raise TypeError(
                f"A ranking scorer needs an estimator with recommend, which {name} has not: "
                "use a recommender, a Pipeline that ends in one, or a search over one."
            )
        needs_seen = self.n_negatives or "novelty" in self._names
        if needs_seen and not isinstance(recommender, BaseRecommender):
            raise TypeError(
                f"{self} needs to know what fit has seen, which {name} does not tell: "
                "use a recommender of sklearn_mf, or neither 'novelty' nor n_negatives."
            )

    def _scores(self, recommender: BaseEstimator, held_out: HeldOut) -> dict[str, float]:
        """Value of each metric."""
        names = self._names
        accuracies = [name for name in names if name in MEASURES]
        relevant = self.relevant_pairs(recommender, held_out) if accuracies else None
        if relevant is not None and self.n_negatives is not None:
            random = check_random_state(self.random_state)
            table = rank_among_sampled(recommender, relevant, self.n_negatives, random)
            return ranking_accuracy(accuracies, relevant, table, self.k)
        table = recommender.recommend(held_out.users.ids, n=self.k)
        scores = {name: _BEYOND_ACCURACY[name](table, recommender, self.k) for name in {*names} - {*MEASURES}}
        if relevant is not None:
            scores |= ranking_accuracy(accuracies, relevant, table, self.k)
        return {name: scores[name] for name in names}


def _is_relevant(held_out: HeldOut, threshold: float | None, share: float | None) -> NDArray[np.bool_]:
    """Whether ratings reach the threshold, or are in the highest share of their user, else True, (n,)."""
    users, ratings = held_out.users.numbers, held_out.ratings
    if threshold is not None:
        return ratings >= threshold
    if share is None:
        return np.ones(len(ratings), dtype=bool)
    n_best = (share * np.bincount(users)).round(9)  # 0.29 * 100 is below 29
    ranks = pd.Series(ratings).groupby(users).rank(method="min", ascending=False)
    return ranks.to_numpy() <= np.maximum(n_best, 1).take(users)


def _training_pairs(recommender: BaseEstimator) -> pd.DataFrame:
    """Users and items of the training ratings, one row for each pair."""
    catalog = catalog_of(recommender, "novelty")
    codes = catalog.seen.users(), catalog.seen.items
    return pd.DataFrame({"user": recommender.user_ids_[codes[0]], "item": recommender.item_ids_[codes[1]]})
