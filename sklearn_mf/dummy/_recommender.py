"""DummyRecommender: the most popular items, the best rated ones, or random ones."""

from numbers import Real
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.callback import with_callbacks
from sklearn.utils import Tags

from sklearn_mf.dummy._random_scores import keys_of, random_scores
from sklearn_mf.model._factors import Model
from sklearn_mf.model._fold_in import Contributions, FoldInRatings
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.ratings._statistics import RatingStatistics
from sklearn_mf.recommenders._base import BaseRecommender
from sklearn_mf.recommenders._catalog import vocabulary_of
from sklearn_mf.recommenders._fitting import FitTask, fit_recommender, reads_one_fit
from sklearn_mf.recommenders._query import RecommendQuery, read_query
from sklearn_mf.recommenders._rating_regressor import RatingRegressorMixin
from sklearn_mf.retrieval._posterior_ranking import rank_blocks
from sklearn_mf.retrieval._top_n import Ranking, best_cells, top_n
from sklearn_mf.solvers._training import History, Solver, Stopping
from sklearn_mf.utils._sklearn_compat import Interval, StrOptions, _fit_context


class _Baseline(NamedTuple):
    """What fit learns: a model of item biases alone, and the summed weights of the ratings of each id."""

    model: Model
    id_weights: list[NDArray[np.float64]]


class _OnePass(Solver[_Baseline]):
    """Solver that is done after one pass, so that the shared fit serves a baseline too."""

    unit = "pass"
    remedy = "correct the ratings"
    start_std = 0.0

    def __init__(self, state: _Baseline) -> None:
        self.state = state

    def run_epoch(self, number: int) -> tuple[float, None]:
        """Do nothing: the state is complete."""
        return 0.0, None

    def snapshot(self) -> _Baseline:
        """The complete state."""
        return self.state

    def close(self) -> None:
        """Do nothing: there are no threads."""


class DummyRecommender(RatingRegressorMixin, BaseRecommender):
    r"""Recommender that ignores the taste of the user, as a baseline for others.

    It is fitted and called as :class:`~sklearn_mf.MFRecommender` is, and every scorer, display and search
    takes it.

    Parameters
    ----------
    strategy : {"most_popular", "best_rated", "random"}, default="most_popular"
        How items are ranked. "most_popular": by the number of their ratings, or the sum of the sample
        weights. "best_rated": by their damped mean rating. "random": in an order that is drawn anew for each
        user.
    damping : float, default=5.0
        Number of ratings of average value m that are added to the ratings y of each item, with weights w:
        the damped mean is

        .. math:: \frac{\sum_n w_n y_n + \text{damping} \cdot m}{\sum_n w_n + \text{damping}}

        so that an item with a single rating of five stars is not the best one.
    handle_unknown : {"ignore", "error"}, default="ignore"
        What to do with an unknown id, one that fit has not seen: treat an item as one without ratings, or
        raise.
    random_state : int, RandomState instance or None, default=None
        Seed of `strategy="random"`. With an int, a user gets the same list from each call and each fit.

    Attributes
    ----------
    id_weights_ : list of ndarray of shape (n_ids[f],), float64
        Number of ratings of each id of each field, or the sum of their sample weights.
    biases_ : list of ndarray of shape (n_ids[f],), float32
        Damped means of the items, less `intercept_` and in units of `scale_`; 0 for users.
    intercept_, scale_, categories_, id_types_, target_range_ : float and array
        As in :class:`~sklearn_mf.MFRecommender`.
    embeddings_, average_embeddings_, average_biases_ : list and ndarray
        Embeddings of length 0, and zeros.
    user_ids_, item_ids_, user_embeddings_, item_embeddings_, user_biases_, item_biases_ : ndarray
        The two fields by name, where there are two.
    n_iter_ : int
        Always 1.
    n_features_in_ : int
        Number of fields.
    feature_names_in_ : ndarray of shape (n_fields,)
        Names of the id columns, where X has names that are all strings.

    See Also
    --------
    sklearn.dummy.DummyRegressor : Constant predictions.

    Notes
    -----
    With each strategy, `predict` gives the damped mean rating of the item, so that errors are those of a
    baseline too; the strategy changes `recommend` alone. Items are the second of two columns. With more
    columns the others are ignored; a single column holds the items.

    Examples
    --------
    >>> from sklearn_mf.dummy import DummyRecommender
    >>> X = [["ann", "up"], ["ann", "alien"], ["bob", "up"], ["cat", "heat"]]
    >>> model = DummyRecommender().fit(X, [4, 1, 4, 5])
    >>> model.recommend("cat", n=2)[["item", "score"]]
        item  score
    0     up    2.0
    1  alien    1.0
    >>> model.set_params(strategy="best_rated").recommend("cat", n=2)["item"].tolist()
    ['up', 'alien']
    >>> model.predict([["cat", "up"], ["cat", "unknown"]]).round(2).tolist()
    [3.64, 3.5]
    """

    # What the shared fit reads and a dummy has no parameter for.
    embedding_dim = 0
    max_iter = 1
    verbose = 0
    warm_start = False
    clip = False
    _ranks_by_vectors = False

    id_weights_: list[NDArray[np.float64]]
    average_embeddings_: NDArray[np.float64]
    average_biases_: NDArray[np.float64]
    target_range_: NDArray[np.float64]
    n_iter_: int
    _seed: int

    _parameter_constraints: ClassVar[dict[str, list[object]]] = {
        "strategy": [StrOptions({"most_popular", "best_rated", "random"})],
        "damping": [Interval(Real, 0, None, closed="left")],
        "handle_unknown": [StrOptions({"ignore", "error"})],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        strategy: str = "most_popular",
        *,
        damping: float = 5.0,
        handle_unknown: str = "ignore",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.strategy = strategy
        self.damping = damping
        self.handle_unknown = handle_unknown
        self.random_state = random_state

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Count the ratings and compute the damped mean of each item.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_fields), scipy.sparse matrix or tf.SparseTensor
            One row of ids for each rating, in all forms that :meth:`~sklearn_mf.MFRecommender.fit` takes.
        y : array-like of shape (n_samples,), default=None
            The ratings.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each rating, 1 where None.

        Returns
        -------
        self : DummyRecommender
            The fitted estimator.

        Raises
        ------
        ValueError
            Where ratings, weights or ids are invalid. The estimator is then as it was before.
        TypeError
            Where ids cannot be hashed or sorted.

        Examples
        --------
        >>> from sklearn_mf.dummy import DummyRecommender
        >>> DummyRecommender().fit([[1, 7], [1, 8], [2, 7]], [5, 1, 4]).id_weights_[1].tolist()
        [2.0, 1.0]
        """
        fit_recommender(self, X, y, sample_weight)
        return self

    @reads_one_fit
    def recommend(  # type: ignore[override]
        self,
        users: object = None,
        n: int = 10,
        *,
        exclude_seen: bool = True,
        candidates: object = None,
        exclude: object = None,
        ratings: ArrayLike | None = None,
    ) -> pd.DataFrame:
        """Recommend the first n items in the order of the strategy to each user.

        Parameters
        ----------
        users : id, or list, array, Series or Index of ids, default=None
            Users to recommend to, known or unknown. None is every user of fit.
        n : int, default=10
            Items for each user.
        exclude_seen : bool, default=True
            Leave out the items that the user has rated.
        candidates, exclude : id, or list, array, Series or Index of ids, or table, default=None
            Items to choose from, and items that are never shown, as in
            :meth:`~sklearn_mf.MFRecommender.recommend`.
        ratings : array-like or DataFrame of shape (n_ratings, 3), default=None
            Instead of `users`: users with items and ratings, whose items count as rated.

        Returns
        -------
        table : DataFrame of shape (n_recommendations, 4)
            As :meth:`~sklearn_mf.MFRecommender.recommend` returns it. "score" is the number of ratings of the
            item ("most_popular"), its damped mean ("best_rated"), or a random number between 0 and 1.

        Raises
        ------
        ValueError
            As in :meth:`~sklearn_mf.MFRecommender.recommend`.

        Examples
        --------
        >>> from sklearn_mf.dummy import DummyRecommender
        >>> X = [["ann", "up"], ["ann", "alien"], ["bob", "up"]]
        >>> DummyRecommender().fit(X, [4, 1, 4]).recommend(["bob", "new"], n=1)[["user", "item", "score"]]
          user   item  score
        0  bob  alien    1.0
        1  new     up    2.0
        """
        query = read_query(self, users, n, exclude_seen, candidates, ratings, exclude)
        rank = self._rank_at_random if self.strategy == "random" else self._rank_by_items
        return self._recommendations(query, rank(query))

    def _rank_by_items(self, query: RecommendQuery) -> Ranking:
        """Ranking by the numbers of the items, which are the same for all users."""
        scores = self.intercept_ + self.scale_ * self.biases_[1].astype(np.float64)
        scores = self.id_weights_[1] if self.strategy == "most_popular" else scores
        scores = scores if query.items is None else scores[query.items]
        users, items = np.empty((len(query.ids), 0)), np.empty((len(scores), 0))
        return top_n(users, items, query.n, query.excluded, scores, cells=query.cells)

    def _rank_at_random(self, query: RecommendQuery) -> Ranking:
        """Ranking by random numbers that depend on the seed and on the ids of user and item alone."""
        codes = vocabulary_of(self, 0).codes(query.ids)
        ids = np.where(codes >= 0, self.categories_[0].astype(object)[codes], query.ids.astype(object))
        items = self.categories_[1] if query.items is None else self.categories_[1][query.items]
        users, items = keys_of(ids, self._seed), keys_of(items, 0)
        if query.cells is not None:
            rows, columns = query.cells
            return best_cells(query.cells, random_scores(users[rows], items[columns]), query.n)

        def scores(block: slice) -> NDArray[np.float64]:
            """Scores of a block of users."""
            return random_scores(users[block, None], items)

        return rank_blocks(scores, len(users), len(items), query.n, query.excluded)

    def _make_solver(self, task: FitTask) -> tuple[Any, Stopping | None]:
        self._seed = task.seed
        return _OnePass(_damped_means(task.ratings, float(self.damping))), None

    def _store_state(self, state: _Baseline) -> None:
        self.intercept_, self.scale_ = state.model.intercept, state.model.scale
        self.embeddings_, self.biases_ = state.model.embeddings, state.model.biases
        self.average_embeddings_ = state.model.average_embeddings
        self.average_biases_ = state.model.average_biases
        self._epochs, self.id_weights_ = state.model.epochs, state.id_weights
        self._norm_bounds = [0.0] * len(self.biases_)

    def _store_run(self, state: _Baseline, solver: Any, history: History) -> None:
        self._store_state(state)
        self.n_iter_ = history.n_iter

    def _id_arrays(self) -> list[str]:
        return [*super()._id_arrays(), "id_weights_"]

    def _folded(self, fold_in: FoldInRatings) -> dict[str, NDArray[np.float64]]:
        n_users = len(fold_in.ids)
        return {"embeddings": np.zeros((n_users, 0)), "biases": np.zeros(n_users)}

    def _contributions(self, fold_in: FoldInRatings, item: int) -> Contributions:
        score = self.intercept_ + self.scale_ * float(self.biases_[1][item])
        return Contributions(score, 0.0, np.zeros(len(fold_in.items)))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True
        return tags


def _damped_means(ratings: Ratings, damping: float) -> _Baseline:
    """Biases of the items that make the prediction their damped mean rating."""
    statistics = RatingStatistics.of(ratings)
    intercept, scale = statistics.intercept_and_scale(True)
    field = min(1, ratings.n_fields - 1)
    biases = [np.zeros(n, dtype=np.float32) for n in ratings.n_ids]
    sums = np.bincount(
        ratings.codes[:, field],
        ratings.weights * ratings.standardized(intercept, scale),
        ratings.n_ids[field],
    )
    weights = statistics.id_weights[field] + damping
    biases[field][:] = np.divide(sums, weights, out=np.zeros(len(sums)), where=weights > 0)
    model = Model(
        intercept,
        scale,
        [np.zeros((n, 0), dtype=np.float32) for n in ratings.n_ids],
        biases,
        np.zeros((ratings.n_fields, 0)),
        np.zeros(ratings.n_fields),
        [(weights > 0).astype(np.int32) for weights in statistics.id_weights],
    )
    return _Baseline(model, statistics.id_weights)
