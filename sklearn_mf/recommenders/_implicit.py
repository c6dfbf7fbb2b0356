"""ImplicitMFRecommender: clicks, plays and purchases, learnt from all cells of users x items."""

from collections.abc import Hashable
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.callback import with_callbacks
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from sklearn_mf.model._factors import Model
from sklearn_mf.model._fold_in import Contributions, FoldInRatings, RowPrior, ridge_contributions, ridge_rows
from sklearn_mf.model._initialization import fresh_start, warm_start_model
from sklearn_mf.ratings._derived_cells import with_values
from sklearn_mf.ratings._features import Features
from sklearn_mf.ratings._ratings import Ratings
from sklearn_mf.ratings._row_formats import InteractionRows, RowFormat
from sklearn_mf.ratings._store_input import FitData
from sklearn_mf.recommenders._base import BaseRecommender
from sklearn_mf.recommenders._catalog import read_ids_of
from sklearn_mf.recommenders._fitting import FitTask, fit_recommender, reads_one_fit
from sklearn_mf.recommenders._held_out import ranking_accuracy, read_held_out, unseen_pairs
from sklearn_mf.recommenders._partial_fit import PartialFitMixin
from sklearn_mf.recommenders._point_model import refuse_positive, store_model
from sklearn_mf.recommenders._unobserved_cells import bounded_prior_ratings, with_unobserved_cells
from sklearn_mf.recommenders._updates import update_interactions_model
from sklearn_mf.solvers._registry import load_solver
from sklearn_mf.solvers._training import ALSOptions, History, Stopping, Unobserved
from sklearn_mf.utils._sklearn_compat import Interval, StrOptions, _fit_context
from sklearn_mf.utils._warnings import warn_user

# Expected norm of an embedding at the start.
_START_NORM = 0.1
# Length of the lists that `score` evaluates.
_SCORED = 10


class ImplicitMFRecommender(PartialFitMixin, BaseRecommender):
    r"""Matrix factorization of interactions: clicks, plays or purchases, without ratings.

    The preference of user u for item i is modelled as :math:`\hat x_{ui} = b_u + b_i + \langle v_u, v_i
    \rangle` with a bias b and an embedding v for each id; `fit_bias=False` leaves out the biases. The target
    is 1 in each observed cell, a pair of a user and an item with an interaction. A user knows few of the
    items, so a cell without interaction says little: every cell, also an observed one, has the target 0 too,
    with a small weight :math:`\omega` [1]_ [2]_. Alternating least squares minimises

    .. math:: J = \frac{1}{W} \Big[ \sum_{(u, i)\ \mathrm{observed}} w_{ui} \tfrac12 (1 - \hat x_{ui})^2
        + \omega \sum_{u, i} \tfrac12 \hat x_{ui}^2 + \sum_j \tfrac{\alpha}{2} \,
        (W_j + \omega n_j + n_0) \|t_j\|_2^2 \Big],

    where w are the weights of the observed cells, of mean 1, and W is their sum; :math:`t_j` is the
    embedding, with the bias, of a user or item j, :math:`W_j` the sum of the weights of its observed cells,
    :math:`n_j` the number of all its cells, and :math:`n_0` is `prior_ratings`. The sum over all cells has a
    closed form, so no cell without interaction is ever visited. J never rises.

    With `features`, J penalises the distance of :math:`t_j` from a linear function :math:`B^\top f_j` of the
    features of the id [3]_, and the matrix B of a field like :math:`t_j` of an id of total weight 200. In
    each sweep B is learnt by ridge regression of the rows on the features. The row of an id without
    interactions is :math:`B^\top f_j`.

    X may have other than two columns of ids. Then there are no unobserved cells, and the observed rows alone
    are fitted.

    Parameters
    ----------
    embedding_dim : int, default=64
        Length of the embeddings. On large data more coordinates give better lists, with a larger `alpha`.
    alpha : float, default=0.004
        Weight of the ridge penalty. An id is charged in proportion to the total weight of its cells, as if it
        had `prior_ratings` more interactions.
    prior_ratings : float, default=1000
        The number :math:`n_0`, but at most a fifth of the number of observed cells. It bounds the penalty
        from below, so that embeddings of ids with few interactions are shrunken most.
    unobserved_weight : float, default=10
        Total weight of all cells of target 0, as a multiple of the total weight of the observed cells. So
        :math:`\omega` is `unobserved_weight` times the share of observed cells, but at most 1. 0 leaves the
        observed cells alone.
    confidence : {"log", "linear"} or None, default="log"
        How the strength of an observed cell becomes its weight w. The strength r is the sum over the rows of
        the cell, each multiplied by its sample weight, relative to the mean of all observed cells. "log"
        takes w = 1 + log(1 + r), "linear" w = 1 + r [1]_. None ignores the values of y: each row has strength
        1, and w is the number of rows, or the sum of their sample weights.
    fit_bias : bool, default=False
        Whether users and items have biases.
    features : dict of tables, default=None
        Features of users and items (:ref:`features`): for a column of X, by its name or number, a DataFrame
        whose ids are the index or a column of that name, or a pair (ids, scipy.sparse matrix).
    feature_separator : str or None, default="|"
        Text of features is split at it into several categories; None never splits.
    max_iter : int, default=8
        Maximum number of sweeps over users and items. A larger number continues the same run.
    tol : float, default=1e-4
        Training ends when J fell by less than this share of itself in a sweep.
    positive : bool, default=False
        Whether embeddings must not be negative; biases may be.
    handle_unknown : {"ignore", "error"}, default="ignore"
        What to do with an unknown id, one that fit has not seen: use the average of its field, or raise.
    warm_start : bool, default=False
        Continue from the last fit. Its ids keep their embeddings, also where the new data lack them; new ids
        start fresh. On the same data and with an int as `random_state`, 5 sweeps and then 5 more equal 10.
    verbose : int, default=0
        Above 0, print one line for each sweep.
    random_state : int, RandomState instance or None, default=None
        Seed of the start. With an int the same data give the same bits on the same machine's CPU.

    Attributes
    ----------
    categories_ : list of ndarray of shape (n_ids[f],)
        Sorted ids of each field.
    embeddings_ : list of ndarray of shape (n_ids[f], embedding_dim), float32
        Embeddings of each field.
    biases_ : list of ndarray of shape (n_ids[f],), float32
        Biases of each field; 0 where `fit_bias=False`.
    average_embeddings_, average_biases_ : ndarray of shape (n_fields, embedding_dim) and (n_fields,)
        Means of each field, weighted by interactions: the fallback for unknown ids.
    user_ids_, item_ids_, user_embeddings_, item_embeddings_, user_biases_, item_biases_ : ndarray
        The two fields by name, where there are two.
    id_types_ : list of str or dict
        Column type of the ids of each field, for the tables.
    intercept_, scale_ : float
        0 and 1: targets are neither centred nor scaled.
    target_range_ : ndarray of shape (2,)
        Least and greatest strength of a row.
    loss_curve_ : list of float
        J after each sweep.
    n_iter_ : int
        Number of sweeps.
    n_features_in_ : int
        Number of fields.
    feature_names_in_ : ndarray of shape (n_fields,)
        Names of the id columns, where X has names that are all strings.

    See Also
    --------
    MFRecommender : Predicts ratings, and recommends from them.
    BayesianMFRecommender : Predicts ratings with their uncertainty.
    sklearn_mf.dummy.DummyRecommender : Most popular items, the baseline of every list.
    sklearn_mf.metrics.make_ranking_scorer : Other scores than NDCG@10, for searches.

    Notes
    -----
    Before training, rows of strength or weight 0 are dropped, repeated (user, item) rows are added up, and
    ids are sorted. So the order of the rows does not matter, and a whole-number weight equals repetition.

    References
    ----------
    .. [1] Yifan Hu, Yehuda Koren, Chris Volinsky, "Collaborative Filtering for Implicit Feedback Datasets",
       ICDM 2008.
    .. [2] Steffen Rendle, Walid Krichene, Li Zhang, Yehuda Koren, "Revisiting the Performance of iALS on Item
       Recommendation Benchmarks", RecSys 2022.
    .. [3] Deepak Agarwal, Bee-Chung Chen, "Regression-based Latent Factor Models", KDD 2009.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_mf import ImplicitMFRecommender
    >>> plays = pd.DataFrame({
    ...     "user": ["ann", "ann", "bob", "bob", "cat", "cat", "dan"],
    ...     "song": ["blue", "help", "blue", "help", "solo", "trio", "solo"],
    ...     "plays": [12, 3, 1, 40, 7, 7, 2],
    ... })
    >>> model = ImplicitMFRecommender(2, random_state=0).fit(plays)
    >>> model.recommend("dan", n=1)[["user", "song", "rank"]]
      user  song  rank
    0  dan  trio     1
    """

    _parameter_constraints: ClassVar[dict[str, list[object]]] = {
        "embedding_dim": [Interval(Integral, 1, None, closed="left")],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "prior_ratings": [Interval(Real, 0, None, closed="left")],
        "unobserved_weight": [Interval(Real, 0, None, closed="left")],
        "confidence": [StrOptions({"linear", "log"}), None],
        "fit_bias": ["boolean"],
        "features": [dict, None],
        "feature_separator": [str, None],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "positive": ["boolean"],
        "handle_unknown": [StrOptions({"ignore", "error"})],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        embedding_dim: int = 64,
        *,
        alpha: float = 0.004,
        prior_ratings: float = 1000.0,
        unobserved_weight: float = 10.0,
        confidence: str | None = "log",
        fit_bias: bool = False,
        features: dict[Hashable, object] | None = None,
        feature_separator: str | None = "|",
        max_iter: int = 8,
        tol: float = 1e-4,
        positive: bool = False,
        handle_unknown: str = "ignore",
        warm_start: bool = False,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.embedding_dim = embedding_dim
        self.alpha = alpha
        self.prior_ratings = prior_ratings
        self.unobserved_weight = unobserved_weight
        self.confidence = confidence
        self.fit_bias = fit_bias
        self.features = features
        self.feature_separator = feature_separator
        self.max_iter = max_iter
        self.tol = tol
        self.positive = positive
        self.handle_unknown = handle_unknown
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = True
        return tags

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: FitData, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Train on interactions.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, 2), scipy.sparse matrix or tf.SparseTensor, \
                RatingsStore, pyarrow.dataset.Dataset or polars.LazyFrame
            One row of ids, a user and an item, for each interaction: numbers, text, dates, categories or a
            mixture. Without `y` also a table of exactly three columns user, item, strength; or a sparse
            matrix of users x items, whose stored cells hold the strengths; or interactions on disk
            (:ref:`larger_than_memory`), a store or a dataset of two or three such columns. Any other number
            of id columns is possible, three of them with `y`.
        y : array-like of shape (n_samples,), default=None
            Strength of each interaction, such as a number of plays; 1 where None. A row of strength 0 is no
            interaction and is dropped.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, 1 where None: it multiplies the strength, so that a row of weight 2 counts as
            two, and one of weight 0 not at all.

        Returns
        -------
        self : ImplicitMFRecommender
            The fitted estimator.

        Raises
        ------
        ValueError
            Where strengths are negative or all 0, where weights or ids are invalid, where training diverges,
            or where a warm start does not match the last fit. The estimator is then as it was before.
        TypeError
            Where ids cannot be hashed or sorted.

        Examples
        --------
        >>> from sklearn_mf import ImplicitMFRecommender
        >>> clicks = [["ann", "home"], ["ann", "news"], ["bob", "home"], ["bob", "home"]]
        >>> ImplicitMFRecommender(2, random_state=0).fit(clicks).item_ids_.tolist()
        ['home', 'news']
        """
        fit_recommender(self, X, y, sample_weight)
        return self

    @reads_one_fit
    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Predict preference scores of rows of ids.

        Observed cells of fit have scores near 1, and most others near 0. The fallback for unknown ids is the
        average of their field.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_fields)
            One row of ids for each score, columns as in fit.

        Returns
        -------
        scores : ndarray of shape (n_samples,), float64
            Predicted preferences, larger for more preferred items; they have no bounds.

        Raises
        ------
        ValueError
            Where an id is unknown and `handle_unknown="error"`; where ids are missing (NaN, None).

        Examples
        --------
        >>> from sklearn_mf import ImplicitMFRecommender
        >>> clicks = [["ann", "home"], ["ann", "news"], ["bob", "home"]]
        >>> model = ImplicitMFRecommender(2, random_state=0).fit(clicks)
        >>> model.predict([["bob", "news"], ["somebody", "home"]]).shape
        (2,)
        """
        codes = self._read_codes(X)
        return self._model.predict(codes)

    @reads_one_fit
    def score(
        self, X: ArrayLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> float:
        """NDCG@10 of interactions among all items that the user had not in fit.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, 2), or (n_samples, 3) without y
            Users and items that belong together; a third column and `y` are strengths, as in fit.
        y : array-like of shape (n_samples,), default=None
            Strengths: a row of strength 0 is dropped, and others count alike.
        sample_weight : array-like of shape (n_samples,), default=None
            Ignored: each user counts once.

        Returns
        -------
        score : float
            Mean over the users of X of :func:`sklearn_mf.metrics.ndcg_at_k`, between 0 and 1. Rows that fit
            has seen do not count; where no other is left, or where fit saw other than two columns, the score
            is nan with an `UndefinedMetricWarning`. Items that fit has not seen count as misses, and an
            unknown user gets the ranking of the average user.

        Examples
        --------
        >>> from sklearn.model_selection import GridSearchCV
        >>> from sklearn_mf import ImplicitMFRecommender
        >>> from sklearn_mf.datasets import make_ratings
        >>> from sklearn_mf.model_selection import PerUserKFold
        >>> clicks = make_ratings(60, 30, 600, random_state=0)[["user", "item"]]
        >>> model = ImplicitMFRecommender(4, random_state=0)
        >>> search = GridSearchCV(model, {"alpha": [0.005, 0.05]}, cv=PerUserKFold(2)).fit(clicks)
        >>> bool(0 < search.best_score_ < 1)
        True
        """
        check_is_fitted(self)
        if self.n_features_in_ != 2:
            read_ids_of(self, X)
            warn_user(
                f"score ranks items for users, but fit saw {self.n_features_in_} column(s), so the score is "
                "nan: pass two columns.",
                UndefinedMetricWarning,
            )
            return float("nan")
        held_out = read_held_out(self, X, y)
        relevant = unseen_pairs(self, held_out.users, held_out.items)
        table = self.recommend(relevant.users.ids, _SCORED)
        return ranking_accuracy(["ndcg"], relevant, table, _SCORED)["ndcg"]

    @property
    def _row_format(self) -> RowFormat:
        return InteractionRows(has_strengths=self.confidence is not None)

    def _make_solver(self, task: FitTask) -> tuple[Any, Stopping | None]:
        refuse_positive(self, task.features)
        training = self._weigh(task.ratings)
        self._id_weights = [training.id_weights(field) for field in range(training.n_fields)]
        solver: Any = load_solver("als")
        dim, std = int(self.embedding_dim), _START_NORM / np.sqrt(self.embedding_dim)
        start = fresh_start(training, 0.0, 1.0, dim, task.seed, std, self.positive)
        if task.previous is not None:
            start = warm_start_model(start, task.previous._model, task.known_codes, self.positive)
        return solver(training, None, start, self._options(training, task.features)), Stopping(self.tol, 1)

    def _update(self, task: FitTask) -> None:
        update_interactions_model(self, task)

    def _options(self, training: Ratings, features: Features) -> ALSOptions:
        """Options of the solver; sets the weight of an unobserved cell, and the prior."""
        unobserved = None
        self._n_prior = bounded_prior_ratings(self.prior_ratings, len(training.targets))
        if training.n_fields == 2 and self.unobserved_weight > 0:
            unobserved = Unobserved.of(training, self.unobserved_weight, 0.0)
        self._cell_weight = 0.0 if unobserved is None else unobserved.weight
        return ALSOptions(
            0.0,
            float(self.alpha),
            self.positive,
            self.fit_bias,
            prior_ratings=self._n_prior,
            unobserved=unobserved,
            features=features,
        )

    def _weigh(self, interactions: Ratings) -> Ratings:
        """Cells of target 1 whose weights come from their strengths."""
        self._mean_strength = float(interactions.targets.mean())
        weighed = with_values(interactions, None, lambda strengths, _: self._confidence(strengths))
        self._mean_confidence = float(weighed.weights.mean())
        return weighed

    def _confidence(self, strengths: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weights of cells by their strengths, (n,) -> (n,)."""
        if self.confidence is None:
            return strengths
        relative = strengths / self._mean_strength
        return 1 + (np.log1p(relative) if self.confidence == "log" else relative)

    def _store_state(self, state: Model) -> None:
        store_model(self, state)

    def _store_run(self, state: Model, solver: Any, history: History) -> None:
        self._store_state(state)
        self.loss_curve_ = history.curve
        self.n_iter_ = history.n_iter

    def _id_arrays(self) -> list[str]:
        return [*super()._id_arrays(), "_id_weights"]

    def _folded(self, fold_in: FoldInRatings) -> dict[str, NDArray[np.float64]]:
        embeddings, biases = self._fold_in_rows(fold_in)
        return {"embeddings": embeddings, "biases": biases}

    def _fold_in_rows(self, fold_in: FoldInRatings) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return ridge_rows(self._weighed(fold_in), self._model, self._prior, self.fit_bias, self.positive)

    def _contributions(self, fold_in: FoldInRatings, item: int) -> Contributions:
        return ridge_contributions(self._weighed(fold_in), self._model, self._prior, self.fit_bias, item)

    @property
    def _prior(self) -> RowPrior:
        """Penalty and unobserved cells of a user's row, as in fit."""
        prior = RowPrior(float(self.alpha), self._n_prior)
        return with_unobserved_cells(self, prior, self._cell_weight, 0.0)

    def _weighed(self, fold_in: FoldInRatings) -> FoldInRatings:
        """Interactions of users from outside as `_weigh` weighs those of fit, in units of their mean."""
        weights = self._confidence(fold_in.targets) / self._mean_confidence
        return fold_in._replace(targets=np.ones(len(weights)), weights=weights)
