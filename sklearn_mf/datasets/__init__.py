"""Ratings to try things on."""

from sklearn_mf.datasets._make_ratings import make_ratings

__all__ = ["make_ratings"]
