"""`crontab`: when the wall shows certain minutes, hours and days.

All fields must hold, the two of days as well (Celery's rule; in cron files it is either of the two).

**When clocks are changed**, a crontab does what Debian's cron does:

- With a ``*`` in its minute or hour (``*/15 * * * *``, ``0 */2 * * *``, ``*/10 3 * * *``), or with all 24 hours, it goes by the wall as it is seen: in the repeated
  hour it is due in both passes, and what the wall jumps over is not due. So every 15 minutes stay every 15 minutes.
- Else (``30 2 * * *``) each day has each time once: in a repeated hour in the first pass; in a gap at its end, once, however many times of it lie in the gap.

Celery jumps over the repeated hour of an hourly crontab, and may send what lies in the gap twice or not at all.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any, Final

from umbel.schedules import fields, words
from umbel.schedules.base import BaseSchedule, schedstate
from umbel.schedules.fields import ParseException
from umbel.schedules.zones import as_instant, at, first_instant, instants, is_repeated, repeat_begins, zone_name

Cronspec = int | str | Iterable[int]

#: Days of the months, at most; the first of them is no month.
_LENGTHS: Final = (0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MINUTE: Final = timedelta(minutes=1)
#: Years after which a day that has not come will not come: 29 February may be a Monday every 40 years only.
_YEARS: Final = 41


class crontab(BaseSchedule):  # noqa: N801 - Celery's name
    """A task is due at certain times of certain days.

    Args:
        minute: 0 to 59: a number, text such as ``*/15`` or ``0,30``, or several numbers.
        hour: 0 to 23.
        day_of_week: 0 (Sunday) to 6, or names: ``mon-fri``. 7 is Sunday, too.
        day_of_month: 1 to 31.
        month_of_year: 1 to 12, or names.
        nowfun: see `BaseSchedule`.
        app: see `BaseSchedule`.
        timezone: see `BaseSchedule`.

    Raises:
        ParseException: a field cannot be understood.
    """

    minute: frozenset[int]
    hour: frozenset[int]
    day_of_week: frozenset[int]
    day_of_month: frozenset[int]
    month_of_year: frozenset[int]

    def __init__(
        self,
        minute: Cronspec = "*",
        hour: Cronspec = "*",
        day_of_week: Cronspec = "*",
        day_of_month: Cronspec = "*",
        month_of_year: Cronspec = "*",
        nowfun: Callable[[], datetime] | None = None,
        app: Any = None,
        timezone: Any = None,
    ) -> None:
        super().__init__(nowfun, app, timezone)
        self._orig_minute, self.minute = fields.MINUTE.take(minute)
        self._orig_hour, self.hour = fields.HOUR.take(hour)
        self._orig_day_of_week, self.day_of_week = fields.DAY_OF_WEEK.take(day_of_week)
        self._orig_day_of_month, self.day_of_month = fields.DAY_OF_MONTH.take(day_of_month)
        self._orig_month_of_year, self.month_of_year = fields.MONTH_OF_YEAR.take(month_of_year)
        if all(min(self.day_of_month) > _LENGTHS[month] for month in self.month_of_year):
            raise ParseException(f"crontab: day_of_month {day_of_month!r} never comes in month_of_year {month_of_year!r}")
        self._minutes, self._hours = sorted(self.minute), sorted(self.hour)
        stars = any("*" in given for given in (self._orig_minute, self._orig_hour) if isinstance(given, str))
        #: Whether it goes by the wall as it is seen, when clocks are changed.
        self.follows_wall: bool = stars or fields.HOUR.is_all(self.hour)

    @classmethod
    def from_string(cls, crontab: str, **options: Any) -> crontab:
        """Make one of a line of a cron file.

        Args:
            crontab: minute, hour, day of the month, month, day of the week.
            options: further arguments of the class.

        Raises:
            ParseException: it is no such line.
        """
        parts = str(crontab).split()
        if len(parts) != 5:
            raise ParseException(f"crontab: {crontab!r}: expected five fields, minute hour day month weekday, as in '30 7 * * mon-fri'")
        minute, hour, day_of_month, month_of_year, day_of_week = parts
        return cls(minute, hour, day_of_week, day_of_month, month_of_year, **options)

    # slots

    def next_after(self, after: float, anchor: float | None = None) -> float | None:  # noqa: ARG002
        moment = at(after, self.tz)
        begin = moment.replace(tzinfo=None, fold=0, second=0, microsecond=0) + _MINUTE
        return self._next_seen(moment, after, begin) if self.follows_wall else self._next_fixed(after, begin)

    def _next_fixed(self, after: float, begin: datetime) -> float | None:
        """Find the next of the times that each day has once."""
        zone = self.tz
        wall = self._next_wall(begin)
        while wall is not None:
            slot = first_instant(wall, zone)
            if slot > after:
                return slot
            wall = self._next_wall(wall + _MINUTE)
        return None

    def _next_seen(self, moment: datetime, after: float, begin: datetime) -> float | None:
        """Find the next moment at which the wall shows one of the times."""
        zone = self.tz
        wall = self._next_wall(begin)
        if moment.fold == 0 and is_repeated(moment.replace(tzinfo=None), zone):
            # In the first pass of a repeated hour: times of its beginning will come again before the next that lies after the hour.
            if wall is not None and is_repeated(wall, zone):
                return instants(wall, zone)[0]
            wall = self._next_wall(repeat_begins(moment))
        while wall is not None:
            for slot in instants(wall, zone):
                if slot > after:
                    return slot
            wall = self._next_wall(wall + _MINUTE)
        return None

    def _next_wall(self, begin: datetime) -> datetime | None:
        """Find the first wall time that fits, not before ``begin``, which is a whole minute."""
        day = begin.replace(hour=0, minute=0)
        if self._fits(day):
            hours = self._hours[bisect_left(self._hours, begin.hour) :]
            for hour in hours:
                left = self._minutes if hour > begin.hour else self._minutes[bisect_left(self._minutes, begin.minute) :]
                if left:
                    return day.replace(hour=hour, minute=left[0])
        found = self._next_day(day)
        return None if found is None else found.replace(hour=self._hours[0], minute=self._minutes[0])

    def _fits(self, day: datetime) -> bool:
        return day.month in self.month_of_year and day.day in self.day_of_month and day.isoweekday() % 7 in self.day_of_week

    def _next_day(self, day: datetime) -> datetime | None:
        """Find the first day that fits, after this one."""
        last = min(day.year + _YEARS, 9999)
        try:
            while day.year <= last:
                day += timedelta(days=1)
                if day.month not in self.month_of_year:
                    day = day.replace(day=28) + timedelta(days=4)  # in the next month
                    day = day.replace(day=1) - timedelta(days=1)
                elif self._fits(day):
                    return day
        except OverflowError:  # the year 10000
            pass
        return None

    # Celery's questions

    def is_due(self, last_run_at: datetime) -> schedstate:
        """Report whether it is due now, and the seconds after which to ask again.

        With ``beat_cron_starting_deadline``, a time that passed longer ago than that is not due any more.

        Args:
            last_run_at: when it was sent last.
        """
        found = super().is_due(last_run_at)
        deadline = self.starting_deadline
        if found.is_due and deadline is not None:
            now = as_instant(self.now())
            slot = self.next_after(max(as_instant(last_run_at), now - deadline - 1e-6))
            if slot is None or slot > now:
                return schedstate(False, found.next)
        return found

    @property
    def starting_deadline(self) -> float | None:
        """The setting ``beat_cron_starting_deadline``: seconds."""
        app = self.app
        return None if app is None else app.conf.beat_cron_starting_deadline

    @property
    def sentence(self) -> str:
        zone = "" if self._zone is None else f" ({zone_name(self._zone)})"
        return words.of_crontab(self.minute, self.hour, self.day_of_month, self.month_of_year, self.day_of_week) + zone

    @property
    def texts(self) -> tuple[str, str, str, str, str]:
        """The fields as text, in the order of a cron file."""
        given = (self._orig_minute, self._orig_hour, self._orig_day_of_month, self._orig_month_of_year, self._orig_day_of_week)
        minute, hour, day, month, weekday = map(fields.text_of, given)
        return minute, hour, day, month, weekday

    def _key(self) -> Any:
        zone = None if self._zone is None else zone_name(self._zone)
        return (
            "crontab", self.minute, self.hour, self.day_of_month, self.month_of_year, self.day_of_week, self.follows_wall, zone,
        )  # fmt: skip

    def __repr__(self) -> str:
        given = (self._orig_minute, self._orig_hour, self._orig_day_of_month, self._orig_month_of_year, self._orig_day_of_week)
        return f"<crontab: {' '.join(map(str, given))} (m/h/dM/MY/d)>"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (
            self._orig_minute, self._orig_hour, self._orig_day_of_week, self._orig_day_of_month, self._orig_month_of_year,
            self.nowfun, None, self._zone,
        )  # fmt: skip
