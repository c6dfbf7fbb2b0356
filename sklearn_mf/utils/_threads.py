"""Threads of our own, and BLAS limited to one thread inside them.

The limit of BLAS belongs to the whole process. It is set and restored directly, not through
`threadpool_limits`: since threadpoolctl 3.8 that gives control over OpenBLAS to the first thread that sets a
limit, for as long as the thread lives, and ignores all others, those of the user included.
"""

import functools
import os
import threading
from typing import Any

from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]

#: Ratings from which on their preparation runs side by side, which takes more memory.
SIDE_BY_SIDE_FROM = 2**23
_MOST_THREADS = 16


@functools.cache
def _blas_libraries() -> list[Any]:
    """Find the BLAS libraries of this process, once, since finding takes some milliseconds."""
    return list(ThreadpoolController().select(user_api="blas").lib_controllers)


def _set_limit(library: Any, limit: int) -> None:
    getattr(library, "_real_set_num_threads", library.set_num_threads)(limit)


class _SingleThreadedBlas:
    """Context in which BLAS uses the calling thread alone.

    Several threads of BLAS would wait for each other in every block, and they wait by spinning: with another
    program on one of two cores that took seven times the CPU. All contexts that overlap share one limit; the
    last to leave restores the first one's. A limit that the user sets meanwhile stays.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_inside = 0
        self._original: list[int] = []

    def __enter__(self) -> None:
        with self._lock:
            if not self._n_inside:
                self._original = [library.num_threads for library in _blas_libraries()]
                for library in _blas_libraries():
                    _set_limit(library, 1)
            self._n_inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._n_inside -= 1
            if not self._n_inside:
                for library, limit in zip(_blas_libraries(), self._original, strict=True):
                    if library.num_threads == 1:
                        _set_limit(library, limit)

    def n_allowed(self) -> int:
        """Number of threads that BLAS may use outside of the context."""
        with self._lock:
            limits = self._original if self._n_inside else [lib.num_threads for lib in _blas_libraries()]
        return max(limits, default=os.cpu_count() or 1)


SINGLE_THREADED_BLAS = _SingleThreadedBlas()


def n_threads(n_blocks: int) -> int:
    """Number of threads for blocks of work: as many as BLAS may use, where users and joblib set a limit."""
    return 1 if n_blocks == 1 else min(SINGLE_THREADED_BLAS.n_allowed(), n_blocks, _MOST_THREADS)
