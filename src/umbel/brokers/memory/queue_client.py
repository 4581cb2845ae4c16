"""Single operations on queues inside one process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from umbel.brokers.base import Delivery
from umbel.brokers.defaults.queue_client import QueueClientDefaults
from umbel.brokers.memory.hub import Hub, deliver
from umbel.brokers.memory.publisher import MemoryPublisher
from umbel.wire.message import INSPECTION


class MemoryQueueClient(QueueClientDefaults):
    """`QueueClient` whose messages are in no other hand.

    Args:
        hub: the queues.
        publisher: declares queues.
    """

    def __init__(self, hub: Hub, publisher: MemoryPublisher) -> None:
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

    def peek(self, name: str, count: int) -> list[Delivery]:
        return [deliver(kept, INSPECTION) for kept in self._hub.peek(name, count)]

    def pause(self, name: str) -> None:
        self._hub.paused.add(name)

    def resume(self, name: str) -> None:
        self._hub.paused.discard(name)

    def paused(self, names: Iterable[str]) -> set[str]:
        return self._hub.paused.intersection(names)

    def get(self, name: str) -> Delivery | None:
        for kept in self._hub.take([name], 1):
            delivery = deliver(kept, INSPECTION)
            self._unsettled[delivery] = kept
            return delivery
        return None

    def ack(self, delivery: Delivery) -> bool:
        return self._unsettled.pop(delivery, None) is not None

    def close(self) -> None:
        self._hub.put_back(self._unsettled.values())
        self._unsettled.clear()
