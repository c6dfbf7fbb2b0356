"""Rows of users who were not in fit, from their ratings, inside a graph."""

from typing import NamedTuple

import tensorflow as tf

from sklearn_mf.solvers._tensors import Tensor
from sklearn_mf.solvers.export._content import RowPosterior, Strengths
from sklearn_mf.solvers.export._ids import variable
from sklearn_mf.solvers.export._tables import Tables


class Rated(NamedTuple):
    """Merged ratings of one user: distinct items, targets and weights.

    Parameters
    ----------
    items : tensor of shape (n,), int64
        Codes.
    targets, weights : tensor of shape (n,), float64
        Ratings in their own units; weights.
    """

    items: Tensor
    targets: Tensor
    weights: Tensor


def merged(codes: Tensor, ratings: Tensor, strengths: Strengths | None) -> Rated:
    """Ratings of known items, each item once, (n,), (n,): their mean, or interactions by summed strength."""
    kept = codes >= 0
    if strengths is not None:
        kept &= ratings > 0
    codes, ratings = tf.boolean_mask(codes, kept), tf.boolean_mask(ratings, kept)
    items, places, counts = tf.unique_with_counts(codes, out_idx=tf.int64)
    sums = tf.math.unsorted_segment_sum(ratings, places, tf.size(items))
    weights = tf.cast(counts, tf.float64)
    if strengths is None:
        return Rated(items, sums / weights, weights)
    return Rated(items, tf.ones_like(sums), _confidence(strengths, sums, weights))


def _confidence(strengths: Strengths, sums: Tensor, counts: Tensor) -> Tensor:
    """Weights of cells by their summed strengths or numbers of interactions, (n,), (n,) -> (n,)."""
    if strengths.confidence is None:
        return counts / strengths.mean_confidence
    relative = sums / strengths.mean_strength
    growth = tf.math.log1p(relative) if strengths.confidence == "log" else relative
    return (1 + growth) / strengths.mean_confidence


class Newcomers(tf.Module):
    """Solves the normal equations of :class:`RowPosterior` for one user at a time."""

    def __init__(self, posterior: RowPosterior, tables: Tables) -> None:
        super().__init__()
        self.tables, self.fit_bias = tables, float(posterior.fit_bias)
        self.l2, self.least, self.least_rated = posterior.l2, posterior.least, posterior.least_rated
        self.precision, self.pull = variable(posterior.precision), variable(posterior.pull)
        self.loadings, self.centre = variable(posterior.loadings), variable(posterior.centre)
        self.effects, self.without = variable(posterior.effects), variable(posterior.without)
        each = posterior.item_precisions, posterior.item_variances
        self.item_precisions, self.item_variances = (
            None if part is None else variable(part) for part in each
        )

    def row(self, rated: Rated) -> tuple[Tensor, Tensor]:
        """Embeddings (n_draws, dim) and biases (n_draws,) of a user."""
        row = tf.cond(tf.size(rated.items) > 0, lambda: self._solution(rated), lambda: self.without + 0.0)
        return row[:, :-1], row[:, -1]

    def _solution(self, rated: Rated) -> Tensor:
        """Solution of the normal equations, (n_draws, dim + 1)."""
        X, z = self._regression(rated)
        weights = tf.repeat(rated.weights[None], self.tables.n_draws, axis=0)
        if self.item_precisions is not None:
            gathered = tf.gather(self.item_precisions, rated.items)
            weights *= tf.transpose(tf.cast(gathered, tf.float64))
        weighted = X * weights[..., None]
        gram = tf.matmul(weighted, X, transpose_a=True)
        right = tf.linalg.matvec(weighted, z, transpose_a=True) + self.pull
        right += tf.tensordot(self._features(rated), self.effects, [[0], [1]])
        G = tf.linalg.set_diag(gram, tf.linalg.diag_part(gram) + self._diagonal(rated, gram))
        return tf.linalg.solve(G + self.precision, right[..., None])[..., 0]

    def _regression(self, rated: Rated) -> tuple[Tensor, Tensor]:
        """Design (n_draws, n, dim + 1) and response (n_draws, n)."""
        vectors, biases = self.tables.rows(1, rated.items)
        X = tf.pad(vectors, [[0, 0], [0, 0], [0, 1]], constant_values=self.fit_bias)
        z = ((rated.targets - self.tables.intercept) / self.tables.scale)[:, None] - biases
        return tf.transpose(X, [1, 0, 2]), tf.transpose(z)

    def _diagonal(self, rated: Rated, gram: Tensor) -> Tensor:
        """Diagonal that depends on the ratings, (n_draws, dim + 1)."""
        trace = tf.linalg.trace(gram)[:, None]
        ones = tf.ones_like(self.pull)
        diagonal = ones * (self.l2 * tf.reduce_sum(rated.weights))
        diagonal += self.least * tf.where(trace > 0, trace, 1.0)
        if self.item_variances is None:
            return diagonal
        variances = tf.cast(tf.gather(self.item_variances, rated.items), tf.float64)
        return diagonal + tf.pad(tf.linalg.matvec(variances, rated.weights, transpose_a=True), [[0, 1]])

    def _features(self, rated: Rated) -> Tensor:
        """Features of the pattern of rated items, (n_features,)."""
        n = tf.cast(tf.size(rated.items), tf.float64)
        sums = tf.reduce_sum(tf.gather(self.loadings, rated.items), axis=0)
        mean = sums / tf.maximum(n, self.least_rated) ** (1 / 3)
        return mean - tf.minimum(n / self.least_rated, 1.0) * self.centre
