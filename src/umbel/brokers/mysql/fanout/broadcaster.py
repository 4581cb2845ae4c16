"""Broadcasts and replies as rows for each queue that they reach. Where nobody listens, nothing is written."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from umbel.brokers.base import REPLY_TTL, BrokerOptions
from umbel.brokers.envelope import Encoded, encode
from umbel.brokers.fanout.defaults import MOST_WAITING, BroadcastDefaults
from umbel.brokers.mysql import rows, topology
from umbel.brokers.mysql.tables import messages as table
from umbel.brokers.topology import Exchange
from umbel.clients.sql.engine import Database
from umbel.wire.message import Message

logger: logging.Logger = logging.getLogger("umbel.brokers.mysql")

#: Messages in one transaction.
_CHUNK: Final = 500
#: Broadcasts after which subscribers that do not keep up are looked for.
_TRIM_EVERY: Final = 1000


class MysqlBroadcaster(BroadcastDefaults):
    """See `umbel.brokers.fanout.base.Broadcaster`.

    Args:
        database: where the queues are.
        options: of the broker.
    """

    def __init__(self, database: Database, options: BrokerOptions) -> None:
        self._database = database
        self._timeout = options.publish_timeout
        self._untrimmed = 0

    def connect(self) -> None:
        self._database.prepare(self._timeout)

    def broadcast_many(self, exchange: Exchange, messages: Sequence[tuple[Message, str]], *, keep: float = REPLY_TTL) -> None:  # noqa: ARG002
        encoded = [(encode(message, exchange.name, routing_key), routing_key) for message, routing_key in messages]
        for start in range(0, len(encoded), _CHUNK):
            chunk = encoded[start : start + _CHUNK]
            reached = self._database.run(partial(_insert, exchange=exchange.name, chunk=chunk), self._timeout)
            self._untrimmed += len(chunk) if reached else 0
            if self._untrimmed >= _TRIM_EVERY and exchange.type != "direct":  # replies wait for whoever asked for them
                self._untrimmed = 0
                self._trim(reached)

    def close(self) -> None:
        """The broker disconnects."""

    def _trim(self, names: set[str]) -> None:
        for name in names:
            dropped = self._database.run(partial(_trim, name=name), self._timeout)
            if dropped:
                logger.warning("the subscriber of %s does not keep up: %d messages are dropped", name, dropped)


def _insert(connection: Connection, exchange: str, chunk: Sequence[tuple[Encoded, str]]) -> set[str]:
    routes = {key: topology.route(connection, exchange, key, {}) for key in dict.fromkeys(key for _, key in chunk)}
    found = [(name, row) for row, key in chunk for name in routes[key]]
    if found:
        rows.insert(connection, found)
    return {name for names in routes.values() for name in names}


def _trim(connection: Connection, name: str) -> int:
    waiting = sa.select(table.c.id).where(table.c.holder == rows.READY, table.c.queue == name)
    last = connection.scalar(waiting.order_by(table.c.id.desc()).limit(1).offset(MOST_WAITING))
    if last is None:
        return 0
    return connection.execute(table.delete().where(table.c.holder == rows.READY, table.c.queue == name, table.c.id <= last)).rowcount
