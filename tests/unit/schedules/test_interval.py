"""Grids of intervals, relative ones, and what is none."""

from __future__ import annotations

import math
import pickle
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.errors import ImproperlyConfigured
from umbel.schedules import schedule


def test_a_late_run_does_not_make_the_next_one_late():
    every = schedule(10)
    assert [every.next_after(after, 5.0) for after in (5.0, 14.9, 15.0, 17.3, 24.999)] == [15.0, 15.0, 25.0, 25.0, 25.0]


@given(st.floats(min_value=0.001, max_value=1e6), st.floats(min_value=0, max_value=2e9), st.floats(min_value=0, max_value=1e8))
def test_slots_rise_and_keep_their_distance(seconds, anchor, later):
    every = schedule(seconds)
    first = every.next_after(anchor + later, anchor)
    second = every.next_after(first, anchor)
    assert anchor + later < first < second
    assert second - first <= seconds * 1.001 + 1e-6


@pytest.mark.parametrize("wrong", [0, -1, math.nan, math.inf, None, "10", True, timedelta(0), 1e-9, 1e300, 10**400, timedelta.max])
def test_what_is_no_interval(wrong):
    with pytest.raises(ImproperlyConfigured, match="expected a positive number of seconds"):
        schedule(wrong)


@pytest.mark.parametrize(
    ("interval", "begin", "found"),
    [
        (timedelta(hours=1), "2026-01-01T10:20:30", ["11:00", "12:00", "13:00"]),
        (timedelta(minutes=90), "2026-01-01T10:40:00", ["12:00", "13:00", "14:00"]),
        (timedelta(minutes=15), "2026-01-01T10:07:08", ["10:22", "10:37", "10:52"]),
        (timedelta(days=1), "2026-01-01T10:20:30", ["00:00", "00:00", "00:00"]),
    ],
)
def test_relative(interval, begin, found):
    every = schedule(interval, relative=True, timezone="UTC")
    start = datetime.fromisoformat(begin).replace(tzinfo=UTC)
    assert [f"{moment:%H:%M}" for moment in every.next_times(3, start)] == found
    assert all(moment.second == 0 for moment in every.next_times(3, start))


def test_relative_days_are_days_of_the_zone():
    zone = ZoneInfo("Europe/Berlin")
    every = schedule(timedelta(days=2), relative=True, timezone=zone)
    assert [moment.isoformat() for moment in every.next_times(3, datetime(2026, 3, 26, 15, tzinfo=zone))] == [
        "2026-03-28T00:00:00+01:00", "2026-03-30T00:00:00+02:00", "2026-04-01T00:00:00+02:00",
    ]  # fmt: skip


def test_relative_hours_where_the_wall_is_half_an_hour_off():
    every = schedule(3600, relative=True, timezone="Asia/Kolkata")
    assert every.next_times(1, datetime(2026, 1, 1, 10, 40, tzinfo=ZoneInfo("Asia/Kolkata")))[0].isoformat() == "2026-01-01T11:00:00+05:30"


def test_an_anchor_holds_for_relative_ones_too():
    every = schedule(timedelta(hours=2), relative=True, timezone="UTC")
    begin = datetime(2026, 1, 1, 9, 30, tzinfo=UTC).timestamp()
    slots = [begin]
    for _ in range(5):
        slots.append(every.next_after(slots[-1], begin))
    assert {b - a for a, b in pairwise(slots[1:])} == {7200.0}


def test_is_due():
    now = datetime(2026, 1, 1, 12, tzinfo=UTC)
    every = schedule(30, nowfun=lambda: now)
    assert every.is_due(now - timedelta(seconds=31)) == (True, 30.0)
    assert every.is_due(now - timedelta(seconds=10)) == (False, 20.0)
    assert every.remaining_estimate(now - timedelta(seconds=10)) == timedelta(seconds=20)


def test_words_and_copies():
    every = schedule(timedelta(minutes=1.5), relative=True)
    assert pickle.loads(pickle.dumps(every)) == every != schedule(90)
    assert repr(schedule(30)) == "<freq: 30 seconds>"
    assert (schedule(5400).seconds, schedule(5400).human_seconds) == (5400.0, "1 hour 30 minutes")


@pytest.mark.parametrize(
    ("zone", "interval", "begin", "fold", "found"),
    [
        # Half an hour back at 02:00: from 01:00 to 02:00 an hour and a half goes by.
        ("Australia/Lord_Howe", timedelta(hours=1), "2026-04-05T01:00", 0, "2026-04-05T02:00:00+10:30"),
        ("Australia/Lord_Howe", timedelta(hours=1), "2026-10-04T01:15", 0, "2026-10-04T02:30:00+11:00"),
        ("Pacific/Chatham", timedelta(hours=2), "2026-04-05T02:45", 0, "2026-04-05T03:00:00+12:45"),
        # Midnight came twice: at 00:01 it was 23:01 again.
        ("America/Goose_Bay", timedelta(days=1), "2000-10-28T23:30", 0, "2000-10-29T00:00:00-03:00"),
        ("America/Goose_Bay", timedelta(days=1), "2000-10-28T23:30", 1, "2000-10-29T00:00:00-04:00"),
    ],
)
def test_rounded_where_clocks_change(zone, interval, begin, fold, found):
    every = schedule(interval, relative=True, timezone=zone)
    start = datetime.fromisoformat(begin).replace(tzinfo=ZoneInfo(zone), fold=fold)
    first, second = every.next_times(2, start)
    assert first.isoformat() == found
    assert second > first
