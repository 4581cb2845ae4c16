"""The slot board: what each slot of a child is doing, in memory that its parent reads without asking.

A few pages are mapped by a child and its parent. For each slot there is a row. The child stamps there the job that the slot starts; the parent
reads the stamp when it needs to know: for time limits, for what is active, and above all after a death, when exactly the stamped jobs are to blame.

The same memory takes back work. A slot runs its jobs in the order of their numbers, and a number is never used twice. So one number, the
*barrier*, says which of its waiting jobs the parent has taken back: the slot starts a job only if its number is above the barrier. Both sides look and
write under one lock, which is held for less than a microsecond.

======== ======= =========== ==========================================
cell     written meaning
======== ======= =========== ==========================================
CURRENT  child   job running now, 0 when idle
STARTED  child   highest job number ever started
SINCE    child   since when CURRENT runs, monotonic seconds
BARRIER  parent  jobs up to this number that have not started are taken back
SOFT     parent  job whose soft time limit has passed
======== ======= =========== ==========================================
"""

from __future__ import annotations

import mmap
import os
import tempfile
from multiprocessing import reduction
from typing import Any

from umbel.runtime.clock import SYSTEM

_CURRENT, _STARTED, _SINCE, _BARRIER, _SOFT = range(5)
#: Bytes of a row: a line of a processor's cache, so that slots on two processors do not wait for each other.
_ROW = 64
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
        cells = memoryview(memory)[offset : offset + _ROW]
        self._numbers = cells.cast("Q")
        self._times = cells.cast("d")
        self._lock = lock

    # the child's side

    def claim(self, number: int) -> bool:
        """Start the job of this ``number``, unless it was taken back. No system call."""
        numbers = self._numbers
        lock = self._lock
        lock.acquire()
        if number <= numbers[_BARRIER]:
            lock.release()
            return False
        self._times[_SINCE] = SYSTEM.monotonic()
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
        self.rows = tuple(BoardRow(memory, lock, _ROW * number) for number in range(1, slots + 1))

    def close(self) -> None:
        """Let go of the memory."""
        for row in self.rows:
            row.close()


class Memory:
    """Pages that a child and its parent share. They have no name anywhere, so the kernel frees them with those who have them, however they end.

    It can be passed to a child as it starts; call `seal` then.

    Args:
        slots: how many rows it has room for, and the lock.
        descriptor: of one that was passed; a new one is made without it.
    """

    def __init__(self, slots: int = 1, descriptor: int | None = None) -> None:
        self._slots = slots
        size = _ROW * (slots + 1)
        self._descriptor = _create(size) if descriptor is None else descriptor
        self.map = mmap.mmap(self._descriptor, size)

    def __reduce__(self) -> tuple[Any, ...]:
        return _attach, (self._slots, reduction.DupFd(self._descriptor))

    def seal(self) -> None:
        """Nobody else will have it. Safe twice."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def close(self) -> None:
        """Unmap."""
        self.seal()
        self.map.close()


def _create(size: int) -> int:
    """A descriptor of an empty file of the right size, that has no name any more."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("umbel-board")
    else:
        descriptor, path = tempfile.mkstemp(prefix="umbel-board-")
        os.unlink(path)  # noqa: PTH108
    try:
        if hasattr(os, "posix_fallocate"):  # a page that is not there when it is first written to would end the process (SIGBUS)
            os.posix_fallocate(descriptor, 0, size)
        else:
            os.ftruncate(descriptor, size)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _attach(slots: int, passed: Any) -> Memory:
    """The child's side of a memory."""
    memory = Memory(slots, passed.detach())
    memory.seal()  # the mapping goes on
    return memory


def private() -> bytearray:
    """Memory for a row inside one process."""
    return bytearray(_ROW)
