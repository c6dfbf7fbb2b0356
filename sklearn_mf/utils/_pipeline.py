"""The recommender inside a Pipeline, a search or a FrozenEstimator."""

from typing import Any

from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline


def last_step(estimator: Any) -> Any:
    """Find what learns inside other estimators.

    Parameters
    ----------
    estimator : estimator
        Fitted.

    Returns
    -------
    last : estimator
        The last step of the best Pipeline, or the estimator itself.
    """
    estimator = _unwrapped(estimator)
    return last_step(estimator[-1]) if isinstance(estimator, Pipeline) else estimator


def transform_up_to_last_step(estimator: Any, X: Any) -> Any:
    """Pass X through the steps before the last.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    X : array-like or DataFrame of shape (n_samples, n_columns)
        As the whole estimator takes it.

    Returns
    -------
    X : array-like or DataFrame of shape (n_samples, n_fields)
        As what `last_step` finds takes it.
    """
    estimator = _unwrapped(estimator)
    if not isinstance(estimator, Pipeline):
        return X
    if len(estimator) > 1:
        X = estimator[:-1].transform(X)
    return transform_up_to_last_step(estimator[-1], X)


def _unwrapped(estimator: Any) -> Any:
    if isinstance(estimator, FrozenEstimator):
        return _unwrapped(estimator.estimator)
    return _unwrapped(estimator.best_estimator_) if hasattr(estimator, "best_estimator_") else estimator
