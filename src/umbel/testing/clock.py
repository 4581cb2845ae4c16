"""A clock for tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class FakeClock:
    """A clock that stands still until it is told to move."""

    #: Seconds since the epoch.
    wall: float = 1_893_456_000.0
    #: Seconds since some moment.
    ticks: float = 0.0

    def now(self) -> float:
        """The time of day, seconds since the epoch."""
        return self.wall

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return self.ticks

    def advance(self, seconds: float) -> None:
        """Move both forward."""
        self.wall += seconds
        self.ticks += seconds
