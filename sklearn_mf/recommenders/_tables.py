"""Tables of recommendations and of neighbours."""

from collections.abc import Callable
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from sklearn_mf.model._fold_in import FoldInRatings
from sklearn_mf.ratings._columns import read_id_list, short_repr
from sklearn_mf.ratings._validation import check_known
from sklearn_mf.ratings._vocabulary import Vocabulary, compatible_dtype
from sklearn_mf.recommenders._state import FittedState
from sklearn_mf.retrieval._top_n import Cells, Ranking, seen_cells, top_n, unit_rows

# Columns that the tables add to those of fit.
_RESERVED = ("neighbor", "rank", "score")

Excluded = Callable[[slice], Cells] | None


class RecommendQuery(NamedTuple):
    """Whom to recommend to.

    Parameters
    ----------
    ids : ndarray of shape (n_users,)
        As the caller gave them.
    codes : ndarray of shape (n_users,), intp
        Their rows in fit, -1 for an unknown user and for one who comes with ratings.
    embeddings, biases : ndarray
        One row for each user, as :meth:`Tables._user_rows` makes them.
    seen : tuple of three ndarray
        Start of each user's items, the items, and the user that each row is among those starts.
    """

    ids: NDArray[Any]
    codes: NDArray[np.intp]
    embeddings: NDArray[np.floating]
    biases: NDArray[np.floating]
    seen: tuple[NDArray[np.integer], NDArray[np.integer], NDArray[np.intp]]


Rank = Callable[[RecommendQuery, NDArray[np.intp] | None, int, Excluded], Ranking]


class Tables(FittedState):
    """Recommendations and neighbours as DataFrames.

    A subclass has `_newcomers`, which reads the ratings of people, and `_fold_rows`, which finds their
    embeddings and biases, and `_fold_parts`, which takes those of one person apart.
    """

    def recommend(
        self,
        users: Any = None,
        n: int = 10,
        *,
        exclude_seen: bool = True,
        candidates: Any = None,
        ratings: Any = None,
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
        ratings : array-like or DataFrame of shape (n_ratings, 3), default=None
            In the place of `users`: user, item and rating of people, as :meth:`fold_in` takes them. They are
            recommended to by these ratings, whether fit has seen them or not.

        Returns
        -------
        table : DataFrame of shape (n_recommendations, 4)
            The user and item columns under their names in fit ("user" and "item" where there were none),
            "rank" from 1, and "score", the predicted rating without the clip. Best first, ties in order of
            the item ids; fewer than n rows for a user with fewer candidates left.

        Raises
        ------
        ValueError
            Where n < 1, a candidate is unknown, the model has not two fields, a column of fit is called
            "rank", "score" or "neighbor", or both users and ratings are given.

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
        >>> new = pd.DataFrame({"user": ["new"], "film": ["up"], "stars": [5.0]})
        >>> model.recommend(ratings=new, n=1)[["user", "rank"]]
          user  rank
        0  new     1
        """
        self._check_table("recommend", n)
        query = self._recommend_query(users, ratings)
        return self._recommendations(query, n, exclude_seen, candidates, self._rank_by_mean)

    def _recommend_query(
        self, users: Any, ratings: Any, rng: np.random.Generator | None = None
    ) -> RecommendQuery:
        """Whom to recommend to; with a generator, what is not known of them is drawn."""
        if ratings is None:
            ids = self.categories_[0] if users is None else read_id_list(users, "users")
            codes = np.arange(len(ids)) if users is None else self._codes(0, ids)
            rows = self._user_rows(codes, rng)
            return RecommendQuery(ids, codes, *rows, (self._seen_starts, self._seen_items, codes))
        if users is not None:
            raise ValueError(f"Give either users or ratings, got both: users={short_repr(users)}.")
        fold_in_ratings = self._read_fold_in(ratings, None, None)
        rows = self._fold_rows(fold_in_ratings, rng)
        places = np.arange(len(fold_in_ratings.ids))
        seen = fold_in_ratings.starts, fold_in_ratings.items, places
        return RecommendQuery(fold_in_ratings.ids, np.full(len(places), -1), *rows, seen)

    def _user_rows(
        self, codes: NDArray[np.intp], rng: np.random.Generator | None
    ) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        return self._model.rows(0, codes)

    def _read_fold_in(self, X: Any, y: Any, sample_weight: Any) -> FoldInRatings:
        raise NotImplementedError

    def _fold_rows(
        self, fold_in_ratings: FoldInRatings, rng: np.random.Generator | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        raise NotImplementedError

    def _fold_parts(self, fold_in_ratings: FoldInRatings) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Row of one person before any rating, (width + 1,), and what each rating adds, (n, width + 1)."""
        raise NotImplementedError

    def _recommendations(
        self, query: RecommendQuery, n: int, exclude_seen: bool, candidates: Any, rank: Rank
    ) -> pd.DataFrame:
        items = None if candidates is None else self._item_codes(candidates)
        ranking = rank(query, items, n, _excluded(query, items, len(self.categories_[1]), exclude_seen))
        found = ranking.columns if items is None else items[ranking.columns]
        columns = self._user_column(query, ranking.rows), self._known_column(1, found)
        return _table(dict(zip(self._names, columns, strict=True)), ranking)

    def _rank_by_mean(
        self, query: RecommendQuery, items: NDArray[np.intp] | None, n: int, excluded: Excluded
    ) -> Ranking:
        """Ranking by predicted rating; items (m,), None for all of them."""
        vectors, item_bias = self.embeddings_[1], self.biases_[1]
        if items is not None:
            vectors, item_bias = vectors[items], item_bias[items]
        queries = query.embeddings.astype(np.float64, copy=False)
        ranking = top_n(queries, vectors, n, excluded, item_bias, self._length_bounds[1])
        scores = self.intercept_ + self.scale_ * (ranking.scores + query.biases[ranking.rows])
        return ranking._replace(scores=scores)

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
            longest=self._length_bounds[field] if metric == "dot" else None,
        )
        columns = {
            self._names[field]: self._known_column(field, codes[ranking.rows]),
            "neighbor": self._known_column(field, ranking.columns),
        }
        return _table(columns, ranking)

    def _codes(self, field: int, ids: NDArray[Any]) -> NDArray[np.intp]:
        codes = self._vocabulary(field).codes(ids)
        if self.handle_unknown == "error":
            check_known(codes, ids, f"Ids of field {field} ({self._label(field)})")
        return codes

    def _label(self, field: int) -> str:
        return repr(self._names[field]) if field < len(self._names) else f"column {field}"

    def _check_two_fields(self, method: str) -> None:
        check_is_fitted(self)
        if len(self.categories_) != 2:
            raise ValueError(
                f"{method} needs a model of two fields, users and items, but fit saw "
                f"{len(self.categories_)}: use predict, which takes any number of fields."
            )

    def _check_table(self, method: str, n: int) -> None:
        self._check_two_fields(method)
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

    def _known_column(self, field: int, codes: NDArray[np.integer]) -> "pd.Series[Any]":
        return self._vocabulary(field).column_of(codes)

    def _user_column(self, query: RecommendQuery, rows: NDArray[np.intp]) -> "pd.Series[Any]":
        """Users as fit spells them; unknown ones as the caller gave them, in the same type if it can be."""
        codes = query.codes[rows]
        if (codes >= 0).all():
            return self._known_column(0, codes)
        return Vocabulary(query.ids, compatible_dtype(self.id_types_[0], query.ids)).column_of(rows)


def _excluded(
    query: RecommendQuery, items: NDArray[np.intp] | None, n_items: int, exclude_seen: bool
) -> Excluded:
    """Cells to leave out of the scores of an audience and of items (m,), None for all of them."""
    if not exclude_seen:
        return None
    positions = None
    if items is not None:
        positions = np.full(n_items, -1)
        positions[items] = np.arange(len(items))
    starts, seen, rows = query.seen
    return lambda block: seen_cells(starts, seen, rows[block], positions)


def _table(columns: dict[str, Any], ranking: Ranking) -> pd.DataFrame:
    return pd.DataFrame({**columns, "rank": ranking.ranks, "score": ranking.scores})
