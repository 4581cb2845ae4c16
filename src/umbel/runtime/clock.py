"""The two clocks, as one object that tests can replace. What need not be tested at other times may ask the `time` module itself.

And a logical clock (Lamport's): it counts what happens, so that processes whose clocks differ agree on what came before what.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol

#: A time above this is no time that anybody has counted to: it is forged, or damaged, and would leave no room to count on.
_MOST = 1 << 60


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> float:
        """Wall time, seconds since the epoch: for what others read (eta, expires, ids)."""

    def monotonic(self) -> float:
        """Seconds that never run backwards: for leases, limits and heartbeats."""


class SystemClock:
    """The machine's clocks."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


SYSTEM = SystemClock()


class LogicalClock:
    """Counts; thread-safe. Every message that is sent carries its time, and every one that is received is later than its sending."""

    def __init__(self) -> None:
        self.value = 0
        self._lock = threading.Lock()

    def forward(self) -> int:
        """Count something that happens here; returns its time."""
        with self._lock:
            self.value += 1
            return self.value

    def adjust(self, other: object) -> int:
        """Count something that came from elsewhere; returns its time here.

        Args:
            other: the time at which it was sent; what is none counts as 0.
        """
        sent = other if isinstance(other, int) and not isinstance(other, bool) and 0 <= other < _MOST else 0
        with self._lock:
            self.value = max(self.value, sent) + 1
            return self.value
