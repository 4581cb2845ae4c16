"""A broker of as few methods as there can be: what `umbel.brokers.defaults` cannot know of it. Rows in a list, under a lock."""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass, field

from umbel.brokers.base import DEAD_SUFFIX, BrokerOptions, Capabilities
from umbel.brokers.defaults.broker import BrokerDefaults
from umbel.brokers.defaults.consumer import ConsumerDefaults
from umbel.brokers.defaults.publisher import PublisherDefaults
from umbel.brokers.defaults.queue_client import QueueClientDefaults
from umbel.brokers.envelope import decode, encode
from umbel.brokers.exchanges import matching, rules_of
from umbel.errors import MessageReturned
from umbel.wire import kombu_json
from umbel.wire.message import INSPECTION


@dataclass(eq=False)
class Row:
    number: int
    queue: str
    attempts: int
    envelope: bytes
    body: bytes
    redelivered: bool = False
    extra: bytes | None = None
    due: float = 0.0

    def delivery(self, limits):
        body = self.body if len(self.body) <= limits.body else None
        stored = (self, self.queue, 0, self.redelivered, self.attempts, self.extra, self.envelope, "blob", len(self.body), body)
        return decode(stored, limits, 0)


@dataclass(eq=False)
class Table:
    lock: threading.Lock = field(default_factory=threading.Lock)
    rows: list[Row] = field(default_factory=list)
    queues: dict[str, None] = field(default_factory=dict)
    rules: list = field(default_factory=list)
    numbers: itertools.count = field(default_factory=itertools.count)
    bells: list = field(default_factory=list)

    def add(self, *rows):
        with self.lock:
            self.queues.update(dict.fromkeys(row.queue for row in rows))
            self.rows = sorted([*self.rows, *rows], key=lambda row: row.number)
        for ring in self.bells:
            ring()

    def pop(self, queues, count):
        """The first rows that are due of the first queue that has some."""
        with self.lock:
            found = [row for row in self.rows if row.queue in queues and row.due <= time.time()]
            found = sorted(found, key=lambda row: queues.index(row.queue))[:count]
            self.rows = [row for row in self.rows if row not in found]
            return found


class MinimalPublisher(PublisherDefaults):
    def __init__(self, table):
        super().__init__()
        self.table = table

    def publish(self, message, to, *, confirm=False, timeout=None):
        if to.queue is not None:
            self.declare(to.queue)
        _, attempts, envelope, body = encode(message, to.exchange, to.routing_key)
        rules = [rule for rule in self.table.rules if rule[0] == to.exchange]
        names = matching(rules, to.routing_key, message.headers) if to.exchange else [to.routing_key]
        if not names and to.mandatory:
            raise MessageReturned(f"no queue for {to.exchange!r} {to.routing_key!r}")
        self.table.add(*(Row(next(self.table.numbers), name, attempts, envelope.encode(), body) for name in names))

    def declare(self, queue):
        with self.table.lock:
            self.table.queues[queue.name] = None
            self.table.rules += [rule for rule in rules_of(queue) if rule not in self.table.rules]


class MinimalConsumer(ConsumerDefaults):
    def __init__(self, broker, queues, *, window):
        super().__init__(broker.publisher(), queues, window=window)
        self.table, self.limits = broker.table, broker.options.limits
        self.table.bells.append(self.ring)

    async def take(self, queues, count):
        return [row.delivery(self.limits) for row in self.table.pop(queues, count)]

    async def drop(self, deliveries):
        pass

    async def put_back(self, deliveries, *, attempts=0):
        for delivery in deliveries:
            delivery.tag.redelivered = True
            delivery.tag.attempts += attempts
        self.table.add(*(delivery.tag for delivery in deliveries))

    async def put_delayed(self, moves):
        for delivery, until in moves:
            delivery.tag.due = until
        self.table.add(*(delivery.tag for delivery, _ in moves))

    async def put_dead(self, delivery, headers):
        row = delivery.tag
        row.queue, row.extra = row.queue + DEAD_SUFFIX, kombu_json.dumps(headers).encode()
        self.table.add(row)


class MinimalQueueClient(QueueClientDefaults):
    def __init__(self, broker):
        super().__init__(broker.publisher())
        self.table, self.held = broker.table, []

    def delete(self, name):
        with self.table.lock:
            self.table.queues.pop(name, None)
            self.table.rows = [row for row in self.table.rows if row.queue != name]

    def length(self, name):
        ready = sum(row.queue == name and row.due <= time.time() for row in self.table.rows)
        return ready if name in self.table.queues else None

    def purge(self, name):
        return len(self.table.pop([name], len(self.table.rows)))

    def get(self, name):
        found = [row.delivery(INSPECTION) for row in self.table.pop([name], 1)]
        self.held += found
        return found[0] if found else None

    def ack(self, delivery):
        is_ours = delivery in self.held
        self.held = [each for each in self.held if each is not delivery]
        return is_ours

    def close(self):
        self.table.add(*(delivery.tag for delivery in self.held))
        self.held = []


class MinimalBroker(BrokerDefaults):
    capabilities = Capabilities()

    def __init__(self, options: BrokerOptions, table: Table):
        super().__init__(options, MinimalPublisher(table))
        self.table = table

    def consumer(self, queues, *, window):
        return MinimalConsumer(self, queues, window=window)

    def queue_client(self):
        return MinimalQueueClient(self)

    def public_url(self):
        return "minimal://"
