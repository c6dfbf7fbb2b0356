"""Matrix factorization for rating data as a scikit-learn estimator with a TensorFlow training core."""

from sklearn_mf.ratings._store import RatingsStore
from sklearn_mf.ratings._store_preparation import prepare_ratings
from sklearn_mf.recommenders._bayesian import BayesianMFRecommender
from sklearn_mf.recommenders._embedding import MFEmbedding
from sklearn_mf.recommenders._implicit import ImplicitMFRecommender
from sklearn_mf.recommenders._mf import MFRecommender

__version__ = "0.2.0"

__all__ = [
    "BayesianMFRecommender",
    "ImplicitMFRecommender",
    "MFEmbedding",
    "MFRecommender",
    "RatingsStore",
    "__version__",
    "prepare_ratings",
]
