"""Single operations on the queues of a file, for the command line."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Final

from umbel.brokers.base import BrokerOptions, Delivery
from umbel.brokers.sqlite import leases, rows, topology
from umbel.brokers.topology import Queue
from umbel.clients.sqlite.database import Database
from umbel.clients.sqlite.doorbell import MESSAGES, Bell
from umbel.runtime.clock import SYSTEM, Clock
from umbel.wire.message import INSPECTION

#: Made when the first queue is paused: files of older versions have none.
_PAUSED: Final = "CREATE TABLE IF NOT EXISTS umbel_paused_queues (name TEXT PRIMARY KEY) WITHOUT ROWID"
_HAS_PAUSED: Final = "SELECT 1 FROM sqlite_master WHERE name = 'umbel_paused_queues'"


class SqliteQueueClient:
    """`QueueClient` on a connection of its own.

    What `get` returned is held under the lease of the options, renewed by each further operation.
    """

    def __init__(self, database: Database, options: BrokerOptions, clock: Clock = SYSTEM) -> None:
        self._database = database
        self._options = options
        self._clock = clock
        self._holder: int | None = None

    def declare(self, queue: Queue) -> None:
        self._database.write(lambda connection: topology.declare(connection, queue))

    def delete(self, name: str) -> None:
        self._database.write(lambda connection: topology.delete(connection, name))

    def length(self, name: str) -> int | None:
        def count(connection: sqlite3.Connection) -> int | None:
            if not topology.exists(connection, name):
                return None
            ready = "SELECT count(*) FROM umbel_messages WHERE holder = 0 AND queue = ?"
            due = "SELECT count(*) FROM umbel_messages WHERE holder = -1 AND queue = ? AND due <= ?"
            found: int = connection.execute(ready, (name,)).fetchone()[0]
            found += connection.execute(due, (name, self._clock.now())).fetchone()[0]
            return found

        return self._database.read(count)

    def delayed(self, name: str) -> int | None:
        query = "SELECT count(*) FROM umbel_messages WHERE holder = -1 AND queue = ? AND due > ?"
        found: int = self._database.read(lambda connection: connection.execute(query, (name, self._clock.now())).fetchone()[0])
        return found

    def release_delayed(self, name: str) -> int:  # noqa: ARG002 - the contract
        return 0

    def purge(self, name: str) -> int:
        drop = "DELETE FROM umbel_messages WHERE holder = 0 AND queue = ?"
        return self._database.write(lambda connection: connection.execute(drop, (name,)).rowcount)

    def peek(self, name: str, count: int) -> list[Delivery]:
        return self._database.read(lambda connection: rows.peek(connection, name, count, self._clock.now(), INSPECTION))

    def pause(self, name: str) -> None:
        def keep(connection: sqlite3.Connection) -> None:
            connection.execute(_PAUSED)
            connection.execute("INSERT INTO umbel_paused_queues VALUES (?) ON CONFLICT DO NOTHING", (name,))

        self._database.write(keep)

    def resume(self, name: str) -> None:
        def forget(connection: sqlite3.Connection) -> None:
            connection.execute(_PAUSED)
            connection.execute("DELETE FROM umbel_paused_queues WHERE name = ?", (name,))

        self._database.write(forget)

    def paused(self, names: Iterable[str]) -> set[str]:
        def read(connection: sqlite3.Connection) -> list[tuple[str]]:
            there = connection.execute(_HAS_PAUSED).fetchone()
            return connection.execute("SELECT name FROM umbel_paused_queues").fetchall() if there else []

        return {name for (name,) in self._database.read(read)}.intersection(names)

    def get(self, name: str) -> Delivery | None:
        def take(connection: sqlite3.Connection) -> list[Delivery]:
            now = self._clock.monotonic()
            leases.restore_expired(connection, now)
            connection.execute(rows.PROMOTE, (self._clock.now(),))
            if self._holder is None or not leases.renew(connection, self._holder, now):
                self._holder = leases.register(connection, f"{self._options.name} client", self._options.lease, now)
            return rows.claim(connection, self._holder, [name], 1, INSPECTION)

        found = self._database.write(take)
        return found[0] if found else None

    def ack(self, delivery: Delivery) -> bool:
        def settle(connection: sqlite3.Connection) -> bool:
            leases.renew(connection, delivery.epoch, self._clock.monotonic())
            return connection.execute(rows.ACK, (json.dumps([delivery.tag]), delivery.epoch)).rowcount == 1

        return self._database.write(settle)

    def close(self) -> None:
        holder, self._holder = self._holder, None
        if holder is not None and self._database.write(lambda connection: leases.release(connection, holder)):
            bell = Bell(self._database.path, MESSAGES)
            bell.ring()
            bell.close()
        self._database.close()
