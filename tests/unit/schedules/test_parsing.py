"""From what people and stores write to schedules."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from umbel.errors import ImproperlyConfigured
from umbel.schedules import BaseSchedule, clocked, crontab, maybe_schedule, schedule, solar
from umbel.schedules.parsing import document, duration, from_document


@pytest.mark.parametrize(
    "given",
    [
        schedule(30),
        schedule(timedelta(hours=1), relative=True, timezone="Asia/Tokyo"),
        crontab("*/5", {1, 2}, "mon-fri", range(1, 8), timezone="Europe/Berlin"),
        crontab(" 1, 2"),
        solar("sunset", 52.5, 13.4),
        clocked("2026-05-01T12:00+02:00", timezone="Europe/Berlin"),
    ],
)
def test_documents(given):
    assert from_document(json.loads(json.dumps(document(given)))) == given


def test_a_class_of_ones_own_has_no_document():
    class Mine(crontab):
        pass

    assert document(Mine()) is None
    assert document(BaseSchedule()) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"every": "x"},
        {"every": -1},
        {"crontab": 5},
        {"crontab": "x"},
        {"solar": "sunset"},
        {"at": "x"},
        {"every": 5, "timezone": "x"},
        [],
        None,
    ],
)
def test_documents_that_are_none(wrong):
    with pytest.raises(ImproperlyConfigured):
        from_document(wrong)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), ("30s", 30), ("1h30m", 5400), ("1 h 30 m", 5400), ("500ms", 0.5), ("2d", 172800), ("1.5h", 5400), ("1W", 604800)],
)
def test_durations(text, seconds):
    assert duration(text) == seconds


@pytest.mark.parametrize("wrong", ["", "h", "5x", "1h5", "ten"])
def test_durations_that_are_none(wrong):
    with pytest.raises(ImproperlyConfigured, match=r"is not a duration: expected e\.g\. 30s"):
        duration(wrong)


def test_maybe_schedule():
    assert maybe_schedule(30) == maybe_schedule(timedelta(seconds=30)) == schedule(30)
    assert maybe_schedule(3600, relative=True).relative
    assert maybe_schedule(None) is None
    own = crontab()
    assert maybe_schedule(own) is own
    with pytest.raises(ImproperlyConfigured, match="expected seconds, a timedelta, crontab"):
        maybe_schedule("30")
    with pytest.raises(ImproperlyConfigured, match="positive"):
        maybe_schedule(0)
