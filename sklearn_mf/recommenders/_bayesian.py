"""BayesianMFRecommender: draws of factorizations, and predictions with their uncertainty."""

from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm
from sklearn.callback import with_callbacks
from sklearn.utils import check_random_state

from sklearn_mf.model._fold_in import Contributions, FoldInRatings, posterior_contributions, posterior_rows
from sklearn_mf.model._initialization import fresh_start, warm_start_model
from sklearn_mf.model._posterior import Draw, single_sample_posterior
from sklearn_mf.ratings._statistics import RatingStatistics
from sklearn_mf.recommenders import _chain_state as chain
from sklearn_mf.recommenders._base import BaseRecommender
from sklearn_mf.recommenders._fitting import FitTask, fit_recommender, reads_one_fit
from sklearn_mf.recommenders._query import RecommendQuery, read_query
from sklearn_mf.recommenders._rating_regressor import RatingRegressorMixin
from sklearn_mf.retrieval._posterior_ranking import rank_by_draw, rank_by_quantile
from sklearn_mf.retrieval._top_n import Ranking
from sklearn_mf.solvers._registry import load_solver
from sklearn_mf.solvers._training import GibbsOptions, History, Stopping
from sklearn_mf.utils._sklearn_compat import Interval, StrOptions, _fit_context


class BayesianMFRecommender(RatingRegressorMixin, BaseRecommender):
    r"""Bayesian matrix factorization of ratings, sampled in TensorFlow.

    The model is that of :class:`MFRecommender`, with distributions in place of penalties:

    .. math:: y \sim N\Big(m + s \big(\sum_f b_f + \sum_{f<g} \langle v_f, v_g \rangle\big),\;
        \frac{s^2}{\tau \prod_f c_f}\Big), \quad
        t_{fj} = (v_{fj}, b_{fj}) \sim N(\mu_f, \Lambda_f^{-1}), \quad
        c_{fj} \sim \Gamma(\nu_f / 2, \nu_f / 2)

    for the id j of each field f, with m and s the mean and standard deviation of the training ratings.
    Means, precisions and noise are learnt together with the embeddings, so there is no penalty to tune. Gibbs
    sampling [1]_ goes field by field. It draws the prior of the field given its ids, then embedding and bias
    of each id jointly given its ratings, then the noise of each id, and at the end of a sweep the common
    noise. Predictions are means over the kept draws.

    Priors: :math:`(\mu_f, \Lambda_f)` is Normal-Wishart with :math:`\mu_0 = 0`, :math:`\beta_0 = 2`,
    :math:`W_0 = I` as in the code of [1]_ and with `embedding_dim + 1` degrees of freedom;
    :math:`\tau \sim \Gamma(1/2, 1/2)` (shape, rate) as in libFM [2]_, in units of z = (y - m) / s. Unlike in
    [1]_, ids have biases, the noise is learnt and differs from id to id as in [3]_, with
    :math:`\nu_f` one of 60 numbers from 4 to 400, and there may be any number of fields.

    Parameters
    ----------
    embedding_dim : int, default=32
        Length of the embeddings. 0 leaves the biases alone.
    max_iter : int, default=220
        Number of sweeps. One sweep draws every unknown once, given all others.
    burn_in : int, default=20
        First sweeps of a new chain that are discarded, at most half of `max_iter`.
    n_samples : int, default=100
        Draws to keep, evenly spaced over the sweeps after `burn_in`; fewer where there are fewer sweeps. They
        take 4 * n_samples * (embedding_dim + 2) bytes for each id.
    heteroscedastic : bool, default=True
        Whether the noise differs between ids: some users rate at random, and users agree about some items.
        False sets all c to 1.
    clip : bool, default=True
        Keep the expected rating of each draw, and the bounds of intervals, inside the range of the training
        ratings. Scores of recommendations are never clipped.
    handle_unknown : {"ignore", "error"}, default="ignore"
        What to do with an unknown id, one that fit has not seen: use the prior of its field, or raise.
    warm_start : bool, default=False
        Continue the chain of the last fit without a further burn-in; new ids are added. With an int as
        `random_state`, 50 sweeps and then 50 more equal 100. The new draws replace those of the last fit.
    verbose : int, default=0
        Above 0, print one line for each sweep.
    random_state : int, RandomState instance or None, default=None
        Seed of the chain. With an int the same data give the same bits on the same machine's CPU.

    Attributes
    ----------
    intercept_, scale_, categories_, id_types_, target_range_ : float and array
        As in :class:`MFRecommender`.
    embedding_samples_ : list of ndarray of shape (n_samples, n_ids[f], embedding_dim), float32
        Kept draws of the embeddings of each field, in units of z. A property: it views the draws.
    bias_samples_ : list of ndarray of shape (n_samples, n_ids[f]), float32
        Kept draws of the biases.
    embeddings_, biases_ : list of ndarray of shape (n_ids[f], embedding_dim) and (n_ids[f],), float32
        Posterior means. Predictions are means over the draws, and not the inner products of these means.
    average_embeddings_, average_biases_ : ndarray of shape (n_fields, embedding_dim) and (n_fields,)
        Means of the prior means, the fallback for unknown ids.
    prior_means_ : ndarray of shape (n_samples, n_fields, embedding_dim + 1), float64
        Draws of the mean of embedding and bias of the ids of each field.
    prior_precisions_ : ndarray of shape (n_samples, n_fields, embedding_dim + 1, embedding_dim + 1), float64
        Draws of the inverse of their covariance.
    noise_std_ : float
        Posterior mean of the common standard deviation of the noise, :math:`s / \sqrt \tau`.
    noise_std_samples_ : ndarray of shape (n_samples,), float64
        Its draws.
    noise_factors_ : list of ndarray of shape (n_ids[f],), float32
        Posterior mean of :math:`1 / \sqrt c`, the noise of each id. The standard deviation of the noise of a
        rating is the common one times the factors of its ids.
    noise_factor_samples_ : list of ndarray of shape (n_samples, n_ids[f]), float32
        Its draws.
    noise_dof_ : ndarray of shape (n_samples, n_fields), float64
        Draws of :math:`\nu_f`: the smaller, the more ids differ in noise; infinite where they do not.
    log_likelihood_curve_ : list of float
        Log-likelihood of the training ratings after each sweep.
    r_hat_ : float
        Split R-hat of the expected ratings of 1000 cells drawn at random, the 95th percentile over the cells:
        the spread over the chain relative to the spread over each half of it. It is 1 where the chain has
        converged and nan with fewer than 4 draws; above 1.2, fit warns.
    user_ids_, item_ids_, user_embeddings_, item_embeddings_, user_biases_, item_biases_ : ndarray
        The two fields by name, where there are two.
    n_iter_, n_features_in_ : int
        Number of sweeps of the last fit; number of fields.
    feature_names_in_ : ndarray of shape (n_fields,)
        Names of the id columns, where X has names that are all strings.

    See Also
    --------
    MFRecommender : One factorization in place of many: faster, smaller, less accurate.

    References
    ----------
    .. [1] Ruslan Salakhutdinov, Andriy Mnih, "Bayesian Probabilistic Matrix Factorization using Markov Chain
       Monte Carlo", ICML 2008.
    .. [2] Steffen Rendle, "Factorization Machines with libFM", ACM TIST 2012.
    .. [3] Balaji Lakshminarayanan, Guillaume Bouchard, Cedric Archambeau, "Robust Bayesian Matrix
       Factorisation", AISTATS 2011.

    Examples
    --------
    >>> from sklearn_mf import BayesianMFRecommender
    >>> X = [["ann", "up"], ["ann", "alien"], ["bob", "up"], ["bob", "heat"], ["cat", "heat"]]
    >>> model = BayesianMFRecommender(2, max_iter=120, random_state=0).fit(X, [5, 1, 4, 2, 3])
    >>> mean, std = model.predict([["bob", "alien"], ["somebody", "alien"]], return_std=True)
    >>> bool((std > 0).all())
    True
    """

    _parameter_constraints: ClassVar[dict[str, list[object]]] = {
        "embedding_dim": [Interval(Integral, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "burn_in": [Interval(Integral, 0, None, closed="left")],
        "n_samples": [Interval(Integral, 1, None, closed="left")],
        "heteroscedastic": ["boolean"],
        "clip": ["boolean"],
        "handle_unknown": [StrOptions({"ignore", "error"})],
        "warm_start": ["boolean"],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        embedding_dim: int = 32,
        *,
        max_iter: int = 220,
        burn_in: int = 20,
        n_samples: int = 100,
        heteroscedastic: bool = True,
        clip: bool = True,
        handle_unknown: str = "ignore",
        warm_start: bool = False,
        verbose: int = 0,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.embedding_dim = embedding_dim
        self.max_iter = max_iter
        self.burn_in = burn_in
        self.n_samples = n_samples
        self.heteroscedastic = heteroscedastic
        self.clip = clip
        self.handle_unknown = handle_unknown
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Sample the posterior distribution of embeddings and biases, given ratings.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_fields), scipy.sparse matrix or tf.SparseTensor
            One row of ids for each rating, in all forms that :meth:`MFRecommender.fit` takes.
        y : array-like of shape (n_samples,), default=None
            The ratings.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each rating, 1 where None; a rating of weight 2 counts as two, of weight 0 not at all.

        Returns
        -------
        self : BayesianMFRecommender
            The fitted estimator.

        Raises
        ------
        ValueError
            Where ratings, weights or ids are invalid, where the chain diverges, or where a warm start does
            not match the last fit. The estimator is then as it was before.
        TypeError
            Where ids cannot be hashed or sorted.

        Examples
        --------
        >>> from sklearn_mf import BayesianMFRecommender
        >>> model = BayesianMFRecommender(2, max_iter=120, random_state=0)
        >>> model.fit([[1, 7], [1, 8], [2, 7]], [5, 1, 4]).embedding_samples_[0].shape
        (100, 2, 2)
        """
        fit_recommender(self, X, y, sample_weight)
        return self

    @reads_one_fit
    def predict(
        self, X: ArrayLike, return_std: bool = False
    ) -> NDArray[np.float64] | tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Predict ratings by posterior means, and optionally their predictive standard deviations.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_fields)
            One row of ids for each rating to predict, columns as in fit. An unknown id has the mean
            and the spread of the prior of its field.
        return_std : bool, default=False
            Whether to return the standard deviation too.

        Returns
        -------
        y : ndarray of shape (n_samples,), float64
            Mean over the draws of the expected rating, each clipped where `clip=True`.
        std : ndarray of shape (n_samples,), float64
            Only with `return_std=True`: standard deviation of a rating, in units of the ratings, without the
            clip: from the spread of its expectation over the draws, of ids without ratings, and the noise.

        Raises
        ------
        ValueError
            Where an id is unknown and `handle_unknown="error"`; where ids are missing (NaN, None).

        Examples
        --------
        >>> from sklearn_mf import BayesianMFRecommender
        >>> X = [["ann", "up"], ["ann", "alien"], ["bob", "up"]]
        >>> model = BayesianMFRecommender(2, max_iter=120, random_state=0).fit(X, [5, 1, 4])
        >>> model.predict([["bob", "alien"], ["somebody", "up"]]).shape
        (2,)
        """
        codes = self._read_codes(X)
        limits = self.target_range_ if self.clip else None
        if not return_std:
            return chain.posterior_of(self).means(codes, limits)
        summary = chain.posterior_of(self).summary(codes, limits)
        return summary.mean, np.sqrt(summary.variance)

    @reads_one_fit
    def predict_interval(self, X: ArrayLike, coverage: float = 0.9) -> NDArray[np.float64]:
        """Predict intervals that hold a rating with a given probability.

        The predictive distribution, a mixture of normal distributions over the draws, is taken as the normal
        distribution of the same mean and variance.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_fields)
            One row of ids for each rating to predict, columns as in fit.
        coverage : float, default=0.9
            The probability, between 0 and 1.

        Returns
        -------
        interval : ndarray of shape (n_samples, 2), float64
            Lower and upper bound; inside the range of the training ratings where `clip=True`.

        Raises
        ------
        ValueError
            Where coverage is not between 0 and 1, and where predict raises.

        Examples
        --------
        >>> from sklearn_mf import BayesianMFRecommender
        >>> X = [["ann", "up"], ["ann", "alien"], ["bob", "up"]]
        >>> model = BayesianMFRecommender(2, max_iter=120, random_state=0).fit(X, [5, 1, 4])
        >>> lower, upper = model.predict_interval([["bob", "alien"]], coverage=0.5)[0]
        >>> bool(1 <= lower < upper <= 5)
        True
        """
        codes = self._read_codes(X)
        if not 0 < coverage < 1:
            raise ValueError(f"coverage must be between 0 and 1, got {coverage!r}.")
        summary = chain.posterior_of(self).summary(codes, None)
        half = norm.ppf(0.5 + coverage / 2) * np.sqrt(summary.variance)
        interval = np.stack([summary.mean - half, summary.mean + half], axis=1)
        return np.clip(interval, *self.target_range_) if self.clip else interval

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
        by: str = "mean",
        quantile: float = 0.9,
        random_state: int | np.random.RandomState | None = None,
    ) -> pd.DataFrame:
        """Recommend items by posterior mean, by an upper quantile (UCB) or by Thompson sampling.

        Parameters
        ----------
        users : id, or list, array, Series or Index of ids, default=None
            Whom to recommend to, as in :meth:`MFRecommender.recommend`.
        n : int, default=10
            Items for each user.
        exclude_seen : bool, default=True
            Leave out the items that the user has rated.
        candidates, exclude : id, or list, array, Series or Index of ids, or table, default=None
            Items to choose from, and items that are never shown, as in :meth:`MFRecommender.recommend`.
        ratings : array-like or DataFrame of shape (n_ratings, 3), default=None
            In the place of `users`: user, item and rating of people, whether fit has seen them or not.
        by : {"mean", "upper", "sample"}, default="mean"
            "mean": mean of the expected rating over the draws. "upper": a quantile of it over the draws, so
            that uncertain items are explored. "sample": expected rating under one draw chosen at random
            (Thompson sampling), so that an item is shown as often as it is probably the best one.
        quantile : float, default=0.9
            The quantile of `by="upper"`; 0.5 is about the mean.
        random_state : int, RandomState instance or None, default=None
            Seed of the draw of `by="sample"`, and, unless `by` is "mean", of the draws of users who come with
            ratings or are unknown, and of items without ratings.

        Returns
        -------
        table : DataFrame of shape (n_recommendations, 4)
            As :meth:`MFRecommender.recommend` returns it; "score" is the number that ranks.

        Raises
        ------
        ValueError
            Where `by` is none of the three or quantile not between 0 and 1, and as in
            :meth:`MFRecommender.recommend`.

        Examples
        --------
        >>> from sklearn_mf import BayesianMFRecommender
        >>> X = [["ann", "up"], ["ann", "alien"], ["bob", "up"]]
        >>> model = BayesianMFRecommender(2, max_iter=120, random_state=0).fit(X, [5, 1, 4])
        >>> model.recommend("bob", by="sample", random_state=0)[["user", "item", "rank"]]
          user   item  rank
        0  bob  alien     1
        """
        if by not in ("mean", "upper", "sample"):
            raise ValueError(f"by must be 'mean', 'upper' or 'sample', got {by!r}.")
        if not 0 < quantile < 1:
            raise ValueError(f"quantile must be between 0 and 1, got {quantile!r}.")
        query = read_query(self, users, n, exclude_seen, candidates, ratings, exclude)
        if by == "mean":
            return self._recommendations(query, self._rank_by_mean(query))
        rng = np.random.default_rng(check_random_state(random_state).randint(np.iinfo(np.int32).max))
        return self._recommendations(query, self._rank_by_draws(query, by, quantile, rng))

    def _make_solver(self, task: FitTask) -> tuple[Any, Stopping | None]:
        """Begin a new chain, or continue that of the last fit over the ids of both."""
        gibbs: Any = load_solver("gibbs")
        start = fresh_start(
            task.ratings,
            *RatingStatistics.of(task.ratings).intercept_and_scale(True),
            int(self.embedding_dim),
            task.seed,
            gibbs.start_std,
        )
        state = None
        if task.previous is not None:
            chain.check_same_noise(task.previous, self.heteroscedastic)
            start = warm_start_model(start, chain.end_of_chain(task.previous), task.known_codes)
            state = chain.chain_state(task.previous, start, task.known_codes)
        burn_in = min(int(self.burn_in), int(self.max_iter) // 2) if state is None else 0
        kept = chain.kept_after(int(self.max_iter), burn_in, int(self.n_samples))
        options = GibbsOptions(task.seed, self.heteroscedastic, kept)
        return gibbs(task.ratings, None, start, options, state), None

    def _store_state(self, state: Draw) -> None:
        chain.store_posterior(self, single_sample_posterior(state, state.model))

    def _store_run(self, state: Draw, solver: Any, history: History) -> None:
        chain.store_posterior(self, solver.posterior())
        chain.store_end_of_chain(self, state)
        self.log_likelihood_curve_, self.n_iter_ = history.curve, history.n_iter
        chain.store_r_hat(self, solver.options.seed)

    def _id_arrays(self) -> list[str]:
        return [*super()._id_arrays(), *chain.ID_ARRAYS]

    @property
    def embedding_samples_(self) -> list[NDArray[np.float32]]:
        """Kept draws of the embeddings: list of ndarray of shape (n_samples, n_ids[f], embedding_dim)."""
        return [draws.swapaxes(0, 1) for draws in self._embedding_draws]

    @property
    def bias_samples_(self) -> list[NDArray[np.float32]]:
        """Kept draws of the biases: list of ndarray of shape (n_samples, n_ids[f])."""
        return [draws.T for draws in self._bias_draws]

    @property
    def noise_factor_samples_(self) -> list[NDArray[np.float32]]:
        """Kept draws of the noise factors: list of ndarray of shape (n_samples, n_ids[f])."""
        return [draws.T for draws in self._noise_factor_draws]

    def _ranking_vectors(self, field: int) -> NDArray[np.float32]:
        return chain.posterior_of(self).stacked(field)

    def _query_rows(self, query: RecommendQuery) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        posterior = chain.posterior_of(self)
        embeddings, biases = chain.user_rows(posterior, query)
        means = embeddings.reshape(len(embeddings), -1).astype(np.float64) / posterior.n_samples
        return means, biases.mean(axis=1, dtype=np.float64)

    def _rank_by_draws(
        self, query: RecommendQuery, by: str, quantile: float, rng: np.random.Generator
    ) -> Ranking:
        """Ranking by a quantile over the draws, or by one of them; rows without ratings are drawn."""
        posterior = chain.posterior_of(self)
        users = chain.drawn_user_rows(posterior, query, rng)
        items = np.arange(len(self.categories_[1])) if query.items is None else query.items
        if by == "sample":
            ranking = rank_by_draw(posterior, users, items, query.n, query.excluded, rng, query.cells)
        else:
            rows = posterior.drawn_rows(1, items, rng)
            ranking = rank_by_quantile(users, rows, query.n, query.excluded, quantile, query.cells)
        return ranking._replace(scores=self.intercept_ + self.scale_ * ranking.scores)

    def _folded(self, fold_in: FoldInRatings) -> dict[str, NDArray[np.float64]]:
        embeddings, biases = posterior_rows(fold_in, chain.posterior_of(self))
        return {
            "embeddings": embeddings.mean(axis=1),
            "biases": biases.mean(axis=1),
            "embedding_samples": embeddings.swapaxes(0, 1),
            "bias_samples": biases.T,
        }

    def _contributions(self, fold_in: FoldInRatings, item: int) -> Contributions:
        return posterior_contributions(fold_in, chain.posterior_of(self), item)
