"""The parts of a broker that follow from its publisher."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Generic, TypeVar

from umbel.brokers.base import Broadcaster, BrokerOptions, Consumer, Publisher, QueueClient, ReplyInbox, Subscriber
from umbel.brokers.topology import Queue
from umbel.errors import ImproperlyConfigured

P = TypeVar("P", bound=Publisher)


class BrokerDefaults(abc.ABC, Generic[P]):
    """A `Broker` with one publisher.

    A broker writes `consumer`, `queue_client` and `public_url`, and has ``capabilities``. One that carries broadcasts and replies writes
    `broadcaster`, `subscriber` and `reply_inbox`, too.

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

    def broadcaster(self) -> Broadcaster:
        raise self._carries_none()

    def subscriber(self, queue: Queue) -> Subscriber:  # noqa: ARG002 - the contract
        raise self._carries_none()

    def reply_inbox(self, queue: Queue) -> ReplyInbox:  # noqa: ARG002 - the contract
        raise self._carries_none()

    def _carries_none(self) -> ImproperlyConfigured:
        return ImproperlyConfigured(f"{self.public_url()} carries tasks alone: remote control, events and rpc:// need another broker")

    def close(self) -> None:
        self._publisher.close()
