"""Embeddings of users that were not in fit, from their ratings and a trained model; NumPy only.

The items stand still, so a row is found by least squares. It is linear in the user's ratings unless
embeddings must not be negative: `ridge_parts` and `posterior_parts` say what each rating adds to it.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear

from sklearn_mf.model._factors import Model
from sklearn_mf.model._posterior import Posterior
from sklearn_mf.ratings._ratings import Ratings

# Least ridge penalty, as a share of the curvature: fewer ratings than unknowns are solvable too.
_LEAST = 1e-6


class FoldInRatings(NamedTuple):
    """Users with ratings of items that fit has seen.

    Parameters
    ----------
    ids : ndarray of shape (n_users,)
        Sorted ids of the users, also of those without such ratings.
    starts : ndarray of shape (n_users + 1,), intp
        First rating of each user, and the end of the last.
    items : ndarray of shape (n_ratings,), int32
        Codes of the rated items, user after user.
    targets, weights : ndarray of shape (n_ratings,), float64
        Ratings in their own units; weights.
    """

    ids: NDArray[Any]
    starts: NDArray[np.intp]
    items: NDArray[np.int32]
    targets: NDArray[np.float64]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, ids: NDArray[Any], ratings: Ratings) -> Self:
        """Take the ratings of users apart.

        Parameters
        ----------
        ids : ndarray of shape (n_users,)
            Ids of the users.
        ratings : Ratings
            Merged ratings of two fields.

        Returns
        -------
        newcomers : Newcomers
            The same ratings.
        """
        starts = np.searchsorted(ratings.codes[:, 0], np.arange(len(ids) + 1))
        return cls(ids, starts, ratings.codes[:, 1], ratings.targets, ratings.weights)

    def rated(self) -> Iterator[tuple[int, NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]]:
        """Go through the users who have ratings.

        Yields
        ------
        number : int
            Which user.
        items : ndarray of shape (n,), int32
            Codes of the rated items.
        targets, weights : ndarray of shape (n,), float64
            Ratings and weights.
        """
        for number in np.flatnonzero(np.diff(self.starts)):
            part = slice(self.starts[number], self.starts[number + 1])
            yield int(number), self.items[part], self.targets[part], self.weights[part]

    def only(self, number: int) -> Self:
        """Keep one user.

        Parameters
        ----------
        number : int
            Which one.

        Returns
        -------
        newcomer : Newcomers
            The user with all ratings.
        """
        part = slice(self.starts[number], self.starts[number + 1])
        items, starts = self.items[part], np.array([0, part.stop - part.start])
        return type(self)(self.ids[[number]], starts, items, self.targets[part], self.weights[part])


def ridge_rows(
    fold_in_ratings: FoldInRatings, model: Model, l2: float, fit_bias: bool, positive: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Minimise the objective over the embedding and bias of each user, the items standing still.

    Parameters
    ----------
    newcomers : Newcomers
        Their ratings.
    model : Model
        Trained.
    l2 : float
        Ridge penalty of one rating.
    fit_bias : bool
        Whether users have biases.
    positive : bool
        Whether embeddings must not be negative.

    Returns
    -------
    embeddings : ndarray of shape (n_users, embedding_dim), float64
        The average user's for one without ratings.
    biases : ndarray of shape (n_users,), float64
        Likewise.
    """
    n, dim = len(fold_in_ratings.ids), model.average_embeddings.shape[1]
    rows = np.tile(np.append(model.average_embeddings[0], model.average_biases[0]), (n, 1))
    for number, items, targets, weights in fold_in_ratings.rated():
        X, z = _regression(model, items, targets, fit_bias)
        rows[number] = _ridge(X, z, weights, l2, positive)
    return rows[:, :dim], rows[:, dim]


def ridge_parts(
    fold_in_ratings: FoldInRatings, model: Model, l2: float, fit_bias: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Take the row that `ridge_rows` finds for one user apart: t = sum_j G^-1 w_j x_j (z_j - b_j).

    Parameters
    ----------
    newcomer : Newcomers
        One user, with ratings.
    model : Model
        Trained.
    l2 : float
        Ridge penalty of one rating.
    fit_bias : bool
        Whether users have biases.

    Returns
    -------
    origin : ndarray of shape (embedding_dim + 1,), float64
        Embedding and bias before any rating: zeros.
    parts : ndarray of shape (n_ratings, embedding_dim + 1), float64
        What each rating adds to them.
    """
    X, z = _regression(model, fold_in_ratings.items, fold_in_ratings.targets, fit_bias)
    added = X.T * (fold_in_ratings.weights * z)
    parts = np.linalg.solve(_curvature(X, fold_in_ratings.weights, l2), added).T
    return np.zeros(X.shape[1]), parts.astype(np.float64, copy=False)


def _regression(
    model: Model, items: NDArray[np.int32], targets: NDArray[np.float64], fit_bias: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Design and response of the ratings of a user, (n,), (n,) -> (n, embedding_dim + 1), (n,)."""
    vectors, biases = model.rows(1, items)
    X = np.column_stack([vectors, np.full(len(items), float(fit_bias))])
    return X, (targets - model.intercept) / model.scale - biases


def _curvature(X: NDArray[np.float64], w: NDArray[np.float64], l2: float) -> NDArray[np.float64]:
    """Matrix G of the normal equations, (n, width), (n,) -> (width, width)."""
    G: NDArray[np.float64] = X.T @ (w[:, None] * X)
    G[np.diag_indices(len(G))] += l2 * w.sum() + _LEAST * (np.trace(G) or 1.0)
    return G


def _ridge(
    X: NDArray[np.float64], z: NDArray[np.float64], w: NDArray[np.float64], l2: float, positive: bool
) -> NDArray[np.float64]:
    """Weighted ridge regression, (n, width), (n,), (n,) -> (width,); the last coordinate is always free."""
    G, r = _curvature(X, w, l2), X.T @ (w * z)
    if not positive:
        return np.linalg.solve(G, r).astype(np.float64, copy=False)
    factor = np.linalg.cholesky(G)  # |L^T t - L^-1 r|^2 is the objective
    floor = np.append(np.zeros(len(G) - 1), -np.inf)
    solution: NDArray[np.float64] = lsq_linear(factor.T, np.linalg.solve(factor, r), (floor, np.inf)).x
    return solution


def posterior_rows(
    fold_in_ratings: FoldInRatings, posterior: Posterior, rng: np.random.Generator | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find the embedding and bias of each user under each draw of the items and of the users' prior.

    Parameters
    ----------
    newcomers : Newcomers
        Their ratings; how noisy they are is taken as of average users.
    posterior : Posterior
        Kept draws.
    rng : Generator or None
        Draws from the conditional distribution of each user; None takes its mean.

    Returns
    -------
    embeddings : ndarray of shape (n_users, n_samples, embedding_dim), float64
        In units of z.
    biases : ndarray of shape (n_users, n_samples), float64
        In units of z.
    """
    n, width = len(fold_in_ratings.ids), posterior.prior_means.shape[2]
    rows = posterior.prior_rows(0, n, rng)
    for number, items, targets, weights in fold_in_ratings.rated():
        rows[number] = _conditional(*_regressions(posterior, items, targets, weights), posterior, rng)
    return rows[:, :, : width - 1], rows[:, :, width - 1]


def posterior_parts(
    fold_in_ratings: FoldInRatings, posterior: Posterior
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Take the mean row of one user apart, draw by draw, into the prior mean and what each rating adds.

    Under a draw, t = mu + sum_j G^-1 p_j x_j (z_j - b_j - <x_j, mu>), with p_j the precision of a rating.

    Parameters
    ----------
    newcomer : Newcomers
        One user, with ratings.
    posterior : Posterior
        Kept draws.

    Returns
    -------
    origin : ndarray of shape (n_samples * embedding_dim + 1,), float64
        Prior mean, the embedding as in `posterior.averages`, and its bias.
    parts : ndarray of shape (n_ratings, n_samples * embedding_dim + 1), float64
        What each rating adds to them.
    """
    X, z, precisions = _regressions(
        posterior, fold_in_ratings.items, fold_in_ratings.targets, fold_in_ratings.weights
    )
    weighted = (X * precisions[..., None]).swapaxes(1, 2)
    surprise = z - (X @ posterior.prior_means[:, 0, :, None])[..., 0]
    added = np.linalg.solve(weighted @ X + posterior.prior_precisions[:, 0], weighted * surprise[:, None])
    embeddings = np.moveaxis(added[:, :-1], 2, 0).reshape(X.shape[1], -1) / np.sqrt(len(X))
    averages, average_biases = posterior.averages()
    origin = np.append(averages[0], average_biases[0])
    return origin, np.column_stack([embeddings, added[:, -1].mean(axis=0)])


def _regressions(
    posterior: Posterior,
    items: NDArray[np.int32],
    targets: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Design, response and precisions, (n,) each -> (n_samples, n, width), (n_samples, n), (n_samples, n)."""
    vectors, biases = posterior.rows(1, items)
    X = np.concatenate([vectors, np.ones((*biases.shape, 1))], axis=2).swapaxes(0, 1)
    z = ((targets - posterior.intercept) / posterior.scale)[:, None] - biases
    noise = posterior.noise_factors[1][items].astype(np.float64) ** -2 * posterior.noise_precisions
    return X, z.T, (weights[:, None] * noise).T


def _conditional(
    X: NDArray[np.float64],
    z: NDArray[np.float64],
    precisions: NDArray[np.float64],
    posterior: Posterior,
    rng: np.random.Generator | None,
) -> NDArray[np.float64]:
    """Row of one user under each draw, (n_samples, n, width), (n_samples, n), same -> (n_samples, width)."""
    prior_mean, prior_precision = posterior.prior_means[:, 0], posterior.prior_precisions[:, 0]
    weighted = (X * precisions[..., None]).swapaxes(1, 2)
    factor = np.linalg.cholesky(weighted @ X + prior_precision)
    r = weighted @ z[..., None] + prior_precision @ prior_mean[..., None]
    half = np.linalg.solve(factor, r)
    if rng is not None:
        half += rng.standard_normal(half.shape)
    return np.linalg.solve(factor.swapaxes(1, 2), half)[..., 0]
