"""A blocking connection: sockets, login, failover, command and reply."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from umbel.clients.connect_errors import cause
from umbel.clients.redis.addresses import Address, Sentinels
from umbel.clients.redis.replies import translate
from umbel.errors import AccessRefused, OperationalError, ProtocolError
from umbel.runtime import readiness
from umbel.wire.redis.resp import Argument, Parser, ReplyError, pack_all
from umbel.wire.redis.scripts import Script

_CHUNK = 1 << 17


def wait_ready(sock: socket.socket, timeout: float, *, write: bool = False) -> bool:
    """Wait until a socket can be read (or written); whether it can."""
    return any(readiness.wait(sock, timeout, read=not write, write=write))


def locate(sentinels: Sentinels) -> tuple[str, int]:
    """Ask sentinels, in order, for the primary. Each has its share of a node's connect timeout: one that is silent must not cost the others theirs.

    Raises:
        OperationalError: none of them knows it.
    """
    problems = []
    for node in sentinels.addresses:
        share = node.connect_timeout / len(sentinels.addresses)
        try:
            with contextlib.closing(BlockingConnection.open(replace(node, connect_timeout=share), share)) as connection:
                answer, others = connection.pipeline(
                    [("SENTINEL", "GET-MASTER-ADDR-BY-NAME", sentinels.service), ("SENTINEL", "SENTINELS", sentinels.service)]
                )
        except OperationalError as error:
            problems.append(str(error))
            continue
        if isinstance(answer, list) and isinstance(others, list) and len(others) >= sentinels.min_others:
            return answer[0].decode(), int(answer[1])
        problems.append(f"the sentinel at {node.host}:{node.port} does not know {sentinels.service!r} (or too few others do)")
    raise OperationalError(f"no sentinel tells where {sentinels.service!r} is: {'; '.join(problems)}")


def open_socket(address: Address) -> socket.socket:
    """Connect, TLS included; the socket is non-blocking afterwards.

    Raises:
        OSError: there is nobody, or the handshake failed.
        OperationalError: the sentinels do not know.
    """
    if address.path:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(address.connect_timeout)
            sock.connect(os.path.expanduser(address.path))  # noqa: PTH111 - a socket's path may be longer than Path's users expect
        except BaseException:
            sock.close()
            raise
    else:
        host, port = locate(address.sentinels) if address.sentinels else (address.host, address.port)
        sock = socket.create_connection((host, port), timeout=address.connect_timeout)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if address.tls:
                sock = address.tls.wrap_socket(sock, server_hostname=host)
        except BaseException:
            sock.close()
            raise
    sock.setblocking(False)
    return sock


class BlockingConnection:
    """One connection for one thread at a time. After any `OperationalError` about the connection it must be closed."""

    __slots__ = ("_parser", "_replies", "address", "pid", "sock", "timeout", "unsent")

    def __init__(self, sock: socket.socket, address: Address, timeout: float) -> None:
        self.sock: socket.socket = sock
        self.address: Address = address
        #: Seconds that a reply may take.
        self.timeout: float = timeout
        self.pid: int = os.getpid()
        #: What `send_now` could not write.
        self.unsent: bytes = b""
        self._parser = Parser()
        self._replies: list[Any] = []

    @classmethod
    def open(cls, address: Address, timeout: float = 10.0) -> BlockingConnection:
        """Connect and log in.

        Raises:
            AccessRefused: the server does not let us in.
            OperationalError: it cannot be reached.
        """
        try:
            sock = open_socket(address)
        except OSError as error:
            raise OperationalError(f"cannot connect to {address.public()}: {cause(error)}") from error
        connection = cls(sock, address, timeout)
        try:
            commands = address.login()
            for command, reply in zip(commands, connection.pipeline(commands), strict=True):
                if isinstance(reply, ReplyError) and command[0] != "CLIENT":
                    raise translate(reply, f"{command[0]} at {address.public()}")
        except BaseException:
            connection.close()
            raise
        return connection

    @classmethod
    def open_any(cls, candidates: Sequence[Address], timeout: float = 10.0) -> BlockingConnection:
        """`open` the first of these that answers.

        Raises:
            OperationalError: none does; `AccessRefused` when the last one did not let us in.
        """
        problem: OperationalError | None = None
        for address in candidates:
            try:
                return cls.open(address, timeout)
            except OperationalError as error:
                problem = error
        raise problem or OperationalError("no Redis server is configured")

    def close(self) -> None:
        """Disconnect."""
        self.sock.close()

    def is_stale(self) -> bool:
        """Report whether the server has hung up (or sent what nobody asked for) while nothing was under way."""
        try:
            return wait_ready(self.sock, 0)
        except (OSError, ValueError):
            return True

    def send(self, data: bytes, deadline: float) -> None:
        """Write everything.

        Raises:
            OperationalError: the connection is lost, or the server takes nothing until the deadline (monotonic).
        """
        if self.unsent:
            data, self.unsent = self.unsent + data, b""
        view = memoryview(data)
        while view:
            try:
                view = view[self.sock.send(view) :]
            except (BlockingIOError, TimeoutError, ssl.SSLWantWriteError):
                self._wait(deadline, write=True)
            except ssl.SSLWantReadError:
                self._wait(deadline)
            except OSError as error:
                raise OperationalError(f"the connection to {self.address.public()} is lost: {error}") from error

    def send_within(self, data: bytes, deadline: float, timeout: float) -> None:
        """`send`; with a deadline of 0 in so many seconds, for which the clock is asked only when the socket does not take all at once."""
        if not self.unsent:
            try:
                sent = self.sock.send(data)
            except OSError:  # full, or TLS, or lost: `send` finds out
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
        self.send(data, deadline or time.monotonic() + timeout)

    def send_now(self, data: bytes) -> None:
        """Write what the socket takes at once; the rest is `unsent`, and goes before whatever is sent next.

        Raises:
            OperationalError: the connection is lost.
        """
        if self.unsent:
            data = self.unsent + data
        try:
            self.unsent = data[self.sock.send(data) :]
        except (BlockingIOError, TimeoutError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            self.unsent = data
        except OSError as error:
            raise OperationalError(f"the connection to {self.address.public()} is lost: {error}") from error

    def receive(self, deadline: float) -> list[Any]:
        """Wait for at least one whole reply."""
        while not (replies := self.receive_now()):
            self._wait(deadline)
        return replies

    def receive_now(self) -> list[Any]:
        """The whole replies that have come, without waiting."""
        replies: list[Any] = []
        while True:
            try:
                data = self.sock.recv(_CHUNK)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return replies
            except OSError as error:
                raise OperationalError(f"the connection to {self.address.public()} is lost: {error}") from error
            if not data:
                raise OperationalError(f"{self.address.public()} closed the connection")
            try:
                replies += self._parser.feed(data)
            except ProtocolError as error:
                raise OperationalError(f"the connection to {self.address.public()} is lost: {error}") from error
            if len(data) < _CHUNK and self.address.tls is None:  # TLS may hold back more than the socket shows
                return replies

    def pipeline(self, commands: Sequence[Sequence[Argument]], timeout: float | None = None) -> list[Any]:
        """The replies to several commands; error replies as `ReplyError` values."""
        if not commands:
            return []
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        self.send(pack_all(commands), deadline)
        replies = self._replies
        while len(replies) < len(commands):
            replies += self.receive(deadline)
        self._replies = replies[len(commands) :]
        return replies[: len(commands)]

    def call(self, *command: Argument, timeout: float | None = None) -> Any:
        """The reply to one command.

        Raises:
            ReplyError: the server says no.
            OperationalError: the connection is lost.
        """
        reply = self.pipeline([command], timeout)[0]
        if isinstance(reply, ReplyError):
            raise reply
        return reply

    def run(self, script: Script, keys: Sequence[Argument], arguments: Sequence[Argument] = ()) -> Any:
        """Run a script, loading it when the server does not know it."""
        try:
            return self.call("EVALSHA", script.sha, len(keys), *keys, *arguments)
        except ReplyError as error:
            if error.code != "NOSCRIPT":
                raise
        return self.call("EVAL", script.text, len(keys), *keys, *arguments)

    def _wait(self, deadline: float, *, write: bool = False) -> None:
        left = deadline - time.monotonic()
        try:
            ready = left > 0 and wait_ready(self.sock, left, write=write)
        except (OSError, ValueError) as error:
            raise OperationalError(f"the connection to {self.address.public()} is lost: {error}") from error
        if not ready:
            raise OperationalError(f"{self.address.public()} does not answer")


class KeptConnection:
    """Keeps one connection open, across lost ones and forks, for one thread at a time."""

    __slots__ = ("_candidates", "_connection", "_timeout")

    def __init__(self, candidates: Sequence[Address], timeout: float = 10.0) -> None:
        self._candidates = candidates
        self._timeout = timeout
        self._connection: BlockingConnection | None = None

    def connection(self) -> BlockingConnection:
        """The open connection, or a new one."""
        connection = self._connection
        if connection is not None and connection.pid != os.getpid():
            connection.close()  # our copy of the descriptor only; the parent's stays open
            connection = None
        if connection is not None and connection.is_stale():
            connection.close()
            connection = None
        if connection is None:
            connection = self._connection = BlockingConnection.open_any(self._candidates, self._timeout)
        return connection

    def use(self, work: Callable[[BlockingConnection], Any], *, attempts: int = 2) -> Any:
        """Do some work that may be done twice, once more over a new connection when the old one breaks.

        Raises:
            OperationalError: every attempt failed; error replies are translated.
        """
        for left in range(attempts - 1, -1, -1):
            try:
                return work(self.connection())
            except ReplyError as error:
                self.close()
                raise translate(error, "a command") from error
            except AccessRefused:
                raise
            except OperationalError:
                self.close()
                if not left:
                    raise
        raise AssertionError

    def close(self) -> None:
        """Disconnect; the next use connects again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
