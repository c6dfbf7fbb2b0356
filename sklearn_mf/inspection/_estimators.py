"""What the displays ask of estimators: names, the recommender inside, numbers of ratings."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_mf.ratings._columns import IdColumn
from sklearn_mf.recommenders._base import BaseRecommender
from sklearn_mf.recommenders._catalog import read_ids_of
from sklearn_mf.utils._pipeline import last_step, transform_up_to_last_step

FIELDS = ("user", "item")


def by_name(estimator: Any) -> dict[str, Any]:
    """Name the estimators of a display.

    Parameters
    ----------
    estimator : estimator, or dict of str -> estimator
        One or several, fitted.

    Returns
    -------
    estimators : dict of str -> estimator
        One alone has the name of its class.
    """
    estimators = dict(estimator) if isinstance(estimator, Mapping) else {type(estimator).__name__: estimator}
    if not estimators:
        raise ValueError("There is no estimator to show in an empty dict: pass at least one, fitted.")
    for each in estimators.values():
        check_is_fitted(each)
    return {str(name): each for name, each in estimators.items()}


def recommender_in(estimator: Any, display: str) -> Any:
    """Find the recommender inside a search or a Pipeline.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    display : str
        What needs it.

    Returns
    -------
    recommender : estimator
        The last step of the best pipeline, or the estimator itself, fitted on two columns of ids.
    """
    recommender = last_step(estimator)
    if not isinstance(recommender, BaseRecommender):
        raise TypeError(f"{display} needs a recommender, got {type(recommender).__name__}.")
    recommender._check_two_fields(display)
    return recommender


def ids_in(estimator: Any, recommender: Any, X: Any) -> list[IdColumn]:
    """Read held-out ids as they get to the recommender inside.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    recommender : estimator
        The one inside.
    X : array-like or DataFrame of shape (n_samples, 2)
        Users and items.

    Returns
    -------
    ids : list of two IdColumn
        Users and items.
    """
    return read_ids_of(recommender, transform_up_to_last_step(estimator, X)).columns


def field_number(field: str) -> int:
    """Check the name of a field.

    Parameters
    ----------
    field : {"user", "item"}
        Its name.

    Returns
    -------
    number : int
        Of its column.
    """
    if field not in FIELDS:
        raise ValueError(f"field must be 'user' or 'item', got {field!r}.")
    return FIELDS.index(field)


def n_ratings(recommender: Any, field: int) -> NDArray[np.intp]:
    """Count the training ratings of each id.

    Parameters
    ----------
    recommender : estimator
        Fitted on two fields.
    field : int
        0 for users, 1 for items.

    Returns
    -------
    counts : ndarray of shape (n_ids,), intp
        In order of the ids; a pair that was rated more than once counts once.
    """
    if field == 0:
        return np.diff(recommender._seen_starts)
    return np.bincount(recommender._seen_items, minlength=len(recommender.categories_[1]))
