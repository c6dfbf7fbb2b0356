"""MFEmbedding: embeddings of ids as features of another model."""

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, TransformerMixin, clone
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import MetadataRouter, MethodMapping, process_routing
from sklearn.utils.validation import check_is_fitted

from sklearn_mf.recommenders._base import BaseRecommender
from sklearn_mf.recommenders._mf import MFRecommender
from sklearn_mf.utils._sklearn_compat import (
    _check_feature_names_in,
    _fit_context,
    _num_samples,
    _routing_enabled,
)


class MFEmbedding(CallbackSupportMixin, MetaEstimatorMixin, TransformerMixin, BaseEstimator):
    """Embeddings of users, items and other ids as features: a transformer around a recommender.

    `fit` trains a recommender; `transform` puts the embeddings of the ids of a row side by side, so that a
    model of numbers, such as gradient boosting, can use the ids beside other columns.

    Parameters
    ----------
    recommender : MFRecommender, BayesianMFRecommender or None, default=None
        What to train; it stays as it is, a clone is fitted. None is `MFRecommender(random_state=0)`, so that
        equal data give equal features.

    Attributes
    ----------
    recommender_ : MFRecommender or BayesianMFRecommender
        The fitted clone. It predicts and recommends as any other.
    n_features_in_ : int
        Number of fields.
    feature_names_in_ : ndarray of shape (n_fields,)
        Names of the id columns, where X has names that are all strings.

    See Also
    --------
    MFRecommender : Predicts ratings and recommends from ids alone.
    BayesianMFRecommender : Predicts ratings with their uncertainty.
    ImplicitMFRecommender : Lists from clicks, plays or purchases, or from who rated what.
    sklearn.preprocessing.TargetEncoder : One number for each id, its shrunken mean target.

    Notes
    -----
    **Train the next model on other ratings.** Embeddings know the ratings that they were fitted to, as the
    means of target encoding do. A model that is trained on features of the same ratings trusts them too much,
    and predicts new ratings worse. So fit the embeddings on one part of the ratings and the next model on
    another, with :class:`~sklearn.frozen.FrozenEstimator` between the two::

        embedding = MFEmbedding().fit(X_early, y_early)
        make_pipeline(FrozenEstimator(embedding), HistGradientBoostingRegressor()).fit(X_late, y_late)

    Cross-fitting, as in TargetEncoder, does not help here: each fit has embeddings in coordinates of its own,
    so features from several fits cannot be combined.

    The biases of the ids are no part of the features. They are in `recommender_.biases_`;
    :class:`~sklearn.preprocessing.TargetEncoder` gives features of the same kind.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_mf import MFEmbedding, MFRecommender
    >>> X = pd.DataFrame({"user": ["ann", "ann", "bob"], "film": ["up", "alien", "up"]})
    >>> embedding = MFEmbedding(MFRecommender(2, random_state=0)).set_output(transform="pandas")
    >>> embedding.fit_transform(X, [5, 1, 4]).columns.tolist()
    ['user_embedding0', 'user_embedding1', 'film_embedding0', 'film_embedding1']
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {"recommender": [BaseRecommender, None]}

    recommender_: Any

    def __init__(self, recommender: BaseRecommender | None = None) -> None:
        self.recommender = recommender

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: ArrayLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Train the recommender.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_fields)
            One row of ids for each rating; also in the other forms that :meth:`MFRecommender.fit` takes
            without `y`; `fit_transform` and a Pipeline need X and y.
        y : array-like of shape (n_samples,), default=None
            The ratings.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each rating. With metadata routing enabled the recommender has to request it.

        Returns
        -------
        self : MFEmbedding
            The fitted transformer.

        Raises
        ------
        ValueError, TypeError
            Where the fit of the recommender raises. The transformer is then as it was before.

        Examples
        --------
        >>> from sklearn_mf import MFEmbedding
        >>> MFEmbedding().fit([[1, 7], [1, 8], [2, 7]], [5, 1, 4]).recommender_.predict([[2, 8]]).shape
        (1,)
        """
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        if _routing_enabled():
            weights = process_routing(self, "fit", **weights).recommender.fit
        context = self._init_callback_context(max_subtasks=1)
        context.call_on_fit_task_begin(estimator=self, X=X, y=y)
        recommender = clone(self._unfitted)
        task = context.subcontext(task_name="fit-recommender")
        with task.propagate_callback_context(recommender):
            task.call_on_fit_task_begin(estimator=self, X=X, y=y)
            recommender.fit(X, _target_of(recommender, y), **weights)
            task.call_on_fit_task_end(estimator=self, X=X, y=y)
        fitted = {"recommender_": recommender}
        context.call_on_fit_task_end(estimator=self, X=X, y=y, reconstruction_attributes=fitted)
        self.recommender_ = recommender
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """Put the embeddings of the ids of each row side by side.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_fields)
            One row of ids for each row of features, columns as in fit.

        Returns
        -------
        features : ndarray or DataFrame of shape (n_samples, n_fields * embedding_dim), float64
            First the embeddings of the first field, in units of z; posterior means where the recommender is
            Bayesian. An id that fit has not seen has the average of its field. A DataFrame after
            `set_output`.

        Raises
        ------
        ValueError
            Where an id is unknown and the recommender has `handle_unknown="error"`; where ids are missing.

        Examples
        --------
        >>> from sklearn_mf import MFEmbedding
        >>> embedding = MFEmbedding().fit([["ann", "up"], ["ann", "alien"], ["bob", "up"]], [5, 1, 4])
        >>> embedding.transform([["bob", "alien"], ["somebody", "up"]]).shape
        (2, 64)
        """
        check_is_fitted(self)
        recommender = self.recommender_
        codes = recommender._read_codes(X)
        rows = zip(recommender.embeddings_, recommender.average_embeddings_, codes.T, strict=True)
        return np.hstack([_rows(*field) for field in rows])

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Name the columns that `transform` gives.

        Parameters
        ----------
        input_features : array-like of shape (n_fields,), str, default=None
            Names of the fields: `feature_names_in_` where there is one, which they must equal; else x0, x1
            and so on.

        Returns
        -------
        names : ndarray of shape (n_fields * embedding_dim,), object
            Name of the field, "_embedding" and the number of the coordinate.

        Examples
        --------
        >>> from sklearn_mf import MFEmbedding, MFRecommender
        >>> embedding = MFEmbedding(MFRecommender(2, random_state=0)).fit([[1, 7], [2, 7]], [5, 1])
        >>> embedding.get_feature_names_out(["user", "film"]).tolist()
        ['user_embedding0', 'user_embedding1', 'film_embedding0', 'film_embedding1']
        """
        check_is_fitted(self)
        numbers = range(self.recommender_.embeddings_[0].shape[1])
        fields = _check_feature_names_in(self, input_features)
        return np.array(
            [f"{field}_embedding{number}" for field in fields for number in numbers], dtype=object
        )

    def get_metadata_routing(self) -> MetadataRouter:
        """Say who gets sample weights where metadata routing is enabled: the recommender.

        Returns
        -------
        routing : MetadataRouter
            Routes those that the `fit` of the recommender requests.

        Examples
        --------
        >>> from sklearn_mf import MFEmbedding
        >>> MFEmbedding().get_metadata_routing().consumes("fit", ["sample_weight"])
        set()
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        return MetadataRouter(owner=self).add(recommender=self._unfitted, method_mapping=mapping)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.target_tags.required = True
        return tags

    @property
    def n_features_in_(self) -> int:
        """Number of fields."""
        return self.recommender_.n_features_in_

    @property
    def feature_names_in_(self) -> NDArray[np.object_]:
        """Names of the id columns: ndarray of shape (n_fields,)."""
        return self.recommender_.feature_names_in_

    @property
    def _unfitted(self) -> BaseRecommender:
        return MFRecommender(random_state=0) if self.recommender is None else self.recommender


def _target_of(recommender: BaseRecommender, y: ArrayLike | None) -> ArrayLike | None:
    """Target of the recommender: y, or 1 for each row where it needs none, so that y is no strength."""
    if y is None or get_tags(recommender).target_tags.required:
        return y
    return np.ones(_num_samples(y))


def _rows(
    embeddings: NDArray[np.float32], average: NDArray[np.float64], codes: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Rows of codes, the average for -1, (n_ids, dim), (dim,), (n,) -> (n, dim)."""
    return np.where((codes < 0)[:, None], average, embeddings[codes].astype(np.float64))
