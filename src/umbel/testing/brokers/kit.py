"""The broker under test, queues with names of its own, and a sink that remembers."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from umbel.brokers.base import Broker, BrokerFactory, BrokerOptions, ConnectionState, Consumer, Delivery, Publisher, QueueClient
from umbel.brokers.registry import connect as connect_by_scheme
from umbel.brokers.topology import Destination, Queue
from umbel.testing import programs
from umbel.wire.message import Message

#: Seconds in which a broker must deliver what it has.
SOON = 5.0


def bodies(deliveries: Iterable[Delivery]) -> list[bytes]:
    """The bodies of some deliveries, in order."""
    return [delivery.body for delivery in deliveries]


class Sink:
    """A `DeliverySink` that tests ask: ``fresh`` are the deliveries that no test has taken yet."""

    def __init__(self) -> None:
        self.consumer: Consumer
        self.fresh: list[Delivery] = []
        self.lost: list[Delivery] = []
        self.states: list[ConnectionState] = []
        self.peak: int = 0
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
        """The next deliveries, in order.

        Args:
            count: how many to wait for.
            timeout: seconds.

        Raises:
            AssertionError: they did not come in time.
        """
        try:
            async with asyncio.timeout(timeout):
                await self.until(lambda: len(self.fresh) >= count)
        except TimeoutError:
            raise AssertionError(f"{len(self.fresh)} of {count} deliveries within {timeout} s; {self.states}") from None
        taken, self.fresh = self.fresh[:count], self.fresh[count:]
        return taken

    async def one(self, timeout: float = SOON) -> Delivery:
        """The next delivery; ``timeout`` in seconds."""
        return (await self.take(1, timeout))[0]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when something holds; it is looked at after each event."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    async def quiet(self, seconds: float = 0.25) -> None:
        """Nothing more comes within so many seconds."""
        await asyncio.sleep(seconds)
        assert [delivery.body for delivery in self.fresh] == []


@dataclass
class BrokerKit:
    """The broker under test. A context manager: at its end, the queues that a test has made are deleted, and its brokers closed.

    The contract's tests ask for it as the fixture ``kit``.
    """

    #: Shown in failures.
    name: str
    url: str
    #: Makes the broker; found by the URL's scheme when not given. Other processes import it: a function of a module.
    connect: BrokerFactory | None = None
    #: Arguments of every queue.
    arguments: dict[str, Any] = field(default_factory=dict)
    #: Arguments of a queue with priorities; ``None`` when it has none.
    priority_arguments: dict[str, Any] | None = field(default_factory=dict)
    #: `BrokerOptions.transport`.
    transport: dict[str, Any] = field(default_factory=dict)
    #: Attributes by their paths, to be set so that the broker, while a test runs, does not look for messages by itself: it has to be woken.
    without_polling: Mapping[str, float] = field(default_factory=dict)
    #: RabbitMQ puts what is requeued at the end of a quorum queue.
    requeues_first: bool = True
    #: Seconds; short, so that tests need not wait long.
    lease: float = 1.0
    brokers: list[Broker] = field(default_factory=list, init=False)
    queues: list[str] = field(default_factory=list, init=False)
    #: Part of every name in a test.
    mark: str = field(default_factory=lambda: uuid.uuid4().hex[:10], init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def broker(self, **options: Any) -> Broker:
        """A broker that is closed after the test.

        Args:
            options: fields of `BrokerOptions` in place of the kit's.
        """
        given = {"urls": (self.url,), "transport": self.transport, "lease": self.lease, "name": "contract", **options}
        made = (self.connect or connect_by_scheme)(BrokerOptions(**given))
        self.brokers.append(made)
        return made

    @functools.cached_property
    def main(self) -> Broker:
        """The broker of most tests."""
        return self.broker()

    @property
    def publisher(self) -> Publisher:
        """Its publisher."""
        return self.main.publisher()

    def queue(self, name: str = "q", **fields: Any) -> Queue:
        """A queue that is deleted after the test.

        Args:
            name: the same name is the same queue within a test.
            fields: of `Queue`.
        """
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
        """A started consumer's sink.

        Args:
            queues: to consume from.
            window: unsettled deliveries to allow.
            broker: in place of `main`.
        """
        sink = Sink()
        sink.consumer = (broker or self.main).consumer(queues, window=window)
        try:
            await sink.consumer.start(sink)
            yield sink
        finally:
            await sink.consumer.aclose()

    @contextlib.contextmanager
    def client(self) -> Iterator[QueueClient]:
        """A queue client, closed at the end."""
        client = self.main.queue_client()
        try:
            yield client
        finally:
            client.close()

    def length(self, queue: Queue | str) -> int | None:
        """Ready messages."""
        with self.client() as client:
            return client.length(queue if isinstance(queue, str) else queue.name)

    def leftovers(self) -> list[str]:
        """List what subscribers and reply inboxes of a test have left in the broker: of the queues that the kit knows, those that are still there."""
        with self.client() as client:
            return [name for name in self.queues if client.length(name) is not None]

    def wait_length(self, queue: Queue | str, expected: int | None) -> None:
        """Wait until a queue has so many ready messages: some brokers count a moment later.

        Raises:
            AssertionError: it has not, in time.
        """
        deadline = time.monotonic() + SOON
        while (found := self.length(queue)) != expected:
            assert time.monotonic() < deadline, f"{found} messages in {queue}, expected {expected}"
            time.sleep(0.02)

    def program(self, command: str, *queues: Queue, **options: Any) -> subprocess.Popen[str]:
        """Another process.

        Args:
            command: one of `umbel.testing.programs`: hold, fork, publish.
            queues: that it uses.
            options: of the command.
        """
        setup = {
            "url": self.url,
            "connect": programs.path_of(self.connect),
            "transport": self.transport,
            "lease": self.lease,
            "queues": [{"name": queue.name, "arguments": dict(queue.arguments)} for queue in queues],
            **options,
        }
        return programs.start(command, setup)

    def close(self) -> None:
        """Delete the queues that were made, and close the brokers."""
        try:
            with self.client() as client:
                for name in self.queues:
                    client.delete(name)
        finally:
            for broker in self.brokers:
                broker.close()
