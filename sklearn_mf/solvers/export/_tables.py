"""Rows of users and items inside a graph: predictions, and exact lists."""

import numpy as np
import tensorflow as tf

from sklearn_mf.solvers._tensors import Tensor
from sklearn_mf.solvers.export._content import Factors
from sklearn_mf.solvers.export._ids import variable

_FLOAT32 = np.finfo(np.float32)


class Tables(tf.Module):
    """Factors as variables; rows are float64 and have n_draws x dim embeddings and n_draws biases."""

    def __init__(self, factors: Factors) -> None:
        super().__init__()
        self.intercept, self.scale = factors.intercept, factors.scale
        self.n_items, self.n_draws, self.dim = factors.embeddings[1].shape
        self.embeddings = list(map(variable, factors.embeddings))
        self.biases = list(map(variable, factors.biases))
        self.unknown = list(map(variable, factors.unknown))
        self.offsets = variable(factors.offsets)
        norms = np.sqrt(np.square(factors.embeddings[1], dtype=np.float64).sum(axis=(1, 2)))
        self.max_norm = float(norms.max(initial=0))
        self.max_offset = float(np.abs(factors.offsets).max(initial=0))

    def rows(self, field: int, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings (n, n_draws, dim) and biases (n, n_draws) of codes (n,), -1 for the fallback."""
        places, unknown = tf.maximum(codes, 0), self.unknown[field]
        embeddings = tf.cast(tf.gather(self.embeddings[field], places), tf.float64)
        biases = tf.cast(tf.gather(self.biases[field], places), tf.float64)
        known = (codes >= 0)[:, None]
        return (
            tf.where(known[..., None], embeddings, unknown[:, :-1]),
            tf.where(known, biases, unknown[:, -1]),
        )

    def predictions(self, users: Tensor, items: Tensor, limits: Tensor | None) -> Tensor:
        """Mean over the draws of the ratings of cells, (n,), (n,) -> (n,), each draw clipped."""
        (u, user_biases), (v, item_biases) = self.rows(0, users), self.rows(1, items)
        z = user_biases + item_biases + tf.reduce_sum(u * v, axis=2)
        ratings = self.intercept + self.scale * z
        if limits is not None:
            ratings = tf.clip_by_value(ratings, limits[0], limits[1])
        return tf.reduce_mean(ratings, axis=1)

    def best(self, embeddings: Tensor, biases: Tensor, seen: Tensor, n: Tensor) -> tuple[Tensor, Tensor]:
        """Codes and scores (n,) of the best items of one user, not among `seen`, (n_draws, dim), (n_draws,).

        A shorter list is filled up with code -1 and score 0. As in `retrieval`, all items are scored in
        float32, and those that the rounding errors leave possible are scored again in float64.
        """
        query = tf.reshape(embeddings, [-1]) / self.n_draws
        contenders = self._contenders(query, seen, n)
        vectors = tf.cast(tf.gather(self._vectors, contenders), tf.float64)
        offsets = tf.cast(tf.gather(self.offsets, contenders), tf.float64)
        z, places = tf.math.top_k(  # ties go by code
            tf.reduce_sum(vectors * query, axis=1) + offsets, tf.minimum(n, tf.size(contenders))
        )
        scores = self.intercept + self.scale * (z + tf.reduce_mean(biases))
        filling = [[0, n - tf.size(places)]]
        codes = tf.gather(contenders, places)
        return tf.pad(codes, filling, constant_values=-1), tf.pad(scores, filling)

    @property
    def _vectors(self) -> Tensor:
        """Embeddings of the items, (n_items, n_draws * dim)."""
        return tf.reshape(self.embeddings[1], [self.n_items, self.n_draws * self.dim])

    def _contenders(self, query: Tensor, seen: Tensor, n: Tensor) -> Tensor:
        """Codes, in order, of the items that may be among the n best, (n_draws * dim,) -> (n_found,)."""
        with tf.device("CPU"):  # a GPU multiplies float32 with the precision of TF32
            scores = tf.linalg.matvec(self._vectors, tf.cast(query, tf.float32)) + self.offsets
        mask = tf.fill([tf.size(seen)], np.float32(-np.inf))
        scores = tf.tensor_scatter_nd_update(scores, seen[:, None], mask)
        least = tf.math.top_k(scores, tf.minimum(n, tf.size(scores))).values[-1]
        margin = self._margin(query)
        threshold = tf.cast(tf.cast(least, tf.float64) - margin, tf.float32)
        return tf.where(scores >= tf.maximum(threshold, _FLOAT32.min))[:, 0]

    def _margin(self, query: Tensor) -> Tensor:
        """Bound on the rounding errors of two float32 scores together, as `retrieval` derives it."""
        size = tf.norm(query) * self.max_norm + self.max_offset
        width = self.n_draws * self.dim
        return (width + 8) * (float(_FLOAT32.eps) * size + float(_FLOAT32.tiny))
