"""From what people and stores write to schedules, and back: ``maybe_schedule(30)``, ``{"crontab": "0 3 * * mon"}``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from umbel.errors import ImproperlyConfigured
from umbel.schedules.base import BaseSchedule
from umbel.schedules.clocked import clocked
from umbel.schedules.crontab import crontab
from umbel.schedules.interval import schedule
from umbel.schedules.solar import solar
from umbel.schedules.zones import zone_name

_PART: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def maybe_schedule(given: Any, relative: bool = False, app: Any = None) -> Any:
    """Make a schedule of a number of seconds or a timedelta; a schedule stays as it is.

    Args:
        given: any of these, or ``None``, which stays, too.
        relative: of an interval: round down, see `schedule`.
        app: that the schedule gets, where it has none.

    Raises:
        ImproperlyConfigured: it is none of these.
    """
    if given is None:
        return None
    if isinstance(given, (int, float, timedelta)):
        return schedule(given, relative, app=app)
    if not hasattr(given, "is_due"):
        raise ImproperlyConfigured(
            f"a schedule is {given!r}: expected seconds, a timedelta, crontab(…), solar(…), clocked(…) or a schedule of your own"
        )
    if app is not None and getattr(given, "_app", None) is None:
        given.app = app
    return given


def duration(text: str) -> float:
    """Read a duration: ``30``, ``30s``, ``1h30m``, ``500ms``, ``2d``; returns seconds.

    Args:
        text: to be read.

    Raises:
        ImproperlyConfigured: it is none.
    """
    compact = text.strip().lower()
    parts = _PART.findall(compact)
    if parts and _PART.sub("", compact).strip() == "":
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)
    try:
        return float(compact)
    except ValueError:
        raise ImproperlyConfigured(f"{text!r} is not a duration: expected e.g. 30s, 5m, 1h30m or 2d") from None


def document(given: BaseSchedule) -> dict[str, Any] | None:
    """Write a schedule as plain values that JSON can hold; ``None`` for one of a class of its own.

    Args:
        given: the schedule.
    """
    found: dict[str, Any]
    if type(given) is schedule:
        found = {"every": given.seconds, **({"relative": True} if given.relative else {})}
    elif type(given) is crontab:
        found = {"crontab": " ".join(given.texts)}
    elif type(given) is solar:
        found = {"solar": given.event, "lat": given.lat, "lon": given.lon}
    elif type(given) is clocked:
        found = {"at": given.clocked_time.isoformat()}
    else:
        return None
    return found if given.timezone is None else {**found, "timezone": zone_name(given.timezone)}


def from_document(given: Mapping[str, Any], app: Any = None) -> BaseSchedule:
    """Read what `document` wrote.

    Args:
        given: not trusted.
        app: of the schedule.

    Raises:
        ImproperlyConfigured: it is no such thing.
    """
    try:
        zone = given.get("timezone")
        if "every" in given:
            return schedule(given["every"], bool(given.get("relative")), app=app, timezone=zone)
        if "crontab" in given:
            return crontab.from_string(given["crontab"], app=app, timezone=zone)
        if "solar" in given:
            return solar(given["solar"], given["lat"], given["lon"], app=app, timezone=zone)
        if "at" in given:
            return clocked(given["at"], app=app, timezone=zone)
    except (KeyError, TypeError, AttributeError) as error:
        raise ImproperlyConfigured(f"a schedule is {given!r}, which cannot be read: {error!r}") from error
    raise ImproperlyConfigured(f"a schedule is {given!r}: expected a dict with every, crontab, solar or at")
