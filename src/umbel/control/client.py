"""`Control`: what can be done to workers and queues from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from umbel import not_yet
from umbel.brokers.base import Broker
from umbel.brokers.topology import Queue


class Control:
    """Remote control of one app.

    Args:
        broker: makes or returns the broker.
        queues: the queues by name.
    """

    def __init__(self, broker: Callable[[], Broker], queues: Callable[[], Mapping[str, Queue]]) -> None:
        self._broker = broker
        self._queues = queues

    def purge(self, queues: Iterable[str] | None = None) -> int:
        """Drop the messages that wait in queues.

        Args:
            queues: names; the app's own queues when not given.

        Returns:
            How many messages were dropped.
        """
        client = self._broker().queue_client()
        try:
            return sum(client.purge(name) for name in (self._queues() if queues is None else queues))
        finally:
            client.close()

    discard_all = purge


if not TYPE_CHECKING:  # for type checkers there is no such attribute
    Control.__getattr__ = not_yet.explain_missing("app.control", not_yet.REMOTE)
