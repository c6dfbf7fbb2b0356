"""The part of a recommender that makes it a regressor: predictions in units of the ratings."""

from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import RegressorMixin

from sklearn_mf.model._factors import Model
from sklearn_mf.ratings._columns import read_targets, read_weights
from sklearn_mf.ratings._row_formats import split_ratings
from sklearn_mf.recommenders._fitting import reads_one_fit
from sklearn_mf.utils._sklearn_compat import _num_samples


class _Factorization(Protocol):
    """The members of a recommender that the mixin needs."""

    clip: bool
    target_range_: NDArray[np.float64]
    _model: Model

    def _read_codes(self, X: ArrayLike) -> NDArray[np.intp]: ...
    def _variances(self, codes: NDArray[np.integer]) -> NDArray[np.float64]: ...


class RatingRegressorMixin(RegressorMixin):
    """Mixin of recommenders that predict ratings; they have the parameter `clip`."""

    @reads_one_fit
    def predict(
        self: _Factorization, X: ArrayLike, return_std: bool = False
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict the ratings of rows of ids, and optionally their standard deviations.

        The fallback for unknown ids is the average of their field: the rating-weighted mean embedding and
        bias.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_fields)
            One row of ids for each rating to predict, columns as in fit.
        return_std : bool, default=False
            Whether to return the standard deviation too. It needs a model that learnt its penalty
            (`alpha="auto"`, two fields, unobserved cells).

        Returns
        -------
        y : ndarray of shape (n_samples,), float64
            Predicted ratings; inside the range of the training ratings where `clip=True`.
        std : ndarray of shape (n_samples,), float64
            Only with `return_std=True`: standard deviation of a rating, without the clip, from the variances
            of both rows and the noise.

        Raises
        ------
        ValueError
            Where an id is unknown and `handle_unknown="error"`; where ids are missing (NaN, None); where
            `return_std=True` and the model has no variances.

        Examples
        --------
        >>> from sklearn_mf import MFRecommender
        >>> X = [["ann", "up"], ["ann", "alien"], ["bob", "up"]]
        >>> model = MFRecommender(random_state=0).fit(X, [5, 1, 4])
        >>> model.predict([["bob", "alien"], ["somebody", "up"]]).shape
        (2,)
        """
        codes = self._read_codes(X)
        ratings = self._model.predict(codes)
        ratings = np.clip(ratings, *self.target_range_) if self.clip else ratings
        return (ratings, np.sqrt(self._variances(codes))) if return_std else ratings

    def score(
        self, X: ArrayLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """Coefficient of determination R2 of the predictions.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_fields), or (n_samples, 3) without y
            Ids; without `y` three columns user, item, rating, as in fit.
        y : array-like of shape (n_samples,), default=None
            True ratings.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        score : float
            R2 of `predict(X)` against `y`; 1 is perfect, 0 is predicting the mean.

        Examples
        --------
        >>> import pandas as pd
        >>> from sklearn_mf import MFRecommender
        >>> ratings = pd.DataFrame({"user": [1, 1, 2], "film": [7, 8, 7], "stars": [5.0, 1.0, 4.0]})
        >>> MFRecommender(random_state=0).fit(ratings).score(ratings) > 0
        True
        """
        X, y = split_ratings(X, y, type(self).__name__)
        if y is not None:
            read_targets(y)  # the metric has no own error for all that is no number
        if sample_weight is not None:
            sample_weight = read_weights(sample_weight, _num_samples(y))
        return super().score(X, y, sample_weight=sample_weight)
