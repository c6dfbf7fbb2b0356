"""What every recommender shares: ids in, tables out."""

from collections.abc import Callable
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_mf._columns import read_id_list, shown
from sklearn_mf._retrieval import Cells, Ranking, seen_cells, top_n, unit_rows
from sklearn_mf._state import FittedState
from sklearn_mf._validation import check_known, read_ids, split_ratings, warn_user
from sklearn_mf._vocabulary import Vocabulary, holding

# Columns that the tables add to those of fit.
_RESERVED = ("neighbor", "rank", "score")


class BaseRecommender(FittedState):
    """Base of all recommenders: prediction, recommendation, neighbours.

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
        ratings = self._model.predict(self._read_codes(X))
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
        X, y = split_ratings(self, X, y)
        return super().score(X, y, sample_weight=sample_weight)

    def _read_codes(self, X: ArrayLike) -> NDArray[np.intp]:
        check_is_fitted(self)
        ids, _, _ = read_ids(self, X, reset=False)
        codes = np.stack([self._codes(field, column) for field, column in enumerate(ids)], axis=1)
        for field, column in enumerate(codes.T):
            if (column < 0).all():
                self._warn_all_unknown(field, ids[field])
        return codes

    def _codes(self, field: int, ids: NDArray[Any]) -> NDArray[np.intp]:
        codes = self._vocabulary(field).codes(ids)
        if self.handle_unknown == "error":
            check_known(codes, ids, f"Ids of field {field} ({self._label(field)})")
        return codes

    def _label(self, field: int) -> str:
        return repr(self._names[field]) if field < len(self._names) else f"column {field}"

    def _warn_all_unknown(self, field: int, ids: NDArray[Any]) -> None:
        known = self.categories_[field]
        warn_user(
            f"Every id of {self._label(field)} is unknown, the first is {shown(ids[0])} "
            f"while fit saw {shown(known[0])} and others: if they are the same ids in another type, "
            "convert them."
        )

    def recommend(
        self,
        users: Any = None,
        n: int = 10,
        *,
        exclude_seen: bool = True,
        candidates: Any = None,
    ) -> pd.DataFrame:
        """Recommend items to users: the n of highest predicted rating.

        Parameters
        ----------
        users : id, or list, array, Series or Index of ids, default=None
            Whom to recommend to; anything that is not one of those four containers is one id. None is every
            user of fit. A user whom fit has not seen gets the ranking of the average user.
        n : int, default=10
            Items for each user.
        exclude_seen : bool, default=True
            Leave out the items that the user has rated.
        candidates : id, or list, array, Series or Index of ids, default=None
            Items to choose from. None is every item of fit.

        Returns
        -------
        table : DataFrame of shape (n_recommendations, 4)
            The user and item columns under their names in fit ("user" and "item" where there were none),
            "rank" from 1, and "score", the predicted rating without the clip. Best first, ties in order of
            the item ids; fewer than n rows for a user with fewer candidates left.

        Raises
        ------
        ValueError
            Where n < 1, a candidate is unknown, the model has not two fields, or a column of fit is
            called "rank", "score" or "neighbor".

        Examples
        --------
        >>> import pandas as pd
        >>> from sklearn_mf import MFRecommender
        >>> ratings = pd.DataFrame({"user": [1, 1, 2, 2, 3], "film": ["up", "alien", "up", "heat", "heat"],
        ...                         "stars": [5.0, 1.0, 4.0, 2.0, 3.0]})
        >>> model = MFRecommender(random_state=0).fit(ratings)
        >>> model.recommend(3, n=2)[["user", "film", "rank"]]
           user   film  rank
        0     3     up     1
        1     3  alien     2
        """
        self._check_table("recommend", n)
        ids = self.categories_[0] if users is None else read_id_list(users, "users")
        codes = np.arange(len(ids)) if users is None else self._codes(0, ids)
        items = None if candidates is None else self._item_codes(candidates)
        vectors, item_bias = self.embeddings_[1], self.biases_[1]
        if items is not None:
            vectors, item_bias = vectors[items], item_bias[items]
        u, user_bias = self._model.rows(0, codes)
        ranking = top_n(u, vectors, n, self._seen_among(codes, items, exclude_seen), item_bias)
        rows = ranking.rows
        score = self.intercept_ + self.scale_ * (ranking.scores + user_bias[rows])
        found = ranking.columns if items is None else items[ranking.columns]
        columns = self._user_column(ids, codes, rows), self._known_column(1, found)
        return _table(dict(zip(self._names, columns, strict=True)), ranking, score)

    def similar_items(self, items: Any, n: int = 10, *, metric: str = "cosine") -> pd.DataFrame:
        """Find the items whose embeddings are nearest.

        Parameters
        ----------
        items : id, or list, array, Series or Index of ids
            Items to find neighbours of.
        n : int, default=10
            Neighbours of each.
        metric : {"cosine", "dot"}, default="cosine"
            Cosine or inner product of the embeddings; biases play no part. An embedding of zeros has score 0.

        Returns
        -------
        table : DataFrame of shape (n_neighbors, 4)
            The item column under its name in fit, "neighbor", "rank" from 1, and "score". Best first, ties in
            order of the ids, never the item itself.

        Raises
        ------
        ValueError
            Where n < 1, an item or the metric is unknown, or the model has not two fields.

        Examples
        --------
        >>> from sklearn_mf import MFRecommender
        >>> X = [["ann", "up"], ["ann", "alien"], ["bob", "up"], ["bob", "heat"]]
        >>> model = MFRecommender(random_state=0).fit(X, [5, 1, 4, 2])
        >>> model.similar_items("up").columns.tolist()
        ['item', 'neighbor', 'rank', 'score']
        """
        return self._similar("similar_items", 1, items, n, metric)

    def similar_users(self, users: Any, n: int = 10, *, metric: str = "cosine") -> pd.DataFrame:
        """Find the users whose embeddings are nearest.

        Parameters
        ----------
        users : id, or list, array, Series or Index of ids
            Users to find neighbours of.
        n : int, default=10
            Neighbours of each.
        metric : {"cosine", "dot"}, default="cosine"
            As in :meth:`similar_items`.

        Returns
        -------
        table : DataFrame of shape (n_neighbors, 4)
            As :meth:`similar_items` gives it, for users.

        Raises
        ------
        ValueError
            As in :meth:`similar_items`.

        Examples
        --------
        >>> from sklearn_mf import MFRecommender
        >>> X = [["ann", "up"], ["ann", "alien"], ["bob", "up"], ["bob", "heat"]]
        >>> model = MFRecommender(random_state=0).fit(X, [5, 1, 4, 2])
        >>> model.similar_users("ann")[["user", "neighbor", "rank"]]
          user neighbor  rank
        0  ann      bob     1
        """
        return self._similar("similar_users", 0, users, n, metric)

    def _similar(self, method: str, field: int, wanted: Any, n: int, metric: str) -> pd.DataFrame:
        self._check_table(method, n)
        if metric not in ("cosine", "dot"):
            raise ValueError(f"metric must be 'cosine' or 'dot', got {metric!r}.")
        ids = read_id_list(wanted, ("users", "items")[field])
        codes = self._vocabulary(field).codes(ids)
        check_known(codes, ids, ("users", "items")[field])
        vectors: NDArray[np.floating] = self.embeddings_[field]
        vectors = unit_rows(vectors) if metric == "cosine" else vectors
        ranking = top_n(
            vectors[codes].astype(np.float64),
            vectors,
            n,
            lambda block: (np.arange(len(codes[block])), codes[block]),
        )
        columns = {
            self._names[field]: self._known_column(field, codes[ranking.rows]),
            "neighbor": self._known_column(field, ranking.columns),
        }
        return _table(columns, ranking, ranking.scores)

    def _check_table(self, method: str, n: int) -> None:
        check_is_fitted(self)
        if len(self.categories_) != 2:
            raise ValueError(
                f"{method} needs a model of two fields, users and items, but fit saw "
                f"{len(self.categories_)}: use predict, which takes any number of fields."
            )
        if not isinstance(n, Integral) or isinstance(n, bool):
            raise TypeError(f"n must be a whole number, got {n!r}.")
        if n < 1:
            raise ValueError(f"n must be at least 1, got {n}.")
        if taken := [name for name in self._names if name in _RESERVED or self._names.count(name) > 1]:
            raise ValueError(
                f"{method} makes a table with columns of its own, {', '.join(_RESERVED)}, where a column "
                f"{taken[0]!r} of X would stand twice: rename it before fit."
            )

    def _item_codes(self, candidates: Any) -> NDArray[np.intp]:
        ids = read_id_list(candidates, "candidates")
        codes = self._vocabulary(1).codes(ids)
        check_known(codes, ids, "candidates")
        return np.unique(codes)

    def _seen_among(
        self, codes: NDArray[np.intp], items: NDArray[np.intp] | None, exclude_seen: bool
    ) -> Callable[[slice], Cells] | None:
        """Cells to leave out of the scores of users (n,) and items (m,), None for all of them."""
        if not exclude_seen:
            return None
        positions = None
        if items is not None:
            positions = np.full(len(self.categories_[1]), -1)
            positions[items] = np.arange(len(items))
        return lambda block: seen_cells(self._seen_starts, self._seen_items, codes[block], positions)

    def _known_column(self, field: int, codes: NDArray[np.integer]) -> "pd.Series[Any]":
        return self._vocabulary(field).column_of(codes)

    def _user_column(
        self, ids: NDArray[Any], codes: NDArray[np.intp], rows: NDArray[np.intp]
    ) -> "pd.Series[Any]":
        """Users as fit spells them; unknown ones as the caller gave them, in the same type if it can be."""
        if (codes[rows] >= 0).all():
            return self._known_column(0, codes[rows])
        return Vocabulary(ids, holding(self.id_types_[0], ids)).column_of(rows)


def _table(columns: dict[str, Any], ranking: Ranking, scores: NDArray[np.float64]) -> pd.DataFrame:
    return pd.DataFrame({**columns, "rank": ranking.ranks, "score": scores})
