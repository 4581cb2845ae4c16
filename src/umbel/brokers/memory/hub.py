"""All queues of one name, in this process."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from umbel.brokers.base import DEAD_SUFFIX, Delivery
from umbel.brokers.envelope import decode, encode
from umbel.brokers.exchanges import Rule, matching, rules_of
from umbel.brokers.topology import Destination, Queue
from umbel.errors import MessageReturned
from umbel.runtime.clock import SYSTEM
from umbel.wire.message import Message, MessageLimits


@dataclass(slots=True, order=True)
class Kept:
    """One message. The order of these is the order in which a queue gives them out."""

    #: Negative priority, then the number of its arrival.
    rank: tuple[int, int]
    queue: str = field(compare=False)
    envelope: bytes = field(compare=False)
    body: bytes = field(compare=False)
    attempts: int = field(compare=False)
    redelivered: bool = field(compare=False, default=False)
    extra: bytes | None = field(compare=False, default=None)


class Hub:
    """All queues of one name, under one lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._ready: dict[str, list[Kept]] = {}
        self._delayed: list[tuple[float, Kept]] = []
        self._rules: list[Rule] = []
        #: Names of queues that workers are not to consume from.
        self.paused: set[str] = set()
        #: Called, from any thread, when there may be something to take.
        self.bells: set[Callable[[], None]] = set()

    def declare(self, queue: Queue) -> None:
        with self._lock:
            self._ready.setdefault(queue.name, [])
            self._rules += [rule for rule in rules_of(queue) if rule not in self._rules]

    def delete(self, name: str) -> None:
        with self._lock:
            self._ready.pop(name, None)
            self._delayed = [entry for entry in self._delayed if entry[1].queue != name]
            heapq.heapify(self._delayed)
            self._rules = [rule for rule in self._rules if rule[3] != name]

    def publish(self, message: Message, to: Destination) -> None:
        priority, attempts, envelope, body = encode(message, to.exchange, to.routing_key)
        if to.queue is not None and to.queue.name not in self._ready and not to.queue.is_broadcast:
            self.declare(to.queue)
        with self._lock:
            if to.exchange:
                found = self._bound(to.exchange, to.routing_key, message.headers)
            else:
                found = [to.routing_key] if to.routing_key in self._ready else []
            for queue in found:
                kept = Kept((-priority, next(self._numbers)), queue, envelope.encode(), bytes(body), attempts)
                heapq.heappush(self._ready[queue], kept)
        if not found and to.mandatory:
            raise MessageReturned(f"no queue for a message to exchange {to.exchange!r} with routing key {to.routing_key!r}")
        self.ring()

    def take(self, queues: Sequence[str], count: int) -> list[Kept]:
        with self._lock:
            self._promote()
            found: list[Kept] = []
            for name in queues:
                ready = self._ready.get(name, [])
                while ready and len(found) < count:
                    found.append(heapq.heappop(ready))
            return found

    def peek(self, name: str, count: int) -> list[Kept]:
        """Return the first messages of a queue; they stay there.

        Args:
            name: of the queue.
            count: messages, at most.
        """
        with self._lock:
            self._promote()
            return heapq.nsmallest(count, self._ready.get(name, []))

    def put_back(self, messages: Iterable[Kept], attempts: int = 0) -> None:
        with self._lock:
            for kept in messages:
                kept.redelivered = True
                kept.attempts += attempts
                heapq.heappush(self._ready.setdefault(kept.queue, []), kept)
        self.ring()

    def delay(self, kept: Kept, until: float) -> None:
        with self._lock:
            heapq.heappush(self._delayed, (until, kept))
        self.ring()

    def put_dead(self, kept: Kept, extra: str) -> None:
        with self._lock:
            kept.queue += DEAD_SUFFIX
            kept.extra = extra.encode()
            kept.rank = (0, next(self._numbers))
            heapq.heappush(self._ready.setdefault(kept.queue, []), kept)
        self.ring()

    def drop_oldest(self, name: str, most: int) -> int:
        """Drop all but the newest messages of a queue; returns how many were dropped.

        Args:
            name: of the queue.
            most: messages to keep.
        """
        with self._lock:
            ready = self._ready.get(name, [])
            excess = max(0, len(ready) - most)
            for _ in range(excess):
                heapq.heappop(ready)
            return excess

    def bound(self, exchange: str, routing_key: str) -> list[str]:
        """The queues that a broadcast reaches.

        Args:
            exchange: its name; not the default exchange.
            routing_key: of the message.
        """
        with self._lock:
            return self._bound(exchange, routing_key, {})

    def _bound(self, exchange: str, routing_key: str, headers: Mapping[str, Any]) -> list[str]:
        return matching((rule for rule in self._rules if rule[0] == exchange), routing_key, headers)

    def next_due(self) -> float | None:
        with self._lock:
            return self._delayed[0][0] if self._delayed else None

    def length(self, name: str) -> int | None:
        with self._lock:
            self._promote()
            return len(self._ready[name]) if name in self._ready else None

    def delayed(self, name: str) -> int:
        with self._lock:
            self._promote()
            return sum(kept.queue == name for _, kept in self._delayed)

    def purge(self, name: str) -> int:
        with self._lock:
            count = len(self._ready.get(name, ()))
            if count:
                self._ready[name] = []
            return count

    def ring(self) -> None:
        for bell in tuple(self.bells):
            bell()

    def _promote(self) -> None:
        now = SYSTEM.now()
        while self._delayed and self._delayed[0][0] <= now:
            _, kept = heapq.heappop(self._delayed)
            heapq.heappush(self._ready.setdefault(kept.queue, []), kept)


def deliver(kept: Kept, limits: MessageLimits) -> Delivery:
    """Make the delivery of a message that was taken.

    Args:
        kept: the message.
        limits: what it may weigh; beyond that the delivery has a flaw.
    """
    body = kept.body if len(kept.body) <= limits.body else None
    row = (kept, kept.queue, 0, kept.redelivered, kept.attempts, kept.extra, kept.envelope, "blob", len(kept.body), body)
    return decode(row, limits, 0)
