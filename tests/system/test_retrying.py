"""Retries: countdown, backoff, exhaustion."""

from __future__ import annotations

import itertools

import pytest

from system.conftest import ONE_SHARED
from system.workload import Refused


def times(stage, task_id):
    return [entry["t"] for entry in stage.runs(task_id)]


def test_retry_with_countdown(shared_stage):
    result = shared_stage.send("retry_until", 3, 0.5)
    assert result.get(timeout=30) == 3
    assert [entry["retries"] for entry in shared_stage.runs(result.id)] == [0, 1, 2, 3]
    at = times(shared_stage, result.id)
    gaps = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert all(0.5 <= gap <= 3 for gap in gaps), gaps


@ONE_SHARED
def test_state_is_retry_between_attempts(shared_stage):
    result = shared_stage.send("retry_until", 1, 3)
    shared_stage.await_runs(result.id)
    assert shared_stage.send("mark", 1).get(timeout=30) == 1
    assert result.state == "RETRY"
    assert result.get(timeout=30) == 1
    assert result.state == "SUCCESS"


def test_max_retries_raises_the_cause(shared_stage):
    result = shared_stage.send("retry_in_vain")
    with pytest.raises(Refused) as caught:
        result.get(timeout=30)
    assert caught.value.args == (7, "again")
    assert [entry["retries"] for entry in shared_stage.runs(result.id)] == [0, 1, 2]
    assert result.state == "FAILURE"


def test_max_retries_without_cause(shared_stage):
    result = shared_stage.send("retry_in_vain", False)
    error = result.get(timeout=30, propagate=False)
    assert type(error).__name__ == "MaxRetriesExceededError"
    assert "retry_in_vain" in str(error)


@ONE_SHARED
def test_autoretry_backs_off(shared_stage):
    result = shared_stage.send("backoff_until", 2)
    assert result.get(timeout=30) == 2
    at = times(shared_stage, result.id)
    assert 1 <= at[1] - at[0] < 4
    assert 2 <= at[2] - at[1] < 5


@ONE_SHARED
def test_autoretry_gives_up_with_the_cause(shared_stage):
    result = shared_stage.send("backoff_until", 99)
    with pytest.raises(ConnectionError, match="down"):
        result.get(timeout=30)
    assert len(shared_stage.runs(result.id)) == 4


def test_a_retry_leaves_nothing_behind(shared_stage):
    results = [shared_stage.send("retry_until", 2, 0.05) for _ in range(50)]
    assert [result.get(timeout=30) for result in results] == [2] * 50
    assert [len(shared_stage.runs(result.id)) for result in results] == [3] * 50


def test_a_retry_that_cannot_be_encoded_is_a_dead_letter_and_a_failure(shared_stage):
    result = shared_stage.send("retry_with_a_set")
    (letter,) = shared_stage.dead()
    assert (letter.headers["id"], letter.headers["x-umbel-dead-reason"]) == (result.id, "unencodable")
    assert result.get(timeout=30, propagate=False).__class__.__name__ == "EncodeError"
    (start,) = shared_stage.runs(result.id)
    assert shared_stage.send("whoami").get(timeout=30)["pid"] == start["pid"]  # the child lives on
