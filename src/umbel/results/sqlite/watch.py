"""Waiting for results in an SQLite file: one thread looks for all who wait.

The thread sleeps until the doorbell rings for results, asks SQLite whether anybody has committed since (``PRAGMA data_version``, a read of shared
memory), and then fetches all awaited ids at once. Without a doorbell it asks every two milliseconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import select as selecting
import socket
import sqlite3
import threading
from collections.abc import Callable, Sequence
from typing import Final

from umbel.clients.sqlite.database import Database
from umbel.clients.sqlite.doorbell import RESULTS, Listener
from umbel.errors import OperationalError
from umbel.results.packing import Packed
from umbel.runtime.clock import Clock

#: Called, in the thread, with each state of the record, or with what went wrong.
Tell = Callable[[Packed | BaseException], None]

_SELECT: Final = """
    SELECT task_id, status, content_type, content_encoding, compression, record FROM umbel_results
    WHERE task_id {} AND (expires IS NULL OR expires > ?)"""
_SELECT_ONE: Final = _SELECT.format("= ?")
_SELECT_MANY: Final = _SELECT.format("IN (SELECT value FROM json_each(?))")

#: Seconds between looks: with the doorbell, in case a ring was lost; and without it.
_WITH_BELL, _WITHOUT_BELL = 0.25, 0.002
#: Seconds after a look in which rings are left to gather.
_GATHER: Final = 0.0005


def select(connection: sqlite3.Connection, task_ids: Sequence[str], now: float) -> list[Packed]:
    """The records of some tasks that have not expired."""
    if len(task_ids) == 1:
        rows = connection.execute(_SELECT_ONE, (task_ids[0], now))
    else:
        rows = connection.execute(_SELECT_MANY, (json.dumps(list(task_ids)), now))
    return [Packed(*row) for row in rows.fetchall()]


class Watch:
    """The waiting of one store. The thread starts with the first who waits, and again after a fork."""

    def __init__(self, path: str, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._waiting: dict[str, dict[Tell, Packed | None]] = {}
        self._added = False
        self._thread: threading.Thread | None = None
        self._wake: socket.socket | None = None
        self._listener = Listener(self._path, RESULTS)

    def add(self, task_id: str, tell: Tell) -> None:
        """Call back with what is stored of a task now and from now on."""
        if self._pid != os.getpid():
            self._abandon()
        with self._lock:
            self._waiting.setdefault(task_id, {})[tell] = None
            self._added = True
            if self._thread is None:
                ours, self._wake = socket.socketpair()
                ours.setblocking(False)
                self._thread = threading.Thread(target=self._run, args=(ours,), name="umbel-results", daemon=True)
                self._thread.start()
            self._rouse()

    def remove(self, task_id: str, tell: Tell) -> None:
        """Call back no more."""
        with self._lock:
            tellers = self._waiting.get(task_id, {})
            tellers.pop(tell, None)
            if not tellers:
                self._waiting.pop(task_id, None)

    def close(self) -> None:
        """End the thread; who still waits gets an error."""
        if self._pid != os.getpid():
            self._abandon()
        with self._lock:
            thread, self._thread = self._thread, None
            wake, self._wake = self._wake, None
        if wake is not None:
            wake.close()
        if thread is not None and thread is not threading.current_thread():
            thread.join(5)
        self._fail(OperationalError(f"the result store {self._path} was closed"))

    def _abandon(self) -> None:
        # The thread stayed in the parent; what it had open is closed here without a sound.
        self._listener.abandon()
        if self._wake is not None:
            self._wake.close()
        self._reset()

    def _rouse(self) -> None:
        if self._wake is not None:
            with contextlib.suppress(BlockingIOError):
                self._wake.send(b"!", socket.MSG_DONTWAIT if hasattr(socket, "MSG_DONTWAIT") else 0)

    def _run(self, roused: socket.socket) -> None:
        database = Database(self._path)
        listener = self._listener
        try:
            listener.open()
            self._look_until_closed(database, listener, roused)
        except BaseException as error:
            with self._lock:
                self._thread = None
                wake, self._wake = self._wake, None
            if wake is not None:
                wake.close()
            self._fail(error)
        finally:
            listener.close()
            roused.close()
            database.close()

    def _look_until_closed(self, database: Database, listener: Listener, roused: socket.socket) -> None:
        version: tuple[int, int] | None = None
        while True:
            with self._lock:
                waiting, added, self._added = bool(self._waiting), self._added, False
            if waiting:
                listener.drain()
                now = database.read(_version), database.opened
                if added or now != version:
                    version = now
                    self._look(database)
                    # Under heavy traffic, one look for many rings.
                    _wait([roused], _GATHER)
            ears = [roused, listener.socket] if waiting and listener.socket is not None else [roused]
            pause = None if not waiting else _WITH_BELL if listener.socket is not None else _WITHOUT_BELL
            if roused in _wait(ears, pause) and not roused.recv(4096):
                return

    def _look(self, database: Database) -> None:
        with self._lock:
            ids = list(self._waiting)
        found = database.read(lambda connection: select(connection, ids, self._clock.now())) if ids else []
        for packed in found:
            with self._lock:
                tellers = self._waiting.get(packed.task_id, {})
                told = [tell for tell, last in tellers.items() if last != packed]
                tellers.update(dict.fromkeys(told, packed))
            for tell in told:
                tell(packed)

    def _fail(self, error: BaseException) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for tellers in waiting.values():
            for tell in tellers:
                tell(error)


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA data_version").fetchone()[0]
    return version


def _wait(ears: Sequence[socket.socket], seconds: float | None) -> list[socket.socket]:
    """Those that have something to read, as soon as one has, or after some seconds."""
    if not hasattr(selecting, "poll"):
        return selecting.select(ears, [], [], seconds)[0]
    poll = selecting.poll()  # no limit on descriptors, unlike select
    for ear in ears:
        poll.register(ear, selecting.POLLIN)
    found = {descriptor for descriptor, _ in poll.poll(None if seconds is None else seconds * 1000)}
    return [ear for ear in ears if ear.fileno() in found]
