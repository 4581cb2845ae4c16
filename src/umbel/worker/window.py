"""How many unsettled messages a worker asks for: pure.

Too few and children wait for the broker; too many and messages wait in one worker while another is idle. So the window follows the measured
rate: enough for a tenth of a second. Slow tasks get no reserve at all: one message per slot, fetched when the slot is free. Few slow tasks among
many quick ones count as slow: the mean says for how long a message that waits behind them is kept from other workers.
"""

from __future__ import annotations

import math

from umbel.pools.sharing import OVERDUE

#: Seconds of work to have at hand.
REACH = 0.1
#: Unsettled messages, at most.
CEILING = 2000
#: Completions per second and slot below which nothing is kept in reserve.
SLOW = 5.0
#: Seconds that a task takes in the mean above which nothing is kept in reserve.
LONG = 0.010
#: Seconds over which that mean is taken: slow tasks may be rare.
_MEMORY = 5.0


def window(slots: int, rate: float, *, runtime: float = 0.0, multiplier: int | None, held: int) -> int:
    """The number of unsettled messages to allow.

    Args:
        slots: jobs at a time.
        rate: completions per second, lately.
        runtime: what a task took lately, a mean in seconds.
        multiplier: the user's fixed number per slot; ``None`` follows the rate, 0 is no limit.
        held: messages that wait in memory for their time; they need room of their own.
    """
    if multiplier is not None:
        return (slots * multiplier if multiplier else 65_535) + held
    reserve = 0 if rate < SLOW * slots or runtime > LONG else math.ceil(rate * REACH)
    return min(CEILING, slots + reserve) + held


def had_better_go(count: int, jammed: float, runtime: float) -> bool:
    """Whether messages that wait here had better go to another worker at once.

    Only where tasks are slow in the mean: then there are few, and they may wait for long. Where tasks are quick there are hundreds, a slot is free in
    a moment, and to hand them back and have them delivered again, as messages that were out before, costs several times what they would wait.

    Args:
        count: how many wait.
        jammed: for how long no slot has become free, seconds.
        runtime: what a task took lately, a mean in seconds.
    """
    return count > 0 and runtime > LONG and jammed > OVERDUE


class Rate:
    """Completions per second, a mean over about half a second; and what one of them took, a mean over some seconds."""

    __slots__ = ("_completions", "_last", "_worked", "value")

    def __init__(self, now: float) -> None:
        self._last = now
        self.value = 0.0
        self._completions = 0.0
        self._worked = 0.0

    @property
    def runtime(self) -> float:
        """Seconds that a task took in the mean; 0 when none was seen."""
        return self._worked / self._completions if self._completions else 0.0

    def tick(self, completions: int, worked: float, now: float) -> None:
        """Note what was completed since the last tick.

        Args:
            completions: how many tasks.
            worked: seconds that they took together.
            now: monotonic seconds.
        """
        passed = now - self._last
        if passed <= 0:
            return
        weight = min(1.0, passed / 0.25)
        self.value += (completions / passed - self.value) * weight
        kept = math.exp(-passed / _MEMORY)
        self._completions = self._completions * kept + completions
        self._worked = self._worked * kept + worked
        self._last = now
