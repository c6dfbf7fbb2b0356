"""Recommended lists of a fitted estimator, and the held-out ratings to compare them with."""

from typing import NamedTuple

from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator

from sklearn_mf.inspection._estimators import recommender_in
from sklearn_mf.metrics import make_ranking_scorer
from sklearn_mf.metrics._scorer import RankingScorer
from sklearn_mf.ratings._columns import IdColumn
from sklearn_mf.recommenders._base import BaseRecommender
from sklearn_mf.recommenders._catalog import Catalog
from sklearn_mf.recommenders._held_out import read_held_out
from sklearn_mf.retrieval._measures import MEASURES
from sklearn_mf.retrieval._pairs import Pairs


class Query(NamedTuple):
    """Recommender and catalog, the user of each held-out rating (n_samples,), and the relevant items."""

    recommender: BaseRecommender
    catalog: Catalog
    users: IdColumn
    relevant: Pairs


def ranking_scorer(metric: str, k: int, relevance_threshold: float | None) -> RankingScorer:
    """Scorer of one metric of relevant items."""
    if metric not in tuple(MEASURES):
        raise ValueError(f"metric must be one of {', '.join(MEASURES)}, got {metric!r}.")
    return make_ranking_scorer(metric, k=k, relevance_threshold=relevance_threshold)


def read_query(
    estimator: BaseEstimator, X: ArrayLike, y: ArrayLike, scorer: RankingScorer, display: str
) -> Query:
    """Users and relevant pairs of held-out ratings for the recommender inside an estimator."""
    recommender, catalog = recommender_in(estimator, display)
    held_out = read_held_out(estimator, X, y)
    relevant = scorer.relevant_pairs(recommender, held_out)
    if not len(relevant.user_codes):
        raise ValueError("Fit has seen all relevant ratings in X: pass ratings that were held out.")
    return Query(recommender, catalog, held_out.users, relevant)
