"""A private queue, read on the event loop when its doorbell rings."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from umbel.brokers.base import BrokerOptions, ConnectionState, SubscriberSink
from umbel.brokers.fanout.defaults import hand_over
from umbel.brokers.sqlite.fanout.private import BATCH, FANOUT, POLL, PrivateQueue
from umbel.brokers.topology import Queue
from umbel.clients.sqlite.database import Busy, Database
from umbel.clients.sqlite.doorbell import Listener
from umbel.errors import OperationalError
from umbel.runtime.backoff import delays

#: Seconds until another writer is thought to have ended.
_PAUSE = 0.002


class SqliteSubscriber:
    """See `umbel.brokers.fanout.base.Subscriber`.

    Args:
        database: a connection of its own.
        options: of the broker.
        queue: of its own.
    """

    def __init__(self, database: Database, options: BrokerOptions, queue: Queue) -> None:
        self._database = database
        self._mine = PrivateQueue(database, options, queue)
        self._listener = Listener(database.path, FANOUT)
        self._sink: SubscriberSink | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next: asyncio.Handle | None = None
        self._retries: Iterator[float] | None = None
        self._losses = 0

    async def start(self, sink: SubscriberSink) -> None:
        self._sink = sink
        try:
            await asyncio.to_thread(self._mine.open, self._database.write)
        except BaseException:
            self._database.close()
            raise
        self._loop = asyncio.get_running_loop()
        self._listener.open()
        if self._listener.socket is not None:
            self._loop.add_reader(self._listener.socket, self._on_ring)
        sink.on_connection(ConnectionState.CONNECTED, f"opened {self._database.path}")
        self._turn()

    async def aclose(self) -> None:
        loop, self._loop = self._loop, None
        if loop is None:
            return
        if self._next is not None:
            self._next.cancel()
        if self._listener.socket is not None:
            loop.remove_reader(self._listener.socket)
        self._listener.close()
        await asyncio.to_thread(self._mine.close)

    def _on_ring(self) -> None:
        self._listener.drain()
        self._turn()

    def _turn(self) -> None:
        """Read what there is, and say when to look again."""
        if self._loop is None or self._sink is None:
            return
        if self._next is not None:
            self._next.cancel()
        try:
            found = self._mine.take(self._database.attempt)
        except Busy:
            self._again(_PAUSE)
            return
        except OperationalError as error:
            self._on_trouble(self._sink, error)
            return
        if self._retries is not None or self._mine.losses != self._losses:
            self._retries, self._losses = None, self._mine.losses
            self._sink.on_connection(ConnectionState.CONNECTED, f"opened {self._database.path}; what was sent meanwhile may be lost")
        if found:
            hand_over(self._sink, found)
        if len(found) == BATCH:
            self._again(0.0)
        else:
            self._again(self._mine.wait_at_most() if self._listener.socket is not None else POLL)

    def _on_trouble(self, sink: SubscriberSink, error: OperationalError) -> None:
        if self._retries is None:
            self._retries = delays(0.05, most=3.0)
            sink.on_connection(ConnectionState.LOST, str(error))
        pause = next(self._retries)
        sink.on_connection(ConnectionState.RETRYING, f"{error}; trying again in {pause:.1f} s")
        self._again(pause)

    def _again(self, pause: float) -> None:
        if self._loop is not None:
            self._next = self._loop.call_later(pause, self._turn)
