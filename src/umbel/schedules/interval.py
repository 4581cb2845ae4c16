"""`schedule`: every so many seconds."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from umbel.errors import ImproperlyConfigured
from umbel.schedules import words
from umbel.schedules.base import BaseSchedule, schedstate
from umbel.schedules.zones import as_instant, at, first_instant, instants, zone_name

_DAY: Final = 86400.0
_HOUR: Final = 3600.0
_MINUTE: Final = 60.0
#: The units that a relative schedule is rounded down to, in seconds.
_UNITS: Final = (_DAY, _HOUR, _MINUTE, 1.0)
#: The shortest interval, in seconds: below it a scheduler would do nothing else.
_SHORTEST: Final = 0.001
#: Seconds of the longest, a thousand years: the next time must be a date that can be written.
_LONGEST: Final = 365_000 * 86_400


def seconds_of(interval: Any) -> float:
    """Check an interval.

    Args:
        interval: seconds or a timedelta.

    Raises:
        ImproperlyConfigured: it is no number, not positive, or longer than a thousand years.
    """
    seconds = interval.total_seconds() if isinstance(interval, timedelta) else interval
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not _SHORTEST <= seconds <= _LONGEST:
        raise ImproperlyConfigured(
            f"an interval is {interval!r}: expected a positive number of seconds, or a timedelta, of at most 365,000 days"
        )
    return float(seconds)


class schedule(BaseSchedule):  # noqa: N801 - Celery's name
    """A task is due every so many seconds, on a grid: a run that is late does not make the next one late.

    The grid begins where its entry did. A relative one is rounded down to the unit of the interval, as in Celery: every hour on the hour, every day at
    midnight of its zone.

    Args:
        run_every: seconds, or a timedelta.
        relative: round down to whole days, hours, minutes or seconds.
        nowfun: see `BaseSchedule`.
        app: see `BaseSchedule`.
        timezone: see `BaseSchedule`.

    Raises:
        ImproperlyConfigured: the interval is no positive number of seconds.
    """

    def __init__(
        self,
        run_every: float | timedelta | None = None,
        relative: bool = False,
        nowfun: Callable[[], datetime] | None = None,
        app: Any = None,
        timezone: Any = None,
    ) -> None:
        super().__init__(nowfun, app, timezone)
        self._seconds = seconds_of(run_every)
        #: The interval.
        self.run_every: timedelta = timedelta(seconds=self._seconds)
        #: Whether it is rounded down.
        self.relative: bool = bool(relative)

    @property
    def seconds(self) -> float:
        """The interval in seconds."""
        return self._seconds

    @property
    def human_seconds(self) -> str:
        """The interval in words."""
        return words.duration(self._seconds)

    @property
    def longest_wait(self) -> float | None:
        return None if self.relative else self._seconds

    def next_after(self, after: float, anchor: float | None = None) -> float | None:
        begin = after if anchor is None else anchor
        if self.relative:
            return self._next_rounded(after, begin)
        steps = max(1, math.floor((after - begin) / self._seconds) + 1)
        slot = begin + steps * self._seconds
        while slot <= after:  # what rounding may cost
            steps += 1
            slot = begin + steps * self._seconds
        return slot

    def _next_rounded(self, after: float, begin: float) -> float:
        """Walk the grid of a relative schedule: from the whole unit before ``begin`` and one interval, as many units as are in the interval."""
        unit = next((unit for unit in _UNITS if self._seconds >= unit), None)
        if unit is None:  # less than a second is not rounded
            return begin + (max(0, math.floor((after - begin) / self._seconds)) + 1) * self._seconds
        step = math.floor(self._seconds / unit)
        zone = self.tz
        if unit == _DAY:
            first = (at(begin, zone).replace(tzinfo=None, fold=0) + self.run_every).replace(hour=0, minute=0, second=0, microsecond=0)
            days = (at(after, zone).replace(tzinfo=None, fold=0) - first).days
            steps = max(0, days // step)
            while (slot := _midnight(first + timedelta(days=steps * step), zone, begin)) <= after:
                steps += 1
            return slot
        # Rounded on the wall, anew for each: zones differ by half hours, and some change their clocks by half an hour.
        steps = max(0, math.floor((after - begin - self._seconds) / (step * unit)))
        while (slot := _rounded(begin + self._seconds + steps * step * unit, unit, zone)) <= after:
            steps += 1
        return slot

    def is_due(self, last_run_at: datetime) -> schedstate:
        remaining = self.remaining_estimate(last_run_at).total_seconds()
        if remaining > 0:
            return schedstate(False, remaining)
        # On the day on which clocks change, a rounded interval is shorter or longer.
        return schedstate(True, self.remaining_estimate(self.now()).total_seconds() if self.relative else self._seconds)

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:
        last = as_instant(last_run_at)
        slot = self.next_after(last, last)
        assert slot is not None
        return timedelta(seconds=slot - as_instant(self.now()))

    @property
    def sentence(self) -> str:
        return words.interval(self._seconds, relative=self.relative)

    def _key(self) -> Any:
        return "schedule", self._seconds, self.relative, None if self._zone is None else zone_name(self._zone)

    def __repr__(self) -> str:
        return f"<freq: {words.duration(self._seconds)}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.run_every, self.relative, self.nowfun, None, self._zone)


def _midnight(day: datetime, zone: tzinfo, begin: float) -> float:
    """The midnight with which a day begins: the first, or the second where the clock was put back over it and the first was before ``begin``."""
    found = first_instant(day, zone)
    return found if found > begin else max(instants(day, zone), default=found)


def _rounded(instant: float, unit: float, zone: tzinfo) -> float:
    """The whole hour, minute or second on the wall that is not after an instant; where clocks went over it, the moment in which they did."""
    wall = at(instant, zone)
    second, minute = wall.second if unit < _MINUTE else 0, wall.minute if unit < _HOUR else 0
    wall = wall.replace(tzinfo=None, fold=0, microsecond=0, second=second, minute=minute)
    return max((each for each in instants(wall, zone) if each <= instant), default=first_instant(wall, zone))
