"""Leases in an SQLite file; in the broker's and the result store's own, when the URLs agree.

They are measured by the monotonic clock, which all processes of one machine share. It starts again at boot: a lease that was made before ends, at the latest, so
many seconds after the next look at it as it was asked for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from umbel.clients.sqlite.database import BUSY_TIMEOUT, Database, locate, synchronous_of
from umbel.leases.base import LeaseOptions
from umbel.leases.deciding import Row
from umbel.leases.rows import RowLeases, Rows, dump, load
from umbel.runtime.clock import SYSTEM, Clock

R = TypeVar("R")

#: Made when the first lease is asked for: files of older versions have none.
_TABLES: Final = (
    """
    CREATE TABLE IF NOT EXISTS umbel_leases (
        name    TEXT PRIMARY KEY,
        holders TEXT NOT NULL,      -- JSON: owner → when its lease ends, and the seconds for which it was asked for
        turn    REAL NOT NULL,      -- when the next turn is
        until   REAL NOT NULL       -- after which nothing of it counts; all by the machine's monotonic clock
    ) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS umbel_leases_until ON umbel_leases (until)",
)
_FIND: Final = "SELECT holders, turn FROM umbel_leases WHERE name = ?"
_PUT: Final = (
    "INSERT INTO umbel_leases VALUES (?, ?, ?, ?) "
    "ON CONFLICT (name) DO UPDATE SET holders = excluded.holders, turn = excluded.turn, until = excluded.until"
)
_DROP: Final = "DELETE FROM umbel_leases WHERE name = ?"
#: Rows dropped in one transaction, and seconds between two looks for such that nobody has released.
_CLEAN: Final = "DELETE FROM umbel_leases WHERE name IN (SELECT name FROM umbel_leases WHERE until <= ? LIMIT 1000)"
_CLEAN_EVERY: Final = 60.0


class SqliteLeases(RowLeases):
    """`LeaseStore` in one file.

    Args:
        options: of the store.
        clock: tells the time.
    """

    def __init__(self, options: LeaseOptions, clock: Clock = SYSTEM) -> None:
        super().__init__(options)
        self.path: str = locate(options.url)
        self._clock = clock
        self._database = Database(self.path, synchronous=synchronous_of(options.url, options.transport))
        #: The generation of the file in which the table is known to be.
        self._prepared = -1
        self._clean_at = clock.monotonic()

    def change(self, names: Sequence[str], work: Callable[[Rows, float], R]) -> R:
        def transaction(connection: sqlite3.Connection) -> R:
            if self._prepared != self._database.generation:
                for statement in _TABLES:
                    connection.execute(statement)
            now = self._clock.monotonic()
            found = {name: connection.execute(_FIND, (name,)).fetchone() for name in names}
            before = {name: Row() if row is None else load(*row) for name, row in found.items()}
            rows = dict(before)
            done = work(rows, now)
            for name, row in rows.items():
                if row.until <= now:
                    if found[name] is not None:
                        connection.execute(_DROP, (name,))
                elif row != before[name]:
                    connection.execute(_PUT, (name, dump(row), row.turn, row.until))
            self._clean_when_due(connection, now)
            return done

        done = self._database.write(transaction, max(self.options.patience, BUSY_TIMEOUT))
        self._prepared = self._database.generation
        return done

    def _clean_when_due(self, connection: sqlite3.Connection, now: float) -> None:
        if now >= self._clean_at:
            self._clean_at = now + _CLEAN_EVERY
            connection.execute(_CLEAN, (now,))

    def read(self, names: Sequence[str]) -> tuple[Rows, float]:
        def find(connection: sqlite3.Connection) -> Rows:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'umbel_leases'").fetchone():
                return dict.fromkeys(names, Row())
            found = {name: connection.execute(_FIND, (name,)).fetchone() for name in names}
            return {name: load(*row) if row else Row() for name, row in found.items()}

        return self._database.read(find), self._clock.monotonic()

    def public_url(self) -> str:
        return f"sqlite:///{self.path}"

    def close(self) -> None:
        self._database.close()


def connect(options: LeaseOptions) -> SqliteLeases:
    """Make the store; the file is opened, and made, when it is first used.

    Args:
        options: of the store.

    Raises:
        ImproperlyConfigured: the URL names no file, or has an unknown option.
    """
    return SqliteLeases(options)
