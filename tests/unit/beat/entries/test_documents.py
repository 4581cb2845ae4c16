"""Specs as plain values."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from umbel.beat.entries.documents import document_of, fingerprint, spec_of
from umbel.beat.entries.model import Spec
from umbel.beat.runs.lazy import BeatLazyFunc
from umbel.errors import ImproperlyConfigured
from umbel.schedules import crontab, schedule


def test_there_and_back():
    spec = Spec(
        task="t", schedule=crontab(0, "3-5", "mon", timezone="UTC"), args=(1, "é", None, datetime(2030, 1, 1, tzinfo=UTC), Decimal("1.5")),
        kwargs={"a": [1, {"b": 2}]}, options={"queue": "q"}, misfire="skip", jitter=2.5, workers=("a", "b"), description="x",
    )  # fmt: skip
    assert spec_of(json.loads(json.dumps(document_of(spec)))) == spec


def test_only_what_is_not_usual_is_written():
    assert document_of(Spec(task="t", schedule=schedule(5))) == {"task": "t", "schedule": {"every": 5.0}}


def test_what_json_cannot_hold_stays_in_the_code():
    class Mine(crontab):
        pass

    found = document_of(Spec(task="t", schedule=Mine(0, 3)))
    assert found == {"task": "t", "schedule": {"text": "at 03:00"}, "in_code": True}
    lazy = document_of(Spec(task="t", schedule=schedule(5), args=(BeatLazyFunc(len, "x"),)))
    assert lazy["in_code"] and "BeatLazyFunc: len" in lazy["args"]


def test_fingerprints():
    first, second = ({"task": "t", "schedule": {"every": number}} for number in (1, 2))
    assert fingerprint(first) == fingerprint({"schedule": {"every": 1}, "task": "t"}) != fingerprint(second)


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"task": "t"},
        {"task": "t", "schedule": 5},
        {"task": "t", "schedule": {"every": 1}, "args": 5},
        {"task": "t", "schedule": {"every": 1}, "kwargs": 5},
    ],
)
def test_documents_that_are_none(wrong):
    with pytest.raises(ImproperlyConfigured):
        spec_of(wrong)
