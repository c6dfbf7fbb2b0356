"""Ids and their codes inside a graph."""

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from sklearn_mf.solvers._tensors import Tensor


def variable(array: NDArray[np.generic]) -> Tensor:
    """Copy an array into a variable: a SavedModel keeps it beside the graph, which is limited to 2 GB."""
    with tf.device("CPU"):
        return tf.Variable(array, trainable=False)


class Ids(tf.Module):
    """The ids of one field, (n_ids,): a table of codes, and their spelling.

    The table is mutable, because the entries of an immutable one are constants of the graph.
    """

    def __init__(self, ids: NDArray[np.generic], label: str, refuses_unknown: bool) -> None:
        super().__init__()
        self.label, self.refuses_unknown = label, refuses_unknown
        self.spelled = variable(ids)
        self.table = tf.lookup.experimental.MutableHashTable(self.spelled.dtype, tf.int64, -1)
        self.table.insert(ids, tf.range(len(ids), dtype=tf.int64))

    def spec(self, rank: int = 1) -> Tensor:
        """Type of an argument of ids, named as the field."""
        return tf.TensorSpec([None] * rank, self.spelled.dtype, name=self.label)

    def codes(self, ids: Tensor) -> Tensor:
        """Codes of ids of any shape, -1 for an unknown one, or an error."""
        codes = tf.ensure_shape(self.table.lookup(ids), ids.shape)
        if self.refuses_unknown:
            message = f"{self.label} contains an unknown id: use ids that fit has seen."
            with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(codes >= 0), [message])]):
                return tf.identity(codes)
        return codes

    def of(self, codes: Tensor) -> Tensor:
        """Ids of codes of any shape; the empty text or -1 for code -1."""
        padding = "" if self.spelled.dtype == tf.string else tf.constant(-1, tf.int64)
        return tf.where(codes >= 0, tf.gather(self.spelled, tf.maximum(codes, 0)), padding)
