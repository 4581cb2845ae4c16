"""A queue that one reader alone has, under a lease: when its reader dies, whoever looks after leases removes it. Statements, and what they came to."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from dataclasses import replace
from typing import Any, Final

from umbel.brokers.base import BrokerOptions, Delivery
from umbel.brokers.fanout.private_queues import expires_of
from umbel.brokers.postgresql import leases, rows, topology
from umbel.brokers.topology import Queue
from umbel.clients.postgresql.values import Statement, integer
from umbel.runtime.clock import SYSTEM

#: Messages read at once.
BATCH: Final = 500
#: Seconds between looks where nothing is notified, and, for what a lost notification would have told, where it is.
POLL, SAFETY = 0.1, 30.0
#: Seconds that a queue outlives its reader where it says nothing of it, and where it says less than is worth a statement each few seconds; and between
#: two renewals, at most.
_EXPIRES, _LEAST, _RENEW_EVERY = 86_400.0, 30.0, 60.0
#: The name of all holders of such queues.
_NAME: Final = "private queue"

#: Yields statements, is sent their answers.
Steps = Generator[Statement, Any, Any]


class PrivateQueue:
    """The queue, and its holder.

    Args:
        options: of the broker.
        queue: of its own.
    """

    def __init__(self, options: BrokerOptions, queue: Queue) -> None:
        self.queue: Queue = replace(queue, exclusive=True)
        #: How often it was declared again after it had been taken for dead: what was sent meanwhile is lost.
        self.losses: int = 0
        self._options = options
        self._lease = max(_LEAST, expires_of(queue, _EXPIRES))
        self._holder = 0
        self._renew_at = 0.0

    @property
    def rests(self) -> float:
        """Seconds until `open` must be called again."""
        return max(0.0, self._renew_at - SYSTEM.monotonic())

    def open(self) -> Steps:
        """See to it that the queue exists, and go on holding it."""
        now = SYSTEM.monotonic()
        if not self._holder or not (yield leases.renew(self._holder)).ntuples:
            self.losses += bool(self._holder)
            self._holder = integer(rows.one_value((yield topology.open_private(self.queue, _NAME, self._lease))))
        self._renew_at = now + min(_RENEW_EVERY, self._lease / 3)

    def take(self) -> Generator[Statement, Any, list[Delivery]]:
        """The oldest messages, which leave the database; at most `BATCH`."""
        if SYSTEM.monotonic() >= self._renew_at:
            yield from self.open()
        limits = self._options.limits
        return rows.deliveries((yield rows.take(self.queue.name, BATCH, limits.body)), limits, 0)

    def close(self) -> Steps:
        """Remove the queue and what is in it."""
        holder, self._holder = self._holder, 0
        if holder:
            yield leases.release(holder)


def run(steps: Steps, with_link: Callable[[Statement], Any]) -> Any:
    """Run statements one after the other; returns what the steps come to.

    Args:
        steps: of a private queue.
        with_link: runs one.
    """
    try:
        statement = next(steps)
        while True:
            statement = steps.send(with_link(statement))
    except StopIteration as end:
        return end.value


async def run_async(steps: Steps, with_link: Callable[[Statement], Coroutine[Any, Any, Any]]) -> Any:
    """Run statements one after the other on the event loop; returns what the steps come to.

    Args:
        steps: of a private queue.
        with_link: runs one.
    """
    try:
        statement = next(steps)
        while True:
            statement = steps.send(await with_link(statement))
    except StopIteration as end:
        return end.value
