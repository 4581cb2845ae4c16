"""How many unsettled messages a worker asks for: pure.

Too few and children wait for the broker; too many and messages wait in one worker while another is idle. So the window follows the measured
rate: enough for a tenth of a second. Slow tasks get no reserve at all: one message per slot, fetched when the slot is free.
"""

from __future__ import annotations

import math

#: Seconds of work to have at hand.
REACH = 0.1
#: Unsettled messages, at most.
CEILING = 2000
#: Completions per second and slot below which nothing is kept in reserve.
SLOW = 5.0


def window(slots: int, rate: float, *, multiplier: int | None, held: int) -> int:
    """The number of unsettled messages to allow.

    Args:
        slots: jobs at a time.
        rate: completions per second, lately.
        multiplier: the user's fixed number per slot; ``None`` follows the rate, 0 is no limit.
        held: messages that wait in memory for their time; they need room of their own.
    """
    if multiplier is not None:
        return (slots * multiplier if multiplier else 65_535) + held
    reserve = 0 if rate < SLOW * slots else math.ceil(rate * REACH)
    return min(CEILING, slots + reserve) + held


class Rate:
    """Completions per second: a mean over about half a second."""

    __slots__ = ("_last", "value")

    def __init__(self, now: float) -> None:
        self._last = now
        self.value = 0.0

    def tick(self, completions: int, now: float) -> None:
        """Note how many tasks were completed since the last tick."""
        passed = now - self._last
        if passed <= 0:
            return
        weight = min(1.0, passed / 0.25)
        self.value += (completions / passed - self.value) * weight
        self._last = now
