"""Streams: queues that are read and not emptied (RabbitMQ's ``x-queue-type: stream``).

A consumer begins at an offset and gets everything from there on. Nothing can be handed back, so what a worker hands back comes again from here;
and a consumer that begins anew, because of its window or a lost connection, begins where the last one stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from umbel.brokers.topology import Queue
from umbel.runtime.clock import SYSTEM
from umbel.wire.message import Delivery

#: Argument of a consumer, and header of what it gets.
OFFSET: Final = "x-stream-offset"
#: Seconds after which what was handed back comes again.
_AGAIN: Final = 0.2


def is_stream(queue: Queue) -> bool:
    """Report whether a queue is a stream, as far as it says so."""
    return queue.arguments.get("x-queue-type") == "stream" or OFFSET in queue.consumer_arguments


class StreamOffsets:
    """The places up to which one consumer has read its streams. Pure."""

    def __init__(self) -> None:
        #: Stream → the offset at which it goes on reading.
        self._next: dict[str, int] = {}
        #: Stream → the first offset that it has never had.
        self._fresh: dict[str, int] = {}
        #: Stream → when it began to wait for what is new there, seconds since the epoch.
        self._since: dict[str, float] = {}

    def received(self, deliveries: Iterable[Delivery]) -> list[Delivery]:
        """Take note of what comes; returns those of it that were not read before. What was lost with a connection is marked as redelivered."""
        found = []
        for delivery in deliveries:
            offset = delivery.headers.get(OFFSET)
            if type(offset) is int:
                if offset < self._next.get(delivery.queue, 0):
                    continue
                self._next[delivery.queue] = offset + 1
                fresh = self._fresh.get(delivery.queue, 0)
                delivery.redelivered = offset < fresh
                self._fresh[delivery.queue] = max(fresh, offset + 1)
            found.append(delivery)
        return found

    def lost(self, deliveries: Iterable[Delivery]) -> None:
        """Go back to what was not settled when the connection was lost."""
        for delivery in deliveries:
            offset = delivery.headers.get(OFFSET)
            if type(offset) is int and delivery.queue in self._next:
                self._next[delivery.queue] = min(self._next[delivery.queue], offset)

    def arguments(self, queue: Queue, now: float) -> dict[str, Any]:
        """The arguments of a consumer.

        Args:
            queue: that it reads from now on.
            now: seconds since the epoch.
        """
        arguments = dict(queue.consumer_arguments)
        place = self._next.get(queue.name)
        if place is not None:
            arguments[OFFSET] = place
        elif is_stream(queue) and arguments.get(OFFSET, "next") == "next":
            since = self._since.setdefault(queue.name, now)
            if since != now:  # it has begun before, and nothing came yet: what came since must not be missed
                arguments[OFFSET] = datetime.fromtimestamp(since, UTC)
        return arguments


class Streams:
    """The deliveries of one consumer that are from streams, as far as they are settled in another way than others.

    Args:
        release: hands a delivery on again, if it is unsettled still.
    """

    def __init__(self, release: Callable[[Delivery], None]) -> None:
        self._release = release
        self.offsets: StreamOffsets = StreamOffsets()
        #: Some of the queues are streams. Where none is, nothing is looked at.
        self.there_are: bool = False

    def expect(self, queues: Iterable[Queue]) -> None:
        """Know that these ``queues`` are consumed from."""
        self.there_are = self.there_are or any(map(is_stream, queues))

    def received(self, deliveries: list[Delivery]) -> tuple[list[Delivery], list[Delivery]]:
        """Tell deliveries that are new from those that were read before: RabbitMQ sends parts, which may begin before what was asked for."""
        fresh = self.offsets.received(deliveries)
        known = set(deliveries).difference(fresh) if len(fresh) < len(deliveries) else ()
        return fresh, list(known)

    def come_again(self, deliveries: Sequence[Delivery], attempts: int = 0) -> list[Delivery]:
        """Have those that are from streams come again; returns the others.

        Args:
            deliveries: that are handed back.
            attempts: added to the count of each.
        """
        if not self.there_are:
            return list(deliveries)
        for delivery in deliveries:
            if OFFSET in delivery.headers:
                delivery.redelivered = True
                delivery.attempts += attempts
                asyncio.get_running_loop().call_later(_AGAIN, self._release, delivery)
        return [each for each in deliveries if OFFSET not in each.headers]

    def wait(self, due: Mapping[Delivery, float]) -> dict[Delivery, float]:
        """Have those that are from streams wait here; returns the others.

        Args:
            due: each with its time, seconds since the epoch.
        """
        if self.there_are:
            for delivery, until in due.items():
                if OFFSET in delivery.headers:
                    asyncio.get_running_loop().call_later(max(0.0, until - SYSTEM.now()), self._release, delivery)
        return {each: until for each, until in due.items() if not self.there_are or OFFSET not in each.headers}
