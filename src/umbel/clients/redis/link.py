"""A consumer's connection: opened, looked after, opened again, for ever."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from umbel.clients.base import ConnectionState
from umbel.clients.redis.addresses import Address
from umbel.clients.redis.connection_async import AsyncConnection, ConnectionLost
from umbel.clients.redis.replies import is_refusing_writes, is_transient, translate, warn_of_eviction
from umbel.errors import AccessRefused, OperationalError
from umbel.runtime.backoff import delays
from umbel.wire.redis.resp import Argument, Push, ReplyError, pack_all
from umbel.wire.redis.scripts import Script

#: Seconds that a reply may take before the connection is given up.
_SILENCE = 10.0
#: Seconds between two looks at that.
_WATCH_EVERY = 1.0


class Link:
    """One connection at a time to the first of several servers that answers.

    Args:
        candidates: the servers, in order.
        introduce: what is done on a new connection before anybody may use it.
        on_push: called with what comes unasked.
        on_change: called when the connection is there, is lost, or cannot be made.
    """

    def __init__(
        self,
        candidates: Sequence[Address],
        introduce: Callable[[AsyncConnection], Awaitable[None]],
        on_push: Callable[[Push], None],
        on_change: Callable[[ConnectionState, str], None],
    ) -> None:
        self._candidates = candidates
        self._introduce = introduce
        self._on_push = on_push
        self._on_change = on_change
        self._watch: asyncio.TimerHandle | None = None
        self._closed = False
        #: The connection that may be used now.
        self.connection: AsyncConnection | None = None
        self.connected: asyncio.Event = asyncio.Event()

    async def open(self, most: int | None) -> None:
        """Connect for the first time.

        Raises:
            AccessRefused: the server does not let us in.
            OperationalError: none could be reached in as many more attempts as ``most``; ``None`` is for ever.
        """
        attempt = 0
        for pause in delays(0.1, most=3.0):
            try:
                await self.connect()
                return
            except AccessRefused:
                raise
            except OperationalError as error:
                attempt += 1
                if most is not None and attempt > most:
                    raise
                self._on_change(ConnectionState.RETRYING, f"{error}; trying again in {pause:.1f} s")
            await asyncio.sleep(pause)

    async def reopen(self) -> None:
        """Connect again, however long it takes."""
        for pause in delays(0.05, most=3.0):
            try:
                await self.connect()
                return
            except OperationalError as error:
                self._on_change(ConnectionState.RETRYING, f"{error}; trying again in {pause:.1f} s")
            await asyncio.sleep(pause)

    async def connect(self) -> None:
        """Connect to the first server that answers.

        Raises:
            OperationalError: none does; `AccessRefused` when the last one does not let us in.
        """
        problem: OperationalError | None = None
        for address in self._candidates:
            try:
                connection = await AsyncConnection.open(address, self._on_push, self._lose)
            except OperationalError as error:
                problem = error
                continue
            try:
                async with asyncio.timeout(max(address.connect_timeout, 1.0)):
                    await self._introduce(connection)
                    with contextlib.suppress(ReplyError):  # who may not ask is not told
                        warn_of_eviction(await connection.call("INFO", "memory"), address.public())
            except (ReplyError, TimeoutError, ConnectionLost) as error:
                connection.abort()
                known = translate(error, "to begin consuming") if isinstance(error, ReplyError) else error
                problem = known if isinstance(known, OperationalError) else OperationalError(f"{address.public()} does not answer")
                continue
            except BaseException:
                connection.abort()
                raise
            self.connection = connection
            self.connected.set()
            self._look_out()
            self._on_change(ConnectionState.CONNECTED, f"connected to {address.public()}")
            return
        raise problem or OperationalError("no Redis server is configured")

    def _look_out(self) -> None:
        """Give up the connection when the server does not answer."""
        connection = self.connection
        if connection is None:
            return
        if connection.waiting() > _SILENCE:
            self.drop(f"{connection.address.public()} does not answer")
            return
        self._watch = asyncio.get_running_loop().call_later(_WATCH_EVERY, self._look_out)

    def _lose(self, error: ConnectionLost) -> None:
        if self.connection is None or self.connection.lost is None:
            return  # one that was never in use
        self.connection = None
        self.connected.clear()
        if self._watch is not None:
            self._watch.cancel()
        self._on_change(ConnectionState.LOST, str(error))

    def drop(self, why: str) -> None:
        """Give up the connection."""
        if self.connection is not None:
            self.connection.fail(ConnectionLost(why))

    async def until_done(self, script: Script, keys: Sequence[Argument], arguments: Sequence[Argument]) -> None:
        """Run a script that does nothing the second time, over as many connections as it takes.

        Raises:
            OperationalError: the server refuses it; or the link is closed.
        """
        while True:
            await self.connected.wait()
            if self._closed:
                raise ConnectionLost("the consumer is closed")
            try:
                await self.run(script, keys, arguments)
                return
            except ConnectionLost:
                await asyncio.sleep(0)
            except ReplyError as error:
                if not is_transient(error) and not is_refusing_writes(error):
                    raise translate(error, f"the script {script.name!r}") from error
                self.drop(f"Redis cannot run {script.name!r} now: {error}")

    async def run(self, script: Script, keys: Sequence[Argument], arguments: Sequence[Argument]) -> Any:
        """Run a script over the connection there is.

        Raises:
            ConnectionLost: there is none.
        """
        if self.connection is None:
            raise ConnectionLost
        return await self.connection.run(script, keys, arguments)

    async def call(self, *command: Argument) -> Any:
        """`run` for one command."""
        if self.connection is None:
            raise ConnectionLost
        return await self.connection.call(*command)

    async def call_all(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """`call` for several commands at once; error replies as values.

        Raises:
            ConnectionLost: there is no connection, or it was lost on the way.
        """
        if self.connection is None:
            raise ConnectionLost
        replies = await asyncio.gather(*self.connection.send(pack_all(commands), len(commands)), return_exceptions=True)
        for reply in replies:
            if isinstance(reply, BaseException) and not isinstance(reply, ReplyError):
                raise reply
        return replies

    async def aclose(self) -> None:
        """Disconnect for good."""
        self._closed = True
        if self._watch is not None:
            self._watch.cancel()
        connection, self.connection = self.connection, None
        if connection is not None:
            await connection.aclose()
        self.connected.set()  # whoever waits for a connection is told that none comes
