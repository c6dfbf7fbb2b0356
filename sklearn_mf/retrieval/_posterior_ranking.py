"""Rankings by other summaries of the draws than their mean: one draw, or a quantile."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from sklearn_mf.model._posterior import Posterior
from sklearn_mf.retrieval._top_n import Cells, Excluded, Ranking, best_cells, best_n, empty_ranking, top_n
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
    cells: Cells | None = None,
) -> Ranking:
    """Rank items (n_items,), codes, by the score under one draw chosen at random, in units of z.

    Items without ratings are drawn from their prior. `cells` are the only ones to rank, as in `top_n`.
    """
    place = int(rng.integers(posterior.n_samples))
    vectors = posterior.embeddings[1][items, place]
    offsets = posterior.biases[1][items, place]
    unrated = np.flatnonzero(~posterior.rated[1][items])
    deviations = posterior.prior_deviations(1, len(unrated), rng)[:, place]
    vectors[unrated] += deviations[:, :-1]
    offsets[unrated] += deviations[:, -1]
    embeddings, biases = users
    queries = embeddings[:, place].astype(np.float64)
    ranking = top_n(queries, vectors, n, excluded, offsets, cells=cells)
    return ranking._replace(scores=ranking.scores + biases[ranking.rows, place])


def rank_by_quantile(
    users: DrawnRows,
    items: DrawnRows,
    n: int,
    excluded: Excluded,
    quantile: float,
    cells: Cells | None = None,
) -> Ranking:
    """Rank items by a quantile of the score over the draws, in units of z; `cells` as in `top_n`."""
    if cells is not None:
        return best_cells(cells, _cell_quantiles(users, items, quantile, cells), n)
    (embeddings, user_biases), (vectors, biases) = users, items
    n_samples = biases.shape[1]
    embeddings = embeddings.astype(np.float32)

    def scores(block: slice) -> NDArray[np.float64]:
        """Quantiles of a block of users and all items."""
        rows, row_biases = embeddings[block], user_biases[block]
        draws = (
            rows[:, place] @ vectors[:, place].T + biases[:, place] + row_biases[:, place, None]
            for place in range(n_samples)
        )
        return _quantiles(draws, n_samples, quantile, (len(rows), len(vectors)))

    with SINGLE_THREADED_BLAS:  # many small products
        return rank_blocks(scores, len(user_biases), len(biases), n, excluded)


def rank_blocks(
    scores: Callable[[slice], NDArray[np.float64]], n_users: int, n_items: int, n: int, excluded: Excluded
) -> Ranking:
    """Rank all items by scores that are computed for a block of users at a time, (n_block, n_items)."""
    found = []
    for block in batches(n_users, max(1, _BLOCK_SCORES // max(n_items, 1))):
        ranking = best_n(scores(block), n, excluded and excluded(block))
        found.append(ranking._replace(rows=ranking.rows + block.start))
    if not found:
        return empty_ranking()
    return Ranking(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _cell_quantiles(users: DrawnRows, items: DrawnRows, quantile: float, cells: Cells) -> NDArray[np.float64]:
    """Quantile of the score of each cell over the draws, (n_cells,)."""
    (embeddings, user_biases), (vectors, biases) = users, items
    n_samples, dim = vectors.shape[1:]
    found = np.empty(len(cells[0]))
    for part in batches(len(found), max(1, _BLOCK_SCORES // max(dim, 1))):
        rows, columns = cells[0][part], cells[1][part]
        draws = (
            np.einsum("nk,nk->n", embeddings[rows, place], vectors[columns, place])
            + biases[columns, place]
            + user_biases[rows, place]
            for place in range(n_samples)
        )
        found[part] = _quantiles(draws, n_samples, quantile, rows.shape)
    return found


def _quantiles(
    draws: Iterable[NDArray[np.floating]], n_samples: int, quantile: float, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Quantile of the normal distribution with mean and variance of the draws, arrays of the shape."""
    total, squares = np.zeros(shape), np.zeros(shape)
    for z in draws:
        total += z
        squares += z * z
    mean = total / n_samples
    std = np.sqrt(np.maximum(squares / n_samples - mean**2, 0))
    return mean + norm.ppf(quantile) * std
