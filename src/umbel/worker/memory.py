"""max_memory_per_child: replace a child that has grown too large, after its current job."""

from __future__ import annotations

import mmap
from pathlib import Path

from umbel.worker.dispatching import Dispatcher

#: Seconds between looks.
_EVERY = 0.5


class MemoryWatch:
    """Watches the resident memory of children.

    Args:
        dispatcher: who the children are.
        most: KiB; ``None`` watches nothing.
    """

    def __init__(self, dispatcher: Dispatcher, most: int | None) -> None:
        self._dispatcher = dispatcher
        self._most = most
        self._next = 0.0

    def look(self, now: float) -> None:
        """Retire who is too large.

        Args:
            now: monotonic seconds.
        """
        if not self._most or now < self._next:
            return
        self._next = now + _EVERY
        for station in list(self._dispatcher.stations.values()):
            if not station.is_spent and resident(station.seat.pid) > self._most:
                self._dispatcher.retire(station)


def resident(pid: int | None) -> int:
    """Resident memory of a process, KiB; 0 where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError, ValueError):
        return 0
    return pages * mmap.PAGESIZE // 1024
