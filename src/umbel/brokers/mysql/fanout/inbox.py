"""A private queue, read by one thread."""

from __future__ import annotations

import os

from umbel.brokers.base import BrokerOptions, Delivery
from umbel.brokers.fanout.defaults import InboxDefaults
from umbel.brokers.mysql.fanout.private import SOON, PrivateQueue
from umbel.brokers.topology import Queue
from umbel.clients.sql.engine import Database
from umbel.runtime.clock import SYSTEM


class MysqlReplyInbox(InboxDefaults):
    """See `umbel.brokers.fanout.base.ReplyInbox`.

    Args:
        database: where its queue is.
        options: of the broker.
        queue: of its own.
    """

    def __init__(self, database: Database, options: BrokerOptions, queue: Queue) -> None:
        super().__init__(queue)
        self._mine = PrivateQueue(database, options, queue)
        self._opened = False

    def open(self) -> None:
        self._check()
        with self._lock:
            if not self._opened:
                self._mine.open()
                self._opened = True

    def receive(self, timeout: float | None = None) -> list[Delivery]:
        if self._closed:
            return []
        self._check()
        deadline = None if timeout is None else SYSTEM.monotonic() + timeout
        self._mine.pause = SOON
        with self._lock:
            while not self._closed:
                self.open()
                found = self._mine.take()
                if found:
                    return found
                left = self._mine.pause
                if deadline is not None:
                    left = min(left, deadline - SYSTEM.monotonic())
                    if left <= 0:
                        break
                self._interrupt.wait(None, max(0.0, left))
        return []

    def close(self) -> None:
        if self._pid != os.getpid():
            self._interrupt.close()
            return
        self._closed = True
        self._interrupt.set()
        with self._lock:
            if self._opened:
                self._opened = False
                self._mine.close()
            self._interrupt.close()
