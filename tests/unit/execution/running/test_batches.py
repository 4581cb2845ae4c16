from __future__ import annotations

import asyncio

import pytest

from umbel import Call, states
from umbel.errors import ImproperlyConfigured, TaskError
from umbel.execution.running.batches import alone, apart, results_of
from umbel.testing.fakes import FakeApp


@pytest.mark.parametrize(
    ("value", "text"), [(None, "it returned a NoneType"), ("ab", "it returned a str"), ([1], "it returned 1 for 2 calls")]
)
def test_what_is_no_list_with_a_result_for_each_is_told(value, text):
    with pytest.raises(TaskError, match=text):
        results_of(value, 2)
    (_, error, *_), _ = apart((value, None, 1.0, 4.0), 2)
    assert text in str(error)


def test_each_has_its_own_end_and_its_part_of_the_time():
    odd = ValueError("odd")
    assert apart(([1, odd], None, 9.0, 4.0), 2) == [(1, None, 9.0, 2.0), (None, odd, 9.0, 2.0)]
    assert apart((None, odd, 9.0, 4.0), 2) == [(None, odd, 9.0, 2.0)] * 2


def test_one_call_is_a_batch_of_its_own():
    app = FakeApp()

    @app.task(name="t", batch_size=10)
    def double(calls):
        (call,) = calls
        assert isinstance(call, Call)
        if not call.args:
            return [LookupError("none")]
        return [(call.id, call.args[0] * 2, dict(call.kwargs), call.request.retries)]

    result = double.delay(2, unit="m")
    execution = app.run()
    assert (execution.state, app.records.records[-1].result) == (states.SUCCESS, (result.id, 4, {"unit": "m"}, 0))
    assert double.apply((3,)).get()[1] == 6
    assert double.apply().state == states.FAILURE


def test_one_of_a_coroutine_too():
    app = FakeApp()

    @app.task(name="t", batch_size=10)
    async def double(calls):
        return [2 * call.args[0] for call in calls]

    assert asyncio.run(alone(double)(3)) == 6


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"batch_size": 0}, "task t: batch_size must be from 1 to 1000, got 0"),
        ({"batch_size": "10"}, "batch_size must be a whole number, got '10'"),
        ({"batch_size": True}, "batch_size must be a whole number"),
        ({"batch_size": 10, "batch_wait": -1}, "batch_wait must be from 0 to 3600 seconds, got -1"),
        ({"batch_size": 10, "batch_wait": "1"}, "batch_wait must be a number of seconds"),
        ({"batch_size": 10, "acks_late": False}, "batch_size does not go with acks_late=False"),
        ({"batch_size": 10, "rate_limit": 3}, "batch_size does not go with rate_limit"),
        ({"batch_size": 10, "unique_key": True}, "batch_size does not go with unique_key"),
    ],
)
def test_options_that_make_no_sense_are_told_where_the_task_is_made(options, text):
    with pytest.raises(ImproperlyConfigured, match=text):
        FakeApp().task(name="t", **options)(lambda calls: [])
