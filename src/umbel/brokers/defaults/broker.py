"""The parts of a broker that follow from its publisher."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Generic, TypeVar

from umbel.brokers.base import BrokerOptions, Consumer, Publisher, QueueClient
from umbel.brokers.topology import Queue

P = TypeVar("P", bound=Publisher)


class BrokerDefaults(abc.ABC, Generic[P]):
    """A `Broker` with one publisher.

    A broker writes `consumer`, `queue_client` and `public_url`, and has ``capabilities``.

    Args:
        options: as they were given.
        publisher: of this process; connects at its first use.
    """

    def __init__(self, options: BrokerOptions, publisher: P) -> None:
        self.options = options
        self._publisher = publisher

    @abc.abstractmethod
    def consumer(self, queues: Sequence[Queue], *, window: int) -> Consumer: ...

    @abc.abstractmethod
    def queue_client(self) -> QueueClient: ...

    @abc.abstractmethod
    def public_url(self) -> str: ...

    def publisher(self) -> P:
        return self._publisher

    def close(self) -> None:
        self._publisher.close()
