"""Metrics of recommendations: ranking, beyond accuracy, comparisons, and scorers for scikit-learn."""

from sklearn_mf.metrics._beyond_accuracy import catalog_coverage, gini_index, novelty
from sklearn_mf.metrics._compare import compare
from sklearn_mf.metrics._ranking import (
    average_precision_at_k,
    hit_rate_at_k,
    ndcg_at_k,
    precision_at_k,
    recall_at_k,
    reciprocal_rank_at_k,
)
from sklearn_mf.metrics._scorer import make_ranking_scorer

__all__ = [
    "average_precision_at_k",
    "catalog_coverage",
    "compare",
    "gini_index",
    "hit_rate_at_k",
    "make_ranking_scorer",
    "ndcg_at_k",
    "novelty",
    "precision_at_k",
    "recall_at_k",
    "reciprocal_rank_at_k",
]
