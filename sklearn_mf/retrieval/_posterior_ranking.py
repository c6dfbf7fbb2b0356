"""Rankings by other summaries of the draws than their mean: one draw, or a quantile."""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from sklearn_mf.model._posterior import Posterior
from sklearn_mf.retrieval._top_n import Excluded, Ranking, best_n, top_n
from sklearn_mf.utils._batches import batches
from sklearn_mf.utils._threads import SINGLE_THREADED_BLAS

# Scores of a block of users that rank_by_quantile holds at a time.
_BLOCK_SCORES = 2**21

# Embeddings (n, n_samples, embedding_dim) and biases (n, n_samples) of ids.
DrawnRows = tuple[NDArray[np.floating], NDArray[np.floating]]


def rank_by_draw(
    posterior: Posterior,
    users: DrawnRows,
    items: NDArray[np.intp],
    n: int,
    excluded: Excluded,
    rng: np.random.Generator,
) -> Ranking:
    """Rank items (n_items,), codes, by the score under one draw chosen at random, in units of z.

    Items without ratings are drawn from their prior.
    """
    place = int(rng.integers(posterior.n_samples))
    vectors = posterior.embeddings[1][items, place]
    offsets = posterior.biases[1][items, place]
    unrated = np.flatnonzero(~posterior.rated[1][items])
    drawn = posterior.prior_draws(1, len(unrated), rng)[:, place]
    vectors[unrated], offsets[unrated] = drawn[:, :-1], drawn[:, -1]
    embeddings, biases = users
    ranking = top_n(embeddings[:, place].astype(np.float64), vectors, n, excluded, offsets)
    return ranking._replace(scores=ranking.scores + biases[ranking.rows, place])


def rank_by_quantile(
    users: DrawnRows, items: DrawnRows, n: int, excluded: Excluded, quantile: float
) -> Ranking:
    """Rank items by a quantile of the score over the draws, in units of z."""
    embeddings, biases = users
    found = []
    for block in batches(len(biases), max(1, _BLOCK_SCORES // max(len(items[1]), 1))):
        with SINGLE_THREADED_BLAS:  # many small products
            scores = _quantiles((embeddings[block], biases[block]), items, quantile)
        ranking = best_n(scores, n, excluded and excluded(block))
        found.append(ranking._replace(rows=ranking.rows + block.start))
    return Ranking(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _quantiles(users: DrawnRows, items: DrawnRows, quantile: float) -> NDArray[np.float64]:
    """Quantile of the normal distribution with mean and variance of the draws, (n_users, n_items)."""
    (embeddings, user_biases), (vectors, biases) = users, items
    embeddings = embeddings.astype(np.float32)
    total = np.zeros((len(embeddings), len(vectors)))
    squares = np.zeros_like(total)
    n_samples = vectors.shape[1]
    for place in range(n_samples):
        z = embeddings[:, place] @ vectors[:, place].T + biases[:, place] + user_biases[:, place, None]
        total += z
        squares += z * z
    mean = total / n_samples
    std = np.sqrt(np.maximum(squares / n_samples - mean**2, 0))
    return mean + norm.ppf(quantile) * std
