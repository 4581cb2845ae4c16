"""The time that publishing calls may wait until the broker has read what they wrote. Pure.

Such a wait protects against the end of the publishing process: a broker gives up a connection that has ended, and what it has not read or
routed by then is lost. A wait takes a tenth of a millisecond or two. It would cost a loop that publishes thousands of messages half of its
rate, and such a loop is seldom cut off behind its last call. So waiting has a budget, which the time between calls fills again.
Child processes have no such bound: they are often short-lived, and ended by their parent's signal. Where a broker is slow to read, the first calls
of a process are free: a program that publishes a few messages and is ended must not lose them.
"""

from __future__ import annotations

from typing import Final

from umbel.runtime.process_hooks import is_child_process

#: Seconds of waiting that a loop of calls may cost.
BUDGET: Final = 0.03
#: Seconds between two calls beyond which the caller has other things to do; and the share of that time by which its budget grows.
_TIGHT: Final = 0.0002
_REFILL: Final = 0.5


class WaitBudget:
    """The seconds that the calls of one process may wait.

    Args:
        most: seconds in one loop of calls.
        calls: how many calls may wait at first without using it up.
    """

    __slots__ = ("_calls", "_is_free", "_left", "_most", "_seen")

    def __init__(self, most: float, calls: int = 0) -> None:
        self._calls = calls
        self._is_free = False
        self._most = most
        self._left = most
        self._seen = 0.0

    @classmethod
    def of_process(cls, calls: int = 0) -> WaitBudget:
        """The budget of this process.

        Args:
            calls: how many calls may wait at first without using it up.
        """
        return cls(float("inf") if is_child_process() else BUDGET, calls)

    def allows(self, now: float) -> bool:
        """Tell whether the call that begins now may wait.

        Args:
            now: monotonic seconds.
        """
        if (gap := now - self._seen) > _TIGHT:
            self._left = min(self._most, self._left + (gap - _TIGHT) * _REFILL)
        self._seen = now
        self._is_free = self._calls > 0
        self._calls -= self._is_free
        return self._is_free or self._left > 0

    @property
    def is_spent(self) -> bool:
        """Tell whether nothing is left of it for the call that waits."""
        return self._left <= 0 and not self._is_free

    def spend(self, seconds: float, now: float) -> None:
        """Note that a call has waited.

        Args:
            seconds: how long.
            now: when it ended, monotonic seconds.
        """
        if not self._is_free:
            self._left -= seconds
        self._seen = now
