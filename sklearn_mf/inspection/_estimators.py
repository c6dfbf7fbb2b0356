"""Estimators of a display: their names, and the recommender inside."""

from collections.abc import Mapping

from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from sklearn_mf.recommenders._base import BaseRecommender
from sklearn_mf.recommenders._catalog import Catalog, catalog_of
from sklearn_mf.utils._pipeline import last_step

_FIELDS = ("user", "item")


def by_name(estimator: BaseEstimator | Mapping[str, BaseEstimator]) -> dict[str, BaseEstimator]:
    """Fitted estimators by name; a single one has the name of its class."""
    estimators = dict(estimator) if isinstance(estimator, Mapping) else {type(estimator).__name__: estimator}
    if not estimators:
        raise ValueError("There is no estimator to show in an empty dict: pass at least one, fitted.")
    for each in estimators.values():
        check_is_fitted(each)
    return {str(name): each for name, each in estimators.items()}


def recommender_in(estimator: BaseEstimator, display: str) -> tuple[BaseRecommender, Catalog]:
    """The recommender inside a fitted Pipeline or search, or the estimator itself, and its catalog."""
    recommender = last_step(estimator)
    if not isinstance(recommender, BaseRecommender):
        raise TypeError(
            f"{display} needs a recommender, got {type(recommender).__name__}: pass a recommender of "
            "sklearn_mf, or a Pipeline or search that contains one."
        )
    return recommender, catalog_of(recommender, display)


def field_number(field: str) -> int:
    """Number of the field "user" or "item"."""
    if field not in _FIELDS:
        raise ValueError(f"field must be 'user' or 'item', got {field!r}.")
    return _FIELDS.index(field)
