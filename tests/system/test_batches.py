"""Calls that are collected and run together."""

from __future__ import annotations

import os
import signal

import pytest

from system.conftest import ONE_BROKER
from system.processes import open_gate

POOLS = [("-P", "prefork", "-c", "2"), ("-P", "threads", "-c", "2"), ("-P", "asyncio", "-c", "2"), ("-P", "solo")]


def calls_in(stage, results):
    """How many calls each ran together with, in its last run."""
    return [stage.runs(result.id)[-1]["calls"] for result in results]


@pytest.mark.parametrize("pool", POOLS, ids=lambda pool: pool[1])
@ONE_BROKER
def test_calls_run_together_and_each_has_a_result_of_its_own(stage, pool):
    stage.worker(*pool, "--prefetch-multiplier", "1")
    words = [*range(20), "fail", "again"]
    results = [stage.send("together", word) for word in words]
    assert [result.get(timeout=30) for result in results[:20]] == words[:20]
    with pytest.raises(ValueError, match="this one"):
        results[20].get(timeout=30)
    with pytest.raises(ConnectionError, match="try again"):
        results[21].get(timeout=30)
    assert calls_in(stage, results[:20]) == [10] * 20
    assert [run["retries"] for run in stage.runs(results[21].id)] == [0, 1]
    assert stage.length() == 0


def test_on_every_broker_an_error_is_that_of_all(stage):
    stage.worker("-c", "2")
    results = [stage.send("together", word) for word in ("raise", 1, 2)]
    for result in results:
        with pytest.raises(ValueError, match="all of them"):
            result.get(timeout=30)


@ONE_BROKER
def test_where_a_child_dies_each_runs_again_alone(stage):
    stage.worker("-c", "1")
    gate = stage.gate()
    results = [stage.send("together", word) for word in (1, gate, 3)]
    pids = {stage.await_runs(result.id)[0]["pid"] for result in results}
    os.kill(pids.pop(), signal.SIGKILL)
    stage.await_runs(results[1].id, 2, timeout=30)
    open_gate(gate)
    assert [result.get(timeout=30) for result in results] == [1, gate, 3]
    assert [[run["calls"] for run in stage.runs(result.id)] for result in results] == [[3, 1]] * 3


def test_a_killed_worker_gives_all_back(stage):
    worker, gate = stage.worker("-c", "1"), stage.gate()
    results = [stage.send("together", word) for word in (1, gate, 3)]
    stage.await_runs(results[1].id)
    worker.kill_group()
    worker.wait()
    stage.worker("-c", "1")
    stage.await_runs(results[1].id, 2, timeout=30)
    open_gate(gate)
    assert [result.get(timeout=30) for result in results] == [1, gate, 3]


@ONE_BROKER
def test_a_stop_hands_back_what_waits(stage):
    stage.settings["task_annotations"] = {"together": {"batch_wait": 600}}
    worker = stage.worker("-c", "1")
    results = [stage.send("together", number) for number in range(3)]
    assert stage.send("mark", "seen").get(timeout=30) == "seen"
    assert worker.stop() == 0
    stage.settings["task_annotations"] = {"together": {"batch_wait": 0.1}}
    stage.worker("-c", "1")
    assert [result.get(timeout=30) for result in results] == [0, 1, 2]


@ONE_BROKER
def test_a_hard_time_limit_is_that_of_all(stage):
    stage.settings["task_annotations"] = {"together": {"time_limit": 0.5}}
    stage.worker("-c", "1")
    results = [stage.send("together", word) for word in (1, stage.gate(), 3)]
    for result in results:
        assert type(result.get(timeout=30, propagate=False)).__name__ == "TimeLimitExceeded"
    assert all(len(stage.runs(result.id)) == 1 for result in results)
