"""Single operations on the queues of a database, for the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.engine import Connection

from umbel.brokers.base import BrokerOptions, Delivery
from umbel.brokers.mysql import leases, rows, topology
from umbel.brokers.mysql.tables import messages
from umbel.brokers.mysql.tables import paused as paused_queues
from umbel.brokers.topology import Queue
from umbel.clients.sql.engine import Database
from umbel.wire.message import INSPECTION

R = TypeVar("R")

_PATIENCE: Final = 10.0


class MysqlQueueClient:
    """See `umbel.brokers.base.QueueClient`. What `get` returned is held under the lease of the options, renewed by each further operation.

    Args:
        database: where the messages are.
        options: of the broker.
    """

    def __init__(self, database: Database, options: BrokerOptions) -> None:
        self._database = database
        self._options = options
        self._holder: int | None = None

    def _run(self, work: Callable[[Connection], R]) -> R:
        return self._database.run(work, _PATIENCE)

    def declare(self, queue: Queue) -> None:
        self._run(lambda connection: topology.declare(connection, queue))

    def delete(self, name: str) -> None:
        self._run(lambda connection: topology.delete(connection, name))

    def length(self, name: str) -> int | None:
        def count(connection: Connection) -> int | None:
            return rows.count(connection, name) if topology.existing(connection, [name]) else None

        return self._run(count)

    def delayed(self, name: str) -> int | None:
        return self._run(lambda connection: rows.count(connection, name, delayed=True))

    def release_delayed(self, name: str) -> int:  # noqa: ARG002 - only this library's workers know what is delayed
        return 0

    def purge(self, name: str) -> int:
        drop = messages.delete().where(messages.c.holder == rows.READY, messages.c.queue == name)
        return self._run(lambda connection: connection.execute(drop).rowcount)

    def peek(self, name: str, count: int) -> list[Delivery]:
        return self._run(lambda connection: rows.peek(connection, name, count, INSPECTION))

    def pause(self, name: str) -> None:
        self._run(lambda connection: connection.execute(insert(paused_queues).values(name=name).prefix_with("IGNORE")))

    def resume(self, name: str) -> None:
        self._run(lambda connection: connection.execute(paused_queues.delete().where(paused_queues.c.name == name)))

    def paused(self, names: Iterable[str]) -> set[str]:
        found = sa.select(paused_queues.c.name).where(paused_queues.c.name.in_(list(names)))
        return self._run(lambda connection: set(connection.scalars(found)))

    def get(self, name: str) -> Delivery | None:
        def take(connection: Connection) -> list[Delivery]:
            leases.restore_expired(connection)
            rows.promote(connection)
            if self._holder is None or not leases.renew(connection, self._holder):
                self._holder = leases.register(connection, f"{self._options.name} client", self._options.lease)
            return rows.claim(connection, self._holder, [name], 1, INSPECTION)

        found = self._run(take)
        return found[0] if found else None

    def ack(self, delivery: Delivery) -> bool:
        def settle(connection: Connection) -> bool:
            leases.renew(connection, delivery.epoch)
            return rows.settle(connection, delivery.epoch, [delivery.tag]) == 1

        return self._run(settle)

    def close(self) -> None:
        holder, self._holder = self._holder, None
        if holder is not None:
            self._run(lambda connection: leases.release(connection, holder))
