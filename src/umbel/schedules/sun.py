"""Positions of the sun: the low-precision formulas of the Astronomical Almanac, good to about a minute of time between 1900 and 2100."""

from __future__ import annotations

import math
from typing import Final

_DAY: Final = 86400.0
#: 1 January 2000, noon, in seconds since the epoch.
_J2000: Final = 946728000.0
#: Attempts to come nearer: the sun moves while it rises.
_ROUNDS: Final = 5


def _position(instant: float) -> tuple[float, float]:
    """Return the sun's declination in radians, and the equation of time in seconds: how much earlier than the mean sun it stands in the south."""
    days = (instant - _J2000) / _DAY
    anomaly = math.radians((357.529 + 0.98560028 * days) % 360)
    mean = (280.459 + 0.98564736 * days) % 360
    longitude = math.radians(mean + 1.915 * math.sin(anomaly) + 0.020 * math.sin(2 * anomaly))
    tilt = math.radians(23.439 - 0.00000036 * days)
    ascension = math.degrees(math.atan2(math.cos(tilt) * math.sin(longitude), math.cos(longitude)))
    apart = (mean - ascension + 180) % 360 - 180
    return math.asin(math.sin(tilt) * math.sin(longitude)), apart * 240


def noon(day: int, lon: float) -> float:
    """Return the instant at which the sun stands highest.

    Args:
        day: number of the day since the epoch, by the mean sun of the place.
        lon: degrees east.
    """
    found = mean = day * _DAY + _DAY / 2 - lon * 240
    for _ in range(_ROUNDS):
        found = mean - _position(found)[1]
    return found


def crossing(day: int, lat: float, lon: float, altitude: float, *, rising: bool) -> float | None:
    """Return the instant at which the sun's centre crosses an altitude; ``None`` when it does not on this day.

    Args:
        day: number of the day since the epoch, by the mean sun of the place.
        lat: degrees north.
        lon: degrees east.
        altitude: degrees above the horizon.
        rising: upwards, before noon.
    """
    mean = day * _DAY + _DAY / 2 - lon * 240
    found = mean
    latitude, height = math.radians(lat), math.sin(math.radians(altitude))
    for _ in range(_ROUNDS):
        declination, equation = _position(found)
        scale = math.cos(latitude) * math.cos(declination)
        if scale < 1e-9:
            return None
        cosine = (height - math.sin(latitude) * math.sin(declination)) / scale
        if not -1 <= cosine <= 1:
            return None
        angle = math.degrees(math.acos(cosine)) * 240
        found = mean - equation + (-angle if rising else angle)
    return found
