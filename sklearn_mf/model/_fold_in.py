"""Embeddings of users that were not in fit, from their ratings and a trained model; NumPy only.

The items are held fixed, so the row of a user is a least-squares solution. It is linear in the user's ratings
unless embeddings must not be negative: the contributions say how much each rating adds to a score.
"""

from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import lsq_linear
from scipy.sparse import csr_array

from sklearn_mf.model._factors import Model, has_features
from sklearn_mf.model._pattern import Pattern
from sklearn_mf.model._posterior import Posterior
from sklearn_mf.ratings._ratings import Ratings

# Least ridge penalty, as a share of the curvature: fewer ratings than unknowns are solvable too.
LEAST = 1e-6
# Least penalty of the squared distance from the average user, where the variance of the rows is not learnt.
_SHRINKAGE = 3.0

# Rows of users beyond this have scores that float32 cannot hold.
_LARGEST = 1e30
_NOT_FINITE = (
    f"The rows of users from their ratings are not finite or above {_LARGEST:g}: the ratings or the sample "
    "weights are too large, or a parameter such as alpha has no valid value since fit, so correct them."
)

Rows = tuple[NDArray[np.float64], NDArray[np.float64]]  # embeddings and biases


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
    features : csr_array of shape (n_users, n_features[0]), float64, or None
        Features of the users, an empty row where a user has none; None where fit had none.
    """

    ids: NDArray[np.generic]
    starts: NDArray[np.intp]
    items: NDArray[np.int32]
    targets: NDArray[np.float64]
    weights: NDArray[np.float64]
    features: csr_array | None = None

    @classmethod
    def of(cls, ids: NDArray[np.generic], ratings: Ratings, features: csr_array | None = None) -> Self:
        """Group merged ratings of two fields by user."""
        starts = np.searchsorted(ratings.codes[:, 0], np.arange(len(ids) + 1))
        return cls(ids, starts, ratings.codes[:, 1], ratings.targets, ratings.weights, features)

    def rated(self) -> Iterator[tuple[int, NDArray[np.int32], NDArray[np.float64], NDArray[np.float64]]]:
        """Yield number, items, targets and weights of each user who has ratings."""
        for number in np.flatnonzero(np.diff(self.starts)):
            part = slice(self.starts[number], self.starts[number + 1])
            yield int(number), self.items[part], self.targets[part], self.weights[part]

    def only(self, number: int) -> Self:
        """Keep one user."""
        part = slice(self.starts[number], self.starts[number + 1])
        items, starts = self.items[part], np.array([0, part.stop - part.start])
        features = None if self.features is None else self.features[[number]]
        return type(self)(self.ids[[number]], starts, items, self.targets[part], self.weights[part], features)

    def cells(self, n_items: int) -> csr_array:
        """Indicator matrix of the rated cells, (n_users, n_items)."""
        ones = np.ones(len(self.items))
        return csr_array((ones, self.items, self.starts), shape=(len(self.ids), n_items))

    def prior_means(self, model: Model) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Whether each user has features, (n_users,), and the prior mean that they give, (n_users, width)."""
        coefficients = model.coefficients[0] if model.coefficients else None
        if self.features is None or coefficients is None:
            width = model.average_embeddings.shape[1] + 1
            return np.zeros(len(self.ids), dtype=bool), np.zeros((len(self.ids), width))
        return has_features(self.features), self.features @ coefficients


class Contributions(NamedTuple):
    """Parts of the score of an item for a user, in units of the ratings; they add up to it.

    Parameters
    ----------
    base : float
        Part that depends neither on the ratings of the user nor on features.
    features : float
        Part of the features of the user and the item.
    ratings : ndarray of shape (n_ratings,), float64
        Part of each rating.
    """

    base: float
    features: float
    ratings: NDArray[np.float64]


class RowPrior(NamedTuple):
    """Penalty of the row t of a user whose ratings have summed weight W, in units where weights have mean 1:

    (l2 (W + prior_ratings) |t|^2 + sum_k ridge_k (t_k - mean_k)^2 + t . precision t) / 2 - shift . t.

    Where the features of a user give a prior mean, the first two terms are of the distance from that.

    Parameters
    ----------
    l2 : float
        Ridge penalty of one rating.
    prior_ratings : float
        Number of further ratings of mean weight that the penalty is charged for.
    mean_weight : float
        Mean weight of the training ratings of fit: the unit of all weights here.
    ridge : float or ndarray of shape (embedding_dim + 1,)
        Ridge penalty of each coordinate, the bias last, whatever the number of ratings.
    mean : float or ndarray of shape (embedding_dim + 1,)
        Row that this penalty pulls to.
    precision : float or ndarray of shape (embedding_dim + 1, embedding_dim + 1)
        Common to all users; positive semi-definite.
    shift : float or ndarray of shape (embedding_dim + 1,)
        `precision` times the row that it pulls to.
    pattern : Pattern or None
        Added to the prior mean of a user: the features of the user's rated items.
    item_variances : ndarray of shape (n_items, embedding_dim), or None
        Uncertainty of the embeddings of the items: a rating of weight w adds w times the variances of its
        item to the ridge penalty.
    """

    l2: float
    prior_ratings: float = 0.0
    mean_weight: float = 1.0
    ridge: float | NDArray[np.floating] = 0.0
    mean: float | NDArray[np.floating] = 0.0
    precision: float | NDArray[np.floating] = 0.0
    shift: float | NDArray[np.floating] = 0.0
    pattern: Pattern | None = None
    item_variances: NDArray[np.floating] | None = None

    @classmethod
    def around_average(cls, l2: float, prior_ratings: float, mean_weight: float, model: Model) -> Self:
        """Shrink rows to the average user's, by the penalty of the prior ratings, at least by 3."""
        ridge = np.full(model.average_embeddings.shape[1] + 1, max(l2 * prior_ratings, _SHRINKAGE))
        average = np.append(model.average_embeddings[0], model.average_biases[0])
        return cls(l2, mean_weight=mean_weight, ridge=ridge, mean=average)

    def with_unobserved(
        self, model: Model, items: NDArray[np.integer], weight: float, value: float, fit_bias: bool
    ) -> Self:
        """Add a rating of a weight and a value in units of z, by every user, of each of the items (n,)."""
        X, z = _regression(model, items, value, fit_bias)
        precision = weight * X.T @ X
        if self.item_variances is not None:
            precision[np.diag_indices(len(precision) - 1)] += weight * self.item_variances[items].sum(axis=0)
        return self._replace(
            prior_ratings=self.prior_ratings + weight * len(items),
            precision=self.precision + precision,
            shift=self.shift + weight * (z @ X),
        )

    def pattern_pull(self, fold_in: FoldInRatings) -> NDArray[np.floating]:
        """Right-hand side of the normal equations from the pattern, (n_users, width) or (n_users, 1)."""
        if self.pattern is None:
            return np.zeros((len(fold_in.ids), 1))
        cells = fold_in.cells(len(self.pattern.loadings[1]))
        return np.asarray(self.mean_weight * self.ridge * self.pattern.features(0, cells))

    def charge(self, total_weight: float) -> float | NDArray[np.floating]:
        """Penalty of the squares of a row whose ratings have a summed weight."""
        prior = self.mean_weight * (self.l2 * self.prior_ratings + self.ridge)
        return self.l2 * total_weight + prior

    def pull(
        self, total_weight: float, mean: NDArray[np.float64] | None
    ) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Right-hand side of the normal equations from the prior, and from the features of the user.

        `mean` is the prior mean that these give, (embedding_dim + 1,), or None.
        """
        if mean is None:
            return np.asarray(self.mean_weight * (self.ridge * self.mean + self.shift)), np.zeros(1)
        return np.asarray(self.mean_weight * self.shift), np.asarray(self.charge(total_weight) * mean)


def ridge_rows(fold_in: FoldInRatings, model: Model, prior: RowPrior, fit_bias: bool, positive: bool) -> Rows:
    """Minimise the objective over the row of each user with the items held fixed.

    Returns embeddings (n_users, embedding_dim) and biases (n_users,). A user without ratings has the prior
    mean that features give, or the row of the average user.
    """
    n, dim = len(fold_in.ids), model.average_embeddings.shape[1]
    rows = np.tile(np.append(model.average_embeddings[0], model.average_biases[0]), (n, 1))
    has_mean, means = fold_in.prior_means(model)
    rows[has_mean], of_pattern = means[has_mean], prior.pattern_pull(fold_in)
    for number, items, targets, weights in fold_in.rated():
        X, z = _regression(model, items, _standardized(targets, model), fit_bias)
        of_prior, of_features = prior.pull(weights.sum(), means[number] if has_mean[number] else None)
        r = X.T @ (weights * z) + of_prior + of_features + of_pattern[number]
        try:
            rows[number] = solution(_curvature(X, weights, items, prior), r, positive)
        except np.linalg.LinAlgError:
            rows[number] = np.nan
    _check_finite(rows)
    return rows[:, :dim], rows[:, dim]


def ridge_contributions(
    fold_in: FoldInRatings, model: Model, prior: RowPrior, fit_bias: bool, item: int
) -> Contributions:
    """Decompose the score of an item for one user: t = G^-1 (h + sum_j w_j x_j (z_j - b_j)).

    The part h of the prior is in the base, but for that of the features of the user.
    """
    X, z = _regression(model, fold_in.items, _standardized(fold_in.targets, model), fit_bias)
    vectors, biases = model.rows(1, np.array([item]))
    G = _curvature(X, fold_in.weights, fold_in.items, prior)
    x = np.append(vectors[0], 1.0)
    contributions = model.scale * (x @ _finite_solution(G, X.T * (fold_in.weights * z)))
    has_mean, means = fold_in.prior_means(model)
    parts = prior.pull(fold_in.weights.sum(), means[0] if has_mean[0] else None)
    parts = parts[0] + prior.pattern_pull(fold_in)[0], parts[1]
    of_prior, of_features = (float(x @ _finite_solution(G, np.broadcast_to(part, len(G)))) for part in parts)
    base = model.intercept + model.scale * (float(biases[0]) + of_prior)
    return Contributions(base, model.scale * of_features, contributions)


def _check_finite(rows: NDArray[np.float64]) -> None:
    """Refuse rows of users, (n_users, ...), that are not finite or too large for scores in float32."""
    if not (np.abs(rows) < _LARGEST).all():
        raise ValueError(_NOT_FINITE)


def _finite_solution(G: NDArray[np.float64], r: NDArray[np.float64]) -> NDArray[np.float64]:
    """Solve G x = r, (..., width, width), (..., width, n) or (width,) -> the same; x must be finite."""
    try:
        x: NDArray[np.float64] = np.linalg.solve(G, r).astype(np.float64, copy=False)
    except np.linalg.LinAlgError:
        raise ValueError(_NOT_FINITE) from None
    _check_finite(x)
    return x


def _standardized(targets: NDArray[np.float64], model: Model | Posterior) -> NDArray[np.float64]:
    z: NDArray[np.float64] = (targets - model.intercept) / model.scale
    return z


def _regression(
    model: Model, items: NDArray[np.integer], z: NDArray[np.float64] | float, fit_bias: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Design and response of ratings z of items, (n,), (n,) or a number -> (n, embedding_dim + 1), (n,)."""
    vectors, biases = model.rows(1, items)
    X = np.column_stack([vectors, np.full(len(items), float(fit_bias))])
    return X, z - biases


def _curvature(
    X: NDArray[np.float64], w: NDArray[np.float64], items: NDArray[np.int32], prior: RowPrior
) -> NDArray[np.float64]:
    """Matrix G of the normal equations of ratings of items, (n, width), (n,), (n,) -> (width, width)."""
    G: NDArray[np.float64] = X.T @ (w[:, None] * X)
    diagonal = prior.l2 * w.sum() + LEAST * (np.trace(G) or 1.0)
    diagonal = diagonal + prior.mean_weight * (prior.l2 * prior.prior_ratings + prior.ridge)
    G[np.diag_indices(len(G))] += diagonal
    if prior.item_variances is not None:
        G[np.diag_indices(len(G) - 1)] += w @ prior.item_variances[items]
    return G + prior.mean_weight * prior.precision


def solution(G: NDArray[np.float64], r: NDArray[np.float64], positive: bool) -> NDArray[np.float64]:
    """Row from normal equations, (width, width), (width,) -> (width,); the bias is last and has no sign."""
    if not positive:
        return np.linalg.solve(G, r).astype(np.float64, copy=False)
    factor = np.linalg.cholesky(G)  # |L^T t - L^-1 r|^2 is the objective
    floor = np.append(np.zeros(len(G) - 1), -np.inf)
    solution: NDArray[np.float64] = lsq_linear(factor.T, np.linalg.solve(factor, r), (floor, np.inf)).x
    return solution


def posterior_rows(fold_in: FoldInRatings, posterior: Posterior) -> Rows:
    """Mean row of each user under each draw of the items and of the users' prior.

    The noise of the users is taken as that of average users. Returns embeddings (n_users, n_samples,
    embedding_dim) and biases (n_users, n_samples), in units of z.
    """
    rows = _prior_means(fold_in, posterior)
    for number, items, targets, weights in fold_in.rated():
        ratings = _regressions(posterior, items, targets, weights)
        rows[number], _ = _conditional(*ratings, rows[number], posterior)
    _check_finite(rows)
    return rows[..., :-1], rows[..., -1]


def drawn_posterior_rows(fold_in: FoldInRatings, posterior: Posterior, rng: np.random.Generator) -> Rows:
    """Rows as `posterior_rows` returns them, drawn from their conditional distributions."""
    means = _prior_means(fold_in, posterior)
    rows = means + posterior.prior_deviations(0, len(fold_in.ids), rng)
    for number, items, targets, weights in fold_in.rated():
        ratings = _regressions(posterior, items, targets, weights)
        mean, root = _conditional(*ratings, means[number], posterior)
        noise = rng.standard_normal((*mean.shape, 1))
        rows[number] = mean + np.linalg.solve(root, noise)[..., 0]
    _check_finite(rows)
    return rows[..., :-1], rows[..., -1]


def posterior_contributions(fold_in: FoldInRatings, posterior: Posterior, item: int) -> Contributions:
    """Decompose the mean score of an item for one user into the prior's share and that of each rating.

    Under a draw, t = mu + sum_j G^-1 p_j x_j (z_j - b_j - <x_j, mu>), with p_j the precision of a rating and
    mu the prior mean of the user. The part of mu that a table of features gives is separate.
    """
    X, z, precisions = _regressions(posterior, fold_in.items, fold_in.targets, fold_in.weights)
    mu, prior_precision = _prior_means(fold_in, posterior)[0], posterior.prior_precisions[:, 0]
    weighted = (X * precisions[..., None]).swapaxes(1, 2)
    surprise = z - (X @ mu[..., None])[..., 0]
    rows = _finite_solution(weighted @ X + prior_precision, weighted * surprise[:, None])
    vectors, biases = posterior.rows(1, np.array([item]))
    x = np.append(vectors[0].astype(np.float64), np.ones((len(X), 1)), axis=1)  # (n_samples, width)
    bias = biases[0].mean(dtype=np.float64).astype(np.float32)  # as in biases_, by which recommend ranks
    without = _prior_means(fold_in._replace(features=None), posterior)[0]
    base, features = (float(np.einsum("sk,sk->s", x, part).mean()) for part in (without, mu - without))
    contributions = posterior.scale * np.einsum("sk,skn->n", x, rows) / len(X)
    intercept = posterior.intercept + posterior.scale * float(bias)
    return Contributions(intercept + posterior.scale * base, posterior.scale * features, contributions)


def _prior_means(fold_in: FoldInRatings, posterior: Posterior) -> NDArray[np.float64]:
    """Prior means of the rows of users under each draw, (n_users, n_samples, width)."""
    cells = fold_in.cells(len(posterior.embeddings[1]))
    return posterior.prior_means_of(0, cells, fold_in.features)


def _regressions(
    posterior: Posterior,
    items: NDArray[np.int32],
    targets: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Design, response and precisions, (n,) each -> (n_samples, n, width), (n_samples, n), (n_samples, n)."""
    vectors, biases = posterior.rows(1, items)
    X = np.concatenate([vectors, np.ones((*biases.shape, 1))], axis=2).swapaxes(0, 1)
    z = _standardized(targets, posterior)[:, None] - biases
    noise = posterior.noise_factors[1][items].astype(np.float64) ** -2 * posterior.noise_precisions
    return X, z.T, (weights[:, None] * noise).T


def _conditional(
    X: NDArray[np.float64],
    z: NDArray[np.float64],
    precisions: NDArray[np.float64],
    prior_mean: NDArray[np.float64],
    posterior: Posterior,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and upper root of the precision of one user's row under each draw.

    (n_samples, n, width), (n_samples, n), same, (n_samples, width) -> (n_samples, width), (n_samples, width,
    width).
    """
    prior_precision = posterior.prior_precisions[:, 0]
    weighted = (X * precisions[..., None]).swapaxes(1, 2)
    try:
        factor = np.linalg.cholesky(weighted @ X + prior_precision)
    except np.linalg.LinAlgError:
        raise ValueError(_NOT_FINITE) from None
    r = weighted @ z[..., None] + prior_precision @ prior_mean[..., None]
    root = factor.swapaxes(1, 2)
    mean: NDArray[np.float64] = np.linalg.solve(root, np.linalg.solve(factor, r))[..., 0]
    return mean, root.astype(np.float64, copy=False)
