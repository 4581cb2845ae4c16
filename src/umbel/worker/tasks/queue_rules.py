"""Rules that a worker's queues have for the tasks that come from them."""

from __future__ import annotations

from collections.abc import Iterable

from umbel.brokers.topology import Queue
from umbel.worker.tasks.reserved import ReservedTask


class QueueRules:
    """The rules of the queues that have some; most have none, which costs nothing.

    Args:
        queues: that the worker reads.
    """

    def __init__(self, queues: Iterable[Queue] = ()) -> None:
        #: Names of queues that are this worker's part of a broadcast.
        self.broadcasts: set[str] = set()
        #: Names of queues whose messages may be lost (``no_ack``).
        self.early: set[str] = set()
        for queue in queues:
            self.add(queue)

    def __bool__(self) -> bool:
        return bool(self.broadcasts or self.early)

    def add(self, queue: Queue) -> None:
        """Know one more ``queue``."""
        if queue.is_broadcast:
            self.broadcasts.add(queue.name)
        if queue.no_ack:
            self.early.add(queue.name)

    def apply(self, tasks: Iterable[ReservedTask]) -> None:
        """Have the ``tasks`` go by the rules of their queues.

        The next attempt of a broadcast task goes to this worker alone: with each worker trying again in all of them, there would be no end of it.
        """
        for task in tasks:
            delivery = task.delivery
            if delivery.queue in self.broadcasts:
                delivery.exchange, delivery.routing_key = "", delivery.queue
            if delivery.queue in self.early:
                task.early = True
