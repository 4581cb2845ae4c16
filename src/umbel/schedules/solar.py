"""`solar`: when the sun rises, sets, or stands in between."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from umbel.errors import ImproperlyConfigured
from umbel.schedules import sun
from umbel.schedules.base import BaseSchedule
from umbel.schedules.zones import zone_name

#: The upper edge of the sun is on the horizon, through the air: 34' and half of its own 32'.
_EDGE: Final = -(34 + 16) / 60
#: Event → altitude of the sun's centre in degrees, and whether it rises.
EVENTS: Final = {
    "dawn_astronomical": (-18.0, True),
    "dawn_nautical": (-12.0, True),
    "dawn_civil": (-6.0, True),
    "sunrise": (_EDGE, True),
    "solar_noon": (None, True),
    "sunset": (_EDGE, False),
    "dusk_civil": (-6.0, False),
    "dusk_nautical": (-12.0, False),
    "dusk_astronomical": (-18.0, False),
}
_DAY: Final = 86400.0
#: Days in which an event is looked for: near a pole half a year may pass without it.
_DAYS: Final = 368


class solar(BaseSchedule):  # noqa: N801 - Celery's name
    """A task is due at an event of the sun, to about a minute. On days without it, near the poles, it is not due.

    Args:
        event: dawn_astronomical, dawn_nautical, dawn_civil, sunrise, solar_noon, sunset, dusk_civil, dusk_nautical or dusk_astronomical.
        lat: degrees north, -90 to 90.
        lon: degrees east, -180 to 180.
        nowfun: see `BaseSchedule`.
        app: see `BaseSchedule`.
        timezone: see `BaseSchedule`; times are shown in it.

    Raises:
        ImproperlyConfigured: there is no such event, or no such place.
    """

    def __init__(
        self,
        event: str,
        lat: float,
        lon: float,
        nowfun: Callable[[], datetime] | None = None,
        app: Any = None,
        timezone: Any = None,
    ) -> None:
        super().__init__(nowfun, app, timezone)
        if event not in EVENTS:
            raise ImproperlyConfigured(f"solar: there is no event {event!r}: expected {', '.join(EVENTS)}")
        self.event = event
        self.lat: float = _degrees(lat, 90, "lat")
        self.lon: float = _degrees(lon, 180, "lon")

    def next_after(self, after: float, anchor: float | None = None) -> float | None:  # noqa: ARG002
        first = math.floor((after + self.lon * 240) / _DAY) - 1
        for day in range(first, first + _DAYS):
            slot = self._on(day)
            if slot is not None and slot > after:
                return slot
        return None

    def _on(self, day: int) -> float | None:
        altitude, rising = EVENTS[self.event]
        found = sun.noon(day, self.lon) if altitude is None else sun.crossing(day, self.lat, self.lon, altitude, rising=rising)
        # Whole seconds: the same on every machine.
        return None if found is None else float(round(found))

    @property
    def sentence(self) -> str:
        north, east = "N" if self.lat >= 0 else "S", "E" if self.lon >= 0 else "W"
        return f"at {self.event.replace('_', ' ')} at {abs(self.lat):g}° {north}, {abs(self.lon):g}° {east}"

    def _key(self) -> Any:
        return "solar", self.event, self.lat, self.lon, None if self._zone is None else zone_name(self._zone)

    def __repr__(self) -> str:
        return f"<solar: {self.event} at latitude {self.lat}, longitude: {self.lon}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.event, self.lat, self.lon, self.nowfun, None, self._zone)


def _degrees(value: Any, most: int, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not -most <= value <= most:
        raise ImproperlyConfigured(f"solar: {name} is {value!r}: expected degrees from -{most} to {most}")
    return value
