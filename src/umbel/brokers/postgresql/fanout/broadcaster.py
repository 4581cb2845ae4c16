"""Broadcasts and replies as rows for each queue that they reach. Where nobody listens, nothing is written."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any, Final

from umbel.brokers.base import REPLY_TTL, BrokerOptions
from umbel.brokers.envelope import encode
from umbel.brokers.fanout.defaults import MOST_WAITING, BroadcastDefaults
from umbel.brokers.postgresql import rows
from umbel.brokers.topology import Exchange
from umbel.clients.postgresql.database import Database
from umbel.clients.postgresql.link_blocking import BlockingLink
from umbel.clients.postgresql.refusals import TablesMissing
from umbel.clients.postgresql.values import Statement, number, text, texts_in
from umbel.errors import OperationalError
from umbel.runtime import process_hooks
from umbel.wire.message import Message

logger: logging.Logger = logging.getLogger("umbel.brokers.postgresql")

#: Messages in one transaction.
_CHUNK: Final = 500
#: Broadcasts after which subscribers that do not keep up are looked for.
_TRIM_EVERY: Final = 1000
_TRIM: Final = b"""DELETE FROM umbel_messages WHERE holder = 0 AND queue = $1 AND id <= (
    SELECT id FROM umbel_messages WHERE holder = 0 AND queue = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)"""


class PostgresqlBroadcaster(BroadcastDefaults):
    """See `umbel.brokers.fanout.base.Broadcaster`.

    Args:
        database: connects.
        options: of the broker.
    """

    def __init__(self, database: Database, options: BrokerOptions) -> None:
        self._database = database
        self._timeout = options.publish_timeout
        self._link: BlockingLink | None = None
        self._lock = threading.Lock()
        self._untrimmed = 0
        process_hooks.attach(after_fork=self.forget)

    def forget(self) -> None:
        """Leave the connection to the parent, in a forked child."""
        self._lock = threading.Lock()
        self._drop()

    def connect(self) -> None:
        with self._lock:
            self._connected()

    def broadcast_many(self, exchange: Exchange, messages: Sequence[tuple[Message, str]], *, keep: float = REPLY_TTL) -> None:  # noqa: ARG002
        encoded = [(routing_key, encode(message, exchange.name, routing_key)) for message, routing_key in messages]
        rows_of = [(routing_key, envelope, body) for routing_key, (_, _, envelope, body) in encoded]
        with self._lock:
            for start in range(0, len(rows_of), _CHUNK):
                chunk = rows_of[start : start + _CHUNK]
                reached = texts_in(rows.one_value(self._run(rows.broadcast(exchange.name, chunk))))
                self._untrimmed += len(chunk)
                if self._untrimmed >= _TRIM_EVERY and exchange.type in ("topic", "fanout"):  # replies wait for whoever asked for them
                    self._untrimmed = 0
                    self._trim(reached)

    def _trim(self, names: list[str]) -> None:
        for name in names:
            if dropped := self._run(Statement(_TRIM, (text(name), number(MOST_WAITING)))).command_tuples:
                logger.warning("the subscriber of %s does not keep up: %d messages are dropped", name, dropped)

    def close(self) -> None:
        with self._lock:
            self._drop()

    def _connected(self) -> BlockingLink:
        link = self._link
        if link is None or link.is_stale():
            self._link = link = self._database.open()
        return link

    def _run(self, statement: Statement) -> Any:
        end = time.monotonic() + self._timeout
        for _ in range(2):
            link = self._connected()
            try:
                return link.run(statement, max(0.1, end - time.monotonic()))
            except TablesMissing:
                self._database.forget()
                self._drop()
        raise OperationalError(f"{self._database.public()} has no tables of Umbel")

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()
