"""Unique options, and what they come to for one call."""

from __future__ import annotations

from datetime import timedelta

import pytest

from umbel.app.sending.keyed.unique import USUAL, delayed, rule_of, unique_call
from umbel.app.sending.options import PublishOptions
from umbel.errors import ImproperlyConfigured
from umbel.testing.fakes import FakeApp


def rule(**options):
    return rule_of(*(options.get(name) for name in ("key", "seconds", "until", "on_conflict")))


def test_without_an_option_there_is_no_key():
    assert rule() is None
    assert rule(key=False, seconds=60) is None, "and where a call says so"


@pytest.mark.parametrize("options", [{"key": True}, {"seconds": 60}, {"until": "start"}, {"on_conflict": "raise"}])
def test_any_option_makes_a_task_unique_by_all_its_arguments(options):
    found = rule(**options)
    assert found.key is None
    assert found.seconds == options.get("seconds", USUAL)


@pytest.mark.parametrize(
    ("options", "until"),
    [
        ({"key": "{0}"}, "finish"), ({"key": "{0}", "until": "start"}, "start"), ({"on_conflict": "raise"}, "finish"),
        ({"on_conflict": "replace"}, "newer"), ({"on_conflict": "debounce", "seconds": timedelta(seconds=5)}, "newer"),
    ],
)  # fmt: skip
def test_until_when_a_key_is_held(options, until):
    assert rule(**options).until == until


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"key": 7}, TypeError, "unique_key must be a text such as"),
        ({"key": ""}, TypeError, "unique_key must be a text such as"),
        ({"key": "{0.x}"}, ValueError, "expected a text such as"),
        ({"seconds": 0}, ValueError, "unique_for must be more than 0 seconds, got 0"),
        ({"seconds": float("nan")}, ValueError, "unique_for must be more than 0 seconds"),
        ({"seconds": "60"}, TypeError, "unique_for must be a number of seconds or a timedelta, got '60'"),
        ({"seconds": True}, TypeError, "unique_for must be a number of seconds"),
        ({"until": "end"}, ValueError, "unique_until must be one of 'start', 'finish', got 'end'"),
        ({"on_conflict": "drop"}, ValueError, "unique_on_conflict must be one of 'return', 'raise', 'replace', 'debounce', 'throttle', got 'drop'"),
        ({"on_conflict": "replace", "until": "finish"}, ValueError, "a task that runs cannot be replaced"),
        ({"on_conflict": "throttle", "seconds": 5, "until": "start"}, ValueError, "leave unique_until out"),
        ({"on_conflict": "throttle"}, ValueError, "needs unique_for: the seconds between two calls"),
        ({"on_conflict": "debounce"}, ValueError, "needs unique_for: the seconds without another call"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told(options, error, text):
    with pytest.raises(error, match=text):
        rule(**options)


@pytest.mark.parametrize(
    "options", [{"unique_key": "{b}"}, {"unique_key": "{0.x}"}, {"unique_until": "end"}, {"unique_key": "{0}", "unique_for": -1}]
)
def test_a_task_that_makes_no_sense_is_told_where_it_is_made(options):
    with pytest.raises(ImproperlyConfigured, match="task t: "):

        @FakeApp().task(name="t", **options)
        def run(a):
            """Never."""


def test_a_bound_tasks_fields_begin_behind_the_task():
    app = FakeApp()

    @app.task(name="t", bind=True, unique_key="{0}:{b}")
    def run(self, a, b=2):
        """Never."""

    assert call(run, (7,)).keys.unique == "7:2"


def call(task, args, waits=0.0, **options):
    merged = PublishOptions.parse(options).over(task.sending_options())
    return unique_call(merged, task, task.name, args, {}, waits)


@pytest.fixture
def task():
    @FakeApp().task(name="t", unique_key="{0}")
    def run(a, b=2):
        """Never."""

    return run


def test_a_call_has_its_tasks_options_and_its_own_before_these(task):
    found = call(task, (7,), unique_for=60, unique_until="start")
    assert (found.name, found.seconds, found.keys.until, found.keys.seconds) == ("unique:t:7", 60.0, "start", 60.0)
    assert call(task, (7,), unique_key="mine").name == "unique:t:mine"
    assert call(task, (7,), unique_key=False) is None


def test_a_call_for_later_holds_its_key_until_then_and_for_its_time(task):
    found = call(task, (7,), waits=1000.0, unique_for=60)
    assert (found.seconds, found.keys.seconds) == (1060.0, 60.0)


def test_a_throttled_call_is_no_business_of_a_workers(task):
    found = call(task, (7,), waits=1000.0, unique_on_conflict="throttle", unique_for=60)
    assert (found.seconds, found.keys) == (60.0, None)


def test_a_debounced_call_waits(task):
    options = PublishOptions(unique_on_conflict="debounce", unique_for=5.0)
    assert delayed(options).countdown == 5.0
    assert delayed(PublishOptions(unique_on_conflict="debounce", unique_for=5.0, countdown=1.0)).countdown == 1.0
    assert delayed(PublishOptions(unique_on_conflict="replace")).countdown is None


@pytest.mark.parametrize(
    "option", [{"link": {"task": "x"}}, {"link_error": {"task": "x"}}, {"chain": [{"task": "x"}]}, {"chord": {"task": "x"}}]
)
def test_what_others_wait_for_is_promised(task, option):
    assert call(task, (7,), **option).is_promised
    assert not call(task, (7,)).is_promised


def test_an_argument_that_is_not_there_is_told_with_the_task(task):
    with pytest.raises(ValueError, match=r"task t: unique_key: the key '\{0\[id\]\}' has the field \{0\[id\]\}, and the call has no such"):
        call(task, (7,), unique_key="{0[id]}")
