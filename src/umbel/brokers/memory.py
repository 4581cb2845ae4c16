"""A broker inside one process, for tests: ``memory://`` and ``memory:///name``.

The reference of what the contract means: no network, no leases, no file. Publishers may be in any thread, consumers on any event loop.
Brokers of the same name share their queues as long as one of them exists.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from umbel.brokers.base import DEAD_SUFFIX, BrokerOptions, Capabilities, Delivery, DeliverySink
from umbel.brokers.defaults.broker import BrokerDefaults
from umbel.brokers.defaults.consumer import ConsumerDefaults
from umbel.brokers.defaults.publisher import PublisherDefaults
from umbel.brokers.defaults.queue_client import QueueClientDefaults
from umbel.brokers.envelope import decode, encode
from umbel.brokers.exchanges import Rule, matching, rules_of
from umbel.brokers.topology import Destination, Queue
from umbel.clients import urls
from umbel.errors import MessageReturned
from umbel.runtime.clock import SYSTEM
from umbel.wire import kombu_json
from umbel.wire.message import INSPECTION, Message, MessageLimits


@dataclass(slots=True, order=True)
class _Kept:
    """One message. The order of these is the order in which a queue gives them out."""

    #: Negative priority, then the number of its arrival.
    rank: tuple[int, int]
    queue: str = field(compare=False)
    envelope: bytes = field(compare=False)
    body: bytes = field(compare=False)
    attempts: int = field(compare=False)
    redelivered: bool = field(compare=False, default=False)
    extra: bytes | None = field(compare=False, default=None)


class _Hub:
    """All queues of one name, under one lock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._ready: dict[str, list[_Kept]] = {}
        self._delayed: list[tuple[float, _Kept]] = []
        self._rules: list[Rule] = []
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
        if to.queue is not None and to.queue.name not in self._ready:
            self.declare(to.queue)
        with self._lock:
            if to.exchange:
                found = matching((rule for rule in self._rules if rule[0] == to.exchange), to.routing_key)
            else:
                found = [to.routing_key] if to.routing_key in self._ready else []
            for queue in found:
                kept = _Kept((-priority, next(self._numbers)), queue, envelope.encode(), bytes(body), attempts)
                heapq.heappush(self._ready[queue], kept)
        if not found and to.mandatory:
            raise MessageReturned(f"no queue for a message to exchange {to.exchange!r} with routing key {to.routing_key!r}")
        self.ring()

    def take(self, queues: Sequence[str], count: int) -> list[_Kept]:
        with self._lock:
            self._promote()
            found: list[_Kept] = []
            for name in queues:
                ready = self._ready.get(name, [])
                while ready and len(found) < count:
                    found.append(heapq.heappop(ready))
            return found

    def put_back(self, messages: Iterable[_Kept], attempts: int = 0) -> None:
        with self._lock:
            for kept in messages:
                kept.redelivered = True
                kept.attempts += attempts
                heapq.heappush(self._ready.setdefault(kept.queue, []), kept)
        self.ring()

    def delay(self, kept: _Kept, until: float) -> None:
        with self._lock:
            heapq.heappush(self._delayed, (until, kept))
        self.ring()

    def put_dead(self, kept: _Kept, extra: str) -> None:
        with self._lock:
            kept.queue += DEAD_SUFFIX
            kept.extra = extra.encode()
            kept.rank = (0, next(self._numbers))
            heapq.heappush(self._ready.setdefault(kept.queue, []), kept)
        self.ring()

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


def _deliver(kept: _Kept, limits: MessageLimits) -> Delivery:
    body = kept.body if len(kept.body) <= limits.body else None
    row = (kept, kept.queue, 0, kept.redelivered, kept.attempts, kept.extra, kept.envelope, "blob", len(kept.body), body)
    return decode(row, limits, 0)


class MemoryPublisher(PublisherDefaults):
    """`Publisher` that is done when it returns."""

    never_waits = True

    def __init__(self, hub: _Hub) -> None:
        super().__init__()
        self._hub = hub

    def publish(self, message: Message, to: Destination, *, confirm: bool = False, timeout: float | None = None) -> None:  # noqa: ARG002
        self._hub.publish(message, to)

    def declare(self, queue: Queue) -> None:
        self._hub.declare(queue)


class MemoryConsumer(ConsumerDefaults):
    """`Consumer` on one event loop. What it takes is in no other hand: to drop it, nothing need be done."""

    where = "in this process"

    def __init__(self, hub: _Hub, limits: MessageLimits, publisher: MemoryPublisher, queues: Sequence[Queue], *, window: int) -> None:
        super().__init__(publisher, queues, window=window)
        self._hub = hub
        self._limits = limits

    async def start(self, sink: DeliverySink) -> None:
        self._hub.bells.add(self.ring)
        await super().start(sink)

    async def take(self, queues: Sequence[str], count: int) -> list[Delivery]:
        return [_deliver(kept, self._limits) for kept in self._hub.take(queues, count)]

    async def drop(self, deliveries: Sequence[Delivery]) -> None:
        """Do nothing: they are gone."""

    async def put_back(self, deliveries: Sequence[Delivery], *, attempts: int = 0) -> None:
        self._hub.put_back([delivery.tag for delivery in deliveries], attempts)

    async def put_delayed(self, moves: Sequence[tuple[Delivery, float]]) -> None:
        for delivery, until in moves:
            self._hub.delay(delivery.tag, until)

    async def put_dead(self, delivery: Delivery, headers: dict[str, str]) -> None:
        self._hub.put_dead(delivery.tag, kombu_json.dumps(headers))

    def next_look(self) -> float | None:
        due = self._hub.next_due()
        return None if due is None else max(0.0, due - SYSTEM.now())

    async def aclose(self) -> None:
        self._hub.bells.discard(self.ring)
        await super().aclose()
        for queue in self._queues.values():
            if queue.exclusive or queue.auto_delete:
                self._hub.delete(queue.name)


class MemoryQueueClient(QueueClientDefaults):
    """`QueueClient`."""

    def __init__(self, hub: _Hub, publisher: MemoryPublisher) -> None:
        super().__init__(publisher)
        self._hub = hub
        self._unsettled: dict[Delivery, Any] = {}

    def delete(self, name: str) -> None:
        self._hub.delete(name)

    def length(self, name: str) -> int | None:
        return self._hub.length(name)

    def delayed(self, name: str) -> int | None:
        return self._hub.delayed(name)

    def purge(self, name: str) -> int:
        return self._hub.purge(name)

    def get(self, name: str) -> Delivery | None:
        for kept in self._hub.take([name], 1):
            delivery = _deliver(kept, INSPECTION)
            self._unsettled[delivery] = kept
            return delivery
        return None

    def ack(self, delivery: Delivery) -> bool:
        return self._unsettled.pop(delivery, None) is not None

    def close(self) -> None:
        self._hub.put_back(self._unsettled.values())
        self._unsettled.clear()


class MemoryBroker(BrokerDefaults[MemoryPublisher]):
    """`Broker` over the hub of one name."""

    capabilities = Capabilities(higher_first=True, in_process=True)

    def __init__(self, options: BrokerOptions, hub: _Hub, name: str) -> None:
        super().__init__(options, MemoryPublisher(hub))
        self._hub = hub
        self._name = name

    def consumer(self, queues: Sequence[Queue], *, window: int) -> MemoryConsumer:
        return MemoryConsumer(self._hub, self.options.limits, self._publisher, queues, window=window)

    def queue_client(self) -> MemoryQueueClient:
        return MemoryQueueClient(self._hub, self._publisher)

    def public_url(self) -> str:
        return f"memory:///{self._name}" if self._name else "memory://"


#: One hub per name, for as long as a broker has it: in one process, a name is all that brokers have in common.
_HUBS: weakref.WeakValueDictionary[str, _Hub] = weakref.WeakValueDictionary()
_HUBS_LOCK = threading.Lock()


def connect(options: BrokerOptions) -> MemoryBroker:
    """Make the broker of the name in the URL's path."""
    url = urls.parse(options.urls[0])
    name = url.path or url.host or ""
    with _HUBS_LOCK:
        hub = _HUBS.get(name)
        if hub is None:
            hub = _HUBS[name] = _Hub()
    return MemoryBroker(options, hub, name)
