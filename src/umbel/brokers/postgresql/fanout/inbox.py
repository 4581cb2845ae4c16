"""A private queue, read by one thread."""

from __future__ import annotations

import os
from typing import Final

from umbel.brokers.base import BrokerOptions, Delivery
from umbel.brokers.fanout.defaults import InboxDefaults
from umbel.brokers.postgresql.fanout.private import POLL, SAFETY, PrivateQueue, run
from umbel.brokers.topology import Queue
from umbel.clients.postgresql.database import Database
from umbel.clients.postgresql.link import CHANNEL
from umbel.clients.postgresql.link_blocking import BlockingLink
from umbel.clients.postgresql.refusals import TablesMissing
from umbel.clients.postgresql.values import Statement
from umbel.errors import OperationalError
from umbel.runtime.clock import SYSTEM

#: Seconds for one statement.
_TIMEOUT: Final = 30.0


class PostgresqlReplyInbox(InboxDefaults):
    """See `umbel.brokers.fanout.base.ReplyInbox`.

    Args:
        database: connects.
        options: of the broker.
        queue: of its own.
    """

    def __init__(self, database: Database, options: BrokerOptions, queue: Queue) -> None:
        super().__init__(queue)
        self._database = database
        self._listens = bool(options.transport.get("listen", True))
        self._mine = PrivateQueue(options, queue)
        self._link: BlockingLink | None = None
        self._is_rung = False

    def open(self) -> None:
        self._check()
        with self._lock:
            self._connected()

    def _connected(self) -> BlockingLink:
        link = self._link
        if link is None or link.is_closed:
            self._link = link = self._database.open()
            try:
                if self._listens:
                    link.run(Statement(b"LISTEN " + CHANNEL.encode()), _TIMEOUT)
                run(self._mine.open(), self._run)
            except BaseException as error:
                if isinstance(error, TablesMissing):
                    self._database.forget()
                link.close()
                raise
        return link

    def _run(self, statement: Statement) -> object:
        assert self._link is not None
        return self._link.run(statement, _TIMEOUT, self._on_notify)

    def _on_notify(self, queue: str) -> None:
        self._is_rung = self._is_rung or queue == self._queue.name[:255]

    def receive(self, timeout: float | None = None) -> list[Delivery]:
        if self._closed:
            return []
        self._check()
        deadline = None if timeout is None else SYSTEM.monotonic() + timeout
        with self._lock:
            while not self._closed:
                link = self._connected()
                self._is_rung = False
                found: list[Delivery] = run(self._mine.take(), self._run)
                if found:
                    return found
                now = SYSTEM.monotonic()
                look_at = now + min(self._mine.rests, SAFETY if self._listens else POLL)
                if deadline is not None and deadline <= now:
                    break
                self._rest(link, look_at if deadline is None else min(look_at, deadline))
        return []

    def _rest(self, link: BlockingLink, until: float) -> None:
        """Wait until this queue is named, or a time comes."""
        while not self._is_rung and not self._closed and (left := until - SYSTEM.monotonic()) > 0:
            self._interrupt.wait(link, left)
            link.take_notes(self._on_notify)

    def close(self) -> None:
        if self._pid != os.getpid():
            if self._link is not None:
                self._link.close()
            self._interrupt.close()
            return
        self._closed = True
        self._interrupt.set()
        with self._lock:
            link, self._link = self._link, None
            if link is not None:
                self._link = link
                try:
                    run(self._mine.close(), self._run)
                except OperationalError:  # its lease will end
                    pass
                finally:
                    link.close()
                    self._link = None
            self._interrupt.close()
