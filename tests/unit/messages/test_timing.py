from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.errors import MessageError
from umbel.messages.timing import UTC, after, eta_text, expires_text, timestamp

NOW = 1893456000.0  # 2030-01-01T00:00:00Z
BERLIN = ZoneInfo("Europe/Berlin")
JUNE = dt.datetime(2030, 6, 1, 12, 30)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((None, None), None),
        ((None, 10), "2030-01-01T00:00:10+00:00"),
        ((None, 0), "2030-01-01T00:00:00+00:00"),
        ((None, 0.25), "2030-01-01T00:00:00.250000+00:00"),
        ((None, -60), "2029-12-31T23:59:00+00:00"),
        ((JUNE, 10), "2030-01-01T00:00:10+00:00"),
        ((JUNE, None), "2030-06-01T12:30:00"),
        ((JUNE.replace(tzinfo=UTC), None), "2030-06-01T12:30:00+00:00"),
        ((JUNE.replace(tzinfo=BERLIN), None), "2030-06-01T12:30:00+02:00"),
        (("2030-06-01T12:30:00Z", None), "2030-06-01T12:30:00+00:00"),
    ],
)
def test_eta(arguments, expected):
    assert eta_text(*arguments, NOW) == expected


def test_a_countdown_is_written_in_the_apps_zone():
    assert eta_text(None, 10, NOW, BERLIN) == "2030-01-01T01:00:10+01:00"
    assert expires_text(10, NOW, BERLIN) == "2030-01-01T01:00:10+01:00"


@pytest.mark.parametrize(
    ("expires", "text", "left"),
    [
        (60, "2030-01-01T00:01:00+00:00", 60),
        (0.5, "2030-01-01T00:00:00.500000+00:00", 0.5),
        (-1, "2029-12-31T23:59:59+00:00", -1),
        (dt.datetime(2030, 6, 1, 12, tzinfo=UTC), "2030-06-01T12:00:00+00:00", 13089600),
        (dt.datetime(2030, 1, 1, 0, 0, 1), "2030-01-01T00:00:01", 1),
        ("2030-01-01T00:00:01+00:00", "2030-01-01T00:00:01+00:00", 1),
    ],
)
def test_expires(expires, text, left):
    assert expires_text(expires, NOW) == text
    assert timestamp(text) - NOW == pytest.approx(left)


def test_no_expires():
    assert expires_text(None, NOW) is None


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 1e300, 10**12])
def test_countdowns_that_lead_nowhere(seconds):
    with pytest.raises(ValueError, match="seconds"):
        after(seconds, NOW)


def test_wrong_types():
    for call in (lambda: after("10", NOW), lambda: eta_text(None, "soon", NOW), lambda: expires_text([], NOW)):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(ValueError, match="yesterday"):
        eta_text("yesterday", None, NOW)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030-01-01T00:00:00+00:00", NOW),
        ("2030-01-01T00:00:00Z", NOW),
        ("2030-01-01 00:00:00", NOW),
        ("2030-01-01T02:00:00.500000+02:00", NOW + 0.5),
        ("2030-01-01T00:00:00.715Z", NOW + 0.715),
        ("2029-12-31T19:00-05:00", NOW),
    ],
)
def test_timestamp(text, expected):
    assert timestamp(text) == expected


def test_a_naive_time_is_utc():
    assert timestamp("2030-01-01T01:00:00") == timestamp("2030-01-01T01:00:00+00:00") == NOW + 3600


@pytest.mark.parametrize(
    "text",
    [
        "yesterday",
        "",
        "2030-01-01",
        "20300101T000000",
        "2030-W01-1T00:00:00",
        "2030-13-01T00:00:00",
        "2030-01-01T25:00:00",
        "0" * 10_000,
        "2030-01-01T00:00:00+99:00",
        "2030-01-01T00:00:00\n",
        "2030-01-01T00:00:00é",
        "\x1b[31m" * 6,
        None,
        1893456000,
        b"2030-01-01T00:00:00",
    ],
)
def test_not_a_time(text):
    with pytest.raises(MessageError) as raised:
        timestamp(text)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 200


@given(st.datetimes(min_value=dt.datetime(1971, 1, 1), max_value=dt.datetime(9990, 1, 1), timezones=st.just(UTC)))
def test_written_times_are_read_again(when):
    assert abs(timestamp(eta_text(when, None, NOW)) - when.timestamp()) < 1e-3


@given(st.text(max_size=45))
def test_no_other_exception(text):
    try:
        timestamp(text)
    except MessageError:
        pass
