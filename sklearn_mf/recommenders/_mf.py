"""MFRecommender: one factorization, trained by one of several solvers."""

from collections.abc import Hashable
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.callback import with_callbacks

from sklearn_mf.model._factors import Model
from sklearn_mf.model._fold_in import Contributions, FoldInRatings, RowPrior, ridge_contributions, ridge_rows
from sklearn_mf.model._uncertain import TwoPhaseModel
from sklearn_mf.ratings._store_input import FitData
from sklearn_mf.recommenders import _phases as phases
from sklearn_mf.recommenders._base import BaseRecommender
from sklearn_mf.recommenders._fitting import FitTask, fit_recommender
from sklearn_mf.recommenders._partial_fit import PartialFitMixin
from sklearn_mf.recommenders._point_model import refuse_positive, store_model
from sklearn_mf.recommenders._rating_options import (
    can_learn_alpha,
    charged_alpha,
    charged_prior_ratings,
    hold_out_for,
    rating_solver,
)
from sklearn_mf.recommenders._rating_regressor import RatingRegressorMixin
from sklearn_mf.recommenders._updates import update_ratings_model
from sklearn_mf.solvers._training import History, Stopping
from sklearn_mf.utils._sklearn_compat import Interval, StrOptions, _fit_context


class MFRecommender(PartialFitMixin, RatingRegressorMixin, BaseRecommender):
    r"""Matrix factorization of ratings, trained in TensorFlow: predicts ratings and recommends items.

    A rating of user u for item i is modelled as

    .. math:: \hat y_{ui} = m + s\,(b_u + b_i + \langle v_u, v_i \rangle)

    with the mean m and standard deviation s of the training ratings, a bias b and an embedding v for each id.
    X may have any number F >= 1 of columns of ids ("fields"): biases and the inner products of all pairs of
    embeddings are then summed, a factorization machine over fields [1]_. Let :math:`z = (y - m) / s`, w the
    sample weights, W their sum, and t = (v, b) the row of an id.

    With two fields a fit has two phases (:ref:`two-phases`):

    - The first phase learns the **relevance rows**, which rank items (:meth:`recommend`,
      :meth:`similar_items`), from the observed ratings and, with a small weight, from all cells of
      users x items as ratings of a low value [2]_ [3]_ [4]_. Its objective is :math:`J_1`.
    - The second phase learns the **rating rows**, which predict (:meth:`predict`), from the observed ratings
      by variational Bayes [5]_ [6]_. Its objective is :math:`J_2`, and the penalty is learnt too.

    With a number as `alpha`, with another `penalty` or `solver`, with `positive`, and without `fit_bias`, the
    second phase minimises, as the only phase does where there are no unobserved cells,

    .. math:: J = \frac{1}{W} \Big[ \sum_n w_n \tfrac12 (z_n - \hat z_n)^2 + \sum_j \alpha (W_j + n_0)
        \big( \rho \|t_j\|_1 + \tfrac{1 - \rho}{2} \|t_j\|_2^2 \big) \Big]

    where :math:`W_j` is the sum of the weights of an id, :math:`\rho` is `l1_ratio` and :math:`n_0` is
    `prior_ratings`. The penalty counts once per rating, as in ALS-WR [7]_: an id with many ratings is
    penalised in proportion. The user guide has all objectives (:ref:`model`), also with `features`
    (:ref:`regression-prior`) [8]_.

    Parameters
    ----------
    embedding_dim : int, default=32
        Length of the embeddings. 0 leaves the biases alone, and there are no unobserved cells.
    penalty : {"l2", "l1", "elasticnet"} or None, default="l2"
        Ridge, lasso (coordinates become exactly 0), a mixture of both, or none. It applies to J.
    alpha : float or "auto", default="auto"
        Weight of the penalty of J, charged once per rating. It depends neither on the scale of the ratings
        nor on their number. With "auto" the rating rows minimise :math:`J_2`, whose penalty is learnt; where
        they cannot, alpha is 0.04, or 0.045 if `prior_ratings` is 0.
    l1_ratio : float, default=0.5
        Share of the lasso where `penalty="elasticnet"`.
    positive : bool, default=False
        Whether embeddings must not be negative; biases may be. With `fit_bias=False` and non-negative ratings
        and `unobserved_weight=0` this is non-negative matrix factorization over the observed ratings alone.
    unobserved_weight : float or "auto", default="auto"
        Total weight of all cells of value `unobserved_value`, as a multiple of the total weight of the
        ratings; no cell weighs more than a rating. "auto" is 10.

        - 0 is the model of the observed ratings, whose lists are worse than the most popular items.
        - A smaller weight such as 1 predicts better where people rate what they are given, not what they
          choose.
        - Only ratings with two columns of ids have unobserved cells.
    unobserved_value : float or None, default=None
        Value of an unobserved cell, in units of the ratings; None: two standard deviations below the mean.
    prior_ratings : float, default=20
        The number :math:`n_0` of J: each id is penalised as if it had this many more ratings. It bounds the
        penalty of ids with few ratings from below. :math:`J_1` and :math:`J_2` do not use it.

        With `fit_bias=False`, "als" with a ridge penalty and without `positive` shrinks a row towards the
        mean row of its field, by (t - mean) in the place of t in J. Any other fit without biases counts no
        prior ratings.
    implicit_features : int, default=32
        Number of features of users and items from the pattern of ratings, who has rated what, as in
        :class:`BayesianMFRecommender`; at most one for each 500 ratings. Where alpha is learnt, they are part
        of the prior mean of each row.
    features : dict of tables, default=None
        Features of users and items (:ref:`features`): for a column of X, by its name or number, a DataFrame
        whose ids are the index or a column of that name, or a pair (ids, scipy.sparse matrix).
    feature_separator : str or None, default="|"
        Text of features is split at it into several categories; None never splits.
    solver : {"auto", "als", "sgd"}, default="auto"
        - "auto" minimises :math:`J_2`. For J it takes "als" where `fit_bias=False` and there is no lasso
          penalty, else "sgd".
        - "sgd": mini-batch stochastic gradient descent.
        - "als": alternating minimisation, field by field; J never rises. It needs no learning rate and fewer
          passes than "sgd". With a lasso penalty it reaches a lower J, so it needs a larger `alpha`.

        :ref:`choosing-a-solver` compares them, and describes steps and damping.
    learning_rate : float, default=0.06
        Step of one rating in the first epoch of an id; it falls by 13 % per epoch to a tenth. Used by "sgd".
    batch_size : int or "auto", default="auto"
        Most ratings in one step. "auto" takes 64 to 512, more where there are more ratings. Used by "sgd".
    max_iter : int, default=20
        Maximum number of passes of the second phase over the ratings: epochs of "sgd", sweeps over all fields
        otherwise. A larger number continues the same run. The first phase has a fixed number of sweeps.
    tol : float, default=1e-4
        Training ends when the objective fell by less than this share of itself in each of
        `n_iter_no_change` passes, or :math:`J_2` by less than `n_iter_no_change` times as much in one pass;
        with `early_stopping`, when the validation RMSE did not fall by as much below its best.
    fit_bias : bool, default=True
        False leaves out m and the biases: y ~ s <v_u, v_i> with s the root mean square of the ratings.
    early_stopping : bool, default=False
        Hold out `validation_fraction` of the ratings, stop on their RMSE, and keep the embeddings of the best
        pass.
    validation_fraction : float, default=0.1
        Share of the ratings to hold out for early stopping.
    n_iter_no_change : int, default=5
        Passes in a row without improvement that end training.
    handle_unknown : {"ignore", "error"}, default="ignore"
        What to do with an unknown id, one that fit has not seen: use the average of its field, or raise.
    clip : bool, default=True
        Keep predictions inside the range of the training ratings. Scores of recommendations are never
        clipped.
    warm_start : bool, default=False
        Continue from the last fit. Its ids keep their embeddings, also where the new data lack them; new ids
        start fresh. On the same data and with an int as `random_state`, 5 passes and then 5 more equal 10.
    verbose : int, default=0
        Above 0, print one line for each pass.
    random_state : int, RandomState instance or None, default=None
        Seed of the start, the visiting order and the held-out ratings. With an int the same data give the
        same bits on the same machine's CPU.

    Attributes
    ----------
    intercept_ : float
        Mean m of the training ratings; 0 where `fit_bias=False`.
    scale_ : float
        Their standard deviation s (root mean square where `fit_bias=False`), 1 where they are constant.
    categories_ : list of ndarray of shape (n_ids[f],)
        Sorted ids of each field.
    embeddings_ : list of ndarray of shape (n_ids[f], embedding_dim), float32
        Embeddings of the rating rows of each field; inner products are in units of z.
    biases_ : list of ndarray of shape (n_ids[f],), float32
        Biases of the rating rows of each field, in units of z.
    relevance_embeddings_, relevance_biases_ : list of ndarray, float32
        The relevance rows, in the shapes of `embeddings_` and `biases_`. Only with unobserved cells.
    embedding_variances_, bias_variances_ : list of ndarray, float32
        Variances of the rating rows, in the same shapes. Only where `alpha` is learnt.
    noise_std_ : float
        Standard deviation :math:`s \sigma` of a rating around its expectation. Only where `alpha` is learnt.
    average_embeddings_, average_biases_ : ndarray of shape (n_fields, embedding_dim) and (n_fields,)
        Rating-weighted means of each field, the fallback for unknown ids.
    user_ids_, item_ids_, user_embeddings_, item_embeddings_, user_biases_, item_biases_ : ndarray
        The two fields by name, where there are two.
    id_types_ : list of str or dict
        Column type of the ids of each field, for the tables.
    target_range_ : ndarray of shape (2,)
        Least and greatest training rating.
    loss_curve_ : list of float
        :math:`J_2` or J after each pass of the second phase; :math:`J_2` without a constant.
    relevance_loss_curve_ : list of float
        Objective after each sweep of the first phase: where `alpha` is learnt, eight sweeps that count the
        variances of the rows, and then sweeps that minimise :math:`J_1`. Only with unobserved cells.
    validation_scores_ : list of float
        Negated RMSE of held-out ratings after each pass, in their units; empty without `early_stopping`.
    n_iter_ : int
        Number of passes of the second phase.
    n_features_in_ : int
        Number of fields.
    feature_names_in_ : ndarray of shape (n_fields,)
        Names of the id columns, where X has names that are all strings.

    See Also
    --------
    ImplicitMFRecommender : Lists from clicks, plays or purchases, or from who rated what.
    BayesianMFRecommender : Draws of a model of the observed ratings; intervals and exploration.
    MFEmbedding : Embeddings of ids as features of another model, such as gradient boosting.
    sklearn_mf.dummy.DummyRecommender : Most popular items, the baseline of every list.
    sklearn_mf.metrics.make_ranking_scorer : Measure the lists in scikit-learn's searches.
    sklearn.decomposition.NMF : Factorization of a complete matrix.

    Notes
    -----
    Rows of weight 0 are dropped, repeated (user, item) rows are merged into their weighted mean, and ids are
    sorted. So the order of the rows does not matter, and a whole-number weight equals repetition.

    References
    ----------
    .. [1] Steffen Rendle, "Factorization Machines", ICDM 2010.
    .. [2] Yifan Hu, Yehuda Koren, Chris Volinsky, "Collaborative Filtering for Implicit Feedback Datasets",
       ICDM 2008.
    .. [3] Harald Steck, "Training and Testing of Recommender Systems on Data Missing Not at Random",
       KDD 2010.
    .. [4] Steffen Rendle, Walid Krichene, Li Zhang, Yehuda Koren, "Revisiting the Performance of iALS on Item
       Recommendation Benchmarks", RecSys 2022.
    .. [5] Yew Jin Lim, Yee Whye Teh, "Variational Bayesian Approach to Movie Rating Prediction", KDD Cup and
       Workshop 2007.
    .. [6] Tapani Raiko, Alexander Ilin, Juha Karhunen, "Principal Component Analysis for Large Scale Problems
       with Lots of Missing Values", ECML 2007.
    .. [7] Yunhong Zhou, Dennis Wilkinson, Robert Schreiber, Rong Pan, "Large-Scale Parallel Collaborative
       Filtering for the Netflix Prize", AAIM 2008.
    .. [8] Deepak Agarwal, Bee-Chung Chen, "Regression-based Latent Factor Models", KDD 2009.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_mf import MFRecommender
    >>> ratings = pd.DataFrame({
    ...     "user": ["ann", "ann", "ann", "bob", "bob", "cat", "cat"],
    ...     "film": ["up", "alien", "heat", "up", "alien", "alien", "heat"],
    ...     "stars": [5.0, 1.0, 2.0, 4.0, 1.0, 5.0, 4.0],
    ... })
    >>> model = MFRecommender(embedding_dim=2, random_state=0).fit(ratings)
    >>> model.predict(pd.DataFrame({"user": ["bob"], "film": ["heat"]})).shape
    (1,)
    >>> model.recommend("bob", n=1)[["user", "film", "rank"]]
      user  film  rank
    0  bob  heat     1
    """

    _parameter_constraints: ClassVar[dict[str, list[object]]] = {
        "embedding_dim": [Interval(Integral, 0, None, closed="left")],
        "penalty": [StrOptions({"l2", "l1", "elasticnet"}), None],
        "alpha": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "l1_ratio": [Interval(Real, 0, 1, closed="both")],
        "positive": ["boolean"],
        "unobserved_weight": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "unobserved_value": [Interval(Real, None, None, closed="neither"), None],
        "prior_ratings": [Interval(Real, 0, None, closed="left")],
        "implicit_features": [Interval(Integral, 0, None, closed="left")],
        "features": [dict, None],
        "feature_separator": [str, None],
        "solver": [StrOptions({"auto", "als", "sgd"})],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "fit_bias": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "handle_unknown": [StrOptions({"ignore", "error"})],
        "clip": ["boolean"],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        embedding_dim: int = 32,
        *,
        penalty: str | None = "l2",
        alpha: float | str = "auto",
        l1_ratio: float = 0.5,
        positive: bool = False,
        unobserved_weight: float | str = "auto",
        unobserved_value: float | None = None,
        prior_ratings: float = 20.0,
        implicit_features: int = 32,
        features: dict[Hashable, object] | None = None,
        feature_separator: str | None = "|",
        solver: str = "auto",
        learning_rate: float = 0.06,
        batch_size: int | str = "auto",
        max_iter: int = 20,
        tol: float = 1e-4,
        fit_bias: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 5,
        handle_unknown: str = "ignore",
        clip: bool = True,
        warm_start: bool = False,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.embedding_dim = embedding_dim
        self.penalty = penalty
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.positive = positive
        self.unobserved_weight = unobserved_weight
        self.unobserved_value = unobserved_value
        self.prior_ratings = prior_ratings
        self.implicit_features = implicit_features
        self.features = features
        self.feature_separator = feature_separator
        self.solver = solver
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.fit_bias = fit_bias
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.handle_unknown = handle_unknown
        self.clip = clip
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: FitData, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Learn embeddings and biases from ratings.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_fields), scipy.sparse matrix or tf.SparseTensor, \
                RatingsStore, pyarrow.dataset.Dataset or polars.LazyFrame
            One row of ids for each rating: numbers, text, dates, categories or a mixture. Without `y`: a
            table of exactly three columns user, item, rating; or a sparse matrix of users x items, whose
            stored cells are the ratings (zeros too) and whose row and column numbers are the ids; or ratings
            on disk (:ref:`larger_than_memory`), a store or a dataset of these three columns.
        y : array-like of shape (n_samples,), default=None
            The ratings.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each rating, 1 where None; a rating of weight 2 counts as two, of weight 0 not at all.

        Returns
        -------
        self : MFRecommender
            The fitted estimator.

        Raises
        ------
        ValueError
            Where ratings, weights or ids are invalid, where training diverges, or where a warm start does not
            match the last fit. The estimator is then as it was before.
        TypeError
            Where ids cannot be hashed or sorted.

        Examples
        --------
        >>> from sklearn_mf import MFRecommender
        >>> MFRecommender(random_state=0).fit([[1, 7], [1, 8], [2, 7]], [5, 1, 4]).n_features_in_
        2
        """
        fit_recommender(self, X, y, sample_weight)
        return self

    def _make_solver(self, task: FitTask) -> tuple[Any, Stopping | None]:
        training, held_out = hold_out_for(self, task)
        statistics = task.statistics_of(training)
        self._id_weights, self._mean_weight = statistics.id_weights, training.mean_weight
        self._rating_sums = statistics.sums
        centred = statistics.intercept_and_scale(self.fit_bias)
        phases.clear(self)
        refuse_positive(self, task.features)
        unobserved = phases.unobserved_cells(self, training, centred)
        if unobserved is not None and can_learn_alpha(self):
            stopping = Stopping(self.tol * self.n_iter_no_change, 1)  # the objective falls ever more slowly
            solver = phases.two_phase_solver(self, task, training, held_out, centred, unobserved)
            return solver, self._stopping if held_out is not None else stopping
        if unobserved is not None:
            phases.learn_relevance(self, task, training, centred, unobserved)
        return rating_solver(self, task, training, held_out, centred), self._stopping

    def _update(self, task: FitTask) -> None:
        update_ratings_model(self, task)

    @property
    def _stopping(self) -> Stopping:
        return Stopping(self.tol, self.n_iter_no_change)

    def _store_state(self, state: Model | TwoPhaseModel) -> None:
        store_model(self, state.ratings.model if isinstance(state, TwoPhaseModel) else state)
        if isinstance(state, TwoPhaseModel):
            phases.store_state(self, state)

    def _store_run(self, state: Model | TwoPhaseModel, solver: Any, history: History) -> None:
        self._store_state(state)
        self.loss_curve_, self.n_iter_ = history.curve, history.n_iter
        self.validation_scores_ = history.validation_scores

    def _id_arrays(self) -> list[str]:
        return [*super()._id_arrays(), "_id_weights", *phases.id_arrays(self)]

    def _variances(self, codes: NDArray[np.integer]) -> NDArray[np.float64]:
        return phases.rating_variances(self, codes)

    def _ranked_by(self, rank_by: str) -> Self:
        ranker: Self = phases.ranked_by(self, rank_by)
        return ranker

    def _folded(self, fold_in: FoldInRatings) -> dict[str, NDArray[np.float64]]:
        embeddings, biases = self._fold_in_rows(fold_in)
        folded = {"embeddings": embeddings, "biases": biases}
        if hasattr(self, "relevance_embeddings_"):
            relevance = phases.as_relevance(self)._fold_in_rows(fold_in)
            folded["relevance_embeddings"], folded["relevance_biases"] = relevance
        return folded

    @property
    def _prior(self) -> RowPrior:
        """Penalty of a user's row: ridge with the whole of alpha, also where fit used the lasso."""
        if phases.has_prior(self):
            return phases.prior_of(self)
        alpha, prior_ratings = charged_alpha(self), charged_prior_ratings(self)
        return RowPrior.around_average(alpha, prior_ratings, self._mean_weight, self._model)

    def _fold_in_rows(self, fold_in: FoldInRatings) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return ridge_rows(fold_in, self._model, self._prior, self.fit_bias, self.positive)

    def _contributions(self, fold_in: FoldInRatings, item: int) -> Contributions:
        return ridge_contributions(fold_in, self._model, self._prior, self.fit_bias, item)
