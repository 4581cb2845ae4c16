"""`BaseSchedule`: what every schedule is. A subclass of one's own says `BaseSchedule.is_due`, as in Celery, or `BaseSchedule.next_after`.

The schedules of this package are pure: a **slot** is an instant at which a task is due, and ``next_after(t, anchor)`` is the first slot after t. It depends on
nothing but its arguments, so any number of schedulers, on any machines, find the same slots. Celery's methods (`is_due`, `remaining_estimate`) follow from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from umbel import current
from umbel.runtime.clock import SYSTEM
from umbel.schedules.zones import as_instant, at, load_zone


class schedstate(NamedTuple):  # noqa: N801 - Celery's name
    """The answer of `BaseSchedule.is_due`."""

    #: Send the task now.
    is_due: bool
    #: Seconds after which to ask again.
    next: float


class BaseSchedule:
    """A rule that says when a task is due.

    Args:
        nowfun: returns the time, a datetime; the app's clock when not given.
        app: whose clock, zone and settings are used; the current app when not given.
        timezone: the zone in which it counts days and hours: an IANA name or a tzinfo; the app's when not given.

    Raises:
        ImproperlyConfigured: there is no such zone.
    """

    _zone: tzinfo | None = None

    def __init__(self, nowfun: Callable[[], datetime] | None = None, app: Any = None, timezone: Any = None) -> None:
        self.nowfun = nowfun
        self._app = app
        if timezone is not None:  # a subclass may have set its own
            self._zone = load_zone(timezone)

    # what it needs to know

    @property
    def app(self) -> Any:
        """The app, or ``None`` where there is none."""
        return self._app if self._app is not None else current.find_app()

    @app.setter
    def app(self, app: Any) -> None:
        self._app = app

    @property
    def timezone(self) -> tzinfo | None:
        """The zone of this schedule alone; ``None`` where it follows the app."""
        return self._zone

    @property
    def tz(self) -> tzinfo:
        """The zone in which it counts."""
        if self._zone is not None:
            return self._zone
        app = self.app
        zone: tzinfo = UTC if app is None else app.timezone
        return zone

    @tz.setter
    def tz(self, zone: Any) -> None:
        self._zone = load_zone(zone)

    @property
    def utc_enabled(self) -> bool:
        """Report whether times without a zone are UTC; they always are."""
        return True

    def now(self) -> datetime:
        """Return the time, aware."""
        if self.nowfun is not None:
            return self.maybe_make_aware(self.nowfun())
        app = self.app
        return at(SYSTEM.now(), self.tz) if app is None else app.now().astimezone(self.tz)

    def maybe_make_aware(self, moment: datetime) -> datetime:
        """Put a time without a zone, which is UTC, into this schedule's zone.

        Args:
            moment: aware or not.
        """
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC).astimezone(self.tz)

    to_local = maybe_make_aware

    # slots

    def next_after(self, after: float, anchor: float | None = None) -> float | None:
        """Return the first slot after an instant; ``None`` when there is none any more.

        Args:
            after: seconds since the epoch.
            anchor: seconds since the epoch: where an interval began to count.
        """
        raise NotImplementedError

    @property
    def longest_wait(self) -> float | None:
        """Seconds from one slot to the next, where these are always the same; ``None`` where they are not."""
        return None

    def next_times(self, count: int, after: datetime | None = None) -> list[datetime]:
        """List the next times, in this schedule's zone; fewer where there are no more.

        Args:
            count: how many.
            after: aware; now when not given. An interval counts from there.
        """
        start = as_instant(self.now() if after is None else after)
        return [at(slot, self.tz) for slot, _ in zip(self._slots(start), range(count), strict=False)]

    def _slots(self, after: float) -> Iterator[float]:
        slot = self.next_after(after, after)
        while slot is not None:
            yield slot
            slot = self.next_after(slot, after)

    # Celery's questions

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:
        """Return the time from now until it is due again; negative where that has passed.

        Args:
            last_run_at: when it was due last.
        """
        last = as_instant(last_run_at)
        slot = self.next_after(last, last)
        if slot is None:
            return timedelta.max
        return timedelta(seconds=slot - as_instant(self.now()))

    def is_due(self, last_run_at: datetime) -> schedstate:
        """Report whether it is due now, and the seconds after which to ask again.

        Args:
            last_run_at: when it was sent last.
        """
        remaining = self.remaining_estimate(last_run_at).total_seconds()
        if remaining > 0:
            return schedstate(False, remaining)
        return schedstate(True, max(0.0, self.remaining_estimate(self.now()).total_seconds()))

    # words

    @property
    def sentence(self) -> str:
        """The schedule in words."""
        return repr(self)

    def _key(self) -> Any:
        """All that makes two schedules the same."""
        return id(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BaseSchedule) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


#: What only `BaseSchedule` and the schedules of this package may define for their slots to count.
_ASKED = ("is_due", "remaining_estimate")


def is_asked(schedule: BaseSchedule) -> bool:
    """Report whether a schedule must be asked by `BaseSchedule.is_due`: its class, or one that it inherits from outside this package, has its own idea of it.

    Args:
        schedule: any.
    """
    package = __name__.rpartition(".")[0]
    for kind in type(schedule).__mro__:
        own = kind.__module__.startswith(f"{package}.")
        if "next_after" in vars(kind) and kind is not BaseSchedule:
            return False
        if not own and any(name in vars(kind) for name in _ASKED):
            return True
    return True
