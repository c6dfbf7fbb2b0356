"""Splitters of ratings for the `cv=` of scikit-learn's searches and cross-validation."""

from sklearn_mf.model_selection._by_user import PerUserKFold
from sklearn_mf.model_selection._cold import ColdItemSplit, ColdUserSplit
from sklearn_mf.model_selection._latest import LeaveLastOut, TemporalSplit
from sklearn_mf.model_selection._warm import WarmKFold

__all__ = ["ColdItemSplit", "ColdUserSplit", "LeaveLastOut", "PerUserKFold", "TemporalSplit", "WarmKFold"]
