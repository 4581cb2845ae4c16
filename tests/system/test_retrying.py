"""Retries: countdown, backoff, exhaustion."""

from __future__ import annotations

import itertools

import pytest

from system.workload import Refused


def times(stage, task_id):
    return [entry["t"] for entry in stage.runs(task_id)]


def test_retry_with_countdown(stage):
    stage.worker("-c", "2")
    result = stage.send("retry_until", 3, 0.5)
    assert result.get(timeout=15) == 3
    assert [entry["retries"] for entry in stage.runs(result.id)] == [0, 1, 2, 3]
    at = times(stage, result.id)
    gaps = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert all(0.5 <= gap <= 1.1 for gap in gaps), gaps


def test_state_is_retry_between_attempts(stage):
    stage.worker("-c", "1")
    result = stage.send("retry_until", 1, 4)
    stage.await_runs(result.id)
    assert stage.send("mark", 1).get(timeout=5) == 1
    assert result.state == "RETRY"
    assert result.get(timeout=10) == 1
    assert result.state == "SUCCESS"


def test_max_retries_raises_the_cause(stage):
    stage.worker("-c", "1")
    result = stage.send("retry_in_vain")
    with pytest.raises(Refused) as caught:
        result.get(timeout=10)
    assert caught.value.args == (7, "again")
    assert [entry["retries"] for entry in stage.runs(result.id)] == [0, 1, 2]
    assert result.state == "FAILURE"


def test_max_retries_without_cause(stage):
    stage.worker("-c", "1")
    result = stage.send("retry_in_vain", False)
    error = result.get(timeout=10, propagate=False)
    assert type(error).__name__ == "MaxRetriesExceededError"
    assert "retry_in_vain" in str(error)


def test_autoretry_backs_off(stage):
    stage.worker("-c", "1")
    result = stage.send("backoff_until", 2)
    assert result.get(timeout=20) == 2
    at = times(stage, result.id)
    assert 1 <= at[1] - at[0] <= 1.6
    assert 2 <= at[2] - at[1] <= 2.6


def test_autoretry_gives_up_with_the_cause(stage):
    stage.worker("-c", "1")
    result = stage.send("backoff_until", 99)
    with pytest.raises(ConnectionError, match="down"):
        result.get(timeout=20)
    assert len(stage.runs(result.id)) == 4


def test_a_retry_leaves_nothing_behind(stage):
    worker = stage.worker("-c", "2")
    results = [stage.send("retry_until", 2, 0.05) for _ in range(50)]
    assert [result.get(timeout=20) for result in results] == [2] * 50
    assert worker.stop() == 0
    assert [len(stage.runs(result.id)) for result in results] == [3] * 50
    assert stage.length() == 0


def test_a_retry_that_cannot_be_encoded_is_a_dead_letter_and_a_failure(stage):
    stage.worker("-c", "1")
    result = stage.send("retry_with_a_set")
    (letter,) = stage.dead()
    assert (letter.headers["id"], letter.headers["x-umbel-dead-reason"]) == (result.id, "unencodable")
    assert result.get(timeout=10, propagate=False).__class__.__name__ == "EncodeError"
    (start,) = stage.runs(result.id)
    assert stage.send("whoami").get(timeout=10)["pid"] == start["pid"]  # the child lives on
