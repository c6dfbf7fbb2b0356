"""The interface between a fitted recommender and other rooms, which read no private member of it."""

from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from sklearn_mf.ratings._validation import IdTable, read_ids


def read_ids_of(recommender: BaseEstimator, X: ArrayLike) -> IdTable:
    """Check a table of ids, and that its columns are those of fit."""
    table = read_ids(X)
    validate_data(recommender, table.X, skip_check_array=True, reset=False)
    return table
