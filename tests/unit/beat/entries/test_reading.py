"""Entries as people write them."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from umbel import Umbel
from umbel.beat.entries.reading import check_name, read
from umbel.errors import ImproperlyConfigured
from umbel.schedules import crontab, schedule


@pytest.fixture
def app():
    with Umbel("reading", broker="memory://", timezone="Asia/Tokyo", set_as_current=False) as app:
        yield app


def test_all_that_may_be_said(app):
    spec = read(
        {
            "task": "tasks.add", "schedule": 60, "args": [1], "kwargs": {"y": 2}, "options": {"queue": "q", "expires": timedelta(minutes=1)},
            "relative": True, "timezone": "Europe/Berlin", "misfire": "all", "misfire_limit": 5, "misfire_grace": timedelta(minutes=2), "jitter": 3,
            "overlap": "skip", "expire_at_next": True, "workers": ["a@b"], "description": "words",
        },
        app,
    )  # fmt: skip
    assert spec.schedule == schedule(60, relative=True, timezone="Europe/Berlin")
    assert (spec.args, spec.kwargs, spec.options) == ((1,), {"y": 2}, {"queue": "q", "expires": 60.0})
    assert (spec.misfire, spec.misfire_limit, spec.misfire_grace, spec.jitter, spec.overlap) == ("all", 5, 120.0, 3.0, "skip")
    assert (spec.expire_at_next, spec.workers, spec.description) == (True, ("a@b",), "words")


def test_a_schedule_follows_the_app(app):
    assert str(read({"task": "t", "schedule": crontab(0, 3)}, app).schedule.tz) == "Asia/Tokyo"


def test_the_task_itself_will_do(app):
    @app.task(name="tasks.one")
    def one(): ...

    assert read({"task": one, "schedule": 1}, app).task == "tasks.one"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"schedule": 1}, "task is None: expected the name of a task"),
        ({"task": "", "schedule": 1}, "task is ''"),
        ({"task": "t"}, "it has no schedule: expected seconds"),
        ({"task": "t", "schedule": 0}, "an interval is 0"),
        ({"task": "t", "schedule": math.nan}, "an interval is nan"),
        ({"task": "t", "schedule": "5"}, "a schedule is '5'"),
        ({"task": "t", "schedule": 1, "arg": (1,)}, "it has no 'arg'; did you mean args?"),
        ({"task": "t", "schedule": 1, "zzz": 1}, "it has no 'zzz': expected"),
        ({"task": "t", "schedule": 1, "args": "ab"}, "args is 'ab': expected a list or tuple"),
        ({"task": "t", "schedule": 1, "kwargs": {1: 2}}, "kwargs is {1: 2}"),
        ({"task": "t", "schedule": 1, "options": {"queu": "x"}}, "options cannot be used: .*queue"),
        ({"task": "t", "schedule": 1, "options": {"task_id": "x"}}, "options has a task_id"),
        ({"task": "t", "schedule": 1, "options": [1]}, "options is"),
        ({"task": "t", "schedule": 1, "misfire": "never"}, "misfire is 'never': expected once or skip or all"),
        ({"task": "t", "schedule": 1, "jitter": -1}, "jitter is -1"),
        ({"task": "t", "schedule": 1, "jitter": math.inf}, "jitter is inf"),
        ({"task": "t", "schedule": 1, "misfire_limit": 0}, "misfire_limit is 0"),
        ({"task": "t", "schedule": 1, "workers": ["a", "a"]}, "workers is"),
        ({"task": "t", "schedule": 1, "timezone": "Nowhere"}, "there is no time zone 'Nowhere'"),
        (5, "it is 5: expected a dict"),
    ],
)
def test_what_is_wrong_is_named(app, given, said):
    with pytest.raises(ImproperlyConfigured, match=said):
        read(given, app)


@pytest.mark.parametrize("wrong", ["", "  ", "x" * 201, "a\nb", 5, None])
def test_names_that_are_none(wrong):
    with pytest.raises(ImproperlyConfigured, match="an entry's name is"):
        check_name(wrong)
