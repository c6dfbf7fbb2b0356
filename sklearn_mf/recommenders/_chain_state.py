"""The draws and the ends of the chains of a Bayesian recommender, as its fitted attributes hold them."""

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from sklearn_mf.model._factors import Model
from sklearn_mf.model._fold_in import drawn_posterior_rows, posterior_rows
from sklearn_mf.model._initialization import warm_start_model
from sklearn_mf.model._posterior import Draw, Noise, Posterior, unknown_factor
from sklearn_mf.recommenders._chain_knowledge import (
    end_of_precisions,
    end_of_thresholds,
    knowledge_of,
    store_ends,
    store_knowledge,
)
from sklearn_mf.recommenders._query import RecommendQuery
from sklearn_mf.retrieval._posterior_ranking import DrawnRows
from sklearn_mf.retrieval._top_n import norm_bound
from sklearn_mf.solvers.gibbs._noise import ChainState

# Type of the numbers of an array.
Scalar = TypeVar("Scalar", bound=np.generic)

# Attributes with a row for each id that a Bayesian recommender has beside those of all recommenders.
ID_ARRAYS = (
    "_embedding_draws",
    "_bias_draws",
    "_noise_factor_draws",
    "noise_factors_",
    "_rated",
    "_end_embeddings",
    "_end_biases",
    "_end_noise_factors",
    "_pattern_loadings",
)


def kept_after(max_iter: int, burn_in: int, n_samples: int) -> tuple[int, ...]:
    """Numbers of the sweeps after which a draw is kept: evenly spaced after the burn-in."""
    n_sweeps = max_iter - burn_in
    n_kept = min(n_samples, n_sweeps)
    return tuple(burn_in + n_sweeps * (number + 1) // n_kept - 1 for number in range(n_kept))


def store_posterior(fitted: Any, posterior: Posterior) -> None:
    """Set the attributes that the draws give."""
    fitted.intercept_, fitted.scale_ = posterior.intercept, posterior.scale
    fitted._embedding_draws, fitted._bias_draws = posterior.embeddings, posterior.biases
    fitted._noise_factor_draws = posterior.noise_factors
    fitted.embeddings_, fitted.biases_ = _means(posterior.embeddings), _means(posterior.biases)
    fitted.noise_factors_ = _means(posterior.noise_factors)
    averages = posterior.prior_means.mean(axis=0)
    fitted.average_embeddings_, fitted.average_biases_ = averages[:, :-1], averages[:, -1]
    fitted.prior_means_, fitted.prior_precisions_ = posterior.prior_means, posterior.prior_precisions
    fitted.noise_std_samples_ = posterior.scale / np.sqrt(posterior.noise_precisions)
    fitted.noise_std_ = float(fitted.noise_std_samples_.mean())
    fitted.noise_dof_ = posterior.noise_dof
    fitted._rated = posterior.rated
    store_knowledge(fitted, posterior)
    fitted._norm_bounds = [norm_bound(posterior.stacked(field)) for field in range(len(posterior.embeddings))]


def posterior_of(fitted: Any) -> Posterior:
    """The draws that :func:`store_posterior` has stored."""
    return Posterior(
        fitted.intercept_,
        fitted.scale_,
        fitted._embedding_draws,
        fitted._bias_draws,
        fitted._noise_factor_draws,
        fitted._rated,
        fitted.prior_means_,
        fitted.prior_precisions_,
        *knowledge_of(fitted),
        (fitted.scale_ / fitted.noise_std_samples_) ** 2,
        fitted.noise_dof_,
    )


def store_ends_of_chains(fitted: Any, draws: tuple[Draw, ...]) -> None:
    """Keep the last draws, from which a warm start continues; arrays over ids are (n_ids, n_chains, ...)."""
    fitted._epochs, fitted._n_sweeps = draws[0].model.epochs, draws[0].n_sweeps
    fitted._end_embeddings = _side_by_side([draw.model.embeddings for draw in draws])
    fitted._end_biases = _side_by_side([draw.model.biases for draw in draws])
    fitted._end_noise_factors = _side_by_side([draw.noise.factors for draw in draws])
    fitted._end_noise_precisions = np.array([draw.noise.precision for draw in draws])
    fitted._end_noise_dof = np.array([draw.noise.degrees for draw in draws])
    store_ends(fitted, draws)


def _side_by_side(arrays: list[list[NDArray[Scalar]]]) -> list[NDArray[Scalar]]:
    """Arrays of fields of chains, (n_ids[f], ...), to arrays of fields, (n_ids[f], n_chains, ...)."""
    return [np.stack(chains, axis=1) for chains in zip(*arrays, strict=True)]


def n_chains_of(fitted: Any) -> int:
    """Number of chains of the last fit."""
    return len(fitted._end_noise_precisions)


def chain_states(fitted: Any, start: Model, known_codes: list[NDArray[np.int32]]) -> list[ChainState]:
    """Ends of the chains, in units and over the ids of the fit that continues them."""
    return [_chain_state(fitted, start, known_codes, chain) for chain in range(n_chains_of(fitted))]


def _chain_state(fitted: Any, start: Model, known_codes: list[NDArray[np.int32]], chain: int) -> ChainState:
    factors = [np.ones(len(rows)) for rows in start.embeddings]
    for factor, codes, known in zip(factors, known_codes, fitted._end_noise_factors, strict=True):
        factor[codes] = known[:, chain]
    precision = float(fitted._end_noise_precisions[chain]) * (start.scale / fitted.scale_) ** 2
    end = Model(
        fitted.intercept_,
        fitted.scale_,
        [rows[:, chain] for rows in fitted._end_embeddings],
        [biases[:, chain] for biases in fitted._end_biases],
        fitted.average_embeddings_,
        fitted.average_biases_,
        fitted._epochs,
    )
    model = warm_start_model(start, end, known_codes)
    return ChainState(
        model,
        Noise(precision, factors, fitted._end_noise_dof[chain]),
        fitted._n_sweeps,
        end_of_precisions(fitted, chain),
        end_of_thresholds(fitted, chain, start),
    )


def check_same_chains(previous: Any, heteroscedastic: bool, n_chains: int) -> None:
    """Refuse a warm start with another model of the noise or another number of chains."""
    advice = "set warm_start=False to start anew."
    if np.isfinite(previous._end_noise_dof).all() != heteroscedastic:
        raise ValueError(f"A warm start cannot change heteroscedastic to {heteroscedastic}: {advice}")
    if n_chains_of(previous) != n_chains:
        raise ValueError(
            f"A warm start cannot change n_chains from {n_chains_of(previous)} to {n_chains}: {advice}"
        )


def rows_from_features(
    posterior: Posterior, field: int, features: csr_array
) -> dict[str, NDArray[np.generic]]:
    """Draws and means of new ids of a field with features, (n, n_features), by their fitted attributes."""
    unrated = csr_array((features.shape[0], len(posterior.embeddings[1 - field])))
    rows = posterior.prior_means_of(field, unrated, features).astype(np.float32)
    factors = np.tile(unknown_factor(posterior.noise_dof[:, field]), (len(rows), 1)).astype(np.float32)
    embeddings, biases, noise_factors = _means([rows[..., :-1], rows[..., -1], factors])
    return {
        "_embedding_draws": rows[..., :-1],
        "_bias_draws": rows[..., -1],
        "_noise_factor_draws": factors,
        "embeddings_": embeddings,
        "biases_": biases,
        "noise_factors_": noise_factors,
    }


def user_rows(posterior: Posterior, query: RecommendQuery) -> DrawnRows:
    """Rows of the users of a query under each draw: means, where they are not known from fit."""
    if query.fold_in is None:
        return posterior.rows(0, query.codes)
    return posterior_rows(query.fold_in, posterior)


def drawn_user_rows(posterior: Posterior, query: RecommendQuery, rng: np.random.Generator) -> DrawnRows:
    """Rows of the users of a query under each draw: drawn, where they are not known from fit."""
    if query.fold_in is None:
        return posterior.drawn_rows(0, query.codes, rng)
    return drawn_posterior_rows(query.fold_in, posterior, rng)


def _means(draws: list[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Means over the draws, (n_ids, n_samples, ...) -> (n_ids, ...)."""
    return [rows.mean(axis=1, dtype=np.float64).astype(np.float32) for rows in draws]
