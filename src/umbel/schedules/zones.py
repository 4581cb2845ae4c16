"""Wall time and instants: when a clock on the wall of a zone shows some time, and what that means on the two days of a year when the clock is changed.

An instant is seconds since the epoch. A wall time is a `datetime` without a zone. A wall time in a *gap* (clocks go forward over it) has no instant; one in
a *repeated* hour (clocks go back) has two.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from umbel.errors import ImproperlyConfigured


@lru_cache(maxsize=256)
def _named(name: str) -> tzinfo:
    return UTC if name.upper() == "UTC" else ZoneInfo(name)


def load_zone(zone: Any) -> tzinfo:
    """Find a time zone.

    Args:
        zone: an IANA name such as ``Europe/Berlin``, or a `tzinfo`.

    Raises:
        ImproperlyConfigured: there is no such zone.
    """
    if isinstance(zone, tzinfo):
        return zone
    try:
        if isinstance(zone, str) and zone:
            return _named(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise ImproperlyConfigured(f"there is no time zone {zone!r}: expected an IANA name such as Europe/Berlin, or UTC")


def zone_name(zone: tzinfo) -> str:
    """Name a zone so that `load_zone` finds it again.

    Args:
        zone: to be named.
    """
    return "UTC" if zone is UTC else str(getattr(zone, "key", None) or zone)


def at(instant: float, zone: tzinfo) -> datetime:
    """Make the aware datetime of an instant.

    Args:
        instant: seconds since the epoch.
        zone: in which it is written.
    """
    return datetime.fromtimestamp(instant, zone)


def as_instant(moment: datetime) -> float:
    """Make seconds since the epoch of a datetime; one without a zone is UTC, as everywhere in Celery.

    Args:
        moment: aware or not.
    """
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def is_repeated(wall: datetime, zone: tzinfo) -> bool:
    """Report whether a wall time comes twice.

    Args:
        wall: without a zone.
        zone: of the wall.
    """
    aware = wall.replace(tzinfo=zone)
    return (aware.replace(fold=0).utcoffset() or timedelta()) > (aware.replace(fold=1).utcoffset() or timedelta())


def instants(wall: datetime, zone: tzinfo) -> tuple[float, ...]:
    """List the instants at which the wall shows this time: none in a gap, two in a repeated hour, else one.

    Args:
        wall: without a zone.
        zone: of the wall.
    """
    first, second = (wall.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1))
    if first == second:
        return (first,)
    return (first, second) if first < second else ()


def first_instant(wall: datetime, zone: tzinfo) -> float:
    """Return the instant of a wall time: the first of two; in a gap, the end of the gap.

    Args:
        wall: without a zone.
        zone: of the wall.
    """
    first, second = (wall.replace(tzinfo=zone, fold=fold).timestamp() for fold in (0, 1))
    # In a gap the earlier offset leads to an instant after the change, the later one to an instant before it.
    return first if first <= second else change_between(second, first, zone)


def change_between(before: float, after: float, zone: tzinfo) -> float:
    """Find the instant at which the clock of a zone is changed, to the second.

    Args:
        before: an instant before the change.
        after: an instant not before it, with no other change between the two.
        zone: whose clock it is.
    """
    low, high = int(before), int(after)
    offset = at(low, zone).utcoffset()
    while high - low > 1:
        middle = (low + high) // 2
        if at(middle, zone).utcoffset() == offset:
            low = middle
        else:
            high = middle
    return float(high)


def repeat_begins(moment: datetime) -> datetime:
    """Return the wall time at which a repeated hour begins for the second time.

    Args:
        moment: aware, in the hour's first pass.
    """
    zone = moment.tzinfo
    assert zone is not None
    first, second = instants(moment.replace(tzinfo=None), zone)
    return at(change_between(first, second, zone), zone).replace(tzinfo=None, fold=0)
