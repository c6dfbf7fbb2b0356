"""What a Bayesian recommender stores of its chain, and how the rest reads it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from sklearn_mf.model._factors import Model
from sklearn_mf.model._fold_in import FoldInRatings, posterior_parts, posterior_rows
from sklearn_mf.model._posterior import Draw, Noise, Posterior, SampleStore
from sklearn_mf.recommenders._base import BaseRecommender
from sklearn_mf.recommenders._tables import Excluded, RecommendQuery
from sklearn_mf.retrieval._top_n import Ranking, best_n, length_bound, top_n
from sklearn_mf.utils._threads import SINGLE_THREADED_BLAS

# Scores of a block of users that recommend(by="upper") holds at a time.
_BLOCK_SCORES = 2**21


class BayesianState(BaseRecommender):
    """Draws, the end of the chain, and rankings by other things than the mean."""

    @property
    def embedding_samples_(self) -> list[NDArray[np.float32]]:
        """Kept draws of the embeddings: list of ndarray of shape (n_ids[f], n_samples, embedding_dim)."""
        n = len(self.noise_std_samples_)
        return [(np.float32(np.sqrt(n)) * rows).reshape(len(rows), n, -1) for rows in self.embeddings_]

    @property
    def _fitted_dim(self) -> int:
        return self.prior_means_.shape[2] - 1

    def _user_rows(
        self, codes: NDArray[np.intp], rng: np.random.Generator | None
    ) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        if rng is None:
            return self._model.rows(0, codes)
        return self._drawn_rows(0, codes, rng)

    def _drawn_rows(
        self, field: int, codes: NDArray[np.intp], rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Draws, (n, n_samples, embedding_dim), (n, n_samples); of ids without ratings from the prior."""
        embeddings, biases = self._posterior.rows(field, codes)
        unrated = np.flatnonzero((codes < 0) | (self._epochs[field][codes] == 0))
        drawn = self._posterior.prior_rows(field, len(unrated), rng)
        embeddings[unrated], biases[unrated] = drawn[..., :-1], drawn[..., -1]
        return embeddings, biases

    def _fold_rows(
        self, fold_in_ratings: FoldInRatings, rng: np.random.Generator | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """With a generator: draws, (n, n_samples, embedding_dim), (n, n_samples); else as `embeddings_`."""
        embeddings, biases = posterior_rows(fold_in_ratings, self._posterior, rng)
        if rng is not None:
            return embeddings, biases
        return embeddings.reshape(len(embeddings), -1) / np.sqrt(embeddings.shape[1]), biases.mean(axis=1)

    def _fold_parts(self, fold_in_ratings: FoldInRatings) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return posterior_parts(fold_in_ratings, self._posterior)

    def _rank_by_draw(
        self,
        query: RecommendQuery,
        items: NDArray[np.intp] | None,
        n: int,
        excluded: Excluded,
        rng: np.random.Generator,
    ) -> Ranking:
        """Ranking by expected rating under one draw; audience with draws; items (m,), None for all."""
        codes = np.arange(len(self.categories_[1])) if items is None else items
        place, dim = int(rng.integers(len(self.noise_std_samples_))), self._fitted_dim
        vectors = self.embeddings_[1][codes, place * dim : (place + 1) * dim]
        vectors = vectors * np.float32(np.sqrt(len(self.noise_std_samples_)))
        offsets = self.bias_samples_[1][codes, place]
        unrated = np.flatnonzero(self._epochs[1][codes] == 0)
        drawn = self._posterior.prior_rows(1, len(unrated), rng)[:, place]
        vectors[unrated], offsets[unrated] = drawn[:, :-1], drawn[:, -1]
        queries = query.embeddings[:, place].astype(np.float64)
        ranking = top_n(queries, vectors, n, excluded, offsets)
        scores = ranking.scores + query.biases[ranking.rows, place]
        return ranking._replace(scores=self.intercept_ + self.scale_ * scores)

    def _rank_by_quantile(
        self,
        query: RecommendQuery,
        items: NDArray[np.intp] | None,
        n: int,
        excluded: Excluded,
        rng: np.random.Generator,
        quantile: float,
    ) -> Ranking:
        """Ranking by a quantile of the expected rating; audience with draws; items (m,), None for all."""
        codes = np.arange(len(self.categories_[1])) if items is None else items
        vectors, biases = self._drawn_rows(1, codes, rng)
        step = max(1, _BLOCK_SCORES // max(len(codes), 1))
        found = []
        for first in range(0, len(query.ids), step):
            block = slice(first, min(first + step, len(query.ids)))
            with SINGLE_THREADED_BLAS:  # many small products
                scores = self._quantiles(query, block, vectors, biases, quantile)
            ranking = best_n(scores, n, excluded and excluded(block))
            found.append(ranking._replace(rows=ranking.rows + first))
        return Ranking(*(np.concatenate(parts) for parts in zip(*found, strict=True)))

    def _quantiles(
        self,
        query: RecommendQuery,
        block: slice,
        vectors: NDArray[np.float32],
        biases: NDArray[np.float32],
        quantile: float,
    ) -> NDArray[np.float64]:
        """Of the normal distribution with mean and variance of the draws, (n_block, n_items)."""
        users, user_biases = query.embeddings[block].astype(np.float32), query.biases[block]
        total = np.zeros((len(users), len(vectors)))
        squares = np.zeros_like(total)
        n_samples = vectors.shape[1]
        for place in range(n_samples):
            z = users[:, place] @ vectors[:, place].T + biases[:, place] + user_biases[:, place, None]
            total += z
            squares += z * z
        mean = total / n_samples
        std = np.sqrt(np.maximum(squares / n_samples - mean**2, 0))
        return self.intercept_ + self.scale_ * (mean + norm.ppf(quantile) * std)

    @property
    def _posterior(self) -> Posterior:
        return Posterior(
            self.intercept_,
            self.scale_,
            self.embeddings_,
            self.bias_samples_,
            self.noise_factor_samples_,
            [epochs > 0 for epochs in self._epochs],
            self.prior_means_,
            self.prior_precisions_,
            (self.scale_ / self.noise_std_samples_) ** 2,
            self.noise_dof_,
        )

    def _store_end_of_chain(self, draw: Draw) -> None:
        """Keep what a warm start goes on from."""
        self._epochs = draw.model.epochs
        self._end_embeddings, self._end_biases = draw.model.embeddings, draw.model.biases
        self._end_noise_precision, self._end_noise_factors = draw.noise.precision, draw.noise.factors
        self._end_noise_degrees, self._n_sweeps = draw.noise.degrees, draw.n_sweeps

    def _noise_at_end(self, start: Model, known_codes: list[NDArray[np.int32]]) -> Noise:
        """Noise at the end of the chain, in units and over the ids of the fit that goes on."""
        factors = [np.ones(len(rows)) for rows in start.embeddings]
        for factor, codes, known in zip(factors, known_codes, self._end_noise_factors, strict=True):
            factor[codes] = known
        precision = self._end_noise_precision * (start.scale / self.scale_) ** 2
        return Noise(precision, factors, self._end_noise_degrees)

    @property
    def _end_of_chain(self) -> Model:
        dim, n_fields = self._fitted_dim, len(self.categories_)
        nothing = np.zeros((n_fields, dim)), np.zeros(n_fields)
        return Model(
            self.intercept_, self.scale_, self._end_embeddings, self._end_biases, *nothing, self._epochs
        )


def single_sample_posterior(draw: Draw, start: Model) -> Posterior:
    """Posterior of one draw.

    Parameters
    ----------
    draw : Draw
        The draw.
    start : Model
        Gives the numbers of ids, m and s.

    Returns
    -------
    posterior : Posterior
        Of one sample.
    """
    return SampleStore(start, 1).add(draw).posterior()


def fitted_attributes(posterior: Posterior) -> dict[str, Any]:
    """Fitted attributes of the draws.

    Parameters
    ----------
    posterior : Posterior
        Kept draws.

    Returns
    -------
    attributes : dict
        By name.
    """
    embeddings, biases = posterior.averages()
    noise_stds = posterior.scale / np.sqrt(posterior.noise_precisions)
    return {
        "intercept_": posterior.intercept,
        "scale_": posterior.scale,
        "embeddings_": posterior.embeddings,
        "biases_": _means(posterior.biases),
        "bias_samples_": posterior.biases,
        "average_embeddings_": embeddings,
        "average_biases_": biases,
        "prior_means_": posterior.prior_means,
        "prior_precisions_": posterior.prior_precisions,
        "noise_std_samples_": noise_stds,
        "noise_std_": float(noise_stds.mean()),
        "noise_factor_samples_": posterior.noise_factors,
        "noise_factors_": _means(posterior.noise_factors),
        "noise_dof_": posterior.noise_degrees,
        "_epochs": [rated.astype(np.int32) for rated in posterior.rated],
        "_length_bounds": list(map(length_bound, posterior.embeddings)),
    }


def _means(samples: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Means over the draws, (n_ids, n_samples) -> (n_ids,)."""
    return [rows.mean(axis=1, dtype=np.float64).astype(np.float32) for rows in samples]
