"""Connect a process with the other workers, once; TensorFlow can do this only before its first operation."""

import threading

import tensorflow as tf

from sklearn_mf.solvers._start import has_started
from sklearn_mf.solvers._tensors import Tensor
from sklearn_mf.solvers.distributed._cluster import Cluster
from sklearn_mf.solvers.distributed._exchange import MultiWorkerExchange
from sklearn_mf.solvers.distributed._meeting import meet
from sklearn_mf.solvers.distributed._peers import Peers, run_watched

# Other workers and strategy of the job that this process belongs to.
_CONNECTIONS: dict[Cluster, tuple[Peers, Tensor]] = {}


def connect(cluster: Cluster, timeout: float, half: bool) -> MultiWorkerExchange:
    """Exchange with the other workers of a cluster; the connection lasts as long as the process.

    No step may take longer than `timeout` seconds; with `half` rows of float32 travel as float16.
    """
    if cluster not in _CONNECTIONS:
        _CONNECTIONS[cluster] = _connected(cluster, timeout)
    peers, strategy = _CONNECTIONS[cluster]
    peers.timeout = timeout
    return MultiWorkerExchange(peers, strategy, half)


def _connected(cluster: Cluster, timeout: float) -> tuple[Peers, Tensor]:
    """Meet the other workers and start TensorFlow's servers."""
    if _CONNECTIONS:
        raise ValueError(
            f"TF_CONFIG has changed from {next(iter(_CONNECTIONS))} to {cluster} in one process: start a new "
            "process for each cluster."
        )
    if has_started():
        raise RuntimeError(
            "TensorFlow has already run an operation in this process, and can no longer be connected with "
            "other workers: call sklearn_mf.distributed.fit before anything else that uses TensorFlow."
        )
    peers = meet(cluster, timeout)
    try:
        strategy = _strategy(peers)
    except Exception as error:
        peers.fail(error)
        raise
    peers.agree("the start of TensorFlow")
    return peers, strategy


def _strategy(peers: Peers) -> Tensor:
    """The strategy of TensorFlow.

    Its constructor waits for all workers, and ignores Ctrl-C meanwhile: it runs in a thread of its own.
    """
    made: list[Tensor] = []
    failed: list[Exception] = []

    def make() -> None:
        """Construct it, with at most one device."""
        try:
            tf.config.set_visible_devices(tf.config.list_physical_devices("GPU")[:1], "GPU")
            made.append(tf.distribute.MultiWorkerMirroredStrategy())
        except Exception as error:
            failed.append(error)

    threading.Thread(target=make, daemon=True).start()
    run_watched(peers, lambda: bool(made or failed), "TensorFlow's servers did not connect")
    if failed:
        raise RuntimeError(f"TensorFlow could not connect the workers: {failed[0]}") from failed[0]
    return made[0]
