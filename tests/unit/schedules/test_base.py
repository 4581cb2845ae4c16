"""Schedules of one's own, and who is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from umbel.errors import ImproperlyConfigured
from umbel.schedules import BaseSchedule, crontab, schedstate, schedule
from umbel.schedules.base import is_asked
from umbel.schedules.zones import load_zone, zone_name


class Workdays(crontab):
    """As people write it for Celery: the answer of the class above, on some days only."""

    def is_due(self, last_run_at):
        found = super().is_due(last_run_at)
        return found if self.now().day != 24 else schedstate(False, found.next)


class Slow(crontab):
    """Says nothing of its own."""


class Even(BaseSchedule):
    """Slots of one's own."""

    def next_after(self, after, anchor=None):
        return float(int(after) // 2 * 2 + 2)


class Asked(BaseSchedule):
    def is_due(self, last_run_at):
        return schedstate(True, 5.0)


def test_who_is_asked_and_who_has_slots():
    assert [is_asked(each) for each in (Workdays(), Slow(), Even(), Asked(), crontab(), schedule(1))] == [
        True,
        False,
        False,
        True,
        False,
        False,
    ]


def test_slots_of_ones_own_answer_celerys_questions():
    even = Even(nowfun=lambda: datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC))
    assert even.is_due(datetime(2026, 1, 1, tzinfo=UTC)) == (True, 1.0)
    assert even.remaining_estimate(datetime(2026, 1, 1, 0, 0, 4, tzinfo=UTC)) == timedelta(seconds=1)
    assert [moment.second for moment in even.next_times(3, datetime(2026, 1, 1, tzinfo=UTC))] == [2, 4, 6]


@pytest.mark.parametrize("wrong", ["Europe/Nowhere", "", 5, "../etc/passwd"])
def test_zones_that_are_none(wrong):
    with pytest.raises(ImproperlyConfigured, match="there is no time zone"):
        schedule(1, timezone=wrong)


def test_a_rounded_day_is_shorter_where_clocks_are_put_forward():
    zone = ZoneInfo("America/New_York")
    midnight = datetime(2026, 3, 8, tzinfo=zone)
    daily = schedule(timedelta(days=1), relative=True, nowfun=lambda: midnight, timezone=zone)
    assert daily.is_due(datetime(2026, 3, 7, 23, 30, tzinfo=zone)) == (True, 23 * 3600)


def test_the_apps_clock_is_asked_by_its_method_now():
    """Projects replace it in tests."""
    moment = datetime(2026, 3, 8, 1, 30, tzinfo=ZoneInfo("America/New_York"))
    app = SimpleNamespace(now=lambda: moment, timezone=ZoneInfo("Europe/Berlin"))
    assert schedule(10, app=app).now() == moment
    assert str(schedule(10, app=app).now().tzinfo) == "Europe/Berlin"


def test_a_zone_may_be_set_before_and_after():
    class Zoned(crontab):
        def __init__(self, tz):
            self.tz = tz
            super().__init__(minute=0)

    found = Zoned("Asia/Tokyo")
    assert str(found.tz) == "Asia/Tokyo"
    found.tz = UTC
    assert found.timezone is UTC


def test_names_of_zones():
    assert [zone_name(load_zone(name)) for name in ("utc", "Asia/Tokyo")] == ["UTC", "Asia/Tokyo"]
