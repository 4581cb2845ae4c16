"""Memory without a name, for a slot board that two processes share."""

from __future__ import annotations

import mmap
import os
import tempfile
from multiprocessing import reduction
from typing import Any

from umbel.pools.board.rows import ROW


class Memory:
    """Pages that a child and its parent share. They have no name anywhere, so the kernel frees them with those who have them, however they end.

    It can be passed to a child as it starts; call `seal` then.

    Args:
        slots: how many rows it has room for, and the lock.
        descriptor: of one that was passed; a new one is made without it.
    """

    def __init__(self, slots: int = 1, descriptor: int | None = None) -> None:
        self._slots = slots
        size = ROW * (slots + 1)
        self._descriptor = _create(size) if descriptor is None else descriptor
        self.map: mmap.mmap = mmap.mmap(self._descriptor, size)

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
