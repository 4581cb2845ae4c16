from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from umbel.compat.legacy import times as t

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 7, 1, 12, 0)


def test_numbers():
    assert t.maybe_timedelta(3) == timedelta(seconds=3)
    assert t.maybe_timedelta(None) is None
    assert [t.rate(each) for each in ("10/m", "2/s", 3, None)] == [10 / 60, 2, 3, 0]
    assert [t.get_exponential_backoff_interval(2, retries, 10) for retries in range(4)] == [2, 4, 8, 10]
    assert 0 <= t.get_exponential_backoff_interval(2, 9, 10, full_jitter=True) <= 10


def test_zones():
    assert t.is_naive(NOON)
    assert t.make_aware(NOON, BERLIN).utcoffset() == timedelta(hours=2)
    assert t.localize(t.to_utc(NOON), "Europe/Berlin").hour == 14
    assert t.maybe_make_aware(NOON, BERLIN).hour == 14
    assert t.maybe_make_aware("x") == "x"
    assert t.timezone.get_timezone("UTC") is UTC
    assert t.timezone.utc is UTC
    assert t.timezone.local is not None


def test_text():
    assert t.maybe_iso8601("2026-07-01T12:00:00") == NOON
    assert t.maybe_iso8601(None) is None
    assert t.humanize_seconds(7260, "in", " ") == "in 2.02 hours"
    assert t.humanize_seconds(1) == "1.00 second"
    assert t.humanize_seconds(0) == "now"
    assert t.humanize_seconds(0.5, microseconds=True) == "0.50 seconds"


def test_what_is_left():
    assert t.remaining(NOON, timedelta(hours=1), NOON + timedelta(minutes=20)) == timedelta(minutes=40)
