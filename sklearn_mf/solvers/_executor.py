"""Where the strata of an epoch run: in threads of this process."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, Self, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


class ThreadExecutor:
    """Threads for strata that run side by side, and one thread for work in the background.

    It is a context manager: its threads begin with the first call and end with the context. A solver asks
    nothing else of an executor, so that one of other machines needs these four methods.
    """

    def __init__(self, n_threads: int) -> None:
        self._strata = ThreadPoolExecutor(n_threads)
        self._background = ThreadPoolExecutor(1)

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Call the function for all items side by side; results in the order of the items."""
        return self._strata.map(function, items)

    def submit(
        self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        """Call the function in the background."""
        return self._background.submit(function, *args, **kwargs)

    def close(self) -> None:
        """Drop work that has not begun, wait for the rest, and end the threads."""
        for pool in (self._strata, self._background):
            pool.shutdown(cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
