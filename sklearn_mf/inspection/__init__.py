"""Displays and explanations of fitted recommenders."""

from sklearn_mf.inspection._embedding_map import EmbeddingDisplay
from sklearn_mf.inspection._error_by_activity import ErrorByActivityDisplay
from sklearn_mf.inspection._explain import explain
from sklearn_mf.inspection._ranking_comparison import RankingComparisonDisplay
from sklearn_mf.inspection._ranking_curve import RankingCurveDisplay
from sklearn_mf.inspection._training_curve import TrainingCurveDisplay

__all__ = [
    "EmbeddingDisplay",
    "ErrorByActivityDisplay",
    "RankingComparisonDisplay",
    "RankingCurveDisplay",
    "TrainingCurveDisplay",
    "explain",
]
