"""Waiting for keys of Redis to be announced, in the coroutines of an event loop. How, says `umbel.results.redis.watch`."""

from __future__ import annotations

import asyncio
import builtins
import time
from collections.abc import Callable, Sequence
from typing import Any

from umbel.clients.redis.addresses import Address
from umbel.clients.redis.connection_async import AsyncConnection, ConnectionLost
from umbel.clients.redis.replies import translate
from umbel.errors import AccessRefused, OperationalError
from umbel.results.redis.watch import PATIENCE, READ_AGAIN
from umbel.runtime.backoff import delays
from umbel.wire.redis.resp import Push, ReplyError, pack

#: Seconds that a reply may take on an event loop's connection.
_SILENCE = 10.0
#: Seconds that an unused loop connection is kept.
_LINGER = 5.0


class LoopWaiter:
    """`Watch` for the coroutines of one event loop, over one connection."""

    def __init__(self, candidates: Sequence[Address]) -> None:
        self._candidates = candidates
        self._connection: AsyncConnection | None = None
        self._opening = asyncio.Lock()
        self._queues: dict[bytes, set[asyncio.Queue[bytes | None]]] = {}
        self._keeper: asyncio.Task[None] | None = None

    async def wait(self, key: str, is_last: Callable[[bytes], bool]) -> None:
        """Call back with each value of a key until the callback says that it was the last; cancel to give up."""
        name = key.encode()
        pauses = delays(0.05, most=1.0)
        last_contact = time.monotonic()
        while True:
            queue: asyncio.Queue[bytes | None] = asyncio.Queue()
            self._queues.setdefault(name, set()).add(queue)
            try:
                connection = await self._connected()
                try:
                    if await self._watch(connection, name, queue, is_last):
                        return
                finally:
                    last_contact = time.monotonic()
            except AccessRefused:
                raise
            except OperationalError:
                if time.monotonic() - last_contact > PATIENCE:
                    raise
            except ReplyError as error:
                raise translate(error, "to read a result") from error
            finally:
                self._leave(name, queue)
            await asyncio.sleep(next(pauses))

    async def _watch(
        self, connection: AsyncConnection, name: bytes, queue: asyncio.Queue[bytes | None], is_last: Callable[[bytes], bool]
    ) -> bool:
        (value,) = connection.send(pack("SUBSCRIBE", name) + pack("GET", name))
        found = await self._answer(connection, value)
        while True:
            if found is not None and is_last(found):
                return True
            try:
                async with asyncio.timeout(READ_AGAIN):
                    found = await queue.get()
                if found is None:
                    return False
            except builtins.TimeoutError:
                found = await self._answer(connection, connection.call("GET", name))

    @staticmethod
    async def _answer(connection: AsyncConnection, reply: asyncio.Future[Any]) -> Any:
        """A reply; a server that gives none is taken for lost."""
        try:
            async with asyncio.timeout(_SILENCE):  # wait_for loses a cancellation that comes with the reply (Python 3.11)
                return await reply
        except builtins.TimeoutError:
            error = ConnectionLost(f"{connection.address.public()} does not answer")
            connection.fail(error)
            raise error from None

    def _leave(self, name: bytes, queue: asyncio.Queue[bytes | None]) -> None:
        queues = self._queues.get(name, set())
        queues.discard(queue)
        if not queues:
            self._queues.pop(name, None)
            if self._connection is not None:
                self._connection.send(pack("UNSUBSCRIBE", name), 0)

    async def _connected(self) -> AsyncConnection:
        async with self._opening:
            if self._connection is None:
                problem: OperationalError = OperationalError("no Redis server is configured")
                for address in self._candidates:
                    try:
                        self._connection = await AsyncConnection.open(address, self._on_push, self._on_lost)
                        break
                    except OperationalError as error:
                        problem = error
                else:
                    raise problem
                if self._keeper is None or self._keeper.done():
                    self._keeper = asyncio.create_task(self._keep())
                    # Who closes a loop without cancelling its tasks need not be told of one that is not theirs.
                    self._keeper._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001
            return self._connection

    async def _keep(self) -> None:
        """Close the connection when nobody has waited for a while, and when the loop ends (which cancels its tasks)."""
        try:
            while self._connection is not None:
                await asyncio.sleep(_LINGER)
                if not self._queues:
                    return
        finally:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.abort()
            self._keeper = None

    def _on_push(self, push: Push) -> None:
        if push[0] == b"message":
            for queue in self._queues.get(push[1], ()):
                queue.put_nowait(push[2])

    def _on_lost(self, error: ConnectionLost) -> None:
        del error
        self._connection = None
        for queues in self._queues.values():
            for queue in queues:
                queue.put_nowait(None)

    def drop(self) -> None:
        """Disconnect when the loop was closed without cancelling its tasks: nothing runs on it any more."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.shut_down()

    def stop(self) -> None:
        """Disconnect; called on the loop."""
        if self._keeper is not None:
            self._keeper.cancel()
