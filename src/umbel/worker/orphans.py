"""The duty of process 1 of a container: orphans become its children, and somebody must take note of their end."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from umbel.runtime.service import Periodic

logger: logging.Logger = logging.getLogger("umbel.worker")

#: Seconds between two looks. Whoever has a child of this process in hand takes note of its end within that time.
_INTERVAL: Final = 5.0


class Orphans(Periodic):
    """Takes note of the end of processes that nobody waits for: programs that a task has left behind.

    Who died just now is left alone until the next look: it may be somebody's after all, a program that a service of the worker runs.
    """

    def __init__(self) -> None:
        super().__init__(_INTERVAL)
        self._seen: set[int] = set()

    def look(self, now: float) -> None:  # noqa: ARG002 - each time
        """Take note of those that were dead at the last look already.

        Args:
            now: monotonic seconds.
        """
        dead = set(_dead_children())
        for pid in dead & self._seen:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
                logger.debug("Process %d, which a task has left behind, has ended", pid)
        self._seen = dead - self._seen


def make_orphans() -> list[Orphans]:
    """Make the service where it is needed: in process 1, on Linux."""
    return [Orphans()] if os.getpid() == 1 and Path("/proc/self/stat").exists() else []


def _dead_children() -> Iterator[int]:
    """Yield the children of this process that have ended and that nobody has waited for."""
    me = str(os.getpid())
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            with contextlib.suppress(OSError, ValueError):
                state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
                if state == "Z" and parent == me:
                    yield int(folder.name)
