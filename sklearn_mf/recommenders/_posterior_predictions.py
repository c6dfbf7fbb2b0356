"""Predictions, recommendations and fold-in from the draws of a Bayesian recommender."""

import math
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.stats import norm
from sklearn.utils import check_random_state
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from sklearn_mf.model._fold_in import Contributions, FoldInRatings, posterior_contributions, posterior_rows
from sklearn_mf.recommenders import _chain_state as chain
from sklearn_mf.recommenders._base import BaseRecommender
from sklearn_mf.recommenders._chain_diagnostics import summary_table
from sklearn_mf.recommenders._fitting import reads_one_fit
from sklearn_mf.recommenders._newcomers import admit
from sklearn_mf.recommenders._onnx_graph import FieldRows
from sklearn_mf.recommenders._query import RecommendQuery, read_query
from sklearn_mf.recommenders._rating_regressor import RatingRegressorMixin
from sklearn_mf.recommenders._to_arviz import to_arviz
from sklearn_mf.retrieval._posterior_ranking import rank_by_draw, rank_by_quantile
from sklearn_mf.retrieval._top_n import Ranking


def _check_probability(value: object, name: str) -> None:
    """Refuse a parameter that is not between 0 and 1."""
    if not isinstance(value, Real):
        raise TypeError(f"{name} must be a number between 0 and 1, got {value!r}.")
    if not 0 < float(value) < 1:
        raise ValueError(f"{name} must be between 0 and 1, got {value!r}.")


def _is_ordinal(recommender: object) -> bool:
    """Whether ratings are ordered categories; an AttributeError says what to do."""
    if getattr(recommender, "likelihood", None) != "ordinal":
        raise AttributeError("predict_distribution needs ordered ratings: set likelihood='ordinal'.")
    return True


class PosteriorPredictionsMixin(RatingRegressorMixin, BaseRecommender):
    """Mixin of recommenders that have draws of factorizations; they implement the hooks of the fit."""

    clip: bool
    rating_levels_: NDArray[np.float64]
    target_range_: NDArray[np.float64]
    _embedding_draws: list[NDArray[np.float32]]
    _bias_draws: list[NDArray[np.float32]]
    _noise_factor_draws: list[NDArray[np.float32]]

    diagnostics_: dict[str, dict[str, float]]

    @reads_one_fit
    def summarize_chains(self) -> pd.DataFrame:
        """Summarise the draws of quantities that the ratings identify, with their convergence.

        Single coordinates of embeddings are not among them, since embeddings may rotate from draw to draw.

        Returns
        -------
        table : DataFrame of shape (n_quantities, 7)
            Indexed by quantity: "expected_rating", the expected ratings of 1000 cells drawn at random;
            "noise_std", the common standard deviation of the noise; for each column of X "<column>_std", the
            standard deviation of the effects of its ids beside average ids of the other columns;
            "interaction_std", that of the inner products of embeddings. Features of ids are 0 here.
            Columns: "mean", "sd", "5%" and "95%" of the draws; "r_hat", rank-normalised split R-hat;
            "ess_bulk" and "ess_tail", effective sample sizes in the bulk and in the tails. Over the expected
            ratings, the first four are means, and the others those of one of the worst cells: the 95th
            percentile of R-hat and the 5th of the effective sample sizes.

        See Also
        --------
        to_arviz : All draws, for the plots and statistics of ArviZ.

        Examples
        --------
        >>> from sklearn_mf import BayesianMFRecommender
        >>> X = [["ann", "up"], ["ann", "alien"], ["bob", "up"]]
        >>> model = BayesianMFRecommender(2, max_iter=120, random_state=0).fit(X, [5, 1, 4])
        >>> model.summarize_chains().loc["noise_std"].index.tolist()
        ['mean', 'sd', '5%', '95%', 'r_hat', 'ess_bulk', 'ess_tail']
        """
        check_is_fitted(self)
        return summary_table(self.diagnostics_)

    @reads_one_fit
    def to_arviz(self) -> Any:
        """Export the draws to ArviZ, which must be installed.

        Returns
        -------
        data : arviz.InferenceData, or xarray.DataTree from ArviZ 1.0 on
            Its group "posterior" has the dimensions "chain" and "draw", and those of the ids of each column
            of X under its name. The variables are "noise_std", and for each column "<column>_embedding",
            "<column>_bias" and "<column>_noise_factor".

        Raises
        ------
        ModuleNotFoundError
            Where ArviZ is not installed.

        See Also
        --------
        summarize_chains : A short table, without ArviZ.

        Examples
        --------
        >>> from sklearn_mf import BayesianMFRecommender
        >>> X = [["ann", "up"], ["ann", "alien"], ["bob", "up"]]
        >>> model = BayesianMFRecommender(2, max_iter=120, random_state=0).fit(X, [5, 1, 4])
        >>> model.to_arviz().posterior["user_bias"].dims  # doctest: +SKIP
        ('chain', 'draw', 'user')
        """
        check_is_fitted(self)
        return to_arviz(self)

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

    @available_if(_is_ordinal)
    @reads_one_fit
    def predict_distribution(self, X: ArrayLike) -> pd.DataFrame:
        """Predict the probability of each rating, with `likelihood="ordinal"`.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n_samples, n_fields)
            One row of ids for each rating to predict, columns as in fit.

        Returns
        -------
        table : DataFrame of shape (n_samples, n_levels)
            Probabilities, one column for each distinct rating of fit; each row sums to 1.

        Raises
        ------
        ValueError
            Where predict raises.

        Examples
        --------
        >>> from sklearn_mf import BayesianMFRecommender
        >>> X = [["ann", "up"], ["ann", "alien"], ["bob", "up"], ["bob", "heat"]]
        >>> model = BayesianMFRecommender(2, max_iter=120, likelihood="ordinal", random_state=0)
        >>> model.fit(X, [5, 1, 4, 4]).predict_distribution([["bob", "alien"]]).columns.tolist()
        [1.0, 4.0, 5.0]
        """
        codes = self._read_codes(X)
        probabilities = chain.posterior_of(self).level_probabilities(codes)
        return pd.DataFrame(probabilities, columns=self.rating_levels_)

    @reads_one_fit
    def predict_interval(self, X: ArrayLike, coverage: float = 0.9) -> NDArray[np.float64]:
        """Predict intervals that hold a rating with a given probability.

        The predictive distribution, a mixture of normal distributions over the draws, is taken as the normal
        distribution of the same mean and variance. With `likelihood="ordinal"` the bounds are quantiles of
        the predicted distribution of the ratings. The interval includes them, so it holds a rating with more
        than the given probability.

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
        _check_probability(coverage, "coverage")
        posterior = chain.posterior_of(self)
        if posterior.levels is not None:
            return posterior.levels.interval(posterior.level_probabilities(codes), coverage)
        summary = posterior.summary(codes, None)
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
        features: object = None,
        by: str = "mean",
        quantile: float = 0.9,
        random_state: int | np.random.RandomState | None = None,
    ) -> pd.DataFrame:
        """Recommend items by posterior mean, by an upper quantile (UCB) or by Thompson sampling.

        Parameters
        ----------
        users : id, or list, array, Series or Index of ids, or table of features, default=None
            Whom to recommend to, as in :meth:`MFRecommender.recommend`.
        n : int, default=10
            Items for each user.
        exclude_seen : bool, default=True
            Leave out the items that the user has rated.
        candidates, exclude : id, or list, array, Series or Index of ids, or table, default=None
            Items to choose from, and items that are never shown, as in :meth:`MFRecommender.recommend`.
        ratings : array-like or DataFrame of shape (n_ratings, 3), default=None
            In the place of `users`: user, item and rating of people, whether fit has seen them or not.
        features : table, default=None
            Features of the users of `ratings`, as :meth:`fold_in` takes them.
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
        _check_probability(quantile, "quantile")
        users, candidates = admit(self, 0, users), admit(self, 1, candidates)
        query = read_query(self, users, n, exclude_seen, candidates, ratings, exclude, features)
        if by == "mean":
            return self._recommendations(query, self._rank_by_mean(query))
        rng = np.random.default_rng(check_random_state(random_state).randint(np.iinfo(np.int32).max))
        return self._recommendations(query, self._rank_by_draws(query, by, quantile, rng))

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
        means = (
            embeddings.reshape(len(embeddings), math.prod(embeddings.shape[1:])).astype(np.float64)
            / posterior.n_samples
        )
        return means, biases.mean(axis=1, dtype=np.float64)

    def _field_rows(self) -> list[FieldRows]:
        posterior = chain.posterior_of(self)
        means = posterior.prior_means.swapaxes(0, 1).astype(np.float32).astype(np.float64)  # as of `rows`
        return [
            FieldRows(embeddings, biases, mean[:, :-1], mean[:, -1])
            for embeddings, biases, mean in zip(posterior.embeddings, posterior.biases, means, strict=True)
        ]

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

    def _new_rows(self, field: int, features: csr_array) -> dict[str, NDArray[np.generic]]:
        return chain.rows_from_features(chain.posterior_of(self), field, features)

    def _contributions(self, fold_in: FoldInRatings, item: int) -> Contributions:
        return posterior_contributions(fold_in, chain.posterior_of(self), item)
