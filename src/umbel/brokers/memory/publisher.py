"""Publishing inside one process: done when the call returns."""

from __future__ import annotations

from umbel.brokers.defaults.publisher import PublisherDefaults
from umbel.brokers.memory.hub import Hub
from umbel.brokers.topology import Destination, Queue
from umbel.wire.message import Message


class MemoryPublisher(PublisherDefaults):
    """`Publisher` that is done when it returns.

    Args:
        hub: the queues.
    """

    never_waits = True

    def __init__(self, hub: Hub) -> None:
        super().__init__()
        self._hub = hub

    def publish(self, message: Message, to: Destination, *, confirm: bool = False, timeout: float | None = None) -> None:  # noqa: ARG002
        self._hub.publish(message, to)

    def declare(self, queue: Queue) -> None:
        self._hub.declare(queue)
