"""Broadcasts and replies as rows for each queue that they reach. Where nobody listens, nothing is written."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import Final

from umbel.brokers.base import REPLY_TTL, BrokerOptions
from umbel.brokers.envelope import Encoded, encode
from umbel.brokers.fanout.defaults import MOST_WAITING, BroadcastDefaults
from umbel.brokers.sqlite import topology
from umbel.brokers.sqlite.fanout.private import FANOUT
from umbel.brokers.sqlite.rows import INSERT
from umbel.brokers.topology import Exchange
from umbel.clients.sqlite.database import Database
from umbel.clients.sqlite.doorbell import Bell
from umbel.wire.message import Message

logger: logging.Logger = logging.getLogger("umbel.brokers.sqlite")

#: Messages in one transaction: other writers wait for it.
_CHUNK: Final = 500
#: Broadcasts after which subscribers that do not keep up are looked for.
_TRIM_EVERY: Final = 1000
_TRIM: Final = """DELETE FROM umbel_messages WHERE queue = ?1 AND holder = 0 AND id <= (
    SELECT id FROM umbel_messages WHERE holder = 0 AND queue = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)"""


class SqliteBroadcaster(BroadcastDefaults):
    """See `umbel.brokers.fanout.base.Broadcaster`.

    Args:
        database: a connection of its own.
        options: of the broker.
    """

    def __init__(self, database: Database, options: BrokerOptions) -> None:
        self._database = database
        self._timeout = options.publish_timeout
        self._bell = Bell(database.path, FANOUT)
        self._untrimmed = 0

    def connect(self) -> None:
        self._database.read(lambda _: None)

    def broadcast_many(self, exchange: Exchange, messages: Sequence[tuple[Message, str]], *, keep: float = REPLY_TTL) -> None:  # noqa: ARG002
        encoded = [(encode(message, exchange.name, routing_key), routing_key) for message, routing_key in messages]
        keys = {routing_key for _, routing_key in encoded}
        if not self._database.read(lambda connection: any(topology.route(connection, exchange.name, key, {}) for key in keys)):
            return
        for start in range(0, len(encoded), _CHUNK):
            chunk = encoded[start : start + _CHUNK]
            reached = self._database.write(partial(_insert, exchange=exchange.name, chunk=chunk), self._timeout)
            self._bell.ring()
            self._untrimmed += len(chunk)
            if self._untrimmed >= _TRIM_EVERY and exchange.type != "direct":  # replies wait for whoever asked for them
                self._untrimmed = 0
                self._trim(reached)

    def close(self) -> None:
        self._database.close()
        self._bell.close()

    def _trim(self, names: set[str]) -> None:
        for name in names:
            dropped = self._database.write(partial(_trim, name=name), self._timeout)
            if dropped:
                logger.warning("the subscriber of %s does not keep up: %d messages are dropped", name, dropped)


def _trim(connection: sqlite3.Connection, name: str) -> int:
    return connection.execute(_TRIM, (name, MOST_WAITING)).rowcount


def _insert(connection: sqlite3.Connection, exchange: str, chunk: Sequence[tuple[Encoded, str]]) -> set[str]:
    routes: dict[str, list[str]] = {}
    found = []
    for row, key in chunk:
        if key not in routes:
            routes[key] = topology.route(connection, exchange, key, {})
        found += [(name, *row) for name in routes[key]]
    connection.executemany(INSERT, found)
    return {name for names in routes.values() for name in names}
