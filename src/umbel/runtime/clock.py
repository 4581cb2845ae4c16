"""The two clocks, as one object that tests can replace. The only place that reads the time."""

from __future__ import annotations

import time
from dataclasses import dataclass
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


@dataclass
class FakeClock:
    """A clock that stands still until it is told to move."""

    wall: float = 1_893_456_000.0
    ticks: float = 0.0

    def now(self) -> float:
        return self.wall

    def monotonic(self) -> float:
        return self.ticks

    def advance(self, seconds: float) -> None:
        """Move both clocks forward."""
        self.wall += seconds
        self.ticks += seconds


SYSTEM = SystemClock()
