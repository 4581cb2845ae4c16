"""The slot board: what a child is doing, in memory that its parent reads without asking.

One page is mapped by a child and its parent. The child stamps the job that it starts; the parent reads the stamp when it needs to
know: for time limits, for what is active, and above all after a death, when exactly the stamped job is to blame.

The same memory takes back work. A child runs its jobs in the order of their numbers, and a number is never used twice. So one number, the
*barrier*, says which waiting jobs the parent has taken back: the child starts a job only if its number is above the barrier. Both sides look and
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
#: The cells; behind them, from `LOCK` on, is room for the lock.
_CELLS = 64
LOCK = 64
_SIZE = 128
#: Seconds to wait for the lock of a child that may have died holding it.
_PATIENCE = 0.05


class Board:
    """One child's cells.

    Args:
        memory: at least 64 writable bytes that both sides share; whoever made it frees it.
        lock: shared by both sides.
    """

    __slots__ = ("_lock", "_numbers", "_times")

    def __init__(self, memory: mmap.mmap | bytearray, lock: Any) -> None:
        cells = memoryview(memory)[:_CELLS]
        self._numbers = cells.cast("Q")
        self._times = cells.cast("d")
        self._lock = lock

    # the child's side

    def claim(self, number: int) -> bool:
        """Start a job, unless it was taken back. No system call."""
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
        """A claimed job runs, after a pause that does not count."""
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
        """Bar every job up to ``last`` that has not started.

        Returns:
            The highest started number: jobs above it are the parent's again. ``None`` when the lock could not be had (the child is dying).
        """
        if not self._lock.acquire(timeout=_PATIENCE):
            return None
        try:
            self._numbers[_BARRIER] = last
            return self._numbers[_STARTED]
        finally:
            self._lock.release()

    def pass_soft_limit(self, number: int) -> None:
        """Name the job that a soft-limit signal is meant for."""
        self._numbers[_SOFT] = number

    def close(self) -> None:
        """Let go of the memory."""
        self._numbers.release()
        self._times.release()


class Memory:
    """A page that a child and its parent share. It has no name anywhere, so the kernel frees it with those who have it, however they end.

    It can be passed to a child as it starts; call `seal` then.

    Args:
        descriptor: of one that was passed; a new one is made without it.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = _create() if descriptor is None else descriptor
        self.map = mmap.mmap(self._descriptor, _SIZE)

    def __reduce__(self) -> tuple[Any, ...]:
        return _attach, (reduction.DupFd(self._descriptor),)

    def seal(self) -> None:
        """Nobody else will have it. Safe twice."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def close(self) -> None:
        """Unmap."""
        self.seal()
        self.map.close()


def _create() -> int:
    """A descriptor of an empty file of the right size, that has no name any more."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("umbel-board")
    else:
        descriptor, path = tempfile.mkstemp(prefix="umbel-board-")
        os.unlink(path)  # noqa: PTH108
    try:
        if hasattr(os, "posix_fallocate"):  # a page that is not there when it is first written to would end the process (SIGBUS)
            os.posix_fallocate(descriptor, 0, _SIZE)
        else:
            os.ftruncate(descriptor, _SIZE)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _attach(passed: Any) -> Memory:
    """The child's side of a memory."""
    memory = Memory(passed.detach())
    memory.seal()  # the mapping goes on
    return memory


def private() -> bytearray:
    """Memory for a board inside one process."""
    return bytearray(_CELLS)
