"""Exchange of rows between workers by TensorFlow's collective operations."""

import functools
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import tensorflow as tf

from sklearn_mf.solvers._tensors import Tensor
from sklearn_mf.solvers.distributed._peers import Peers

Result = TypeVar("Result")

# Wide rows are exchanged in so many groups of columns at once, which uses the network better.
_PIECES, _WIDE = 4, 16


class MultiWorkerExchange:
    """Exchange between the workers of a `tf.distribute.MultiWorkerMirroredStrategy`.

    All results have the same bits on all workers. With `half`, rows of float32 travel as float16 and are
    rounded on the worker that they come from as well.
    """

    def __init__(self, peers: Peers, strategy: Tensor, half: bool = False) -> None:
        self.peers, self.strategy, self.half = peers, strategy, half
        self.n_workers, self.worker = peers.cluster.n_workers, peers.cluster.worker

    def gather(self, rows: Tensor, name: str) -> Tensor:
        """Rows of all workers, one worker after another, (n_own_rows, width) -> (n_rows, width)."""
        width, dtype = rows.shape[1], rows.dtype.name
        self.peers.agree(f"{name}: {width} columns of {dtype}")
        if self.half and rows.dtype == tf.float32:
            return self._guarded(lambda: self._gather_half(rows), name)
        return self._guarded(lambda: self._gather(rows), name)

    def _gather(self, rows: Tensor) -> Tensor:
        n_pieces = _PIECES if rows.shape[1] >= _WIDE else 1
        return _gather_function(self.strategy, self.peers.timeout, rows.dtype, n_pieces)(rows)

    def _gather_half(self, rows: Tensor) -> Tensor:
        """Gather rows as float16, in units of the largest number of each column of each worker."""
        n_rows = rows.shape[0]
        largest = tf.reduce_max(tf.abs(rows), 0, keepdims=True) if n_rows else tf.zeros([1, rows.shape[1]])
        header = tf.concat([tf.cast(largest, tf.float64), tf.fill([1, 1], np.float64(n_rows))], 1)
        headers = self._gather(header)
        shares = self._gather(tf.cast(tf.math.divide_no_nan(rows, largest), tf.float16))
        of_workers = tf.split(shares, tf.cast(headers[:, -1], tf.int32))
        scales = tf.cast(headers[:, :-1], tf.float32)
        return tf.concat([tf.cast(part, tf.float32) * scales[n] for n, part in enumerate(of_workers)], 0)

    def _guarded(self, operation: Callable[[], Result], name: str) -> Result:
        """The result of an operation; where it fails, an error that names the worker that has gone."""
        try:
            return operation()
        except tf.errors.OpError as error:
            self.peers.explain(error, name)


@functools.cache
def _gather_function(
    strategy: Tensor, timeout: float, dtype: Tensor, n_pieces: int
) -> Callable[[Tensor], Tensor]:
    """Graph that gathers rows of a type and any shape; not in XLA, which has no collective operations."""
    options = tf.distribute.experimental.CommunicationOptions(timeout_seconds=timeout)

    def gather_pieces(pieces: list[Tensor]) -> list[Tensor]:
        """Gather in a worker; all_gather refuses an argument of the worker's function itself."""
        context = tf.distribute.get_replica_context()
        return list(context.all_gather(list(map(tf.identity, pieces)), axis=0, options=options))

    def gather_rows(rows: Tensor) -> Tensor:
        """Split the columns, gather, and put them together again."""
        width = tf.shape(rows)[1]
        sizes = [width // n_pieces] * (n_pieces - 1)
        pieces = tf.split(rows, [*sizes, width - sum(sizes)], axis=1, num=n_pieces)
        return tf.concat(strategy.run(gather_pieces, args=(pieces,)), 1)

    function = tf.function(gather_rows, autograph=False)
    concrete: Callable[[Tensor], Tensor] = function.get_concrete_function(tf.TensorSpec([None, None], dtype))
    return concrete
