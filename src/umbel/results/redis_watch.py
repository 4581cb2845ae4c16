"""Waiting for a key of Redis to be announced, blocking and on an event loop.

A waiter subscribes to the key's channel and reads the key in the same breath, on one RESP3 connection: what was stored before is read, what
is stored later is pushed. It reads the key again every two seconds and whenever the connection was lost, so that a lost announcement
(PUBLISH promises nothing) delays a result but never loses it.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import logging
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from umbel.brokers.redis.address import Address
from umbel.brokers.redis.blocking import Connection, wait_ready
from umbel.brokers.redis.replies import is_transient, translate
from umbel.brokers.redis.streaming import ConnectionLost, StreamConnection
from umbel.errors import AccessRefused, OperationalError
from umbel.runtime.backoff import delays
from umbel.wire.redis.resp import Push, ReplyError, pack

#: Seconds between two readings of the key while nothing is announced.
READ_AGAIN = 2.0
#: Seconds without a server after which a waiter gives up.
PATIENCE = 30.0
#: Seconds without a server after which that is said.
_HICCUP = 1.0
#: Seconds that a reply may take on an event loop's connection.
_SILENCE = 10.0
#: Seconds that an unused loop connection is kept.
_LINGER = 5.0

logger = logging.getLogger("umbel.results")


class Connections:
    """The connections of one process that nobody uses now; each is used by one thread at a time."""

    def __init__(self, candidates: Sequence[Address], timeout: float, most: int, *, pushes: bool = False) -> None:
        self._candidates = candidates
        self._timeout = timeout
        self._most = most
        self._pushes = pushes
        self._idle: list[Connection] = []

    def take(self) -> Connection:
        """A connection that works as far as one can see; give it back or close it.

        Raises:
            OperationalError: the server cannot be reached.
        """
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                break
            if connection.pid == os.getpid() and self._is_alive(connection):
                return connection
            connection.close()
        connection = Connection.open_any(self._candidates, self._timeout)
        if self._pushes:
            try:
                connection.call("HELLO", 3)
            except ReplyError as error:
                connection.close()
                raise translate(error, "RESP3 (waiting for results needs Redis 6 or later)") from error
            except BaseException:
                connection.close()
                raise
        return connection

    def _is_alive(self, connection: Connection) -> bool:
        if not self._pushes:
            return not connection.is_stale()
        try:
            connection.receive_now()  # confirmations of UNSUBSCRIBE, and late announcements
        except OperationalError:
            return False
        return True

    def give(self, connection: Connection) -> None:
        """Keep a connection, on which nothing is under way, for the next one."""
        if len(self._idle) < self._most:
            self._idle.append(connection)
        else:
            connection.close()

    def use(self, work: Callable[[Connection], Any], patience: float) -> Any:
        """Do some work that may be done twice; again over new connections until it succeeds or patience (seconds) ends.

        Raises:
            OperationalError: it did not succeed; error replies are translated and not tried again.
        """
        end = time.monotonic() + patience
        told = False
        for pause in delays(0.05, most=2.0):
            try:
                connection = self.take()
                try:
                    done = work(connection)
                except BaseException:
                    connection.close()
                    raise
                self.give(connection)
                return done
            except ReplyError as error:
                if not is_transient(error) or time.monotonic() + pause > end:
                    raise translate(error, "a command to the result store") from error
            except AccessRefused:
                raise
            except OperationalError as error:
                now = time.monotonic()
                if now + pause > end:
                    raise
                told = told or _tell(error, end - patience, end)
            time.sleep(pause)
        raise AssertionError

    def close(self) -> None:
        """Close the idle ones."""
        while self._idle:
            with contextlib.suppress(IndexError):
                self._idle.pop().close()


def _tell(error: OperationalError, since: float, end: float) -> bool:
    """Say that the store is away, once that is more than a hiccup; returns whether it was said."""
    now = time.monotonic()
    if now < since + _HICCUP:
        return False
    logger.warning("The result store is away: %s; trying for another %.0f s", error, end - now)
    return True


def wait_blocking(connections: Connections, key: str, timeout: float | None, is_last: Callable[[bytes], bool]) -> bool:
    """Call back with each value of a key, now and as it is announced, until the callback says that it was the last.

    Args:
        connections: with pushes.
        key: the key, which is the channel too.
        timeout: seconds; ``None`` is for ever.
        is_last: called in this thread.

    Returns:
        Whether there was a last value in time.

    Raises:
        OperationalError: there has been no server for half a minute.
    """
    end = None if timeout is None else time.monotonic() + timeout
    pauses = delays(0.05, most=1.0)
    last_contact = time.monotonic()
    told = False
    while True:
        watch: _Watch | None = None
        try:
            connection = connections.take()
            watch = _Watch(connection, key, is_last)
            try:
                finished = watch.run(end)
            except BaseException:
                connection.close()
                raise
            connections.give(connection)
            return finished
        except AccessRefused:
            raise
        except OperationalError as error:
            now = time.monotonic()
            if watch is not None and watch.had_contact:
                last_contact, pauses, told = now, delays(0.05, most=1.0), False
            told = told or _tell(error, last_contact, last_contact + PATIENCE)
            if now - last_contact > PATIENCE or (end is not None and now >= end):
                raise
            pause = next(pauses)
            time.sleep(pause if end is None else min(pause, max(0.0, end - now)))


class _Watch:
    """One wait on one connection."""

    def __init__(self, connection: Connection, key: str, is_last: Callable[[bytes], bool]) -> None:
        self._connection = connection
        self._name = key.encode()
        self._is_last = is_last
        self._unanswered = 0
        self._asked = 0.0
        self.had_contact = False

    def run(self, end: float | None) -> bool:
        """Whether the last value came before the end (monotonic)."""
        connection = self._connection
        self._ask(pack("SUBSCRIBE", self._name))
        while True:
            ends = [self._take(reply) for reply in connection.receive_now()]
            if any(ends):
                return self._leave(found=True)
            now = time.monotonic()
            if end is not None and now >= end:
                return self._leave(found=False)
            if now - self._asked >= READ_AGAIN:
                if self._unanswered:
                    raise OperationalError(f"{connection.address.public()} does not answer")
                self._ask()
            left = self._asked + READ_AGAIN - now
            wait_ready(connection.sock, left if end is None else min(left, end - now))

    def _ask(self, before: bytes = b"") -> None:
        self._asked = time.monotonic()
        self._connection.send(before + pack("GET", self._name), self._asked + self._connection.timeout)
        self._unanswered += 1

    def _take(self, reply: Any) -> bool:
        """Whether this was the last value."""
        if type(reply) is Push:
            value = reply[2] if reply[0] == b"message" and reply[1] == self._name else None
        else:
            self._unanswered -= 1
            self.had_contact = True
            if isinstance(reply, ReplyError):
                raise translate(reply, "to read a result")
            value = reply
        return value is not None and self._is_last(value)

    def _leave(self, *, found: bool) -> bool:
        """Leave the connection as the next wait wants it: nothing subscribed, nothing unanswered."""
        connection = self._connection
        deadline = time.monotonic() + connection.timeout
        connection.send(pack("UNSUBSCRIBE", self._name), deadline)
        while self._unanswered:
            for reply in connection.receive(deadline):
                found |= self._take(reply)
        return found


class LoopWaiter:
    """`wait_blocking` for the coroutines of one event loop, over one connection."""

    def __init__(self, candidates: Sequence[Address]) -> None:
        self._candidates = candidates
        self._connection: StreamConnection | None = None
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
        self, connection: StreamConnection, name: bytes, queue: asyncio.Queue[bytes | None], is_last: Callable[[bytes], bool]
    ) -> bool:
        (value,) = connection.send(pack("SUBSCRIBE", name) + pack("GET", name))
        found = await self._answer(connection, value)
        while True:
            if found is not None and is_last(found):
                return True
            try:
                found = await asyncio.wait_for(queue.get(), READ_AGAIN)
                if found is None:
                    return False
            except builtins.TimeoutError:
                found = await self._answer(connection, connection.call("GET", name))

    @staticmethod
    async def _answer(connection: StreamConnection, reply: asyncio.Future[Any]) -> Any:
        """A reply; a server that gives none is taken for lost."""
        try:
            return await asyncio.wait_for(reply, _SILENCE)
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

    async def _connected(self) -> StreamConnection:
        async with self._opening:
            if self._connection is None:
                problem: OperationalError = OperationalError("no Redis server is configured")
                for address in self._candidates:
                    try:
                        self._connection = await StreamConnection.open(address, self._on_push, self._on_lost)
                        break
                    except OperationalError as error:
                        problem = error
                else:
                    raise problem
                if self._keeper is None or self._keeper.done():
                    self._keeper = asyncio.create_task(self._keep())
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

    def stop(self) -> None:
        """Disconnect; called on the loop."""
        if self._keeper is not None:
            self._keeper.cancel()
