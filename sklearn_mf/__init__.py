"""Matrix factorization for rating data as a scikit-learn estimator with a TensorFlow training core."""

from sklearn_mf._bayesian import BayesianMFRecommender
from sklearn_mf._recommender import MFRecommender

__version__ = "0.1.0"

__all__ = ["BayesianMFRecommender", "MFRecommender", "__version__"]
