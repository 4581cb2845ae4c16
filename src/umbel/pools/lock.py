"""The lock of a slot board: a semaphore that has a name only until the child has it, too.

`multiprocessing.Lock` keeps its semaphore's name in ``/dev/shm`` for as long as it lives. Whoever kills a worker's whole process group leaves the
names behind, and nothing ever removes them.
"""

from __future__ import annotations

import contextlib
import os
from multiprocessing.context import BaseContext
from typing import Any

try:
    # What multiprocessing.Lock is made of; it has no public name, and no types.
    from _multiprocessing import SemLock, sem_unlink  # type: ignore[import-not-found]
except ImportError:  # Windows, where semaphores go with their processes
    sem_unlink = None

#: A semaphore that may be released by another process than the one that took it.
_KIND = 1


def create(context: BaseContext) -> Any:
    """A new lock that can be passed to a child of this context as it starts."""
    return context.Lock() if sem_unlink is None else SharedLock()


class SharedLock:
    """A lock between two processes. `forget_name` once both have it."""

    def __init__(self) -> None:
        self._name = f"/umbel-{os.urandom(8).hex()}"
        self._take(SemLock(_KIND, 1, 1, self._name, False))
        self._has_name = True

    def _take(self, semaphore: Any) -> None:
        self.acquire = semaphore.acquire
        self.release = semaphore.release

    def __getstate__(self) -> str:
        return self._name

    def __setstate__(self, name: str) -> None:
        self._name, self._has_name = name, False
        self._take(SemLock._rebuild(0, _KIND, 1, name))  # noqa: SLF001 - as multiprocessing does

    def forget_name(self) -> None:
        """Remove the name; the lock lives on in who has it. Safe twice."""
        if self._has_name:
            self._has_name = False
            with contextlib.suppress(FileNotFoundError):
                sem_unlink(self._name)
