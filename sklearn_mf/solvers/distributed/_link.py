"""A connection between two workers that carries short messages: one JSON object a line."""

import json
import selectors
import socket
import time

Message = dict[str, object]

#: Longest message in bytes.
_LONGEST = 2**20


class LinkClosedError(Exception):
    """The other side has closed the connection, or it sends no messages of this kind."""


class Link:
    """One connection.

    Ctrl-C interrupts its waiting; TensorFlow's own waiting ignores it.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket, self._received = connection, b""
        connection.settimeout(10.0)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _keep_alive(connection)

    def send(self, message: Message) -> None:
        """Send a message."""
        try:
            self._socket.sendall(json.dumps(message).encode() + b"\n")
        except OSError as error:
            raise LinkClosedError(str(error)) from None

    def receive(self, deadline: float) -> Message:
        """Next message; TimeoutError after the `deadline`, a time of `time.monotonic`."""
        while not self.has_message(deadline - time.monotonic()):
            if time.monotonic() >= deadline:
                raise TimeoutError
        line, _, self._received = self._received.partition(b"\n")
        try:
            message = json.loads(line)
        except ValueError:
            raise LinkClosedError(f"unknown message {line[:20]!r}") from None
        if not isinstance(message, dict):
            raise LinkClosedError(f"unknown message {line[:20]!r}")
        return message

    def peek(self) -> Message | None:
        """The next message, which stays the next one; None where none has arrived."""
        if not self.has_message(0.0):
            return None
        before = self._received
        message = self.receive(time.monotonic())
        self._received = before
        return message

    def is_open(self) -> bool:
        """Whether the other side has not closed the connection."""
        try:
            self.has_message(0.0)
        except LinkClosedError:
            return False
        return True

    def has_message(self, seconds: float) -> bool:
        """Whether a message has arrived, or arrives within some seconds."""
        if b"\n" in self._received:
            return True
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            if not selector.select(max(seconds, 0.0)):
                return False
        try:
            part = self._socket.recv(2**16)
        except OSError as error:
            raise LinkClosedError(str(error)) from None
        self._received += part
        if not part or len(self._received) > _LONGEST:
            raise LinkClosedError("connection closed")
        return b"\n" in self._received

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()


def _keep_alive(connection: socket.socket) -> None:
    """Notice within half a minute that the other machine is gone, where the system can."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    options = (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4), ("TCP_USER_TIMEOUT", 30_000))
    for name, value in options:  # the last one, in ms, is for data on the way, where nothing is probed
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
