"""The workers of a job, as the environment variable TF_CONFIG describes them."""

import json
from collections.abc import Mapping
from typing import NamedTuple, Self

_ADVICE = (
    'set it in each worker, for example to {"cluster": {"worker": ["host0:2222", "host1:2222"]}, '
    '"task": {"type": "worker", "index": 0}}'
)


class Cluster(NamedTuple):
    """The workers of a job and the number of this one.

    Parameters
    ----------
    addresses : tuple of str
        Host and port of each worker; worker 0 is the chief.
    worker : int
        Number of this worker.
    """

    addresses: tuple[str, ...]
    worker: int

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Read TF_CONFIG; a chief, where it has one, is worker 0."""
        text = environment.get("TF_CONFIG", "")
        if not text:
            raise ValueError(
                f"The environment variable TF_CONFIG is not set: {_ADVICE}, or start all workers on this "
                "machine by `python -m sklearn_mf.distributed --workers 2`."
            )
        try:
            config = json.loads(text)
            jobs, task = config["cluster"], config["task"]
            addresses = tuple(map(str, [*jobs.get("chief", []), *jobs.get("worker", [])]))
            start = {"chief": 0, "worker": len(jobs.get("chief", []))}[task["type"]]
            cluster = cls(addresses, start + int(task["index"]))
            valid = 0 <= cluster.worker < len(addresses) and all(map(_host_and_port, addresses))
        except (ValueError, KeyError, TypeError, AttributeError):
            valid = False
        if not valid:
            raise ValueError(f"The environment variable TF_CONFIG is not valid, got {text!r}: {_ADVICE}.")
        return cluster

    @property
    def n_workers(self) -> int:
        """Number of workers."""
        return len(self.addresses)

    def name(self, worker: int) -> str:
        """Name of a worker for error messages."""
        return f"worker {worker} ({self.addresses[worker]})"

    def host_and_port(self, worker: int) -> tuple[str, int]:
        """Address of a worker."""
        return _host_and_port(self.addresses[worker])


def _host_and_port(address: str) -> tuple[str, int]:
    """Parts of an address "host:port"; the host may be an IPv6 address in brackets."""
    host, _, port = address.rpartition(":")
    if not host:
        raise ValueError(f"An address must be host:port, got {address!r}.")
    return host.strip("[]"), int(port)
