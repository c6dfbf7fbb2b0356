"""All workers of a job meet before TensorFlow starts, which would wait for a missing one without end."""

import contextlib
import socket
import time

from sklearn_mf.solvers.distributed._cluster import Cluster
from sklearn_mf.solvers.distributed._link import Link, LinkClosedError, Message
from sklearn_mf.solvers.distributed._peers import Peers, tell_all

# Seconds between two attempts to reach the chief, and for a greeting.
_PAUSE, _GREETING = 0.2, 2.0


def meet(cluster: Cluster, timeout: float) -> Peers:
    """Connect with the other workers; raises where one is missing after `timeout` seconds."""
    if cluster.worker:
        return Peers(cluster, _greet_chief(cluster, timeout), timeout)
    peers = Peers(cluster, _gather_workers(cluster, timeout), timeout)
    peers.tell({"met": cluster.n_workers})
    return peers


def _gather_workers(cluster: Cluster, timeout: float) -> dict[int, Link]:
    """The chief's part: accept all others."""
    deadline = time.monotonic() + timeout
    links: dict[int, Link] = {}
    with _listener(cluster) as listener:
        try:
            while len(links) < cluster.n_workers - 1:
                if time.monotonic() >= deadline:
                    raise TimeoutError(_missing(cluster, links, timeout))
                _accept(listener, cluster, links)
                _drop_closed(links)
        except Exception as error:
            tell_all(links.values(), str(error))
            raise
    return links


def _listener(cluster: Cluster) -> socket.socket:
    """Listen at the chief's address; at its port on all interfaces where others cannot reach it there."""
    host, port = cluster.host_and_port(0)
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # Many systems give a machine's own name a loopback address, which other machines cannot reach.
        is_hidden = str(address[0]).startswith(("127.", "::1")) and host not in (address[0], "localhost")
        listener = socket.create_server(("" if is_hidden else host, port), family=family)
    except OSError as error:
        if error.errno is not None and _is_taken(host, port):
            raise ValueError(
                f"Port {port} of {host} is taken: end the program that uses it, or change the address of "
                f"{cluster.name(0)} in TF_CONFIG."
            ) from error
        listener = socket.create_server(("", port))
    listener.settimeout(0.5)
    return listener


def _is_taken(host: str, port: int) -> bool:
    """Whether a program listens at an address."""
    try:
        socket.create_connection((host, port), timeout=1.0).close()
    except OSError:
        return False
    return True


def _accept(listener: socket.socket, cluster: Cluster, links: dict[int, Link]) -> None:
    """Accept one worker; connections of other programs are closed."""
    try:
        connection = listener.accept()[0]
    except TimeoutError:
        return
    link = Link(connection)
    try:
        greeting = link.receive(time.monotonic() + _GREETING)
    except (LinkClosedError, TimeoutError):
        return link.close()
    worker = greeting.get("worker")
    if not isinstance(worker, int):
        return link.close()
    _drop_closed(links)
    problem = _problem(cluster, greeting, worker, links)
    if problem is not None:
        tell_all([link], problem)
        raise ValueError(problem)
    links[worker] = link


def _drop_closed(links: dict[int, Link]) -> None:
    """Forget workers that have ended: they may start again."""
    for worker in [number for number, link in links.items() if not link.is_open()]:
        links.pop(worker).close()


def _problem(cluster: Cluster, greeting: Message, worker: int, links: dict[int, Link]) -> str | None:
    """The reason why a worker cannot take part, if there is one."""
    if greeting.get("addresses") != list(cluster.addresses):
        return (
            f"A worker {worker} has the addresses {greeting.get('addresses')} in TF_CONFIG and "
            f"{cluster.name(0)} has {list(cluster.addresses)}: give all workers the same cluster."
        )
    if worker in links or not 0 < worker < cluster.n_workers:
        return f"Two workers have the number {worker}: give each worker its own index in TF_CONFIG."
    return None


def _missing(cluster: Cluster, links: dict[int, Link], timeout: float) -> str:
    names = [cluster.name(worker) for worker in range(1, cluster.n_workers) if worker not in links]
    return (
        f"After {timeout:g} s {', '.join(names)} had not started: start the missing workers, or check the "
        "addresses in TF_CONFIG."
    )


def _greet_chief(cluster: Cluster, timeout: float) -> dict[int, Link]:
    """The part of another worker: reach the chief, and wait until all have."""
    link = Link(_connect(cluster, timeout))
    try:
        link.send({"worker": cluster.worker, "addresses": list(cluster.addresses)})
        answer = link.receive(time.monotonic() + timeout + 5.0)
    except (LinkClosedError, TimeoutError) as error:
        link.close()
        raise ConnectionError(
            f"W{cluster.name(0)[1:]} gave no answer: see its output, and check that no other program "
            "uses its address."
        ) from error
    if "error" in answer:
        raise ConnectionError(str(answer["error"]))
    return {0: link}


def _connect(cluster: Cluster, timeout: float) -> socket.socket:
    """Connection to the chief, which may start later."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            connection = socket.create_connection(cluster.host_and_port(0), timeout=min(timeout, 5.0))
            # A connection to an unused port of this machine can come from the same port: to itself.
            if connection.getsockname() != connection.getpeername():
                return connection
            connection.close()
        time.sleep(_PAUSE)
    raise TimeoutError(
        f"After {timeout:g} s {cluster.name(0)} had not started: start it, or check its address in TF_CONFIG."
    )
