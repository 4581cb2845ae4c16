"""Fields, days, and what happens when clocks are changed."""

from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from umbel import Umbel
from umbel.schedules import ParseException, crontab, crontab_parser
from umbel.testing.clock import FakeClock


def times(schedule: crontab, after: str, count: int) -> list[str]:
    """The next times after a moment of the schedule's zone, with their offsets."""
    return [moment.isoformat() for moment in schedule.next_times(count, datetime.fromisoformat(after).replace(tzinfo=schedule.tz))]


@pytest.mark.parametrize(
    ("name", "given", "numbers"),
    [
        ("minute", "*/15", {0, 15, 30, 45}),
        ("minute", "5-20/5", {5, 10, 15, 20}),
        ("minute", "58-1", {58, 59, 0, 1}),
        ("minute", " 1, 2 ", {1, 2}),
        ("minute", 7, {7}),
        ("minute", range(0, 60, 20), {0, 20, 40}),
        ("minute", iter([1, 2]), {1, 2}),
        ("minute", "*/100", {0}),
        ("hour", "22-3/2", {22, 0, 2}),
        ("hour", "0-23/5,3", {0, 3, 5, 10, 15, 20}),
        ("day_of_week", "mon-fri", {1, 2, 3, 4, 5}),
        ("day_of_week", "fri-mon", {5, 6, 0, 1}),
        ("day_of_week", "Sunday,WED", {0, 3}),
        ("day_of_week", "7", {0}),
        ("day_of_week", 7, {0}),
        ("day_of_week", "5-7", {5, 6, 0}),
        ("day_of_week", "sat-tue/2", {6, 1}),
        ("month_of_year", "nov-feb", {11, 12, 1, 2}),
        ("month_of_year", "*/5", {1, 6, 11}),
        ("day_of_month", "*/9", {1, 10, 19, 28}),
    ],
)
def test_fields(name, given, numbers):
    assert getattr(crontab(**{name: given}), name) == numbers


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("minute", "60", "minute is '60': 60 is not from 0 to 59"),
        ("minute", "", "minute is '': expected"),
        ("minute", "1,,2", "expected"),
        ("minute", "-5", "expected"),
        ("minute", "*/0", "a step of 0 leads nowhere"),
        ("minute", "5/10", "a step needs a range, as in 5-59/10"),
        ("minute", "1-5-7", "expected"),
        ("minute", "mon", "expected"),
        ("minute", 3.0, "expected"),
        ("minute", True, "expected"),
        ("minute", None, "expected"),
        ("minute", [], "minute is empty"),
        ("minute", ["1"], "expected"),
        ("minute", "٣", "expected"),
        ("hour", "24", "24 is not from 0 to 23"),
        ("hour", -1, "-1 is not from 0 to 23"),
        ("day_of_week", "8", "8 is not from 0 to 6"),
        ("day_of_week", "monx", "or a name such as mon"),
        ("month_of_year", "0", "0 is not from 1 to 12"),
        ("month_of_year", "mon", "or a name such as feb"),
    ],
)
def test_fields_that_are_wrong(name, given, said):
    with pytest.raises(ParseException, match=r"^crontab: ") as caught:
        crontab(**{name: given})
    assert said in str(caught.value)


def test_a_day_that_never_comes():
    with pytest.raises(ParseException, match="day_of_month '30-31' never comes in month_of_year 'feb'"):
        crontab(day_of_month="30-31", month_of_year="feb")


def test_the_parser_of_celery():
    assert crontab_parser(24).parse("*/4") == {0, 4, 8, 12, 16, 20}
    assert crontab_parser(31, 1).parse("*/10") == {1, 11, 21, 31}
    with pytest.raises(crontab_parser.ParseException):
        crontab_parser(10).parse("11")


def test_from_string():
    assert crontab.from_string("0  3 1,15 * mon", timezone="UTC") == crontab(0, 3, "mon", "1,15", timezone="UTC")
    with pytest.raises(ParseException, match="five fields"):
        crontab.from_string("@daily")


def test_days_of_both_fields_are_and_ed():
    friday_13 = crontab(0, 12, day_of_week="fri", day_of_month=13)
    assert times(friday_13, "2026-01-01", 3) == ["2026-02-13T12:00:00+00:00", "2026-03-13T12:00:00+00:00", "2026-11-13T12:00:00+00:00"]


def test_leap_days_and_month_ends():
    assert times(crontab(0, 0, day_of_month=29, month_of_year=2), "2025-01-01", 2) == [
        "2028-02-29T00:00:00+00:00",
        "2032-02-29T00:00:00+00:00",
    ]
    assert times(crontab(59, 23, day_of_month=31), "2026-01-31T23:59", 3) == [
        "2026-03-31T23:59:00+00:00", "2026-05-31T23:59:00+00:00", "2026-07-31T23:59:00+00:00",
    ]  # fmt: skip
    assert times(crontab(0, 0, day_of_month=29, month_of_year=2, day_of_week="mon"), "2071-01-01", 1) == ["2072-02-29T00:00:00+00:00"]
    assert times(crontab(0, 0), "2027-12-31T00:00", 1) == ["2028-01-01T00:00:00+00:00"]


def test_there_is_an_end_of_time():
    assert crontab(0, 0, day_of_month=1, month_of_year=1).next_after(datetime(9999, 6, 1, tzinfo=UTC).timestamp()) is None


def test_a_slot_is_after_never_at():
    every = crontab(timezone="UTC")
    assert [every.next_after(60.0), every.next_after(59.999), every.next_after(0.0)] == [120.0, 60.0, 60.0]


#: Zone, the day before a gap, the gap's begin and end; the day before a repeated hour, that hour.
CHANGES = [
    ("Europe/Berlin", "2026-03-28", 2, "03:00:00+02:00", "2026-10-24", 2, ("+02:00", "+01:00")),
    ("America/New_York", "2026-03-07", 2, "03:00:00-04:00", "2026-10-31", 1, ("-04:00", "-05:00")),
    ("Europe/London", "2026-03-28", 1, "02:00:00+01:00", "2026-10-24", 1, ("+01:00", "+00:00")),
    ("America/Santiago", "2026-09-05", 0, "01:00:00-03:00", "2026-04-03", 23, ("-03:00", "-04:00")),
    ("Australia/Sydney", "2026-10-03", 2, "03:00:00+11:00", "2026-04-04", 2, ("+11:00", "+10:00")),
]


def following(day: str) -> str:
    return (datetime.fromisoformat(day) + timedelta(days=1)).date().isoformat()


@pytest.mark.parametrize(("zone", "eve", "hour", "end", "_eve", "_hour", "_offsets"), CHANGES)
def test_a_gap(zone, eve, hour, end, _eve, _hour, _offsets):
    """What has a fixed time is due once, at the end of the gap; what goes by the wall is not due."""
    day = following(eve)
    fixed = times(crontab("10,50", hour, timezone=zone), f"{eve}T12:00", 2)
    assert fixed[0] == f"{day}T{end}"
    assert fixed[1].startswith(f"{following(day)}T{hour:02}:10")
    both = times(crontab(0, f"{hour},{hour + 1}", timezone=zone), f"{eve}T12:00", 2)
    assert both[0] == f"{day}T{end}"
    assert both[1].startswith(following(day))
    assert times(crontab("*/30", hour, timezone=zone), f"{eve}T12:00", 1)[0].startswith(following(day))
    hourly = crontab(0, "*", timezone=zone).next_times(4, datetime.fromisoformat(f"{eve}T22:30").replace(tzinfo=ZoneInfo(zone)))
    assert {(b.timestamp() - a.timestamp()) for a, b in pairwise(hourly)} == {3600.0}


@pytest.mark.parametrize(("zone", "_eve", "_hour", "_end", "eve", "hour", "offsets"), CHANGES)
def test_a_repeated_hour(zone, _eve, _hour, _end, eve, hour, offsets):
    """What has a fixed time is due in the first pass alone; what goes by the wall, in both."""
    day = following(eve)
    assert times(crontab(30, hour, timezone=zone), f"{eve}T{hour:02}:59", 1) == [f"{day}T{hour:02}:30:00{offsets[0]}"]
    second_pass = datetime.fromisoformat(f"{day}T{hour:02}:10").replace(tzinfo=ZoneInfo(zone), fold=1)
    (after,) = crontab(30, hour, timezone=zone).next_times(1, second_pass)
    assert after.date().isoformat() == following(day)
    assert times(crontab("*/30", hour, timezone=zone), f"{eve}T{hour:02}:59", 4) == [
        f"{day}T{hour:02}:{minute}:00{offset}" for offset in offsets for minute in ("00", "30")
    ]
    start = datetime.fromisoformat(f"{day}T{hour - 1:02}:30").replace(tzinfo=ZoneInfo(zone))
    quarters = crontab("*/15", timezone=zone).next_times(14, start)
    assert {(b.timestamp() - a.timestamp()) for a, b in pairwise(quarters)} == {900.0}


def test_from_inside_the_first_pass_the_second_is_seen():
    zone = ZoneInfo("Europe/Berlin")
    start = datetime(2026, 10, 25, 2, 50, tzinfo=zone)
    schedule = crontab("*/30", "*", timezone=zone)
    assert [moment.isoformat() for moment in schedule.next_times(3, start)] == [
        "2026-10-25T02:00:00+01:00", "2026-10-25T02:30:00+01:00", "2026-10-25T03:00:00+01:00",
    ]  # fmt: skip


def test_all_hours_written_out_go_by_the_wall():
    assert crontab(0, range(24)).follows_wall
    assert not crontab(0, "1-23").follows_wall


def test_a_zone_that_has_left_out_a_day():
    assert times(crontab(0, 12, timezone="Pacific/Apia"), "2011-12-29T00:00", 3) == [
        "2011-12-29T12:00:00-10:00", "2011-12-31T00:00:00+14:00", "2011-12-31T12:00:00+14:00",
    ]  # fmt: skip


# Celery's questions


def test_is_due_goes_by_the_app():
    clock = FakeClock(wall=datetime(2026, 5, 4, 7, 29, 30, tzinfo=UTC).timestamp())
    with Umbel("due", broker="memory://", time=clock, timezone="Europe/Berlin", set_as_current=False) as app:
        schedule = crontab(30, 9, app=app)
        last = datetime(2026, 5, 3, 7, 30, tzinfo=UTC)
        assert schedule.is_due(last) == (False, 30.0)
        assert schedule.remaining_estimate(last) == timedelta(seconds=30)
        clock.advance(31)
        assert schedule.is_due(last) == (True, 86399.0)
        assert schedule.is_due(last.replace(tzinfo=None)) == (True, 86399.0)
        assert str(schedule.now()) == "2026-05-04 09:30:01+02:00"


def test_a_deadline_for_starting():
    clock = FakeClock(wall=datetime(2026, 5, 4, 9, 0, tzinfo=UTC).timestamp())
    with Umbel("due", broker="memory://", time=clock, beat_cron_starting_deadline=60, set_as_current=False) as app:
        last = datetime(2026, 5, 1, tzinfo=UTC)
        assert crontab(0, 8, app=app).is_due(last) == (False, 23 * 3600)
        assert crontab(59, 8, app=app).is_due(last).is_due
        assert crontab(0, 9, app=app).is_due(last).is_due


def test_nowfun():
    schedule = crontab(0, 12, nowfun=lambda: datetime(2026, 1, 1, 12, 0))
    assert schedule.is_due(datetime(2026, 1, 1)) == (True, 86400.0)


def test_equality_copies_and_pickles():
    schedule = crontab("*/5", [1, 2], timezone="Asia/Tokyo")
    assert pickle.loads(pickle.dumps(schedule)) == schedule == copy.deepcopy(schedule)
    assert schedule != crontab("*/5", [1, 2]) and schedule != 5
    assert len({schedule, crontab("*/5", "1,2", timezone="Asia/Tokyo")}) == 1
    assert repr(crontab(0, "3-4", "mon")) == "<crontab: 0 3-4 * * mon (m/h/dM/MY/d)>"
