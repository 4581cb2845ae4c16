"""Clearing away what was settled, as soon as there is enough of it.

Each message leaves two dead rows. The server's own autovacuum looks once a minute; at thousands of tasks a second, that leaves a million of
them, and every claim steps over those of its queue. So consumers count what they settle, and one of them has the table vacuumed in time, on a
connection of its own. Where its user may not, it leaves that to the server.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Final

import psycopg

from umbel.clients.postgresql.database import Database
from umbel.errors import OperationalError

logger: logging.Logger = logging.getLogger("umbel.brokers.postgresql")

#: Settled messages after which the table is vacuumed: a fixed number, and a share of what the table holds.
_MESSAGES: Final = 50_000
_SHARE: Final = 0.05
#: TRUNCATE off: it would lock everybody out. SKIP_LOCKED: somebody else does it already.
_VACUUM: Final = "VACUUM (SKIP_LOCKED, TRUNCATE off, INDEX_CLEANUP on) umbel_messages"
#: Whether this user may, and how many rows there are.
_TABLE: Final = "SELECT pg_has_role(relowner, 'USAGE'), greatest(reltuples, 0) FROM pg_class WHERE oid = 'umbel_messages'::regclass"


class Vacuum:
    """The count of one consumer.

    Args:
        database: connects.
        is_on: it may be done at all.
    """

    def __init__(self, database: Database, *, is_on: bool) -> None:
        self._database = database
        self._is_on = is_on
        self._settled = 0
        self._due = float(_MESSAGES)
        self._running: asyncio.Future[float | None] | None = None

    def count(self, settled: int) -> None:
        """Count messages that are gone, and begin when it is time.

        Args:
            settled: how many.
        """
        self._settled += settled
        if self._settled >= self._due and self._is_on and self._running is None:
            self._settled = 0
            self._running = asyncio.get_running_loop().run_in_executor(None, self._work)
            self._running.add_done_callback(self._on_done)

    def _work(self) -> float | None:
        """Vacuum, blocking; returns after how many messages to do so again, or ``None`` where it may not."""
        with self._database.plain() as connection:
            row = connection.execute(_TABLE).fetchone()
            if row is None or not row[0]:  # the server would only warn
                return None
            connection.execute(_VACUUM)
        return max(_MESSAGES, float(row[1]) * _SHARE)

    def _on_done(self, done: asyncio.Future[float | None]) -> None:
        self._running = None
        if done.cancelled():
            return
        error = done.exception()
        if error is None:
            due = done.result()
            self._is_on = due is not None
            self._due = due or self._due
            if due is None:
                logger.warning("umbel_messages is left to autovacuum: its owner alone may vacuum it")
        elif not isinstance(error, (OperationalError, psycopg.OperationalError)):  # which the consumer tells of
            logger.warning("umbel_messages could not be vacuumed: %s", error)

    async def aclose(self) -> None:
        """Wait until nothing is under way."""
        if self._running is not None:
            await asyncio.wait([self._running])
