"""A private queue, read on the event loop when something is notified."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from umbel.brokers.base import BrokerOptions, ConnectionState, SubscriberSink
from umbel.brokers.fanout.defaults import ended, hand_over
from umbel.brokers.postgresql.fanout.private import BATCH, POLL, SAFETY, PrivateQueue, run_async
from umbel.brokers.topology import Queue
from umbel.clients.postgresql.database import Database
from umbel.clients.postgresql.link_async import AsyncLink
from umbel.clients.postgresql.refusals import TablesMissing
from umbel.errors import OperationalError
from umbel.runtime.backoff import delays
from umbel.runtime.clock import SYSTEM


class PostgresqlSubscriber:
    """See `umbel.brokers.fanout.base.Subscriber`.

    Args:
        database: connects.
        options: of the broker.
        queue: of its own.
    """

    def __init__(self, database: Database, options: BrokerOptions, queue: Queue) -> None:
        self._database = database
        self._options = options
        self._listens = bool(options.transport.get("listen", True))
        self._mine = PrivateQueue(options, queue)
        self._link: AsyncLink | None = None
        self._rung = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def start(self, sink: SubscriberSink) -> None:
        for number, pause in enumerate(delays(0.1, most=3.0)):
            try:
                link = await self._connect(sink)
                break
            except OperationalError as error:
                most = self._options.max_retries
                if error.is_permanent or (most is not None and number >= most):
                    raise
            await asyncio.sleep(pause)
        self._running = asyncio.get_running_loop().create_task(self._run(sink, link))

    async def aclose(self) -> None:
        running, self._running = self._running, None
        if running is None:
            return
        await ended(running)
        try:
            if self._link is None or self._link.is_closed:  # its statement was under way
                self._link = await self._database.open_async(lambda _: None)
            await run_async(self._mine.close(), self._link.run)
        except OperationalError:  # its lease will end
            pass
        finally:
            if self._link is not None:
                self._link.close()

    def _on_notify(self, queue: str | None) -> None:
        if queue is None or queue == self._mine.queue.name[:255]:
            self._rung.set()

    async def _connect(self, sink: SubscriberSink, more: str = "") -> AsyncLink:
        self._link = link = await self._database.open_async(self._on_notify)
        try:
            if self._listens:
                await link.listen()
            await run_async(self._mine.open(), link.run)
        except BaseException:
            link.close()
            raise
        sink.on_connection(ConnectionState.CONNECTED, f"connected to {link.address.public()}{more}")
        return link

    async def _rest(self, look_at: float) -> None:
        """Wait until something is notified, or a time comes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, min(self._mine.rests, look_at - SYSTEM.monotonic()))):
                await self._rung.wait()

    async def _run(self, sink: SubscriberSink, link: AsyncLink) -> None:
        retries: Iterator[float] | None = None
        losses, look_at = self._mine.losses, 0.0
        while True:
            try:
                if link.is_closed:
                    link = await self._connect(sink, "; what was sent meanwhile may be lost")
                    look_at = 0.0
                retries = None
                is_time = SYSTEM.monotonic() >= look_at
                if not (self._rung.is_set() or is_time):
                    await run_async(self._mine.open(), link.run)
                    await self._rest(look_at)
                    continue
                self._rung.clear()
                found = await run_async(self._mine.take(), link.run)
                look_at = SYSTEM.monotonic() + (SAFETY if self._listens else POLL)
                if self._mine.losses != losses:
                    losses = self._mine.losses
                    sink.on_connection(ConnectionState.CONNECTED, "the queue had been given up; what was sent meanwhile is lost")
                if found:
                    hand_over(sink, found)
                if len(found) == BATCH:
                    self._rung.set()
                await self._rest(look_at)
            except OperationalError as error:
                link.close()
                if isinstance(error, TablesMissing):
                    self._database.forget()
                if retries is None:
                    retries = delays(0.05, most=3.0)
                    sink.on_connection(ConnectionState.LOST, str(error))
                pause = next(retries)
                sink.on_connection(ConnectionState.RETRYING, f"{error}; trying again in {pause:.1f} s")
                await asyncio.sleep(pause)
