"""The parts of a queue client that follow from its publisher, or that a broker may be without."""

from __future__ import annotations

import abc

from umbel.brokers.base import Delivery, Publisher
from umbel.brokers.topology import Queue


class QueueClientDefaults(abc.ABC):
    """A `QueueClient` whose broker cannot tell what is delayed, and has no delayed store that Celery knows.

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
