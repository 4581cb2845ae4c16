"""Events of the sun against an almanac (times of PyEphem 4.2, in UTC)."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from itertools import pairwise

import pytest

from umbel.errors import ImproperlyConfigured
from umbel.schedules import solar

BERLIN = (52.52, 13.405)


@pytest.mark.parametrize(
    ("event", "place", "day", "almanac"),
    [
        ("sunrise", BERLIN, "2026-06-21", "2026-06-21T02:43:08"),
        ("sunset", BERLIN, "2026-06-21", "2026-06-21T19:33:14"),
        ("dawn_civil", BERLIN, "2026-12-21", "2026-12-21T06:33:13"),
        ("dusk_nautical", BERLIN, "2026-12-21", "2026-12-21T16:20:00"),
        ("solar_noon", BERLIN, "2026-02-11", "2026-02-11T11:20:33"),
        ("sunset", (-33.87, 151.21), "2026-01-15", "2026-01-15T09:09:00"),
        ("dawn_astronomical", (40.71, -74.01), "2030-03-20", "2030-03-20T09:27:33"),
        ("dusk_civil", (0.0, 179.9), "2026-09-01", "2026-09-01T06:24:43"),
        ("dusk_astronomical", (35.68, 139.69), "2027-04-04", "2027-04-04T10:32:15"),
        ("dawn_nautical", (64.15, -21.94), "2026-10-10", "2026-10-10T06:19:33"),
    ],
)
def test_events(event, place, day, almanac):
    (found,) = solar(event, *place).next_times(1, datetime.fromisoformat(day).replace(tzinfo=UTC))
    assert abs((found - datetime.fromisoformat(almanac).replace(tzinfo=UTC)).total_seconds()) < 60


def test_where_the_sun_does_not_set_it_is_not_due():
    (found,) = solar("sunset", 69.65, 18.96).next_times(1, datetime(2026, 6, 1, tzinfo=UTC))
    assert found.date().isoformat() in {"2026-07-25", "2026-07-26", "2026-07-27"}
    assert solar("dawn_astronomical", 90, 0).next_after(0) is None


def test_events_follow_one_another_by_about_a_day():
    times = solar("sunrise", *BERLIN).next_times(400, datetime(2026, 1, 1, tzinfo=UTC))
    gaps = {round((b - a).total_seconds() / 3600) for a, b in pairwise(times)}
    assert gaps == {24}


@pytest.mark.parametrize(
    ("event", "lat", "lon"), [("moonrise", 0, 0), ("sunset", 91, 0), ("sunset", 0, -181), ("sunset", "52", 13), ("sunset", float("nan"), 0)]
)
def test_what_there_is_not(event, lat, lon):
    with pytest.raises(ImproperlyConfigured, match=r"^solar: "):
        solar(event, lat, lon)


def test_copies():
    sunset = solar("sunset", *BERLIN, timezone="Europe/Berlin")
    assert pickle.loads(pickle.dumps(sunset)) == sunset != solar("sunset", *BERLIN)
    assert repr(solar("sunset", 1, 2)) == "<solar: sunset at latitude 1, longitude: 2>"
