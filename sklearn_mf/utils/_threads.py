"""How many threads of our own to run, and BLAS kept to one in each; no TensorFlow."""

import functools
import os
import threading
from typing import Any

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

_MOST_THREADS = 16


def n_threads(n_blocks: int) -> int:
    """Choose a number of threads.

    Parameters
    ----------
    n_blocks : int
        Pieces of work.

    Returns
    -------
    n_threads : int
        As many as BLAS may use, since that is where users and joblib set a limit.
    """
    if n_blocks == 1:
        return 1
    allowed = max((library["num_threads"] for library in _blas().info()), default=os.cpu_count() or 1)
    return min(allowed, n_blocks, _MOST_THREADS)


@functools.cache
def _blas() -> Any:
    """The BLAS libraries of this process; finding them takes some milliseconds."""
    return ThreadpoolController().select(user_api="blas")


class _SingleThreadedBlas:
    """Context in which BLAS uses the calling thread alone; the last of all threads to leave ends it.

    Each of our threads multiplies and selects on its own. Threads of BLAS would wait for each other in every
    block, and they wait by spinning: with another program on one of two cores that took seven times the CPU.
    The setting is of the process, so all searches at a time share one context: two would take each other's
    limit for the setting to go back to.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_inside = 0
        self._limit: Any = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._n_inside:
                self._limit = _blas().limit(limits=1)
            self._n_inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._n_inside -= 1
            if not self._n_inside:
                self._limit.restore_original_limits()


SINGLE_THREADED_BLAS = _SingleThreadedBlas()
