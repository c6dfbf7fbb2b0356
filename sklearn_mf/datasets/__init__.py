"""Load, download and generate rating data."""

from sklearn_mf.datasets._load_ratings import load_ratings
from sklearn_mf.datasets._make_ratings import make_ratings
from sklearn_mf.datasets._movielens import fetch_movielens

__all__ = ["fetch_movielens", "load_ratings", "make_ratings"]
