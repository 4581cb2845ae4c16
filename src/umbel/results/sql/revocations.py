"""Revoked tasks in an SQL database."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from umbel.clients.sql.engine import Database
from umbel.results.sql.upsert import put
from umbel.results.sql.values import key_of

#: Seconds for which a step is kept trying.
_PATIENCE = 5.0


class SqlRevocations:
    """`RevocationStore` of an SQL store.

    Args:
        database: of the store.
        table: ``umbel_revoked``.
    """

    def __init__(self, database: Database, table: sa.Table) -> None:
        self._database = database
        self._table = table

    def add(self, entries: Collection[str], now: float, *, most: int, expires: float) -> None:
        table = self._table
        # In one order: two that revoke the same tasks must not wait for each other.
        rows = [{"entry_key": key, "entry": entry, "revoked": now} for key, entry in sorted((key_of(entry), entry) for entry in entries)]

        def work(connection: Connection) -> None:
            if rows:
                put(connection, table, "entry_key", rows)
            connection.execute(table.delete().where(table.c.revoked <= now - expires))
            count = connection.execute(sa.select(sa.func.count()).select_from(table)).scalar() or 0
            if count > most:
                oldest = sa.select(table.c.entry_key).order_by(table.c.revoked, table.c.entry_key).limit(count - most)
                keys = connection.execute(oldest).scalars().all()
                connection.execute(table.delete().where(table.c.entry_key.in_(keys)))

        self._database.run(work, _PATIENCE)

    def read(self, since: float) -> dict[str, float]:
        table = self._table
        statement = sa.select(table.c.entry, table.c.revoked).where(table.c.revoked > since).order_by(table.c.revoked)
        found = self._database.run(lambda connection: connection.execute(statement).all(), _PATIENCE, reads=True)
        return {row.entry: row.revoked for row in found}
