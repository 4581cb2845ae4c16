"""The rows of a slot board."""

from __future__ import annotations

import mmap
from typing import Any

from umbel.runtime.clock import SYSTEM

_CURRENT, _STARTED, _SINCE, _BARRIER, _SOFT, _END = range(6)
#: Bytes of a row: a line of a processor's cache, so that slots on two processors do not wait for each other.
ROW = 64
#: Where the lock is. The rows follow it.
LOCK = 0
#: Seconds to wait for the lock of a child that may have died holding it.
_LOCK_TIMEOUT = 0.05


class BoardRow:
    """The cells of one slot.

    Args:
        memory: writable, and shared by both sides; whoever made it frees it.
        lock: shared by both sides.
        offset: where its 64 bytes begin.
    """

    __slots__ = ("_lock", "_numbers", "_times")

    def __init__(self, memory: mmap.mmap | bytearray, lock: Any, offset: int = 0) -> None:
        cells = memoryview(memory)[offset : offset + ROW]
        self._numbers = cells.cast("Q")
        self._times = cells.cast("d")
        self._lock = lock

    # the child's side

    def claim(self, number: int) -> bool:
        """Start the job of this ``number``, unless it was taken back. No system call."""
        numbers, times = self._numbers, self._times
        lock = self._lock
        now = SYSTEM.monotonic()  # before: a thread that has the lock had better not be kept from going on
        lock.acquire()
        if number <= numbers[_BARRIER]:
            lock.release()
            return False
        times[_SINCE] = now
        numbers[_STARTED] = number
        numbers[_CURRENT] = number
        lock.release()
        return True

    def clear(self) -> None:
        """No job is running."""
        self._numbers[_CURRENT] = 0

    def resume(self, number: int) -> None:
        """Let the claimed job of this ``number`` run, after a pause that does not count."""
        self._times[_SINCE] = SYSTEM.monotonic()
        self._numbers[_CURRENT] = number

    @property
    def soft_target(self) -> int:
        """The job whose soft time limit has passed, 0 when none has."""
        return self._numbers[_SOFT]

    @property
    def end_target(self) -> int:
        """The job that is to end, 0 when none is."""
        return self._numbers[_END]

    # the parent's side

    @property
    def current(self) -> int:
        """The job that runs now, 0 when idle."""
        return self._numbers[_CURRENT]

    @property
    def started(self) -> int:
        """The highest job number that was ever started."""
        return self._numbers[_STARTED]

    @property
    def since(self) -> float:
        """Since when the current job runs, monotonic seconds; means something only while `current` is not 0."""
        return self._times[_SINCE]

    def take_back(self, last: int) -> int | None:
        """Bar every job up to number ``last`` that has not started.

        Returns:
            The highest started number: jobs above it are the parent's again. ``None`` when the lock could not be had (the child is dying).
        """
        if not self._lock.acquire(timeout=_LOCK_TIMEOUT):
            return None
        try:
            self._numbers[_BARRIER] = last
            return self._numbers[_STARTED]
        finally:
            self._lock.release()

    def pass_soft_limit(self, number: int) -> None:
        """Name the job, by its ``number``, that a soft-limit signal is meant for."""
        self._numbers[_SOFT] = number

    def ask_to_end(self, number: int) -> None:
        """Name the job, by its ``number``, that is to end; its neighbours go on."""
        self._numbers[_END] = number

    def close(self) -> None:
        """Let go of the memory."""
        self._numbers.release()
        self._times.release()


class Board:
    """A child's rows, one for each of its slots.

    Args:
        memory: made for so many slots.
        lock: shared by both sides.
        slots: how many.
    """

    def __init__(self, memory: mmap.mmap | bytearray, lock: Any, slots: int = 1) -> None:
        self.rows: tuple[BoardRow, ...] = tuple(BoardRow(memory, lock, ROW * number) for number in range(1, slots + 1))

    def close(self) -> None:
        """Let go of the memory."""
        for row in self.rows:
            row.close()


def private() -> bytearray:
    """Memory for a row inside one process."""
    return bytearray(ROW)
