"""The records that have come to a client, kept until they are asked for, in bounds."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

from umbel.errors import OperationalError
from umbel.results.meta import is_terminal
from umbel.results.model import Record

logger: logging.Logger = logging.getLogger("umbel.results.rpc")

#: Records kept. Those that somebody has read are dropped first, then those nobody has asked for; of each the oldest.
_MOST_KEPT = 10_000
#: Bytes of results that wait to be read; and of those that were read, which somebody may ask for again by their id.
_MOST_BYTES, _MOST_READ_BYTES = 512 << 20, 4 << 20

#: Called with each state of a task, or with what went wrong.
Tell = Callable[[Record | BaseException], None]


class Received:
    """The records that have come, and who waits for more. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._unread: OrderedDict[str, Record] = OrderedDict()
        #: What has ended and was told to somebody, who may ask again.
        self._read: OrderedDict[str, Record] = OrderedDict()
        self._watchers: dict[str, list[Tell]] = {}
        self._sizes: dict[str, int] = {}
        self._unread_bytes = self._read_bytes = 0

    def put(self, record: Record, size: int = 0) -> None:
        """Take a record. What comes after a task's end is dropped.

        Args:
            record: of one task.
            size: bytes in which it came.
        """
        with self._lock:
            task_id = record.task_id
            known = self._known(task_id)
            if known is not None and is_terminal(known):
                return
            self._unread_bytes += size - self._sizes.get(task_id, 0)
            self._sizes[task_id] = size
            self._unread[task_id] = record
            self._unread.move_to_end(task_id)
            watchers = self._watchers.get(task_id, ())
            for tell in watchers:
                tell(record)
            if watchers:
                self._mark_read(record)
            self._make_room()

    def _known(self, task_id: str) -> Record | None:
        return self._unread.get(task_id) or self._read.get(task_id)

    def _mark_read(self, record: Record) -> None:
        if is_terminal(record) and self._unread.pop(record.task_id, None) is not None:
            size = self._sizes[record.task_id]
            self._unread_bytes -= size
            self._read_bytes += size
            self._read[record.task_id] = record
            while self._read_bytes > _MOST_READ_BYTES:
                self._drop_read()

    def _make_room(self) -> None:
        while self._read and len(self._unread) + len(self._read) > _MOST_KEPT:
            self._drop_read()
        while len(self._unread) > _MOST_KEPT or (self._unread_bytes > _MOST_BYTES and len(self._unread) > 1):
            dropped, _ = self._unread.popitem(last=False)
            self._unread_bytes -= self._sizes.pop(dropped)
            what = f"{_MOST_KEPT} results" if len(self._unread) >= _MOST_KEPT else f"{_MOST_BYTES >> 20} MiB of results"
            logger.warning("more than %s wait to be read; that of task %s is dropped", what, dropped)

    def _drop_read(self) -> None:
        task_id, _ = self._read.popitem(last=False)
        self._read_bytes -= self._sizes.pop(task_id)

    def fail(self, error: OperationalError) -> None:
        """Tell all who wait that there is no broker to hear from.

        Args:
            error: the reason.
        """
        with self._lock:
            for watchers in self._watchers.values():
                for tell in watchers:
                    tell(error)

    def find(self, task_ids: Sequence[str]) -> dict[str, Record]:
        """The records that have come of some tasks, by id.

        Args:
            task_ids: of the tasks.
        """
        with self._lock:
            found = {task_id: record for task_id in task_ids if (record := self._known(task_id)) is not None}
            for record in found.values():
                self._mark_read(record)
            return found

    def forget(self, task_ids: Sequence[str]) -> None:
        """Drop records.

        Args:
            task_ids: of their tasks.
        """
        with self._lock:
            for task_id in task_ids:
                if self._unread.pop(task_id, None) is not None:
                    self._unread_bytes -= self._sizes.pop(task_id)
                elif self._read.pop(task_id, None) is not None:
                    self._read_bytes -= self._sizes.pop(task_id)

    def add(self, task_id: str, tell: Tell) -> None:
        """Call back with each state of a task that has come or comes, and when there is no broker to hear from.

        Args:
            task_id: of the task.
            tell: is called, on the thread that reads, or on this one with what has come already.
        """
        with self._lock:
            self._watchers.setdefault(task_id, []).append(tell)
            known = self._known(task_id)
            if known is not None:
                tell(known)
                self._mark_read(known)

    def remove(self, task_id: str, tell: Tell) -> None:
        """Call back no more.

        Args:
            task_id: of the task.
            tell: as given to `add`.
        """
        with self._lock:
            watchers = self._watchers[task_id]
            watchers.remove(tell)
            if not watchers:
                del self._watchers[task_id]
