"""A private queue, read by one thread."""

from __future__ import annotations

import os

from umbel.brokers.base import BrokerOptions, Delivery
from umbel.brokers.fanout.defaults import InboxDefaults
from umbel.brokers.sqlite.fanout.private import FANOUT, POLL, PrivateQueue
from umbel.brokers.topology import Queue
from umbel.clients.sqlite.database import Database
from umbel.clients.sqlite.doorbell import Listener
from umbel.runtime.clock import SYSTEM


class SqliteReplyInbox(InboxDefaults):
    """See `umbel.brokers.fanout.base.ReplyInbox`.

    Args:
        database: a connection of its own.
        options: of the broker.
        queue: of its own.
    """

    def __init__(self, database: Database, options: BrokerOptions, queue: Queue) -> None:
        super().__init__(queue)
        self._database = database
        self._mine = PrivateQueue(database, options, queue)
        self._listener = Listener(database.path, FANOUT)
        self._opened = False

    def open(self) -> None:
        self._check()
        with self._lock:
            if not self._opened:
                self._listener.open()
                self._mine.open(self._database.write)
                self._opened = True

    def receive(self, timeout: float | None = None) -> list[Delivery]:
        if self._closed:
            return []
        self._check()
        deadline = None if timeout is None else SYSTEM.monotonic() + timeout
        with self._lock:
            while not self._closed:
                self.open()
                found = self._mine.take(self._database.write)
                if found:
                    return found
                left = self._mine.wait_at_most()
                if deadline is not None:
                    left = min(left, deadline - SYSTEM.monotonic())
                if self._listener.socket is None:
                    left = min(left, POLL)
                if deadline is not None and deadline <= SYSTEM.monotonic():
                    break
                self._interrupt.wait(self._listener.socket, max(0.0, left))
                self._listener.drain()
        return []

    def close(self) -> None:
        if self._pid != os.getpid():
            self._listener.abandon()
            self._interrupt.close()
            return
        self._closed = True
        self._interrupt.set()
        with self._lock:
            self._listener.close()
            if self._opened:
                self._opened = False
                self._mine.close()
            self._interrupt.close()
