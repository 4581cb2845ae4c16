"""A private queue, looked at in a thread, and handed over on the event loop."""

from __future__ import annotations

import asyncio
import contextlib

from umbel.brokers.base import BrokerOptions, ConnectionState, SubscriberSink
from umbel.brokers.fanout.defaults import hand_over
from umbel.brokers.mysql.fanout.private import PrivateQueue
from umbel.brokers.topology import Queue
from umbel.clients.sql.addresses import public
from umbel.clients.sql.engine import Database
from umbel.errors import OperationalError
from umbel.runtime.backoff import delays


class MysqlSubscriber:
    """See `umbel.brokers.fanout.base.Subscriber`.

    Args:
        database: where its queue is.
        options: of the broker.
        queue: of its own.
    """

    def __init__(self, database: Database, options: BrokerOptions, queue: Queue) -> None:
        self._where = public(database.url)
        self._mine = PrivateQueue(database, options, queue)
        self._task: asyncio.Task[None] | None = None
        self._ends = asyncio.Event()

    async def start(self, sink: SubscriberSink) -> None:
        await asyncio.to_thread(self._mine.open)
        sink.on_connection(ConnectionState.CONNECTED, f"connected to {self._where}")
        self._task = asyncio.create_task(self._read(sink))

    async def aclose(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            self._ends.set()
            await asyncio.wait([task])
            await asyncio.to_thread(self._mine.close)

    async def _read(self, sink: SubscriberSink) -> None:
        losses, pauses = 0, None
        while not self._ends.is_set():
            try:
                found = await asyncio.to_thread(self._mine.take)
            except OperationalError as error:
                if pauses is None:
                    pauses = delays(0.05, most=3.0)
                    sink.on_connection(ConnectionState.LOST, str(error))
                pause = next(pauses)
                sink.on_connection(ConnectionState.RETRYING, f"{error}; trying again in {pause:.1f} s")
            else:
                if pauses is not None or self._mine.losses != losses:
                    pauses, losses = None, self._mine.losses
                    sink.on_connection(ConnectionState.CONNECTED, f"connected to {self._where}; what was sent meanwhile may be lost")
                if found:
                    hand_over(sink, found)
                pause = self._mine.pause
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._ends.wait()
