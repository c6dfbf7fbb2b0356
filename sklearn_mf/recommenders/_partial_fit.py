"""partial_fit: further ratings in one pass, without the earlier ones and TensorFlow; all or nothing."""

import copy
from typing import Protocol, Self, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from sklearn.utils.validation import validate_data

from sklearn_mf.ratings._store_input import read_input, stored
from sklearn_mf.recommenders._catalog import column_names
from sklearn_mf.recommenders._features import read_features, store_features
from sklearn_mf.recommenders._fitting import (
    FitTask,
    Recommender,
    check_same_model,
    replace_attributes,
    store_ids,
    store_seen,
)
from sklearn_mf.utils._sklearn_compat import _fit_context
from sklearn_mf.utils._threads import SINGLE_THREADED_BLAS


class Updatable(Recommender, Protocol):
    """The members of a recommender that `partial_fit` needs beyond those of the fit."""

    scale_: float

    def fit(self, X: ArrayLike, y: ArrayLike | None, sample_weight: ArrayLike | None) -> Self:
        """Fit anew."""
        ...

    def _update(self, task: FitTask) -> None: ...


U = TypeVar("U", bound=Updatable)


class PartialFitMixin:
    """Mixin of recommenders that learn from further ratings; they have the hook `_update`."""

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self: U, X: ArrayLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> U:
        """Update the rows of ids by further ratings, in one pass and without the earlier ratings.

        The rows of the users with new ratings are updated, then those of the items. Each row is the solution
        of a least-squares problem of its new ratings, with a quadratic penalty of its change in place of its
        earlier ratings, of which the estimator keeps the number alone. The row of a new id is shrunk to the
        average of its field, or to the prediction of its features. The result is close to that of `fit` on
        all ratings, but not equal to it (:ref:`every-night`).

        On an estimator that is not fitted this is `fit`. Later calls do not use TensorFlow.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_fields), scipy.sparse matrix or tf.SparseTensor
            New ratings, in a form that `fit` accepts, with the columns of `fit`. Ids may be new, and one row
            is enough. A rating of a cell that has been rated before counts as one more.
        y : array-like of shape (n_samples,), default=None
            Ratings, or strengths of interactions, as in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, 1 where None, as in `fit`.

        Returns
        -------
        self : estimator
            The estimator, changed in place, all attributes at once.

        Raises
        ------
        ValueError
            Where ratings, weights or ids are invalid, where the columns or the types of the ids are not those
            of `fit`, or where `embedding_dim` has changed or `fit_bias` was set to False since. The estimator
            is then as it was before.
        TypeError
            Where ids cannot be hashed or sorted.

        Examples
        --------
        >>> from sklearn_mf import MFRecommender
        >>> model = MFRecommender(random_state=0).fit([["ann", "up"], ["bob", "heat"]], [5, 2])
        >>> model.partial_fit([["cat", "up"]], [4]).user_ids_.tolist()
        ['ann', 'bob', 'cat']
        """
        update_recommender(self, X, y, sample_weight)
        return self


def update_recommender(
    estimator: Updatable, X: ArrayLike, y: ArrayLike | None, sample_weight: ArrayLike | None
) -> None:
    """Update an estimator: all of its attributes change at the end, or none."""
    if not hasattr(estimator, "embeddings_"):
        estimator.fit(X, y, sample_weight)
        return
    fitted = copy.copy(estimator)
    source = stored(X, y, sample_weight, estimator._row_format, estimator.verbose > 0)
    with source as read, SINGLE_THREADED_BLAS:  # the matrices are small
        task = _prepare(fitted, estimator, read, y, sample_weight)
        with np.errstate(over="ignore", invalid="ignore"):  # the result is checked
            fitted._update(task)
    _check_finite(fitted)
    replace_attributes(estimator, fitted)


def _prepare(
    fitted: Updatable, previous: Updatable, X: object, y: ArrayLike | None, sample_weight: ArrayLike | None
) -> FitTask:
    """Read the ratings and store their ids."""
    has_ids_alone = y is not None and isinstance(X, pd.DataFrame) and X.columns.is_unique
    if has_ids_alone:  # names first: columns of other names may be empty
        validate_data(fitted, X, skip_check_array=True, reset=False)
    name, rows = type(fitted).__name__, fitted._row_format
    observed = read_input(X, y, sample_weight, name, rows, suspect=False)
    if not has_ids_alone:
        validate_data(fitted, observed.X, skip_check_array=True, reset=False)
    check_same_model(previous, fitted, observed, "partial_fit", "call fit to start anew")
    tables = read_features(
        getattr(fitted, "features", None), observed, column_names(fitted), previous.categories_
    )
    ratings, _, known_codes = store_ids(fitted, observed, previous, tables)
    store_seen(fitted, ratings, previous, known_codes)
    features = store_features(fitted, tables, previous, known_codes)
    return FitTask(ratings, 0, previous, known_codes, features)


def _check_finite(fitted: Updatable) -> None:
    """Refuse an update that is not finite."""
    for numbers in (*fitted.embeddings_, *fitted.biases_, np.asarray(fitted.scale_)):
        if not np.isfinite(numbers).all():
            raise ValueError(
                "The result of partial_fit is not finite: the ratings, the sample weights or the penalty are "
                "too large, so scale them down."
            )
