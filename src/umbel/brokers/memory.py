"""A broker inside one process, for tests: ``memory://`` and ``memory:///name``.

The reference of what the contract means: no network, no leases, no file. Publishers may be in any thread, consumers on any event loop.
Brokers of the same name share their queues as long as one of them exists.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from umbel.brokers.base import DEAD_SUFFIX, BrokerOptions, Capabilities, ConnectionState, Delivery, DeliverySink, NullSink
from umbel.brokers.confirms.receipts import Receipt, Receipts
from umbel.brokers.envelope import dead_headers, decode, encode
from umbel.brokers.exchanges import Rule, matching, rules_of
from umbel.brokers.topology import Destination, Queue
from umbel.clients import urls
from umbel.errors import MessageReturned
from umbel.runtime.clock import SYSTEM
from umbel.wire import kombu_json
from umbel.wire.message import INSPECTION, Call, Message, MessageLimits, Stencil


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

    def put_back(self, messages: Iterable[_Kept]) -> None:
        with self._lock:
            for kept in messages:
                kept.redelivered = True
                heapq.heappush(self._ready.setdefault(kept.queue, []), kept)
        self.ring()

    def delay(self, kept: _Kept, until: float) -> None:
        with self._lock:
            heapq.heappush(self._delayed, (until, kept))
        self.ring()

    def bury(self, kept: _Kept, extra: str) -> None:
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

    def release_delayed(self, name: str) -> int:  # noqa: ARG002 - the contract
        return 0

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


class MemoryPublisher:
    """`Publisher` that is done when it returns."""

    def __init__(self, hub: _Hub) -> None:
        self._hub = hub
        self._receipts = Receipts()

    def publish(self, message: Message, to: Destination, *, confirm: bool = False, timeout: float | None = None) -> None:  # noqa: ARG002
        self._hub.publish(message, to)

    def publish_stencil(self, stencil: Stencil, call: Call) -> None:
        message = stencil.fill(call)
        self._hub.publish(message, Destination(stencil.exchange, stencil.routing_key))

    def publish_many(self, messages: Iterable[tuple[Message, Destination]], *, confirm: bool = False) -> int:  # noqa: ARG002
        count = 0
        for message, to in messages:
            self._hub.publish(message, to)
            count += 1
        return count

    def retrying(self, retries: int) -> AbstractContextManager[None]:  # noqa: ARG002
        return nullcontext()

    def declare(self, queue: Queue) -> None:
        self._hub.declare(queue)

    def flush(self, timeout: float | None = None) -> None:
        """Nothing is ever under way."""

    @contextmanager
    def receipt(self, *, wait: bool = True) -> Iterator[Receipt]:  # noqa: ARG002 - nothing is ever waited for
        with self._receipts.opened() as receipt:
            yield receipt

    def close(self) -> None:
        """There is no connection."""


class MemoryConsumer:
    """`Consumer` on one event loop."""

    def __init__(self, hub: _Hub, limits: MessageLimits, queues: Sequence[Queue], *, window: int) -> None:
        self._hub = hub
        self._limits = limits
        self._queues = {queue.name: queue for queue in queues}
        self._sink: DeliverySink = NullSink()
        self._window = window
        self._unsettled: dict[Delivery, None] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._rung = threading.Event()

    async def start(self, sink: DeliverySink) -> None:
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        for queue in self._queues.values():
            self._hub.declare(queue)
        self._hub.bells.add(self._ring)
        self._sink.on_connection(ConnectionState.CONNECTED, "in this process")
        self._ring()

    def set_window(self, size: int) -> None:
        self._window = size
        self._ring()

    def ack(self, deliveries: Iterable[Delivery]) -> None:
        self._settle(deliveries)
        self._ring()

    def requeue(self, deliveries: Iterable[Delivery]) -> None:
        self._hub.put_back(self._settle(deliveries))

    async def begin(self, delivery: Delivery) -> None:
        """A consumer's death is that of the broker: there is nothing to count."""

    async def blame(self, delivery: Delivery) -> None:
        for kept in self._settle([delivery]):
            kept.attempts += 1
            self._hub.put_back([kept])

    async def delay(self, moves: Sequence[tuple[Delivery, float]]) -> None:
        for delivery, until in moves:
            for kept in self._settle([delivery]):
                self._hub.delay(kept, until)

    async def dead_letter(self, delivery: Delivery, reason: str, detail: str) -> None:
        for kept in self._settle([delivery]):
            self._hub.bury(kept, kombu_json.dumps(dead_headers(kept.queue, reason, detail, SYSTEM.now())))

    async def flush(self) -> None:
        """Nothing is buffered."""

    async def add_queue(self, queue: Queue) -> None:
        self._hub.declare(queue)
        self._queues[queue.name] = queue
        self._ring()

    async def cancel_queue(self, name: str) -> None:
        self._queues.pop(name, None)

    async def aclose(self) -> None:
        if self._loop is None:
            return
        self._hub.bells.discard(self._ring)
        if self._timer is not None:
            self._timer.cancel()
        self._loop = None
        self._hub.put_back(self._settle(list(self._unsettled)))
        for queue in self._queues.values():
            if queue.exclusive or queue.auto_delete:
                self._hub.delete(queue.name)

    def _settle(self, deliveries: Iterable[Delivery]) -> list[_Kept]:
        found = []
        for delivery in deliveries:
            if delivery in self._unsettled:
                del self._unsettled[delivery]
                found.append(delivery.tag)
        self._ring()
        return found

    def _ring(self) -> None:
        loop = self._loop
        if loop is not None and not self._rung.is_set():
            self._rung.set()
            loop.call_soon_threadsafe(self._turn)

    def _turn(self) -> None:
        self._rung.clear()
        if self._loop is None:
            return
        room = self._window - len(self._unsettled)
        if room <= 0:
            return
        names = list(self._queues)
        for name in names[:1]:  # another one comes first next time
            self._queues[name] = self._queues.pop(name)
        deliveries = [_deliver(kept, self._limits) for kept in self._hub.take(names, room)]
        if self._timer is not None:
            self._timer.cancel()
        if (due := self._hub.next_due()) is not None:
            self._timer = self._loop.call_later(max(0.0, due - SYSTEM.now()), self._ring)
        if deliveries:
            self._unsettled.update(dict.fromkeys(deliveries))
            self._sink.on_deliveries(deliveries)


class MemoryQueueClient:
    """`QueueClient`."""

    def __init__(self, hub: _Hub) -> None:
        self._hub = hub
        self._unsettled: dict[Delivery, Any] = {}

    def declare(self, queue: Queue) -> None:
        self._hub.declare(queue)

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


class MemoryBroker:
    """`Broker` over the hub of one name."""

    capabilities = Capabilities(higher_first=True, in_process=True)

    def __init__(self, options: BrokerOptions, hub: _Hub, name: str) -> None:
        self.options = options
        self._hub = hub
        self._name = name
        self._publisher = MemoryPublisher(hub)

    def publisher(self) -> MemoryPublisher:
        return self._publisher

    def consumer(self, queues: Sequence[Queue], *, window: int) -> MemoryConsumer:
        return MemoryConsumer(self._hub, self.options.limits, queues, window=window)

    def queue_client(self) -> MemoryQueueClient:
        return MemoryQueueClient(self._hub)

    def public_url(self) -> str:
        return f"memory:///{self._name}" if self._name else "memory://"

    def close(self) -> None:
        """There is no connection."""


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
