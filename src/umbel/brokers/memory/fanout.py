"""Broadcasts, subscribers and reply inboxes inside one process: queues of the hub that go with their readers."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence

from umbel.brokers.base import REPLY_TTL, ConnectionState, Delivery, SubscriberSink
from umbel.brokers.envelope import encode
from umbel.brokers.fanout.defaults import MOST_WAITING, BroadcastDefaults, hand_over
from umbel.brokers.memory.hub import Hub, deliver
from umbel.brokers.topology import Destination, Exchange, Queue, ReplyAddress
from umbel.errors import OperationalError
from umbel.wire.message import Message, MessageLimits

logger: logging.Logger = logging.getLogger("umbel.brokers.memory")

#: Messages handed over at once.
_BATCH = 500


class MemoryBroadcaster(BroadcastDefaults):
    """See `umbel.brokers.fanout.base.Broadcaster`.

    Args:
        hub: the queues of this name.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def connect(self) -> None:
        """There is no connection."""

    def broadcast_many(self, exchange: Exchange, messages: Sequence[tuple[Message, str]], *, keep: float = REPLY_TTL) -> None:  # noqa: ARG002
        for message, routing_key in messages:
            encode(message, exchange.name, routing_key)  # all of them, or none
        for message, routing_key in messages:
            self._hub.publish(message, Destination(exchange.name, routing_key, mandatory=False))
        if exchange.type == "direct":
            return  # replies wait for whoever asked for them
        for name in {name for _, routing_key in messages for name in self._hub.bound(exchange.name, routing_key)}:
            dropped = self._hub.drop_oldest(name, MOST_WAITING)
            if dropped:
                logger.warning("the subscriber of %s does not keep up: %d messages are dropped", name, dropped)

    def close(self) -> None:
        """There is no connection."""


class MemorySubscriber:
    """See `umbel.brokers.fanout.base.Subscriber`.

    Args:
        hub: the queues of this name.
        limits: what a message may weigh.
        queue: of its own.
    """

    def __init__(self, hub: Hub, limits: MessageLimits, queue: Queue) -> None:
        self._hub = hub
        self._limits = limits
        self._queue = queue
        self._sink: SubscriberSink | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rung = threading.Event()

    async def start(self, sink: SubscriberSink) -> None:
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._hub.declare(self._queue)
        self._hub.bells.add(self._ring)
        sink.on_connection(ConnectionState.CONNECTED, "in this process")

    async def aclose(self) -> None:
        if self._loop is not None:
            self._loop = None
            self._hub.bells.discard(self._ring)
            self._hub.delete(self._queue.name)

    def _ring(self) -> None:
        loop = self._loop
        if loop is not None and not self._rung.is_set():
            self._rung.set()
            loop.call_soon_threadsafe(self._turn)

    def _turn(self) -> None:
        self._rung.clear()
        if self._loop is None or self._sink is None:
            return
        found = self._hub.take([self._queue.name], _BATCH)
        if found:
            hand_over(self._sink, [deliver(kept, self._limits) for kept in found])
        if len(found) == _BATCH:
            self._ring()


class MemoryReplyInbox:
    """See `umbel.brokers.fanout.base.ReplyInbox`.

    Args:
        hub: the queues of this name.
        limits: what a message may weigh.
        queue: of its own.
    """

    def __init__(self, hub: Hub, limits: MessageLimits, queue: Queue) -> None:
        self._hub = hub
        self._limits = limits
        self._queue = queue
        self.address: ReplyAddress = ReplyAddress.of(queue)
        self._changed = threading.Condition()
        self._opened = self._closed = False

    def open(self) -> None:
        if self._closed:
            raise OperationalError(f"the reply inbox {self._queue.name} is closed")
        if not self._opened:
            self._opened = True
            self._hub.declare(self._queue)
            self._hub.bells.add(self._ring)

    def receive(self, timeout: float | None = None) -> list[Delivery]:
        if self._closed:
            return []
        self.open()
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._hub.length(self._queue.name), timeout)
        return [deliver(kept, self._limits) for kept in self._hub.take([self._queue.name], _BATCH)]

    def close(self) -> None:
        self._closed = True
        if self._opened:
            self._hub.bells.discard(self._ring)
            self._hub.delete(self._queue.name)
            self._ring()

    def _ring(self) -> None:
        with self._changed:
            self._changed.notify_all()
