"""The two clocks, as one object that tests can replace. What need not be tested at other times may ask the `time` module itself."""

from __future__ import annotations

import time
from typing import Protocol


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
