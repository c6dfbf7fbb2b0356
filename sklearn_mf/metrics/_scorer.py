"""Scorers for scikit-learn that rank items for the users of the test part."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils import check_random_state

from sklearn_mf.metrics._beyond_accuracy import catalog_coverage, gini_index, novelty
from sklearn_mf.metrics._measures import MEASURES, find_hits
from sklearn_mf.metrics._pairs import Pairs, codes_among, read_lists, read_pairs
from sklearn_mf.metrics._sampled import rank_among_sampled
from sklearn_mf.ratings._columns import IdColumn, check_length, read_targets
from sklearn_mf.ratings._validation import split_ratings
from sklearn_mf.recommenders._base import BaseRecommender
from sklearn_mf.recommenders._catalog import read_ids_of
from sklearn_mf.utils._pipeline import last_step, transform_up_to_last_step
from sklearn_mf.utils._sklearn_compat import Interval, StrOptions, validate_params
from sklearn_mf.utils._warnings import warn_user

_BEYOND_ACCURACY: dict[str, Callable[[Any, Any, int], float]] = {
    "coverage": lambda table, recommender, k: catalog_coverage(table, recommender.item_ids_, k),
    "novelty": lambda table, recommender, k: novelty(table, _ratings_of_fit(recommender), k),
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
) -> "_RankingScorer":
    """Make a scorer of rankings for `scoring=` in scikit-learn.

    The scorer is called with a fitted estimator and the test part. For each user of the test part it ranks
    all items of fit that the user had not rated in fit, and compares the first k with the user's relevant
    items, those rated well enough in the test part.

    Parameters
    ----------
    metrics : str, or list or tuple of str, default="ndcg"
        "precision", "recall", "ndcg", "average_precision", "reciprocal_rank" or "hit_rate", the functions of
        these names with `_at_k`; or what needs no relevant items: "coverage" (:func:`catalog_coverage`),
        "novelty" (:func:`novelty`, against the ratings of fit) or "gini" (:func:`gini_index`, where less is
        more even: do not refit on it). Several names give a dict of scores from one ranking.
    k : int, default=10
        Length of the lists.
    relevance_threshold : float, default=None
        A test rating of at least this is relevant.
    relevance_share : float, default=None
        In the place of a threshold: this share of the test ratings of each user is relevant, the highest and
        at least one, together with all that equal the lowest of them. Where both are None, all are relevant.
    n_negatives : int, default=None
        Rank the relevant items of each user among this many other items alone, drawn at random from those
        without a rating in fit that are not relevant. None ranks all items.

        .. warning::
           What is measured among sampled items says little about the ranking of all items: it can put
           recommenders in another order [1]_. Use it only to compare with published figures.

    random_state : int, RandomState instance or None, default=None
        Seed of the draw where `n_negatives` is given. An int draws the same at each call.

    Returns
    -------
    scorer : callable
        Called as `scorer(estimator, X, y)`, it returns a float, or a dict of floats for several names. It can
        be pickled. `y` may be None where X has three columns user, item, rating. It takes a `sample_weight`,
        which does not matter: each user counts once.

    Raises
    ------
    ValueError
        Where a name is unknown, both ways to choose the relevant ratings are given, or `n_negatives` is given
        with a name that needs no relevant items.

    See Also
    --------
    sklearn.metrics.make_scorer : Scorers of predictions.
    ndcg_at_k : The formula and its conventions.

    Notes
    -----
    Each relevant item has gain 1. A user without one is left out of the mean. Repeated test rows count once.

    - A relevant item that fit has not seen cannot be recommended. It counts as relevant, so it costs recall.
    - A user whom fit has not seen gets the ranking of the average user. With `handle_unknown="error"` the
      scorer raises; an unknown item does not matter to it.
    - A pair that fit has seen cannot be recommended either. It is left out of the relevant ones. Where none
      is left, as on the training rows that `return_train_score` and
      :class:`sklearn.callback.ScoringMonitor` score, the value is nan, with an `UndefinedMetricWarning`.
    - Where no test rating is relevant, the scorer raises a ValueError.

    A :class:`~sklearn.pipeline.Pipeline` ranks with its last step, and X passes through the steps before; a
    search ranks with its `best_estimator_`. A BaseEstimator with `recommend(users, n=k)` will do, except for
    "novelty" and `n_negatives`, which need one of this package; "coverage" and "gini" need `item_ids_`.

    ScoringMonitor wants a dict: a dict of scorers, or one scorer of a list of names.

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
    return _RankingScorer(metrics, k, relevance_threshold, relevance_share, n_negatives, random_state)


@dataclass(frozen=True, repr=False)
class _RankingScorer:
    """See :func:`make_ranking_scorer`."""

    metrics: str | list[str]
    k: int
    relevance_threshold: float | None
    relevance_share: float | None
    n_negatives: int | None
    random_state: int | np.random.RandomState | None

    def __call__(
        self, estimator: Any, X: Any, y: Any = None, sample_weight: Any = None
    ) -> float | dict[str, float]:
        recommender = last_step(estimator)
        _check_recommends(recommender)
        X = transform_up_to_last_step(estimator, X)
        X, y = split_ratings(X, y, type(recommender).__name__)
        ids = read_ids_of(recommender, X).columns
        if len(ids) != 2:
            raise ValueError(f"A ranking needs a column of users and one of items, got {len(ids)} column(s).")
        ratings = read_targets(y)
        users, items = ids
        check_length(ratings, len(users.numbers), "ratings")
        scores = self._scores(recommender, users, items, ratings)
        return scores[self.metrics] if isinstance(self.metrics, str) else scores

    def __repr__(self) -> str:
        options = {field.name: getattr(self, field.name) for field in fields(self)[1:]}
        given = [f", {name}={value!r}" for name, value in options.items() if value is not None]
        return f"make_ranking_scorer({self.metrics!r}{''.join(given)})"

    @property
    def _names(self) -> list[str]:
        return [self.metrics] if isinstance(self.metrics, str) else self.metrics

    def _accept_sample_weight(self) -> bool:
        """Answer what scikit-learn asks the scorers of a dict where fit gets weights."""
        return True

    def _scores(
        self, recommender: Any, users: IdColumn, items: IdColumn, ratings: NDArray[np.float64]
    ) -> dict[str, float]:
        """Value of each metric for the test part, three columns of shape (n_samples,)."""
        names = self._names
        if (self.n_negatives or "novelty" in names) and not isinstance(recommender, BaseRecommender):
            raise TypeError(
                f"{self} needs to know what fit has seen, which {type(recommender).__name__} does not tell: "
                "use a recommender of sklearn_mf, or neither 'novelty' nor n_negatives."
            )
        table = recommender.recommend(users.ids, n=self.k) if self.n_negatives is None else None
        scores = {name: _BEYOND_ACCURACY[name](table, recommender, self.k) for name in {*names} - {*MEASURES}}
        if {*names} & {*MEASURES}:
            relevant = self._relevant(recommender, users, items, ratings)
            scores |= self._accuracy(recommender, relevant, table)
        return {name: scores[name] for name in names}

    def _accuracy(self, recommender: Any, relevant: Pairs, table: Any) -> dict[str, float]:
        """Value of each measure, of the recommendations or among sampled items."""
        names = [name for name in self._names if name in MEASURES]
        if not len(relevant.user_codes):
            warn_user(
                "Fit has seen all relevant test ratings and recommend leaves out what was seen, so the score "
                "is nan: score ratings that fit has not seen.",
                UndefinedMetricWarning,
            )
            return dict.fromkeys(names, np.nan)
        if self.n_negatives is not None:
            random = check_random_state(self.random_state)
            table = rank_among_sampled(recommender, relevant, self.n_negatives, random)
        gains = np.ones(len(relevant.user_codes))
        hits = find_hits(relevant, gains, read_lists(table, self.k), self.k)
        return {name: float(MEASURES[name](hits).mean()) for name in names}

    def _relevant(
        self, recommender: Any, users: IdColumn, items: IdColumn, ratings: NDArray[np.float64]
    ) -> Pairs:
        """Relevant pairs of the test part that fit has not seen, each once."""
        chosen = self._is_relevant(users, ratings)
        if not chosen.any():
            raise ValueError(
                f"None of the {len(ratings)} test ratings reaches relevance_threshold="
                f"{self.relevance_threshold}, the highest is {ratings.max():g}: lower the threshold."
            )
        users, items = users.take(chosen), items.take(chosen)
        unseen = ~_is_seen(recommender, users, items)
        pairs = read_pairs([users.rows[unseen], items.rows[unseen]], "X")
        return pairs.take(~pd.Index(pairs.keys).duplicated())

    def _is_relevant(self, users: IdColumn, ratings: NDArray[np.float64]) -> NDArray[np.bool_]:
        if self.relevance_threshold is not None:
            return ratings >= self.relevance_threshold
        if self.relevance_share is None:
            return np.ones(len(ratings), dtype=bool)
        most = (self.relevance_share * np.bincount(users.numbers)).round(9)  # 0.29 * 100 is below 29
        places = pd.Series(ratings).groupby(users.numbers).rank(method="min", ascending=False)
        return places.to_numpy() <= np.maximum(most, 1).take(users.numbers)


def _check_recommends(estimator: Any) -> None:
    if not hasattr(estimator, "recommend"):
        raise TypeError(
            f"A ranking scorer needs an estimator with recommend, which {type(estimator).__name__} has not: "
            "use a recommender, a Pipeline that ends in one, or a search over one."
        )


def _is_seen(recommender: Any, users: IdColumn, items: IdColumn) -> NDArray[np.bool_]:
    """Whether fit had a rating of each pair; False where the estimator, not one of ours, does not tell."""
    seen = np.zeros(len(users.numbers), dtype=bool)
    if isinstance(recommender, BaseRecommender):
        user_codes = codes_among(recommender._vocabulary(0), users.ids, "Users of fit and of the test part")
        item_codes = codes_among(recommender._vocabulary(1), items.ids, "Items of fit and of the test part")
        user_codes, item_codes = user_codes.take(users.numbers), item_codes.take(items.numbers)
        known = (user_codes >= 0) & (item_codes >= 0)
        if known.any():  # of no cells SciPy makes a sparse array
            seen[known] = recommender._seen[user_codes[known], item_codes[known]]
    return seen


def _ratings_of_fit(recommender: Any) -> pd.DataFrame:
    """Users and items of fit, one row a rating."""
    seen = recommender._seen.tocoo()
    return pd.DataFrame({"user": recommender.user_ids_[seen.row], "item": recommender.item_ids_[seen.col]})
