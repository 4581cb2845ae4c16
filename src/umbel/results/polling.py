"""Waiting where a store cannot call: one thread looks for all that is awaited, often at first and more and more seldom."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from umbel.errors import OperationalError
from umbel.results.model import Record
from umbel.runtime.clock import SYSTEM, Clock

Tell = Callable[[Record | BaseException], None]

#: Seconds between two looks: after something new, at most; and the factor between.
_SOON, _LATE, _SLOWER = 0.005, 0.5, 1.3
#: Seconds without the store after which who waits is told.
_PATIENCE: Final = 30.0


class Pace:
    """The pauses between looks. The store is never looked at for more than half of the time."""

    __slots__ = ("_pause",)

    def __init__(self) -> None:
        self._pause = _SOON

    def hurry(self) -> None:
        """Begin anew: somebody else waits now."""
        self._pause = _SOON

    def after(self, *, is_new: bool, took: float) -> float:
        """Return the seconds until the next look.

        Args:
            is_new: this one found something.
            took: its seconds.
        """
        self._pause = _SOON if is_new else min(self._pause * _SLOWER, _LATE)
        return max(self._pause, took)


class PollingWatch:
    """Calls back with records as they change (`umbel.results.waiting.Source`). The thread lives while somebody waits.

    Args:
        fetch: reads records by their ids, in one round trip.
        clock: for how long the store has been away.
    """

    def __init__(self, fetch: Callable[[Sequence[str]], Mapping[str, Record]], clock: Clock = SYSTEM) -> None:
        self._fetch = fetch
        self._clock = clock
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._waiting: dict[str, dict[Tell, Record | None]] = {}
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, task_id: str, tell: Tell) -> None:
        """Call back with what is stored of a task, now and from now on, or with what went wrong.

        Args:
            task_id: of the task.
            tell: called in the thread.
        """
        if self._pid != os.getpid():
            self._reset()
        with self._lock:
            self._waiting.setdefault(task_id, {})[tell] = None
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="umbel-results", daemon=True)
                self._thread.start()
        self._wake.set()

    def remove(self, task_id: str, tell: Tell) -> None:
        """Call back no more.

        Args:
            task_id: of the task.
            tell: as it was added.
        """
        with self._lock:
            tellers = self._waiting.get(task_id, {})
            tellers.pop(tell, None)
            if not tellers:
                self._waiting.pop(task_id, None)
            is_over = not self._waiting
        if is_over:
            self._wake.set()

    def close(self) -> None:
        """End the thread, and its use of the store; who still waits gets an error."""
        if self._pid != os.getpid():
            self._reset()
        with self._lock:
            thread, ids = self._thread, list(self._waiting)
        self._fail(ids, OperationalError("the result store was closed"))
        self._wake.set()
        if thread is not None and thread is not threading.current_thread():
            thread.join(_PATIENCE)

    def _run(self) -> None:
        pace, away_since = Pace(), None
        while True:
            with self._lock:
                ids = list(self._waiting)
                if not ids:
                    self._thread = None
                    return
            is_new, began = False, self._clock.monotonic()
            try:
                is_new, away_since = self._look(ids), None
            except OperationalError as error:
                away_since = began if away_since is None else away_since
                if error.is_permanent or self._clock.monotonic() - away_since >= _PATIENCE:
                    self._fail(ids, error)
                    away_since = None
            except Exception as error:  # whoever waits must not wait for ever
                self._fail(ids, error)
            if self._wake.wait(pace.after(is_new=is_new, took=self._clock.monotonic() - began)):
                self._wake.clear()
                pace.hurry()

    def _look(self, ids: list[str]) -> bool:
        is_new = False
        for task_id, record in self._fetch(ids).items():
            with self._lock:
                tellers = self._waiting.get(task_id, {})
                told = [tell for tell, last in tellers.items() if last != record]
                tellers.update(dict.fromkeys(told, record))
            for tell in told:
                is_new = True
                tell(record)
        return is_new

    def _fail(self, ids: list[str], error: BaseException) -> None:
        with self._lock:
            told = [tell for task_id in ids for tell in self._waiting.pop(task_id, {})]
        for tell in told:
            with contextlib.suppress(RuntimeError):
                tell(error)
