"""A blocking AMQP connection: one socket under the sans-I/O core. Not thread-safe; its owner holds a lock."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from pamqp import base, commands

from umbel.clients.amqp.addresses import Address, in_order, tls_context
from umbel.clients.amqp.channels import ChannelError
from umbel.clients.connect_errors import cause
from umbel.errors import AccessRefused, OperationalError, ProtocolError
from umbel.runtime import readiness
from umbel.runtime.clock import SYSTEM
from umbel.wire.amqp import events
from umbel.wire.amqp.connection import Connection, State
from umbel.wire.amqp.fastpath import Receiver
from umbel.wire.amqp.methods import method
from umbel.wire.amqp.refusals import LOGIN_REFUSED, PRECONDITION_FAILED
from umbel.wire.attempts import ATTEMPTS
from umbel.wire.message import Delivery, MessageLimits

_CHUNK = 1 << 17


def open_socket(address: Address, timeout: float) -> socket.socket:
    """A connected socket with keepalive and without delay, TLS included.

    Raises:
        OSError: it cannot be connected.
    """
    sock = socket.create_connection((address.host, address.port), timeout=timeout)
    try:
        tune_socket(sock)
        if address.tls is not None:
            context = tls_context(address.tls)
            return context.wrap_socket(sock, server_hostname=address.tls.get("server_hostname") or address.host)
    except BaseException:
        sock.close()
        raise
    return sock


def tune_socket(sock: Any) -> None:
    """No delay for small writes; a dead peer is noticed within about a minute and a half, however idle we are."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def connect_any(
    nodes: Sequence[Address], limits: MessageLimits, *, failover: str, first: int = 0, timeout: float | None = None
) -> tuple[BlockingConnection, int]:
    """Connect to the first node that takes us; returns the connection and the node's index.

    Raises:
        AccessRefused: every node refused the login.
        OperationalError: none can be reached; the text names each and why.
    """
    failures, refused = [], 0
    deadline = None if timeout is None else SYSTEM.monotonic() + timeout
    for node in in_order(tuple(nodes), failover, first):
        left = node.connect_timeout if deadline is None else min(node.connect_timeout, deadline - SYSTEM.monotonic())
        if left <= 0:
            break
        try:
            return BlockingConnection(node, limits, left), nodes.index(node)
        except AccessRefused as error:
            refused += 1
            failures.append(str(error))
        except (OperationalError, ProtocolError, OSError) as error:
            failures.append(str(error) if str(node) in str(error) else f"cannot connect to {node}: {cause(error)}")
    text = "; ".join(failures) or "cannot connect to RabbitMQ: no time was left to try"
    if failures and refused == len(failures):
        raise AccessRefused(text)
    raise OperationalError(text)


class BlockingConnection:
    """A socket and the state machine above it. The constructor does the handshake.

    Raises:
        AccessRefused: the broker refuses the user, the password or the virtual host.
        OperationalError: it cannot be reached.
    """

    def __init__(self, address: Address, limits: MessageLimits, timeout: float) -> None:
        self.address = address
        self.core: Connection[Delivery] = Connection(address.login, Receiver(limits, Delivery, ATTEMPTS))
        #: Set when it cannot be used any more; says why.
        self.broken: str | None = None
        #: Told of every event that is not the answer to `call`.
        self.on_event: Callable[[events.Event], None] = lambda _event: None
        self._replies: deque[events.Event] = deque()
        self._opened = False
        #: What `write` was not to wait for.
        self.unsent: bytes = b""
        deadline = SYSTEM.monotonic() + timeout
        self._sock = open_socket(address, timeout)
        # Not blocking: with a timeout, the socket module would poll before each send, which doubles the system calls.
        self._sock.setblocking(False)
        try:
            self._handshake(deadline)
        except BaseException:
            self.drop("the handshake failed")
            raise

    def _handshake(self, deadline: float) -> None:
        self.flush(deadline)
        while self.core.state is not State.OPEN:
            for event in self._receive(deadline):
                if isinstance(event, events.Closed):
                    kind = AccessRefused if event.code in LOGIN_REFUSED else OperationalError
                    raise kind(f"{self.address} refused the connection: {event.code} {event.text}")
            self.flush(deadline)
        self._opened = True

    def fileno(self) -> int:
        """For select; -1 when it is closed."""
        return self._sock.fileno()

    def write(self, data: bytes, timeout: float | None) -> None:
        """Send bytes, all of them.

        Args:
            data: what to send, behind what was left `unsent` before.
            timeout: seconds to wait for the broker to read; ``None`` does not wait, and keeps what the socket does not take.

        Raises:
            OperationalError: the connection broke, or the broker reads nothing for so many seconds.
        """
        if self.broken is not None:
            raise OperationalError(self.broken)
        if self.unsent:
            data, self.unsent = self.unsent + data, b""
        try:
            sent = self._sock.send(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            sent = 0
        except OSError as error:
            raise self._lost(error) from error
        if sent == len(data):
            return
        if timeout is None:
            self.unsent = data[sent:]
        else:
            self._write_rest(memoryview(data)[sent:], SYSTEM.monotonic() + timeout)

    def _write_rest(self, data: memoryview, deadline: float) -> None:
        """Send what the socket's buffer had no room for. Reads meanwhile: the broker may say why it does not."""
        while data:
            left = deadline - SYSTEM.monotonic()
            if left <= 0:
                raise self._lost(TimeoutError())
            came, room = self._wait(left, write=True)
            if came:
                for event in self._receive(deadline):
                    self._dispatch(event)
            if not room:
                continue
            try:
                data = data[self._sock.send(data) :]
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                continue
            except OSError as error:
                raise self._lost(error) from error

    def flush(self, deadline: float) -> None:
        """Send what the core has to send."""
        data = self.core.data_to_send()
        if data:
            self.write(data, deadline - SYSTEM.monotonic())

    def readable(self, timeout: float) -> bool:
        """Report whether something came within some seconds; also when the connection is lost, which reading will tell."""
        return self._wait(timeout, write=False)[0]

    def _wait(self, timeout: float, *, write: bool) -> tuple[bool, bool]:
        if self._sock.fileno() < 0 or (isinstance(self._sock, ssl.SSLSocket) and self._sock.pending()):
            return True, False
        return readiness.wait(self._sock, timeout, write=write)

    def drain(self) -> bool:
        """Handle what has come, without waiting; returns whether anything had.

        Raises:
            OperationalError: the connection broke.
        """
        came = False
        while self.readable(0):
            if self.broken is not None:
                raise OperationalError(self.broken)
            came = True
            for event in self._receive(SYSTEM.monotonic() + 1.0):
                self._dispatch(event)
        if self.core.outgoing:
            self.flush(SYSTEM.monotonic() + 1.0)
        return came

    def receive_some(self, timeout: float) -> None:
        """Wait for bytes and handle one chunk of them; returns when none have come in time.

        Args:
            timeout: seconds.

        Raises:
            OperationalError: the connection broke.
        """
        if self.broken is not None:
            raise OperationalError(self.broken)
        if self.readable(timeout):
            for event in self._receive_now() or ():
                self._dispatch(event)

    def call(self, frame: base.Frame, channel: int, deadline: float) -> Any:
        """Send a method and wait for its answer (a reply method, or `events.Got`).

        Raises:
            ChannelError: the broker closed the channel instead.
            OperationalError: the connection broke, or there is no answer in time.
        """
        return self.call_all([frame], channel, deadline)[0]

    def call_all(self, frames: Iterable[base.Frame], channel: int, deadline: float) -> list[Any]:
        """`call` for many methods at once: sent together, answered in order."""
        waiting = 0
        for frame in frames:
            self.core.send(frame, channel)
            waiting += 1
        self.flush(deadline)
        answers: list[Any] = []
        while len(answers) < waiting:
            while self._replies and len(answers) < waiting:
                event = self._replies.popleft()
                if isinstance(event, events.ChannelClosed):
                    self._replies.clear()
                    raise ChannelError(event.code, event.text)
                answers.append(event.method if isinstance(event, events.Replied) else event)
            if len(answers) < waiting:
                for event in self._receive(deadline):
                    self._dispatch(event, channel)
                self.flush(deadline)
        return answers

    def open_channel(self, channel: int, deadline: float, *, confirm: bool = False) -> None:
        """Open a channel, perhaps in confirm mode."""
        frames: list[base.Frame] = [method(commands.Channel.Open)]
        if confirm:
            frames.append(method(commands.Confirm.Select))
        self.call_all(frames, channel, deadline)

    def declare(self, frames: Sequence[base.Frame], channel: int, deadline: float) -> str | None:
        """Declare things on a channel that is opened for it; returns the refusal when they exist otherwise (406).

        Raises:
            ChannelError: the broker refuses for another reason.
        """
        self.open_channel(channel, deadline)
        try:
            self.call_all(frames, channel, deadline)
        except ChannelError as error:
            if error.code != PRECONDITION_FAILED:
                raise
            return error.text
        self.call(method(commands.Channel.Close, reply_code=200, reply_text="", class_id=0, method_id=0), channel, deadline)
        return None

    def close(self, timeout: float = 1.0) -> None:
        """Say goodbye and close the socket; quiet when it is lost already."""
        if self.broken is None:
            with contextlib.suppress(OperationalError, ProtocolError, OSError):
                deadline = SYSTEM.monotonic() + timeout
                self.core.close()
                self.flush(deadline)
                while self.core.state is not State.CLOSED:
                    self._receive(deadline)
        self.drop("the connection was closed")

    def drop(self, reason: str) -> None:
        """Close the socket without a word."""
        self.broken = self.broken or reason
        with contextlib.suppress(OSError):
            self._sock.close()

    def _dispatch(self, event: events.Event, calling: int | None = None) -> None:
        answers = isinstance(event, (events.Replied, events.Got))
        if answers or (isinstance(event, events.ChannelClosed) and event.channel == calling):
            self._replies.append(event)
        else:
            self.on_event(event)

    def _receive(self, deadline: float) -> list[events.Event]:
        """Wait for bytes and handle one chunk of them."""
        if self.broken is not None:
            raise OperationalError(self.broken)
        while True:
            if not self.readable(deadline - SYSTEM.monotonic()):
                raise self._lost(TimeoutError())
            found = self._receive_now()
            if found is not None:
                return found

    def _receive_now(self) -> list[events.Event] | None:
        """Handle the chunk of bytes that has come; ``None`` when there is none."""
        try:
            data = self._sock.recv(_CHUNK)
            if not data:
                raise ConnectionResetError("the broker closed the connection")
            found = self.core.receive_data(data)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except (OSError, ProtocolError) as error:
            raise self._lost(error) from error
        if self.core.state is State.CLOSED:
            self._on_closed(found)
        return found

    def _on_closed(self, found: list[events.Event]) -> None:
        closed = next((event for event in found if isinstance(event, events.Closed)), None)
        if closed is None:
            return
        with contextlib.suppress(OSError):
            self._sock.send(self.core.data_to_send())
        self.drop(f"{self.address} closed the connection: {closed.code} {closed.text}")
        if self._opened:
            raise OperationalError(self.broken)

    def _lost(self, error: Exception) -> OperationalError:
        what = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
        self.drop(f"the connection to {self.address} was lost: {what}")
        return OperationalError(self.broken)
