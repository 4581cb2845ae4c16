"""Coroutines of many tasks on the event loops of two processes."""

from __future__ import annotations

import os
import signal

import pytest

from system.conftest import ONE_BROKER
from system.processes import eventually

pytestmark = ONE_BROKER


@pytest.fixture
def worker(stage):
    return stage.worker("-P", "asyncio", "--processes", "2", "-c", "30")


def test_tasks_run_side_by_side_in_two_processes_and_a_warm_stop_waits_for_them(stage, worker):
    results = [stage.send("async_nap", 1.5) for _ in range(60)]
    runs = stage.watch.wait(lambda entries: [each for each in entries if each["kind"] == "start"][59:], 20, "60 starts")
    assert not [each for each in stage.watch.update() if each["kind"] == "end"]
    assert runs
    assert len({each["pid"] for each in stage.watch.update()}) == 2
    assert worker.stop() == 0
    assert [result.get(timeout=30) for result in results] == [1.5] * 60
    assert stage.length() == 0


def test_a_task_that_blocks_its_event_loop_is_named(stage, worker):
    result = stage.send("async_block", 1.7)
    worker.wait_log(
        rf"async_block\[{result.id}\] has kept the event loop for more than 1 s, and still does, in async_block \(.*workload.py:\d+\)"
    )
    worker.wait_log(rf"async_block\[{result.id}\] kept the event loop for 1\.\d+ s")
    assert result.get(timeout=30) == 1.7


def test_nothing_is_lost_with_a_process_and_nothing_runs_twice_that_was_not_cut_off(stage, worker):
    results = [stage.send("async_nap", 0.4) for _ in range(40)] + [stage.send("mark", number) for number in range(40)]
    (pid, *_) = {
        each["pid"]
        for each in stage.watch.wait(lambda entries: [each for each in entries if each["kind"] == "start"][19:], 20, "20 starts")
    }
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: all(result.ready() for result in results), 30, "all have ended")
    entries = stage.watch.update()
    starts = {result.id: sum(each["kind"] == "start" and each["id"] == result.id for each in entries) for result in results}
    ended_there = {each["id"] for each in entries if each["kind"] == "end" and each["pid"] == pid}
    assert all(result.successful() for result in results)
    cut_off = {each["id"] for each in entries if each["kind"] == "start" and each["pid"] == pid} - ended_there
    assert {task_id for task_id, count in starts.items() if count > 1} <= cut_off | ended_there
    assert max(starts.values()) <= 2
    assert worker.stop() == 0
