"""Single operations on the queues of a database, for the command line."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from umbel.brokers.base import BrokerOptions, Delivery
from umbel.brokers.postgresql import leases, rows, topology
from umbel.brokers.topology import Queue
from umbel.clients.postgresql.database import Database
from umbel.clients.postgresql.link_blocking import BlockingLink
from umbel.clients.postgresql.refusals import HolderGivenUp, TablesMissing
from umbel.clients.postgresql.values import Statement, integer, number, numbers, text, texts
from umbel.errors import OperationalError
from umbel.wire.message import INSPECTION

#: Seconds for one operation: to count or purge millions of messages takes a while.
_TIMEOUT: Final = 600.0
_READY: Final = b"""
    SELECT (SELECT count(*) FROM umbel_messages WHERE holder = 0 AND queue = $1)
         + (SELECT count(*) FROM umbel_messages WHERE holder = -1 AND queue = $1 AND due <= umbel_now())
    FROM umbel_queues WHERE name = $1"""
_DELAYED: Final = b"SELECT count(*) FROM umbel_messages WHERE holder = -1 AND queue = $1 AND due > umbel_now()"
_PURGE: Final = b"DELETE FROM umbel_messages WHERE holder = 0 AND queue = $1"
_PAUSE: Final = b"INSERT INTO umbel_paused_queues VALUES ($1) ON CONFLICT DO NOTHING"
_RESUME: Final = b"DELETE FROM umbel_paused_queues WHERE name = $1"
_PAUSED: Final = b"SELECT name FROM umbel_paused_queues WHERE name = ANY ($1)"
#: Also extends the lease.
_ACK: Final = b"""
    WITH renewed AS (UPDATE umbel_holders SET until = umbel_now() + lease WHERE id = $1)
    DELETE FROM umbel_messages WHERE holder = $1 AND holder > 0 AND id = ANY ($2)"""


class PostgresqlQueueClient:
    """`QueueClient` on a connection of its own.

    What `get` returned is held under the lease of the options, renewed by each further operation.
    """

    def __init__(self, database: Database, options: BrokerOptions) -> None:
        self._database = database
        self._options = options
        self._link: BlockingLink | None = None
        self._holder: int | None = None

    def declare(self, queue: Queue) -> None:
        self._run(topology.declare(queue))

    def delete(self, name: str) -> None:
        self._run(topology.delete(name))

    def length(self, name: str) -> int | None:
        result = self._run(Statement(_READY, (text(name),)))
        return integer(result.get_value(0, 0)) if result.ntuples else None

    def delayed(self, name: str) -> int | None:
        return integer(rows.one_value(self._run(Statement(_DELAYED, (text(name),)))))

    def release_delayed(self, name: str) -> int:  # noqa: ARG002 - Celery has no part in this database
        return 0

    def purge(self, name: str) -> int:
        return self._run(Statement(_PURGE, (text(name),))).command_tuples or 0

    def peek(self, name: str, count: int) -> list[Delivery]:
        return rows.deliveries(self._run(rows.peek(name, count, INSPECTION.body)), INSPECTION, 0)

    def pause(self, name: str) -> None:
        self._run(Statement(_PAUSE, (text(name),)))

    def resume(self, name: str) -> None:
        self._run(Statement(_RESUME, (text(name),)))

    def paused(self, names: Iterable[str]) -> set[str]:
        result = self._run(Statement(_PAUSED, (texts(names),)))
        return {(result.get_value(row, 0) or b"").decode() for row in range(result.ntuples)}

    def get(self, name: str) -> Delivery | None:
        self._run(leases.upkeep(self._own_holder(), [name], may_restore=True))
        try:
            return self._claim(name)
        except HolderGivenUp:
            self._holder = None
            return self._claim(name)

    def _claim(self, name: str) -> Delivery | None:
        holder = self._own_holder()
        result = self._run(rows.turn(holder, (), (), [name], count=1, limit=INSPECTION.body, is_awake=False))
        found = rows.deliveries(result, INSPECTION, holder)
        return found[0] if found else None

    def _own_holder(self) -> int:
        if self._holder is None:
            self._holder = integer(rows.one_value(self._run(leases.register(f"{self._options.name} client", self._options.lease))))
        return self._holder

    def ack(self, delivery: Delivery) -> bool:
        result = self._run(Statement(_ACK, (number(delivery.epoch), numbers([delivery.tag]))))
        return bool(result.command_tuples)

    def close(self) -> None:
        holder, self._holder = self._holder, None
        try:
            if holder is not None:
                self._run(leases.release(holder))
        finally:
            link, self._link = self._link, None
            if link is not None:
                link.close()

    def _run(self, statement: Statement) -> Any:
        """Run a statement, once more where the connection was lost while it rested, or the tables have gone."""
        kept = self._link
        if kept is None or kept.is_stale():
            self._link = kept = self._database.open()
        try:
            return kept.run(statement, _TIMEOUT)
        except TablesMissing:
            self._database.forget()
            kept.close()
            self._link = self._database.open()
            return self._link.run(statement, _TIMEOUT)
        except OperationalError:
            if kept.is_closed:
                self._link = None
            raise
