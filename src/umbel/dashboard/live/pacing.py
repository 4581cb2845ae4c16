"""`Pacing`: decides which part of the tasks is kept, by how busy the thread is that keeps them. Pure."""

from __future__ import annotations

from typing import Final

#: Parts of one processor above which less is kept, and below which more is.
BUSY: Final = 0.45
IDLE: Final = 0.15
#: Seconds over which that is measured.
OVER: Final = 2.0
#: One of so many is kept at least.
MOST: Final = 64


class Pacing:
    """Keeps the time of a thread.

    Args:
        now: seconds that never run backwards.
        spent: seconds of processor time of the thread.
    """

    def __init__(self, now: float, spent: float) -> None:
        self._since = now
        self._spent = spent
        self.sample: int = 1

    def look(self, now: float, spent: float) -> int:
        """Return one of how many tasks is to be kept.

        Args:
            now: as at the beginning.
            spent: likewise.
        """
        passed = now - self._since
        if passed >= OVER:
            busy = (spent - self._spent) / passed
            if busy > BUSY:
                self.sample = min(MOST, self.sample * 2)
            elif busy < IDLE:
                self.sample = max(1, self.sample // 2)
            self._since, self._spent = now, spent
        return self.sample
