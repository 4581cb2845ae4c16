"""Once, and never again."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime

import pytest

from umbel.errors import ImproperlyConfigured
from umbel.schedules import clocked


def test_once():
    once = clocked(datetime(2026, 5, 1, 12, tzinfo=UTC))
    slot = once.next_after(0)
    assert slot == datetime(2026, 5, 1, 12, tzinfo=UTC).timestamp()
    assert once.next_after(slot) is None
    assert len(once.next_times(5, datetime(2026, 1, 1, tzinfo=UTC))) == 1
    assert pickle.loads(pickle.dumps(once)) == once


def test_zones():
    assert clocked("2026-05-01T12:00", timezone="Europe/Berlin").next_after(0) == datetime(2026, 5, 1, 10, tzinfo=UTC).timestamp()
    assert clocked("2026-05-01T12:00").next_after(0) == datetime(2026, 5, 1, 12, tzinfo=UTC).timestamp()
    assert clocked("2026-05-01T12:00+09:00", timezone="UTC").next_times(1, datetime(2026, 1, 1, tzinfo=UTC))[0].hour == 3


def test_it_is_due_when_it_has_passed_and_was_not_sent():
    once = clocked("2026-05-01T12:00", nowfun=lambda: datetime(2026, 5, 2, tzinfo=UTC))
    assert once.is_due(datetime(2026, 4, 1, tzinfo=UTC)).is_due
    assert not once.is_due(datetime(2026, 5, 1, 12, tzinfo=UTC)).is_due


@pytest.mark.parametrize("wrong", ["tomorrow", "", None, 5])
def test_what_is_no_time(wrong):
    with pytest.raises(ImproperlyConfigured, match="is not a time"):
        clocked(wrong)
