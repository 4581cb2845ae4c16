"""What the broker contract is run with: one broker, names of its own, and a sink that remembers."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import json
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from umbel.brokers.base import Broker, BrokerOptions, ConnectionState, Consumer, Delivery, Publisher, QueueClient
from umbel.brokers.registry import connect
from umbel.brokers.topology import Destination, Queue
from umbel.wire.message import Message

ACTORS = Path(__file__).with_name("actors.py")
#: Seconds in which a broker must deliver what it has.
SOON = 5.0


def on_loop(test):
    """Let a coroutine function be a test."""
    assert inspect.iscoroutinefunction(test)

    @functools.wraps(test)
    def run(*args, **kwargs):
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), 60))

    return run


class Sink:
    """A `DeliverySink` that tests ask."""

    def __init__(self) -> None:
        self.consumer: Consumer
        self.fresh: list[Delivery] = []
        self.lost: list[Delivery] = []
        self.states: list[ConnectionState] = []
        self.peak = 0
        self._changed = asyncio.Event()

    def on_deliveries(self, deliveries: list[Delivery]) -> None:
        self.fresh += deliveries
        self.peak = max(self.peak, len(self.fresh))
        self._changed.set()

    def on_lost(self, deliveries: Sequence[Delivery]) -> None:
        self.lost += deliveries
        gone = set(map(id, deliveries))
        self.fresh = [delivery for delivery in self.fresh if id(delivery) not in gone]
        self._changed.set()

    def on_connection(self, state: ConnectionState, detail: str) -> None:
        assert isinstance(detail, str)
        self.states.append(state)
        self._changed.set()

    async def take(self, count: int = 1, timeout: float = SOON) -> list[Delivery]:
        """The next deliveries, in order."""
        try:
            async with asyncio.timeout(timeout):
                await self.until(lambda: len(self.fresh) >= count)
        except TimeoutError:
            raise AssertionError(f"{len(self.fresh)} of {count} deliveries within {timeout} s; {self.states}") from None
        taken, self.fresh = self.fresh[:count], self.fresh[count:]
        return taken

    async def one(self, timeout: float = SOON) -> Delivery:
        return (await self.take(1, timeout))[0]

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def quiet(self, seconds: float = 0.25) -> None:
        """Nothing more comes."""
        await asyncio.sleep(seconds)
        assert [delivery.body for delivery in self.fresh] == []


@dataclass
class Kit:
    """One broker under test."""

    name: str
    url: str
    #: Arguments of every queue.
    arguments: dict[str, Any] = field(default_factory=dict)
    #: Arguments of a queue with priorities; ``None`` when it has none.
    priority_arguments: dict[str, Any] | None = field(default_factory=dict)
    transport: dict[str, Any] = field(default_factory=dict)
    #: RabbitMQ puts what is requeued at the end of a quorum queue.
    requeues_first: bool = True
    #: Seconds; short, so that tests need not wait long.
    lease: float = 1.0
    brokers: list[Broker] = field(default_factory=list)
    queues: list[str] = field(default_factory=list)
    mark: str = field(default_factory=lambda: uuid.uuid4().hex[:10])

    def broker(self, **options: Any) -> Broker:
        """A broker that is closed after the test."""
        made = connect(
            BrokerOptions(**{"urls": (self.url,), "transport": self.transport, "lease": self.lease, "name": "contract", **options})
        )
        self.brokers.append(made)
        return made

    @functools.cached_property
    def main(self) -> Broker:
        return self.broker()

    @property
    def publisher(self) -> Publisher:
        return self.main.publisher()

    def queue(self, name: str = "q", **fields: Any) -> Queue:
        """A queue that is deleted after the test."""
        arguments = {**self.arguments, **fields.pop("arguments", {})}
        queue = Queue(f"contract-{name}-{self.mark}", arguments=arguments, **fields)
        for each in (queue.name, queue.name + ".dead"):
            if each not in self.queues:
                self.queues.append(each)
        return queue

    def publish(self, queue: Queue, *bodies: bytes, headers: dict[str, Any] | None = None, **properties: Any) -> None:
        """Publish, and return when the broker has it."""
        for body in bodies:
            self.publisher.publish(Message(body, dict(headers or {}), properties=dict(properties)), Destination.of(queue))
        self.publisher.flush(10)

    @contextlib.asynccontextmanager
    async def consuming(self, *queues: Queue, window: int = 10, broker: Broker | None = None) -> AsyncIterator[Sink]:
        """A started consumer's sink."""
        sink = Sink()
        sink.consumer = (broker or self.main).consumer(queues, window=window)
        try:
            await sink.consumer.start(sink)
            yield sink
        finally:
            await sink.consumer.aclose()

    @contextlib.contextmanager
    def client(self):
        client: QueueClient = self.main.queue_client()
        try:
            yield client
        finally:
            client.close()

    def length(self, queue: Queue | str) -> int | None:
        with self.client() as client:
            return client.length(queue if isinstance(queue, str) else queue.name)

    def leftovers(self) -> list[str]:
        """What subscribers and reply inboxes left in the broker."""
        if self.name == "redis":
            import redis

            with redis.Redis.from_url(self.url) as client:
                return [key.decode() for key in client.scan_iter(self.transport["global_keyprefix"] + "*")]
        if self.name == "sqlite":
            with contextlib.closing(sqlite3.connect(self.url.removeprefix("sqlite:///"))) as connection:
                names = "name IN ('umbel_messages', 'umbel_queues', 'umbel_bindings', 'umbel_holders')"
                tables = [name for (name,) in connection.execute(f"SELECT name FROM sqlite_master WHERE {names}")]
                return [f"{row} in {table}" for table in tables for row in connection.execute(f"SELECT * FROM {table}")]
        with self.client() as client:
            return [name for name in self.queues if client.length(name) is not None]

    def wait_length(self, queue: Queue | str, expected: int | None) -> None:
        """Quorum queues count a moment later."""
        deadline = time.monotonic() + SOON
        while (found := self.length(queue)) != expected:
            assert time.monotonic() < deadline, f"{found} messages in {queue}, expected {expected}"
            time.sleep(0.02)

    def program(self, command: str, *queues: Queue, **options: Any) -> subprocess.Popen[str]:
        """Another process (see actors.py)."""
        setup = {
            "url": self.url,
            "transport": self.transport,
            "lease": self.lease,
            "queues": [{"name": queue.name, "arguments": dict(queue.arguments)} for queue in queues],
            **options,
        }
        return subprocess.Popen([sys.executable, str(ACTORS), command, json.dumps(setup)], stdout=subprocess.PIPE, text=True)

    def close(self) -> None:
        """Delete what the test made."""
        try:
            with self.client() as client:
                for name in self.queues:
                    client.delete(name)
        finally:
            for broker in self.brokers:
                broker.close()
