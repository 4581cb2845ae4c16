"""The lock of a slot board: a semaphore inside the memory that both sides share.

`multiprocessing.Lock` keeps its semaphore's name in ``/dev/shm`` for as long as it lives. Whoever kills a worker's whole process group leaves the
names behind, and nothing ever removes them. A semaphore in the board's own memory has no name. The C library makes it, and
what `multiprocessing.Lock` is made of takes it and releases it, without a call through ctypes.

Where the C library has no such semaphores (macOS), or does not bear that one which it did not open is closed (musl), it has a name until the
child has it, too.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any

from umbel.pools.board.memory import Memory
from umbel.pools.board.rows import LOCK

try:
    # What multiprocessing.Lock is made of; it has no public name, and no types.
    from _multiprocessing import SemLock, sem_unlink  # type: ignore[import-not-found]
except ImportError:  # Windows, where there is no prefork pool
    SemLock = sem_unlink = None

#: A semaphore that may be released by another process than the one that took it.
_KIND = 1


def _has_glibc() -> bool:
    try:
        return bool(os.confstr("CS_GNU_LIBC_VERSION"))
    except (AttributeError, OSError, ValueError):
        return False


IS_NAMELESS = _has_glibc()


class SharedLock:
    """A lock between two processes. It can be passed to a child as it starts, with the memory.

    Args:
        memory: where it is.
    """

    def __init__(self, memory: Memory) -> None:
        self._cell: Any = None
        self._memory = memory
        self._name = None if IS_NAMELESS else f"/umbel-{os.urandom(8).hex()}"
        self._has_name = not IS_NAMELESS
        if IS_NAMELESS:
            self._open(is_new=True)
        else:
            self._take(SemLock(_KIND, 1, 1, self._name, False))

    def _open(self, *, is_new: bool) -> None:
        import ctypes

        # As long as this lives the memory cannot be unmapped: the semaphore would take the process with it.
        self._cell = ctypes.c_char.from_buffer(self._memory.map, LOCK)
        address = ctypes.addressof(self._cell)
        if is_new and ctypes.CDLL(None, use_errno=True).sem_init(ctypes.c_void_p(address), 1, 1):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        self._take(SemLock._rebuild(address, _KIND, 1, None))  # noqa: SLF001 - as multiprocessing does

    def _take(self, semaphore: Any) -> None:
        self.acquire: Callable[..., Any] = semaphore.acquire
        self.release: Callable[..., Any] = semaphore.release

    def __getstate__(self) -> tuple[Memory, str | None]:
        return self._memory, self._name

    def __setstate__(self, state: tuple[Memory, str | None]) -> None:
        self._memory, self._name = state
        self._has_name, self._cell = False, None
        if self._name is None:
            self._open(is_new=False)
        else:
            self._take(SemLock._rebuild(0, _KIND, 1, self._name))  # noqa: SLF001 - likewise

    def forget_name(self) -> None:
        """Remove the name, if it has one; the lock lives on in who has it. Safe twice."""
        if self._has_name:
            self._has_name = False
            with contextlib.suppress(FileNotFoundError):
                sem_unlink(self._name)

    def close(self) -> None:
        """Let go of the memory, which may be unmapped then. Safe twice."""
        self.forget_name()
        self.acquire = self.release = _closed
        self._cell = None


def _closed(*_: Any, **__: Any) -> Any:
    raise ValueError("the lock is closed")
