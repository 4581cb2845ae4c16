"""A queue that one reader alone has, under a lease: when its reader dies, whoever looks after leases removes it."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Final

from sqlalchemy.engine import Connection

from umbel.brokers.base import BrokerOptions, Delivery
from umbel.brokers.fanout.private_queues import expires_of
from umbel.brokers.mysql import leases, rows, topology
from umbel.brokers.topology import Queue
from umbel.clients.sql.engine import Database
from umbel.errors import OperationalError
from umbel.runtime.clock import SYSTEM

#: Messages read at once.
BATCH: Final = 500
#: Seconds between two looks: after some messages, and after many looks at nothing.
SOON, LATE, SLOWER = 0.02, 0.2, 1.3
#: Seconds that a queue outlives its reader where it says nothing of it; and between two renewals, at most.
_EXPIRES, _RENEW_EVERY = 86_400.0, 60.0
_PATIENCE: Final = 2.0
#: The name of all holders of such queues.
_NAME: Final = "private queue"


class PrivateQueue:
    """The queue, and its holder. For one thread at a time.

    Args:
        database: where it is.
        options: of the broker.
        queue: of its own.
    """

    def __init__(self, database: Database, options: BrokerOptions, queue: Queue) -> None:
        self.queue: Queue = replace(queue, exclusive=True)
        #: How often it was declared again after it had been taken for dead: what was sent meanwhile is lost.
        self.losses: int = 0
        #: Seconds until the next look.
        self.pause: float = SOON
        self._database = database
        self._options = options
        self._lease = expires_of(queue, _EXPIRES)
        self._holder = 0
        self._renew_at = 0.0

    def open(self, patience: float = _PATIENCE) -> None:
        """See to it that the queue exists, and go on holding it.

        Args:
            patience: seconds.

        Raises:
            OperationalError: the database cannot be reached.
        """

        def work(connection: Connection) -> int:
            if self._holder and leases.renew(connection, self._holder):
                return 0
            leases.restore_expired(connection, _NAME)
            holder = leases.register(connection, _NAME, self._lease)
            topology.declare(connection, self.queue, holder)
            return holder

        new = self._database.run(work, patience)
        if new:
            self.losses += bool(self._holder)
            self._holder = new
        self._renew_at = SYSTEM.monotonic() + min(_RENEW_EVERY, self._lease / 3)

    def take(self) -> list[Delivery]:
        """Return the oldest messages, which leave the database; at most `BATCH`.

        Raises:
            OperationalError: the database cannot be reached.
        """
        if SYSTEM.monotonic() >= self._renew_at:
            self.open()
        found = self._database.run(lambda connection: rows.take(connection, self.queue.name, BATCH, self._options.limits), _PATIENCE)
        self.pause = 0.0 if len(found) == BATCH else SOON if found else min(max(self.pause, SOON) * SLOWER, LATE)
        return found

    def close(self) -> None:
        """Remove the queue and what is in it."""
        holder, self._holder = self._holder, 0
        if not holder:
            return
        with contextlib.suppress(OperationalError):  # its lease will end
            self._database.run(lambda connection: leases.release(connection, holder), _PATIENCE)
