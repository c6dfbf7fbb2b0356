"""The base of all recommenders: ids in, tables out."""

from abc import ABCMeta, abstractmethod
from collections.abc import Hashable
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import Bunch, Tags

from sklearn_mf.model._factors import Model
from sklearn_mf.model._fold_in import Contributions, FoldInRatings
from sklearn_mf.ratings._columns import IdType
from sklearn_mf.ratings._feature_state import from_plain, to_plain
from sklearn_mf.ratings._row_formats import RATINGS, RowFormat
from sklearn_mf.recommenders._catalog import read_codes
from sklearn_mf.recommenders._exports import ExportMixin
from sklearn_mf.recommenders._features import feature_effects, shown_features, with_features
from sklearn_mf.recommenders._fitting import FitTask, reads_one_fit
from sklearn_mf.recommenders._forget import forget_ids
from sklearn_mf.recommenders._lists import rank_by_mean, recommendations, similar_ids
from sklearn_mf.recommenders._newcomers import admit, read_fold_in, rows_from_features
from sklearn_mf.recommenders._point_model import model_of
from sklearn_mf.recommenders._query import RecommendQuery, read_query
from sklearn_mf.recommenders._two_fields import FieldPart
from sklearn_mf.retrieval._top_n import Ranking
from sklearn_mf.solvers._training import History, Stopping

Ids = NDArray[np.generic]
Rows = NDArray[np.float32]


class BaseRecommender(ExportMixin, CallbackSupportMixin, BaseEstimator, metaclass=ABCMeta):
    """Base of all recommenders: recommendation, neighbours, fold-in, and the hooks of the one fit.

    A subclass has the parameters `handle_unknown`, `warm_start`, `max_iter`, `verbose` and `random_state`.
    Its fit calls `fit_recommender`, and it implements the hooks below.
    """

    categories_: list[NDArray[np.generic]]
    id_types_: list[IdType]
    intercept_: float
    scale_: float
    embeddings_: list[NDArray[np.float32]]
    biases_: list[NDArray[np.float32]]
    _norm_bounds: list[float]
    handle_unknown: str

    @property
    def _row_format(self) -> RowFormat:
        """Meaning of a row of data."""
        return RATINGS

    # Hooks of the fit: the run, the attributes of a state of it, and those of its end.

    @abstractmethod
    def _make_solver(self, task: FitTask) -> tuple[Any, Stopping | None]:
        """Choose solver, start and options."""

    @abstractmethod
    def _store_state(self, state: Any) -> None:
        """Set the fitted attributes that a state of the solver gives: a Model, or a Draw."""

    @abstractmethod
    def _store_run(self, state: Any, solver: Any, history: History) -> None:
        """Set all fitted attributes of the finished run."""

    # Hooks of ranking: the vectors whose inner products are scores, and what a user's ratings say.

    def _ranking_vectors(self, field: int) -> NDArray[np.float32]:
        """Row of each id, (n_ids, width)."""
        return self.embeddings_[field]

    def _query_rows(self, query: RecommendQuery) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Row of each user, (n_users, width), for the items' ranking vectors, and biases (n_users,)."""
        if query.fold_in is None:
            return self._model.rows(0, query.codes)
        return self._fold_in_rows(query.fold_in)

    def _fold_in_rows(self, fold_in: FoldInRatings) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Embeddings and biases of users from their ratings, those that rank."""
        folded = self._folded(fold_in)
        return folded["embeddings"], folded["biases"]

    @abstractmethod
    def _folded(self, fold_in: FoldInRatings) -> dict[str, NDArray[np.float64]]:
        """Embeddings and biases of users from their ratings, by name."""

    @abstractmethod
    def _contributions(self, fold_in: FoldInRatings, item: int) -> Contributions:
        """Parts of the score of an item for one user."""

    @property
    def _model(self) -> Model:
        """The fitted attributes as a model."""
        return model_of(self)

    def _ranked_by(self, rank_by: str) -> Self:
        """The recommender that ranks by a kind of score; one that has several overrides it."""
        if rank_by != "auto":
            raise ValueError(f"rank_by={rank_by!r} needs a recommender of two kinds of scores: use 'auto'.")
        return self

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags

    def get_params(self, deep: bool = True) -> dict[str, object]:
        """Get the parameters of this estimator.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the parameters of estimators among the parameters.

        Returns
        -------
        params : dict
            Values of the parameters by name. Tables of `features` are shown by their sizes.

        Examples
        --------
        >>> import pandas as pd
        >>> from sklearn_mf import MFRecommender
        >>> films = pd.DataFrame({"year": [1979, 2009]}, index=["alien", "up"])
        >>> MFRecommender(features={"film": films}).get_params()["features"]
        {'film': 2 x 1 table}
        """
        return with_features(super().get_params(deep), shown_features)

    def __copy__(self) -> Self:
        copied = type(self).__new__(type(self))
        copied.__dict__ = vars(self).copy()
        return copied

    def __getstate__(self) -> dict[str, object]:
        return with_features(super().__getstate__(), to_plain)

    def __setstate__(self, state: dict[str, object]) -> None:
        super().__setstate__(with_features(state, from_plain))

    @reads_one_fit
    def recommend(
        self,
        users: object = None,
        n: int = 10,
        *,
        exclude_seen: bool = True,
        candidates: object = None,
        exclude: object = None,
        ratings: ArrayLike | None = None,
        features: object = None,
        rank_by: str = "auto",
    ) -> pd.DataFrame:
        """Recommend the n items of highest score to each user.

        Parameters
        ----------
        users : id, or list, array, Series or Index of ids, default=None
            Users to recommend to; a set, a range and an iterator are lists of ids too, a tuple is one id.
            None is every user of fit. An unknown user gets the ranking of the average user. A table of
            features of users, as `features` of fit, adds those that are new.
        n : int, default=10
            Items for each user.
        exclude_seen : bool, default=True
            Leave out the items that the user has rated.
        candidates : id, or list, array, Series or Index of ids, or table of shape (n_rows, 2), default=None
            Items to choose from. None is every item of fit. A table (DataFrame, 2D array or list of lists)
            has one row for each user and item, and gives each user candidates of their own; a user without
            rows gets no list. A frame with the column names of fit is read by name and may have other columns
            as well; else the first of two columns holds the users. A table of features of items, as in fit
            and without a column of users, has one row for each candidate: new items are ranked by their
            features.
        exclude : id, or list, array, Series or Index of ids, or table of shape (n_rows, 2), default=None
            Items that are never shown: to anybody, or with a table, as in `candidates`, to the user beside
            them. A table of an earlier call of recommend excludes what was shown. Unknown ids and repeated
            rows have no effect; there is a warning where all ids are unknown, as those of another type are.
        ratings : array-like or DataFrame of shape (n_ratings, 3), or 2 columns of interactions, default=None
            Instead of `users`: users with items and ratings, as :meth:`fold_in` takes them. The lists follow
            from these ratings, whether fit has seen the users or not.
        features : table, default=None
            Features of the users of `ratings`, as :meth:`fold_in` takes them.
        rank_by : {"auto", "relevance", "rating"}, default="auto"
            The score of :class:`MFRecommender`: "relevance" ranks by the rows learnt from the unobserved
            cells too, so that items that people do not choose are not shown; "rating" ranks by the predicted
            rating; "auto" takes "relevance" where fit learnt such rows. Other recommenders have "auto" alone.

        Returns
        -------
        table : DataFrame of shape (n_recommendations, 4)
            The user and item columns under their names in fit ("user" and "item" where there were none),
            "rank" from 1, and "score", the value that is ranked by. A "relevance" takes unobserved cells for
            low ratings, so it is below a predicted rating and only its order has a meaning; a predicted
            rating is not clipped. Best first, ties in order of the item ids; fewer than n rows for a user
            with fewer candidates left, and a warning where some user has none.

        Raises
        ------
        ValueError
            Where n < 1, a candidate or `rank_by` is unknown or not possible, the model has not two fields, a
            column of fit is called "rank", "score" or "neighbor", or both users and ratings are given.

        Examples
        --------
        >>> import pandas as pd
        >>> from sklearn_mf import MFRecommender
        >>> ratings = pd.DataFrame({"user": [1, 1, 2, 2, 3], "film": ["up", "alien", "up", "heat", "heat"],
        ...                         "stars": [5.0, 1.0, 4.0, 2.0, 3.0]})
        >>> model = MFRecommender(1, random_state=0).fit(ratings)
        >>> model.recommend(3, n=2)[["user", "film", "rank"]]
           user   film  rank
        0     3     up     1
        1     3  alien     2
        >>> new = pd.DataFrame({"user": ["new"], "film": ["up"], "stars": [5.0]})
        >>> model.recommend(ratings=new, n=1)[["user", "rank"]]
          user  rank
        0  new     1
        """
        users, candidates = admit(self, 0, users), admit(self, 1, candidates)
        query = read_query(self, users, n, exclude_seen, candidates, ratings, exclude, features)
        return self._recommendations(query, self._ranked_by(rank_by)._rank_by_mean(query))

    @reads_one_fit
    def similar_items(self, items: object, n: int = 10, *, metric: str = "cosine") -> pd.DataFrame:
        """Find the items whose embeddings are nearest.

        Parameters
        ----------
        items : id, or list, array, Series or Index of ids
            Items to find neighbours of.
        n : int, default=10
            Neighbours of each.
        metric : {"cosine", "dot"}, default="cosine"
            Cosine or inner product of the embeddings, without the biases. An embedding of zeros has score 0.

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
        return similar_ids(self, "similar_items", 1, items, n, metric)

    @reads_one_fit
    def similar_users(self, users: object, n: int = 10, *, metric: str = "cosine") -> pd.DataFrame:
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
            As :meth:`similar_items` returns it, for users.

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
        return similar_ids(self, "similar_users", 0, users, n, metric)

    @reads_one_fit
    def fold_in(
        self,
        X: ArrayLike | None = None,
        y: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        features: object = None,
    ) -> Bunch:
        """Find embeddings and biases of users from their ratings; the model stays unchanged.

        The items are held fixed, and each user's row has a closed form. It is shrunk towards the row of the
        average user, the more so the fewer ratings there are. The rows of users that fit has seen come from
        these ratings alone.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, 2), or (n_samples, 3) without y, default=None
            Users and items; without `y` three columns user, item, rating, as in fit. None with `features`:
            users without ratings.
        y : array-like of shape (n_samples,), default=None
            The ratings.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each rating.
        features : table, default=None
            Features of users, with the columns that the table of users had in fit: the rows of its users are
            shrunk to what their features predict. Users of fit keep their features unless they are in it.

        Returns
        -------
        folded : Bunch
            `ids`, ndarray of shape (n_users,), sorted; `embeddings`, of shape (n_users, embedding_dim), and
            `biases`, of shape (n_users,), both float64 and to be used like `user_embeddings_` and
            `user_biases_`. A Bayesian recommender adds `embedding_samples`, of shape (n_samples, n_users,
            embedding_dim), and `bias_samples`, of shape (n_samples, n_users). Ratings of unknown items are
            left out; a user without other ratings gets the row of the average user, or the row that features
            predict.

        Raises
        ------
        ValueError
            Where the model has not two fields, where ratings or weights are invalid, and where an item is
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
        fold_in = read_fold_in(self, X, "fold_in", y, sample_weight, features)
        return Bunch(ids=fold_in.ids, **self._folded(fold_in))

    def forget(self, users: object = None, items: object = None) -> Self:
        """Remove users and items from the fitted estimator, in place.

        Their ids, rated items and rows of all fitted arrays are deleted, so lists, neighbours and pickles no
        longer contain them. The rows of all other ids keep their values. The intercept, the scale and the
        averages that are the fallback for unknown ids stay as learnt, also from the removed ratings; only a
        new fit without these ratings removes their influence.

        Parameters
        ----------
        users : id, or list, array, Series or Index of ids, default=None
            Users to remove.
        items : id, or list, array, Series or Index of ids, default=None
            Items to remove.

        Returns
        -------
        self : estimator
            The estimator, changed in place.

        Raises
        ------
        ValueError
            Where an id is unknown, all users or all items would be removed, neither are given, or the model
            has not two fields. The estimator is then as it was before.

        Examples
        --------
        >>> from sklearn_mf import MFRecommender
        >>> X = [["ann", "up"], ["ann", "alien"], ["bob", "up"], ["bob", "heat"]]
        >>> model = MFRecommender(random_state=0).fit(X, [5, 1, 4, 2])
        >>> model.forget(users="ann", items=["alien"]).user_ids_.tolist()
        ['bob']
        """
        forget_ids(self, users, items)
        return self

    def feature_effects(self, column: Hashable) -> pd.DataFrame:
        """Table of what each feature of the ids of a column adds to a rating and to the embeddings.

        Parameters
        ----------
        column : str or int
            Column of X, by its name or number, with a table in `features`.

        Returns
        -------
        effects : DataFrame of shape (n_features, 4)
            "feature", as "genres=Drama" or "year"; "rating", what it adds to the rating by the average user
            (for features of users: of the average item), in units of the ratings, where it is the only
            category of its column, or for one standard deviation of a number; "embedding", the norm of what
            it adds to the embedding, by which its effect differs between users; "n_ids", the number of ids
            that have it. The largest absolute effects on the rating come first.

        Raises
        ------
        ValueError
            Where the column is unknown or had no features in fit.

        Examples
        --------
        >>> import pandas as pd
        >>> from sklearn_mf import MFRecommender
        >>> films = pd.DataFrame({"genre": ["sf", "sf", "family"]}, index=["alien", "brazil", "up"])
        >>> X = [["ann", "up"], ["ann", "alien"], ["bob", "up"], ["bob", "brazil"]]
        >>> model = MFRecommender(features={"item": films}, random_state=0).fit(X, [5, 1, 4, 2])
        >>> model.feature_effects("item")[["feature", "n_ids"]]
                feature  n_ids
        0  genre=family      1
        1      genre=sf      2
        """
        return feature_effects(self, column)

    def _new_rows(self, field: int, features: csr_array) -> dict[str, NDArray[np.generic]]:
        """Rows of new ids from their features, for the arrays of `_id_arrays` where they are not 0."""
        return rows_from_features(self, field, features)

    def _id_arrays(self) -> list[str]:
        """Names of the fitted attributes that hold, for each field, an array with a row for each id."""
        return ["categories_", "embeddings_", "biases_", "_epochs"]

    def _rank_by_mean(self, query: RecommendQuery) -> Ranking:
        """Ranking of the query by predicted rating."""
        return rank_by_mean(self, query)

    def _recommendations(self, query: RecommendQuery, ranking: Ranking) -> pd.DataFrame:
        """Table of a ranking of the query; warns of users whose list is empty."""
        return recommendations(query, ranking)

    def _read_codes(self, X: ArrayLike) -> NDArray[np.intp]:
        """Codes of rows of ids, (n_samples, n_fields), -1 for an unknown id."""
        return read_codes(self, X)

    user_ids_ = FieldPart[Ids]("categories_", 0, "Ids of the users, sorted: (n_users,).")
    item_ids_ = FieldPart[Ids]("categories_", 1, "Ids of the items, sorted: (n_items,).")
    user_embeddings_ = FieldPart[Rows]("embeddings_", 0, "Their embeddings: (n_users, embedding_dim).")
    item_embeddings_ = FieldPart[Rows]("embeddings_", 1, "Their embeddings: (n_items, embedding_dim).")
    user_biases_ = FieldPart[Rows]("biases_", 0, "Biases of the users: (n_users,).")
    item_biases_ = FieldPart[Rows]("biases_", 1, "Biases of the items: (n_items,).")
