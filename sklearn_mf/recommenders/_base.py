"""What every recommender shares: ids in, predictions out."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Bunch
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_mf.model._fold_in import FoldInRatings
from sklearn_mf.ratings._columns import check_length, read_targets, read_weights, short_repr
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.ratings._validation import IdTable, read_ids, split_ratings
from sklearn_mf.ratings._vocabulary import Vocabulary
from sklearn_mf.recommenders._tables import Tables
from sklearn_mf.utils._warnings import warn_user


class BaseRecommender(Tables):
    """Base of all recommenders: prediction, recommendation, neighbours, users from outside.

    A subclass has the parameters `clip` and `handle_unknown`.
    """

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predict the ratings of rows of ids.

        An id that fit has not seen is answered with the average of its field: the rating-weighted mean
        embedding and bias.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_fields)
            One row of ids for each rating to predict, columns as in fit.

        Returns
        -------
        y : ndarray of shape (n_samples,), float64
            Predicted ratings; inside the range of the training ratings where `clip=True`.

        Raises
        ------
        ValueError
            Where an id is unknown and `handle_unknown="error"`; where ids are missing (NaN, None).

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
        return np.clip(ratings, *self.target_range_) if self.clip else ratings

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
        return super().score(X, y, sample_weight=sample_weight)

    def _read_codes(self, X: ArrayLike) -> NDArray[np.intp]:
        check_is_fitted(self)
        ids = self._read_ids(X).columns
        codes = [self._codes(field, column.ids) for field, column in enumerate(ids)]
        for field, column in enumerate(ids):
            if (codes[field] < 0).all():
                self._warn_all_unknown(field, column.ids[0])
        return np.stack([part.take(column.numbers) for part, column in zip(codes, ids, strict=True)], axis=1)

    def _read_ids(self, X: ArrayLike) -> IdTable:
        """Check a table of ids, and that its columns are those of fit."""
        table = read_ids(X)
        validate_data(self, table.X, skip_check_array=True, reset=False)
        return table

    def _warn_all_unknown(self, field: int, first: Any) -> None:
        known = self.categories_[field]
        warn_user(
            f"Every id of {self._label(field)} is unknown, the first is {short_repr(first)} "
            f"while fit saw {short_repr(known[0])} and others: if they are the same ids in another type, "
            "convert them."
        )

    def fold_in(
        self, X: ArrayLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Bunch:
        """Find embeddings and biases of users from their ratings, without touching the model.

        The items stand still: each user's row is solved for in closed form. Users that fit has seen are
        solved for by these ratings alone.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, 2), or (n_samples, 3) without y
            Users and items; without `y` three columns user, item, rating, as in fit.
        y : array-like of shape (n_samples,), default=None
            The ratings.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each rating.

        Returns
        -------
        folded : Bunch
            `ids`, ndarray of shape (n_users,), sorted; `embeddings`, of shape (n_users, width of
            `user_embeddings_`), and `biases`, of shape (n_users,), both float64 and to be used like
            `user_embeddings_` and `user_biases_`. Ratings of items that fit has not seen are left out; a user
            without others gets the average user's.

        Raises
        ------
        ValueError
            Where the model has not two fields, where ratings or weights make no sense, and where an item is
            unknown and `handle_unknown="error"`.

        Examples
        --------
        >>> from sklearn_mf import MFRecommender
        >>> X = [["ann", "up"], ["ann", "alien"], ["bob", "up"], ["bob", "heat"]]
        >>> model = MFRecommender(8, random_state=0).fit(X, [5, 1, 4, 2])
        >>> folded = model.fold_in([["new", "up"], ["new", "heat"]], [4, 5])
        >>> folded.ids.tolist(), folded.embeddings.shape, folded.biases.shape
        (['new'], (1, 8), (1,))
        """
        self._check_two_fields("fold_in")
        fold_in_ratings = self._read_fold_in(X, y, sample_weight)
        embeddings, biases = self._fold_rows(fold_in_ratings)
        return Bunch(ids=fold_in_ratings.ids, embeddings=embeddings, biases=biases)

    def _read_fold_in(self, X: Any, y: Any, sample_weight: Any) -> FoldInRatings:
        X, y = split_ratings(X, y, type(self).__name__)
        table = self._read_ids(X)
        (users, items), (dtype, _), X = table.columns, table.dtypes, table.X
        targets, weights = read_targets(y), read_weights(sample_weight, len(X))
        check_length(targets, len(X), "ratings")
        vocabulary, user_codes, _ = Vocabulary.learn(users, dtype, None)
        item_codes = self._codes(1, items.ids).take(items.numbers)
        kept = (item_codes >= 0) & (weights > 0)
        codes = [user_codes[kept], item_codes[kept].astype(np.int32)]
        sizes = len(vocabulary.ids), len(self.categories_[1])
        return FoldInRatings.of(vocabulary.ids, Ratings.merge(codes, targets[kept], weights[kept], sizes))
