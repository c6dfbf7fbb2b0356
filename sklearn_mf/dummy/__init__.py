"""Recommenders without a model, as baselines."""

from sklearn_mf.dummy._recommender import DummyRecommender

__all__ = ["DummyRecommender"]
