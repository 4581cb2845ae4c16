"""Revoked tasks in an SQLite file: that of a result store, or a worker's state file."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from typing import Final

from umbel.clients.sqlite.database import Database

#: Made when the first task is revoked: files of older versions have none.
_TABLE: Final = "CREATE TABLE IF NOT EXISTS umbel_revoked (entry TEXT PRIMARY KEY, revoked REAL NOT NULL) WITHOUT ROWID"
_INDEX: Final = "CREATE INDEX IF NOT EXISTS umbel_revoked_revoked ON umbel_revoked (revoked)"
_ADD: Final = "INSERT INTO umbel_revoked VALUES (?, ?) ON CONFLICT (entry) DO UPDATE SET revoked = excluded.revoked"
_DROP: Final = (
    "DELETE FROM umbel_revoked WHERE revoked <= ? OR entry IN (SELECT entry FROM umbel_revoked ORDER BY revoked DESC LIMIT -1 OFFSET ?)"
)
_READ: Final = "SELECT entry, revoked FROM umbel_revoked WHERE revoked > ? ORDER BY revoked"
_IS_THERE: Final = "SELECT 1 FROM sqlite_master WHERE name = 'umbel_revoked'"


class SqliteRevocations:
    """`RevocationStore` in a file.

    Args:
        database: the file.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, entries: Collection[str], now: float, *, most: int, expires: float) -> None:
        def work(connection: sqlite3.Connection) -> None:
            connection.execute(_TABLE)
            connection.execute(_INDEX)
            connection.executemany(_ADD, [(entry, now) for entry in entries])
            connection.execute(_DROP, (now - expires, most))

        self._database.write(work)

    def read(self, since: float) -> dict[str, float]:
        def work(connection: sqlite3.Connection) -> list[tuple[str, float]]:
            return connection.execute(_READ, (since,)).fetchall() if connection.execute(_IS_THERE).fetchone() else []

        return dict(self._database.read(work))
