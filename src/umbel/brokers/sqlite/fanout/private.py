"""A queue that one reader alone has, under a lease: when its reader dies, whoever looks after leases removes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from umbel.brokers.base import BrokerOptions, Delivery
from umbel.brokers.fanout.private_queues import expires_of
from umbel.brokers.sqlite import leases, rows, topology
from umbel.brokers.topology import Queue
from umbel.clients.sqlite.database import Database
from umbel.errors import OperationalError
from umbel.runtime.clock import SYSTEM

#: What a subscriber's and an inbox's doorbell is rung for; the first letter of their sockets' names.
FANOUT: Final = "f"
#: Messages read at once.
BATCH: Final = 500
#: Seconds between looks into the file where there is no doorbell.
POLL: Final = 0.05
#: Seconds that a queue outlives its reader where it says nothing of it; and between two renewals, at most.
_EXPIRES, _RENEW_EVERY = 86_400.0, 60.0

#: The name of all holders of such queues. Only these are taken for dead here: the leases of workers are looked after by workers, who know
#: whether something has kept all of them from the file.
_NAME: Final = "private queue"
_DEAD: Final = "SELECT id FROM umbel_holders WHERE name = ?1 AND (until < ?2 OR until - lease > ?2 + 1)"

#: Runs a transaction: `Database.attempt`, or `Database.write`, which waits for other writers.
Run = Callable[[Callable[[sqlite3.Connection], Any]], Any]


class PrivateQueue:
    """The queue, and its holder. For one thread at a time.

    Args:
        database: a connection of its own.
        options: of the broker.
        queue: of its own.
    """

    def __init__(self, database: Database, options: BrokerOptions, queue: Queue) -> None:
        self.queue: Queue = replace(queue, exclusive=True)
        #: How often it was declared again after it had been taken for dead: what was sent meanwhile is lost.
        self.losses: int = 0
        self._database = database
        self._options = options
        self._lease = expires_of(queue, _EXPIRES)
        self._holder = 0
        self._generation = -1
        self._renew_at = 0.0

    def wait_at_most(self) -> float:
        """Seconds until `take` must be called again."""
        return max(0.0, self._renew_at - SYSTEM.monotonic())

    def open(self, run: Run) -> None:
        """See to it that the queue exists, and go on holding it.

        Args:
            run: runs a transaction.

        Raises:
            OperationalError: the file cannot be written; `Busy` when ``run`` does not wait.
        """
        now = SYSTEM.monotonic()

        def work(connection: sqlite3.Connection) -> int:
            holder = self._holder if self._generation == self._database.generation else 0
            if holder and leases.renew(connection, holder, now):
                return 0
            for (dead,) in connection.execute(_DEAD, (_NAME, now)).fetchall():
                leases.release(connection, dead)
            holder = leases.register(connection, _NAME, self._lease, now)
            topology.declare(connection, self.queue, holder)
            return holder

        new = run(work)
        if new:
            self.losses += bool(self._holder)
            self._holder, self._generation = new, self._database.generation
        self._renew_at = now + min(_RENEW_EVERY, self._lease / 3)

    def take(self, run: Run) -> list[Delivery]:
        """The oldest messages, which leave the file; at most `BATCH`.

        Args:
            run: runs a transaction.

        Raises:
            OperationalError: as for `open`.
        """
        if SYSTEM.monotonic() >= self._renew_at or self._generation != self._database.generation:
            self.open(run)
        if not self._database.read(lambda connection: rows.ready(connection, [self.queue.name], 1)):
            if self._generation != self._database.generation:  # another file is at the path now
                self.open(run)
            return []
        found: list[Delivery] = run(lambda connection: rows.take(connection, self.queue.name, BATCH, self._options.limits))
        return found

    def close(self) -> None:
        """Remove the queue and what is in it."""
        holder, self._holder = self._holder, 0
        try:
            if holder and self._generation == self._database.generation:
                self._database.write(lambda connection: leases.release(connection, holder))
        except OperationalError:  # its lease will end
            pass
        finally:
            self._database.close()
