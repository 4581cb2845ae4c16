"""A connection on the event loop: commands are pipelined, pushes are handed on."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from umbel.clients.connect_errors import cause
from umbel.clients.redis.addresses import Address
from umbel.clients.redis.connection_blocking import locate
from umbel.clients.redis.replies import translate
from umbel.errors import OperationalError, ProtocolError
from umbel.wire.redis.resp import Argument, Parser, Push, ReplyError, pack
from umbel.wire.redis.scripts import Script


class ConnectionLost(OperationalError):
    """The connection to Redis is lost."""


class AsyncConnection(asyncio.Protocol):
    """One connection. Replies come as futures, in the order of the commands; error replies as `ReplyError`."""

    def __init__(self, address: Address, on_push: Callable[[Push], None] | None, on_lost: Callable[[ConnectionLost], None] | None) -> None:
        self.address = address
        #: The server speaks RESP3, so that pushes come on this connection.
        self.pushes: bool = False
        self.lost: ConnectionLost | None = None
        self._on_push = on_push
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._parser = Parser()
        self._pending: deque[tuple[asyncio.Future[Any], float]] = deque()
        self._out: list[bytes] = []
        self._transport: asyncio.WriteTransport | None = None

    @classmethod
    async def open(
        cls,
        address: Address,
        on_push: Callable[[Push], None] | None = None,
        on_lost: Callable[[ConnectionLost], None] | None = None,
    ) -> AsyncConnection:
        """Connect and log in, with RESP3 where the server knows it.

        Raises:
            AccessRefused: the server does not let us in.
            OperationalError: it cannot be reached.
        """
        loop = asyncio.get_running_loop()
        connection = cls(address, on_push, on_lost)
        host, port = await asyncio.to_thread(locate, address.sentinels) if address.sentinels else (address.host, address.port)
        try:
            async with asyncio.timeout(address.connect_timeout):
                if address.path:
                    await loop.create_unix_connection(lambda: connection, address.path)
                else:
                    await loop.create_connection(lambda: connection, host, port, ssl=address.tls)
                await connection._log_in()
        except (OSError, TimeoutError) as error:
            connection.abort()
            raise OperationalError(f"cannot connect to {address.public()}: {cause(error)}") from error
        except BaseException:
            connection.abort()
            raise
        return connection

    async def _log_in(self) -> None:
        commands = await asyncio.to_thread(self.address.login) if self.address.credentials else self.address.login()
        for command in commands:
            try:
                await self.call(*command)
            except ReplyError as error:
                if command[0] != "CLIENT":
                    raise translate(error, f"{command[0]} at {self.address.public()}") from error
        try:
            await self.call("HELLO", 3)
            self.pushes = True
        except ReplyError as error:
            if error.code == "NOAUTH":
                raise translate(error, f"a login without a password at {self.address.public()}") from error

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            replies = self._parser.feed(data)
        except ProtocolError as error:
            self.fail(ConnectionLost(str(error)))
            return
        pending = self._pending
        for reply in replies:
            if type(reply) is Push:
                if self._on_push is not None:
                    self._on_push(reply)
                continue
            if not pending:
                self.fail(ConnectionLost(f"{self.address.public()} answered what nobody asked"))
                return
            future = pending.popleft()[0]
            if future.done():
                continue
            if type(reply) is ReplyError:
                future.set_exception(reply)
            else:
                future.set_result(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail(ConnectionLost(f"the connection to {self.address.public()} is lost: {exc or 'closed by the server'}"))

    def fail(self, error: ConnectionLost) -> None:
        """Give the connection up; whoever waits for a reply is told."""
        if self.lost is not None:
            return
        self.lost = error
        if self._transport is not None:
            self._transport.abort()
        pending, self._pending = self._pending, deque()
        for future, _ in pending:
            if not future.done():
                future.set_exception(error)
                future.exception()  # it may be that nobody waits any more
        if self._on_lost is not None:
            self._on_lost(error)

    def abort(self) -> None:
        """Disconnect at once, in silence."""
        self._on_lost = None
        self.fail(ConnectionLost("closed"))

    def shut_down(self) -> None:
        """Disconnect where the loop is closed. Nothing public closes a transport there: its methods want to call back on the loop.

        The transport of a loop that is not asyncio's own closes its descriptor when it is collected; the server is told now.
        """
        self.lost = self.lost or ConnectionLost("closed")
        transport, self._transport = self._transport, None
        transport = getattr(getattr(transport, "_ssl_protocol", None), "_transport", transport)
        close = getattr(transport, "_call_connection_lost", None)
        sock = transport.get_extra_info("socket") if transport is not None else None
        with contextlib.suppress(OSError, RuntimeError):  # TLS tells the loop, after all; the descriptor is closed then, too
            if close is not None:
                close(None)
            elif sock is not None:
                sock.shutdown(socket.SHUT_RDWR)

    async def aclose(self) -> None:
        """Disconnect, and give the loop a turn to close the socket."""
        self.abort()
        await asyncio.sleep(0)

    # commands

    def waiting(self) -> float:
        """Seconds that the oldest unanswered command has waited."""
        return self._loop.time() - self._pending[0][1] if self._pending else 0.0

    def send(self, data: bytes, count: int = 1) -> list[asyncio.Future[Any]]:
        """Write packed commands, with the next turn of the loop; the futures of their replies."""
        futures: list[asyncio.Future[Any]] = []
        now = self._loop.time()
        for _ in range(count):
            future: asyncio.Future[Any] = self._loop.create_future()
            if self.lost is not None:
                future.set_exception(self.lost)
                future.exception()
            else:
                self._pending.append((future, now))
            futures.append(future)
        if self.lost is None:
            if not self._out:
                self._loop.call_soon(self._write)
            self._out.append(data)
        return futures

    def _write(self) -> None:
        data = b"".join(self._out)
        self._out.clear()
        if self.lost is None and self._transport is not None:
            self._transport.write(data)

    def call(self, *command: Argument) -> asyncio.Future[Any]:
        """Write one command."""
        return self.send(pack(*command))[0]

    async def run(self, script: Script, keys: Sequence[Argument], arguments: Sequence[Argument] = ()) -> Any:
        """Run a script, sending its text when the server does not know it."""
        try:
            return await self.call("EVALSHA", script.sha, len(keys), *keys, *arguments)
        except ReplyError as error:
            if error.code != "NOSCRIPT":
                raise
        return await self.call("EVAL", script.text, len(keys), *keys, *arguments)
