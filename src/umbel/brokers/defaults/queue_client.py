"""The parts of a queue client that follow from its publisher, or that a broker may be without."""

from __future__ import annotations

import abc
from collections.abc import Iterable

from umbel.brokers.base import Delivery, Publisher
from umbel.brokers.topology import Queue
from umbel.errors import UmbelError


class QueueClientDefaults(abc.ABC):
    """A `QueueClient` whose broker cannot tell what is delayed, has no delayed store that Celery knows, and pauses no queues.

    A broker writes `delete`, `length`, `purge`, `get`, `ack` and `close`.

    Args:
        publisher: declares queues.
    """

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    @abc.abstractmethod
    def delete(self, name: str) -> None: ...

    @abc.abstractmethod
    def length(self, name: str) -> int | None: ...

    @abc.abstractmethod
    def purge(self, name: str) -> int: ...

    @abc.abstractmethod
    def get(self, name: str) -> Delivery | None: ...

    @abc.abstractmethod
    def ack(self, delivery: Delivery) -> bool: ...

    @abc.abstractmethod
    def close(self) -> None: ...

    def declare(self, queue: Queue) -> None:
        self._publisher.declare(queue)

    def delayed(self, name: str) -> int | None:  # noqa: ARG002 - the broker cannot tell
        return None

    def release_delayed(self, name: str) -> int:  # noqa: ARG002 - only this library's workers know what is delayed
        return 0

    def peek(self, name: str, count: int) -> list[Delivery]:
        found: list[Delivery] = []
        while len(found) < count and (delivery := self.get(name)) is not None:
            found.append(delivery)
        self.close()  # hands them back
        return found

    def pause(self, name: str) -> None:
        raise UmbelError(f"queue {name!r} cannot be paused: this broker keeps no list of paused queues")

    def resume(self, name: str) -> None:  # noqa: B027 - none is paused
        pass

    def paused(self, names: Iterable[str]) -> set[str]:  # noqa: ARG002 - none can be
        return set()
