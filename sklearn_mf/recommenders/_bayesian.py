"""BayesianMFRecommender: draws of factorizations, and predictions with their uncertainty."""

from collections.abc import Hashable
from numbers import Integral
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.callback import with_callbacks

from sklearn_mf.model._initialization import fresh_start
from sklearn_mf.model._posterior import Draw, posterior_of_draws
from sklearn_mf.ratings._store_input import FitData
from sklearn_mf.recommenders import _chain_state as chain
from sklearn_mf.recommenders._chain_diagnostics import store_diagnostics
from sklearn_mf.recommenders._chain_knowledge import check_same_knowledge
from sklearn_mf.recommenders._fitting import FitTask, fit_recommender
from sklearn_mf.recommenders._posterior_predictions import PosteriorPredictionsMixin
from sklearn_mf.solvers._registry import load_solver
from sklearn_mf.solvers._training import GibbsOptions, History, Stopping
from sklearn_mf.utils._sklearn_compat import Interval, StrOptions, _fit_context


class BayesianMFRecommender(PosteriorPredictionsMixin):
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

    Priors: :math:`(\mu_f, \Lambda_f)` is Normal-Wishart with :math:`\mu_0 = 0` and :math:`\beta_0 = 2`. The
    Wishart distribution has `embedding_dim + 1` degrees of freedom and 0.03 more for each id of the field.
    Its mean is diagonal: inner products of embeddings have variance 0.08, and biases have variance 0.2.
    :math:`\tau \sim \Gamma(1/2, 1/2)` (shape, rate) as in libFM [2]_, in units of z = (y - m) / s. Unlike in
    [1]_, ids have biases, the noise is learnt and differs from id to id as in [3]_, with
    :math:`\nu_f` one of 60 numbers from 4 to 400, and there may be any number of fields.

    Users, items and ids with tables have features x, and the prior mean of an id is
    :math:`\mu_f + B_f^T x_{fj}` [4]_. The coefficients have the prior
    :math:`N(0, (\lambda \Lambda_f)^{-1})` for each feature, where one :math:`\lambda` is learnt for the table
    of a field and one for its `implicit_features`.

    Parameters
    ----------
    embedding_dim : int, default=32
        Length of the embeddings. 0 leaves the biases alone.
    max_iter : int, default=110
        Number of sweeps of each chain. One sweep draws every unknown once, given all others.
    burn_in : int, default=30
        First sweeps of each new chain that are discarded, at most half of `max_iter`.
    n_samples : int, default=100
        Draws to keep of all chains together, the same number of each, evenly spaced over the sweeps after
        `burn_in`; fewer where there are fewer sweeps. They take 4 * n_samples * (embedding_dim + 2) bytes for
        each id.
    n_chains : int, default=2
        Number of independent chains, sampled side by side. Predictions are means over the draws of all
        chains. Whether the chains agree shows whether they have converged.
    heteroscedastic : bool, default=True
        Whether the noise differs between ids: some users rate at random, and users agree about some items.
        False sets all c to 1.
    likelihood : {"normal", "ordinal"}, default="normal"
        "ordinal" takes the ratings as 2 to 30 ordered categories, for example stars: a rating says between
        which thresholds a latent value with normal noise lies [5]_. Thresholds are learnt, so that the stars
        need not be evenly spaced. Embeddings, biases, scores of recommendations and fold-in then belong to
        the latent values, which have about the scale of the ratings. Each combination of ids must occur once,
        without sample weights.
    implicit_features : int, default=32
        Number of features of users and items from the pattern of ratings: who has rated what, whatever the
        rating. They are the first principal components of the indicator matrix of the rated cells. 0 uses
        none; with one field there are none.
    features : dict of tables, default=None
        Features of users and items (:ref:`features`): for a column of X, by its name or number, a DataFrame
        whose ids are the index or a column of that name, or a pair (ids, scipy.sparse matrix).
    feature_separator : str or None, default="|"
        Text of features is split at it into several categories; None never splits.
    clip : bool, default=True
        Keep the expected rating of each draw, and the bounds of intervals, inside the range of the training
        ratings. Scores of recommendations are never clipped.
    handle_unknown : {"ignore", "error"}, default="ignore"
        What to do with an unknown id, one that fit has not seen: use the prior of its field, or raise.
    warm_start : bool, default=False
        Continue the chains of the last fit without a further burn-in; new ids are added. With an int as
        `random_state`, 50 sweeps and then 50 more equal 100. The new draws replace those of the last fit.
    verbose : int, default=0
        Above 0, print one line for each sweep.
    random_state : int, RandomState instance or None, default=None
        Seed of the chains. With an int the same data give the same bits on the same machine's CPU.

    Attributes
    ----------
    intercept_, scale_, categories_, id_types_, target_range_ : float and array
        As in :class:`MFRecommender`.
    embedding_samples_ : list of ndarray of shape (n_samples, n_ids[f], embedding_dim), float32
        Kept draws of the embeddings of each field, in units of z, first all draws of the first chain. A
        property: it views the draws.
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
    rating_levels_ : ndarray of shape (n_levels,), float64
        The distinct ratings. Only with `likelihood="ordinal"`.
    threshold_samples_ : ndarray of shape (n_samples, n_levels - 1), float64
        Draws of the thresholds between them; the first and the last are fixed. Only with
        `likelihood="ordinal"`.
    log_likelihood_curve_ : list of float
        Log-likelihood of the training ratings after each sweep, the mean over the chains.
    r_hat_ : float
        Rank-normalised split R-hat [6]_ of the expected ratings of 1000 cells drawn at random, the 95th
        percentile over the cells: the spread of the draws over all chains relative to that within each half
        of a chain. It is 1 where the chains agree and nan with fewer than 4 draws of a chain. Above 1.2, and
        where R-hat of the noise is above 1.5, fit warns.
    diagnostics_ : dict of {str: dict of {str: float}}
        The table of :meth:`summarize_chains`, row by row.
    user_ids_, item_ids_, user_embeddings_, item_embeddings_, user_biases_, item_biases_ : ndarray
        The two fields by name, where there are two.
    n_iter_, n_features_in_ : int
        Number of sweeps of the last fit; number of fields.
    feature_names_in_ : ndarray of shape (n_fields,)
        Names of the id columns, where X has names that are all strings.

    See Also
    --------
    MFRecommender : One factorization in place of many: faster, smaller, less accurate.
    ImplicitMFRecommender : Lists from clicks, plays or purchases, or from who rated what.
    sklearn_mf.dummy.DummyRecommender : Most popular items, the baseline of every list.

    References
    ----------
    .. [1] Ruslan Salakhutdinov, Andriy Mnih, "Bayesian Probabilistic Matrix Factorization using Markov Chain
       Monte Carlo", ICML 2008.
    .. [2] Steffen Rendle, "Factorization Machines with libFM", ACM TIST 2012.
    .. [3] Balaji Lakshminarayanan, Guillaume Bouchard, Cedric Archambeau, "Robust Bayesian Matrix
       Factorisation", AISTATS 2011.
    .. [4] Jaak Simm et al., "Macau: Scalable Bayesian Factorization with High-Dimensional Side Information
       using MCMC", MLSP 2017.
    .. [5] James H. Albert, Siddhartha Chib, "Bayesian Analysis of Binary and Polychotomous Response Data",
       Journal of the American Statistical Association, 1993.
    .. [6] Aki Vehtari et al., "Rank-Normalization, Folding, and Localization: An Improved R-hat for Assessing
       Convergence of MCMC", Bayesian Analysis 2021.

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
        "n_chains": [Interval(Integral, 1, None, closed="left")],
        "heteroscedastic": ["boolean"],
        "likelihood": [StrOptions({"normal", "ordinal"})],
        "implicit_features": [Interval(Integral, 0, None, closed="left")],
        "features": [dict, None],
        "feature_separator": [str, None],
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
        max_iter: int = 110,
        burn_in: int = 30,
        n_samples: int = 100,
        n_chains: int = 2,
        heteroscedastic: bool = True,
        likelihood: str = "normal",
        implicit_features: int = 32,
        features: dict[Hashable, object] | None = None,
        feature_separator: str | None = "|",
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
        self.n_chains = n_chains
        self.heteroscedastic = heteroscedastic
        self.likelihood = likelihood
        self.implicit_features = implicit_features
        self.features = features
        self.feature_separator = feature_separator
        self.clip = clip
        self.handle_unknown = handle_unknown
        self.warm_start = warm_start
        self.verbose = verbose
        self.random_state = random_state

    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: FitData, y: ArrayLike | None = None, sample_weight: ArrayLike | None = None) -> Self:
        """Sample the posterior distribution of embeddings and biases, given ratings.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_fields), scipy.sparse matrix or tf.SparseTensor, \
                RatingsStore, pyarrow.dataset.Dataset or polars.LazyFrame
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

    def _make_solver(self, task: FitTask) -> tuple[Any, Stopping | None]:
        """Begin a new chain, or continue that of the last fit over the ids of both."""
        gibbs: Any = load_solver("gibbs")
        start = fresh_start(
            task.ratings,
            *task.statistics_of(task.ratings).intercept_and_scale(True),
            int(self.embedding_dim),
            task.seed,
            gibbs.start_std,
        )
        states = None
        if task.previous is not None:
            chain.check_same_chains(task.previous, self.heteroscedastic, int(self.n_chains))
            check_same_knowledge(
                task.previous, self.likelihood, int(self.implicit_features), task.ratings.targets
            )
            states = chain.chain_states(task.previous, start, task.known_codes)
        burn_in = min(int(self.burn_in), int(self.max_iter) // 2) if states is None else 0
        n_draws = max(int(self.n_samples) // int(self.n_chains), 1)
        kept = chain.kept_after(int(self.max_iter), burn_in, n_draws)
        options = GibbsOptions(
            task.seed,
            self.heteroscedastic,
            kept,
            task.features,
            int(self.n_chains),
            int(self.implicit_features),
            self.likelihood,
        )
        return gibbs(task.ratings, None, start, options, states), None

    def _store_state(self, state: tuple[Draw, ...]) -> None:
        chain.store_posterior(self, posterior_of_draws(state, state[0].model))

    def _store_run(self, state: tuple[Draw, ...], solver: Any, history: History) -> None:
        chain.store_posterior(self, solver.posterior())
        chain.store_ends_of_chains(self, state)
        self.log_likelihood_curve_, self.n_iter_ = history.curve, history.n_iter
        store_diagnostics(self, solver.options.seed)

    def _id_arrays(self) -> list[str]:
        return [*super()._id_arrays(), *chain.ID_ARRAYS]
