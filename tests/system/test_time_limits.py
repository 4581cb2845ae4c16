"""Soft and hard time limits, with Celery's states and names of exceptions."""

from __future__ import annotations

import time

import pytest

from system.conftest import ONE_BROKER
from umbel.errors import SoftTimeLimitExceeded, TimeLimitExceeded


def test_soft_limit_reaches_the_task(shared_stage):
    result = shared_stage.send("soft", 20, soft_time_limit=1)
    assert result.get(timeout=30) == "soft"
    (start,), (end,) = shared_stage.runs(result.id), shared_stage.runs(result.id, "end")
    assert 0.9 <= end["t"] - start["t"] <= 2


def test_soft_limit_uncaught_is_a_failure(shared_stage):
    result = shared_stage.send("soft", 20, False, soft_time_limit=1)
    with pytest.raises(SoftTimeLimitExceeded):
        result.get(timeout=30)
    assert result.state == "FAILURE"
    pid = shared_stage.runs(result.id)[0]["pid"]
    assert shared_stage.send("whoami").get(timeout=30)["pid"] == pid  # the child lives on


@ONE_BROKER
def test_hard_limit_ends_the_child(stage):
    worker = stage.worker("-c", "1")
    result = stage.send("nap", 60, time_limit=1)
    with pytest.raises(TimeLimitExceeded) as caught:
        result.get(timeout=30)
    assert caught.value.args == (1,)
    assert result.state == "FAILURE"
    start = stage.runs(result.id)[0]
    assert time.time() - start["t"] <= 3
    after = stage.send("whoami").get(timeout=30)
    assert after["pid"] != start["pid"]
    assert worker.alive
    assert len(stage.runs(result.id)) == 1


@ONE_BROKER
@pytest.mark.parametrize("task", ["stubborn", "deaf"])
def test_hard_limit_needs_no_consent(stage, task):
    stage.worker("-c", "1")
    result = stage.send(task, 60, soft_time_limit=0.5, time_limit=1.5)
    with pytest.raises(TimeLimitExceeded):
        result.get(timeout=30)
    assert time.time() - stage.runs(result.id)[0]["t"] <= 3.5
    assert stage.send("mark", 1).get(timeout=30) == 1


@ONE_BROKER
@pytest.mark.parametrize("late", [False, True])
def test_hard_limit_is_the_end_of_the_task_not_a_redelivery(stage, late):
    stage.settings["task_acks_late"] = late
    worker = stage.worker("-c", "2", "--time-limit", "1")
    result = stage.send("nap", 60)
    others = [stage.send("mark", number) for number in range(20)]
    assert [other.get(timeout=30) for other in others] == list(range(20))
    assert isinstance(result.get(timeout=30, propagate=False), TimeLimitExceeded)
    assert worker.stop() == 0
    assert stage.length() == 0
    assert len(stage.runs(result.id)) == 1
    assert all(len(stage.runs(other.id)) == 1 for other in others)


@ONE_BROKER
def test_limits_of_the_worker(stage):
    stage.worker("-c", "1", "--soft-time-limit", "1", "--time-limit", "30")
    assert stage.send("soft", 20).get(timeout=30) == "soft"
    assert stage.send("soft", 2, soft_time_limit=5).get(timeout=30) == "whole"


@ONE_BROKER
def test_a_limit_never_hits_the_next_task(stage):
    stage.worker("-c", "1", "--soft-time-limit", "1")
    naps = [stage.send("nap", 0.8) for _ in range(4)]
    assert [nap.get(timeout=30) for nap in naps] == [0.8] * 4


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_handler_that_hangs_is_ended_too(stage):
    worker = stage.worker("-c", "1")
    result = stage.send("lingering", 60, time_limit=1)
    assert stage.send("mark", 1).get(timeout=30) == 1
    assert len(stage.runs(result.id, "end")) == 1
    assert result.state == "SUCCESS", "its body had ended, and its result was stored"
    assert worker.stop() == 0
