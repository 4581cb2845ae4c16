"""Consuming inside one process."""

from __future__ import annotations

from collections.abc import Sequence

from umbel.brokers.base import Delivery, DeliverySink
from umbel.brokers.defaults.consumer import ConsumerDefaults
from umbel.brokers.memory.hub import Hub, deliver
from umbel.brokers.memory.publisher import MemoryPublisher
from umbel.brokers.topology import Queue
from umbel.runtime.clock import SYSTEM
from umbel.wire import kombu_json
from umbel.wire.message import MessageLimits


class MemoryConsumer(ConsumerDefaults):
    """`Consumer` on one event loop.

    Args:
        hub: the queues.
        limits: what a message may weigh.
        publisher: declares the queues.
        queues: to consume from.
        window: unsettled deliveries to allow.
    """

    where = "in this process"

    def __init__(self, hub: Hub, limits: MessageLimits, publisher: MemoryPublisher, queues: Sequence[Queue], *, window: int) -> None:
        super().__init__(publisher, queues, window=window)
        self._hub = hub
        self._limits = limits

    async def start(self, sink: DeliverySink) -> None:
        self._hub.bells.add(self.ring)
        await super().start(sink)

    async def take(self, queues: Sequence[str], count: int) -> list[Delivery]:
        return [deliver(kept, self._limits) for kept in self._hub.take(queues, count)]

    async def drop(self, deliveries: Sequence[Delivery]) -> None:
        pass  # what was taken is in no other hand

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
