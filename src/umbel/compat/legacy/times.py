"""Celery's ``celery.utils.time``."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo

from umbel.runtime.clock import SYSTEM

_RATES: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}
_UNITS: Final = (("day", 86400.0), ("hour", 3600.0), ("minute", 60.0), ("second", 1.0))


class _Zones:
    """Celery's ``timezone``: makes zones."""

    utc = UTC

    def get_timezone(self, zone: Any) -> tzinfo:
        """Return the zone of a name; a zone as it is."""
        return zone if isinstance(zone, tzinfo) else UTC if zone == "UTC" else ZoneInfo(zone)

    tz_or_local = get_timezone

    @property
    def local(self) -> tzinfo:
        """The machine's zone."""
        return _now().astimezone().tzinfo or UTC


timezone: _Zones = _Zones()


def _now() -> datetime:
    return datetime.fromtimestamp(SYSTEM.now(), UTC)


def maybe_timedelta(delta: Any) -> Any:
    """Make a timedelta of seconds; what else it is, is returned as it is.

    Args:
        delta: seconds, or a timedelta.
    """
    return timedelta(seconds=float(delta)) if isinstance(delta, (int, float)) else delta


def rate(r: Any) -> float:
    """Return a rate as tasks in a second.

    Args:
        r: a number, or text such as ``10/m``.
    """
    if not r:
        return 0
    if isinstance(r, str):
        number, _, unit = r.partition("/")
        return float(number) / _RATES[unit or "s"]
    return float(r)


def maybe_iso8601(dt: Any) -> datetime | None:
    """Read ISO 8601 text; a datetime and ``None`` are returned as they are.

    Args:
        dt: any of these.
    """
    return dt if dt is None or isinstance(dt, datetime) else datetime.fromisoformat(dt)


def is_naive(dt: datetime) -> bool:
    """Report whether a datetime has no zone.

    Args:
        dt: the datetime.
    """
    return dt.tzinfo is None or dt.utcoffset() is None


def make_aware(dt: datetime, tz: Any) -> datetime:
    """Give a datetime a zone; one that has a zone is converted.

    Args:
        dt: the datetime.
        tz: the zone.
    """
    zone = timezone.get_timezone(tz)
    return dt.replace(tzinfo=zone) if is_naive(dt) else dt.astimezone(zone)


localize = make_aware


def to_utc(dt: datetime) -> datetime:
    """Convert a datetime to UTC; one without a zone is taken to be in it.

    Args:
        dt: the datetime.
    """
    return make_aware(dt, UTC)


def maybe_make_aware(dt: Any, tz: Any = None, naive_as_utc: bool = True) -> Any:
    """Give a datetime a zone, if it is one and has none.

    Args:
        dt: perhaps a datetime.
        tz: the zone; UTC when not given.
        naive_as_utc: it is in UTC, and converted.
    """
    if not isinstance(dt, datetime):
        return dt
    aware = to_utc(dt) if is_naive(dt) and (naive_as_utc or tz is None) else dt
    return aware if tz is None else make_aware(aware, tz)


def remaining(start: datetime, ends_in: timedelta, now: datetime | None = None, relative: bool = False) -> timedelta:  # noqa: ARG001
    """Return the time until something is due.

    Args:
        start: when it began to count.
        ends_in: after how long.
        now: the time.
        relative: Celery's; rounding belongs to schedules here.
    """
    return start + ends_in - (now or datetime.fromtimestamp(SYSTEM.now(), start.tzinfo))


def humanize_seconds(secs: float, prefix: str = "", sep: str = "", now: str = "now", microseconds: bool = False) -> str:
    """Tell a time in words.

    Args:
        secs: seconds.
        prefix: before it.
        sep: after the prefix.
        now: said of nothing.
        microseconds: tell parts of a second.
    """
    for name, unit in _UNITS:
        if secs >= unit:
            count = secs / unit
            shown = f"{count:.2f}"
            return f"{prefix}{sep}{shown} {name}{'' if count == 1 else 's'}"
    if microseconds and secs > 0:
        return f"{prefix}{sep}{secs:.2f} seconds"
    return now


def get_exponential_backoff_interval(factor: float, retries: int, maximum: float, full_jitter: bool = False) -> float:
    """Return the seconds to wait before the next attempt.

    Args:
        factor: seconds before the first.
        retries: attempts so far.
        maximum: seconds, at most.
        full_jitter: a random part of it.
    """
    countdown: float = min(maximum, factor * 2**retries)
    if full_jitter:
        countdown = random.randrange(int(countdown) + 1)  # noqa: S311 - spreads load
    return max(0, countdown)
