"""The workers of a job agree on each step before they exchange rows, and report the one that fails.

Worker 0, the chief, has a connection to each other worker. TensorFlow's collective operations mix the rows of
workers that call them in different order, wait for slow workers without end, and do not say which worker is
missing; the steps here do.
"""

import time
from collections.abc import Callable, Iterable
from typing import NoReturn

from sklearn_mf.solvers.distributed._cluster import Cluster
from sklearn_mf.solvers.distributed._link import Link, LinkClosedError, Message

# Seconds by which the other workers wait longer than the chief, which knows the worker that is late.
_MARGIN = 5.0
# Seconds in which the cause of a failed operation of TensorFlow shows on the connections.
_DIAGNOSIS = 3.0


class Peers:
    """The other workers of a job; the chief has `links` to all of them, another worker to the chief."""

    def __init__(self, cluster: Cluster, links: dict[int, Link], timeout: float) -> None:
        self.cluster, self.links, self.timeout = cluster, links, timeout
        self.failure: str | None = None

    @property
    def is_chief(self) -> bool:
        """Whether this is worker 0."""
        return self.cluster.worker == 0

    def agree(self, step: str, value: list[str] | None = None) -> list[list[str]]:
        """Wait until all workers are at the same step; the values that they bring, in their order."""
        if self.failure is not None:
            raise RuntimeError(f"The workers have stopped, start all of them again: {self.failure}")
        return self._collect(step, value or []) if self.is_chief else self._report(step, value or [])

    def _collect(self, step: str, value: list[str]) -> list[list[str]]:
        """The chief's part: receive, compare, answer."""
        deadline = time.monotonic() + self.timeout
        values = [value]
        for worker in sorted(self.links):
            other = self._receive(worker, deadline, step)
            if other.get("step") != step:
                self._stop(
                    RuntimeError,
                    f"The workers are out of step: {self.cluster.name(0)} is at {step!r} and "
                    f"{self.cluster.name(worker)} at {other.get('step')!r}: start all workers with the same "
                    "program, estimator and data.",
                )
            values.append(_strings(other.get("value")))
        self.tell({"step": step, "values": values})
        return values

    def _report(self, step: str, value: list[str]) -> list[list[str]]:
        """The part of another worker: tell the chief, and wait for its answer."""
        self._send(0, {"step": step, "value": value})
        answer = self._receive(0, time.monotonic() + self.timeout + _MARGIN, step)
        values = answer.get("values")
        if answer.get("step") != step or not isinstance(values, list):
            self._stop(RuntimeError, f"{self.cluster.name(0)} sent an unknown answer to {step!r}.")
        return list(map(_strings, values))

    def tell(self, message: Message) -> None:
        """Send a message to all workers that this one has a connection with."""
        for worker in self.links:
            self._send(worker, message)

    def fail(self, error: BaseException) -> None:
        """Tell the other workers that this one has failed."""
        if self.failure is None:
            name = self.cluster.name(self.cluster.worker)
            self._close(f"{name} failed: {type(error).__name__}: {error}")

    def watch(self) -> None:
        """Raise where another worker has failed or gone; messages of steps stay for later."""
        for worker, link in self.links.items():
            try:
                message = link.peek()
            except LinkClosedError:
                self._stop(ConnectionError, self._has_gone(worker))
            else:
                if message is not None and "error" in message:
                    self._receive(worker, time.monotonic(), "")

    def explain(self, error: Exception, step: str) -> NoReturn:
        """Raise the cause of a failed operation of TensorFlow, by the name of the worker where it shows."""
        deadline = time.monotonic() + _DIAGNOSIS + (0 if self.is_chief else _MARGIN)
        while time.monotonic() < deadline:
            self.watch()
            time.sleep(0.05)
        reason = str(error).splitlines()[0][:300]
        self._stop(RuntimeError, f"Workers could not exchange rows in {step!r}: {reason}")

    def _receive(self, worker: int, deadline: float, step: str) -> Message:
        """Next message of a worker; raises where it failed, is gone, or is late."""
        try:
            message = self.links[worker].receive(deadline)
        except LinkClosedError:
            self._stop(ConnectionError, self._has_gone(worker))
        except TimeoutError:
            self._stop(
                TimeoutError,
                f"{self.cluster.name(worker)} did not reach {step!r} within {self.timeout:g} s: see why "
                "it is slow, or raise timeout.",
            )
        except KeyboardInterrupt as interrupt:
            self.fail(interrupt)
            raise
        if "error" in message:
            self._stop(RuntimeError, str(message["error"]))
        return message

    def _send(self, worker: int, message: Message) -> None:
        try:
            self.links[worker].send(message)
        except LinkClosedError:
            self._await_cause(worker)
            self._stop(ConnectionError, self._has_gone(worker))

    def _await_cause(self, worker: int) -> None:
        """Raise the error that a worker sent before it closed the connection, if it did."""
        try:
            message = self.links[worker].receive(time.monotonic())
        except (LinkClosedError, TimeoutError):
            return
        if "error" in message:
            self._stop(RuntimeError, str(message["error"]))

    def _has_gone(self, worker: int) -> str:
        return (
            f"{self.cluster.name(worker)} has ended or cannot be reached any more: see its output, and start "
            "all workers again."
        )

    def _stop(self, kind: type[Exception], sentence: str) -> NoReturn:
        """Tell all others, and raise."""
        self._close(sentence)
        raise kind(sentence[:1].upper() + sentence[1:])

    def _close(self, sentence: str) -> None:
        self.failure = sentence
        tell_all(self.links.values(), sentence)
        for link in self.links.values():
            link.close()


def _strings(value: object) -> list[str]:
    return list(map(str, value)) if isinstance(value, list) else []


def tell_all(links: Iterable[Link], sentence: str) -> None:
    """Send an error to all workers that can still be reached."""
    for link in links:
        try:
            link.send({"error": sentence})
        except LinkClosedError:
            continue


def run_watched(peers: Peers, is_done: Callable[[], bool], waiting: str) -> None:
    """Wait until something is done, while the other workers are watched."""
    deadline = time.monotonic() + peers.timeout
    while not is_done():
        peers.watch()
        if time.monotonic() > deadline:
            error = TimeoutError(f"{waiting} within {peers.timeout:g} s.")
            peers.fail(error)
            raise error
        time.sleep(0.02)
