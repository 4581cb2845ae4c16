"""Limits on all workers together."""

from __future__ import annotations

import time

import pytest

from system.conftest import ONE_BROKER
from system.processes import open_gate

#: Seconds of a lease in tests where its holder dies.
LEASE = 1.0


def limit(stage, task, number, key=None):
    """Give a task of the workload a limit."""
    stage.settings["task_annotations"] = {task: {"concurrency_limit": number, **({"concurrency_key": key} if key else {})}}


def most_at_a_time(entries):
    """The most that ran side by side, by the starts and ends that tasks have noted."""
    running = most = 0
    for entry in sorted(entries, key=lambda entry: (entry["t"], entry["kind"] == "start")):
        running += 1 if entry["kind"] == "start" else -1
        most = max(most, running)
    return most


@pytest.mark.parametrize("place", ["sqlite", pytest.param("redis", marks=pytest.mark.redis)], indirect=True)
def test_no_more_than_the_limit_run_on_all_workers_and_others_go_past(stage):
    limit(stage, "nap", 2, "{0}")
    for _ in range(2):
        stage.worker("-c", "3")
    results = [stage.send("nap", seconds) for _ in range(8) for seconds in (0.1, 0.11)]
    sent = time.time()
    assert stage.send("mark", "goes past").get(timeout=30) == "goes past"
    went_past = time.time() - sent
    for result in results:
        result.get(timeout=60)
    entries = stage.watch.update()
    ids = [{result.id for result in results[first::2]} for first in (0, 1)]
    assert max(most_at_a_time([entry for entry in entries if entry["id"] in those]) for those in ids) == 2
    assert went_past < max(entry["t"] for entry in entries if entry["kind"] == "end" and entry["id"] in ids[0]) - sent


@ONE_BROKER
def test_what_waits_holds_no_slot_and_no_prefetch(stage):
    limit(stage, "wait_for", 1)
    stage.worker("-c", "2", "--prefetch-multiplier", "1")
    gate, at_once = stage.gate(), stage.folder / "empty"
    at_once.touch()
    first = stage.send("wait_for", gate)
    stage.await_runs(first.id)
    waiting = [stage.send("wait_for", str(at_once)) for _ in range(20)]
    assert [stage.send("mark", number).get(timeout=30) for number in range(5)] == list(range(5))
    assert not any(stage.runs(result.id) for result in waiting)
    open_gate(gate)
    for result in (first, *waiting):
        result.get(timeout=60)


@ONE_BROKER
def test_the_place_of_a_killed_worker_is_free_within_its_lease(stage):
    stage.settings["lease_duration"] = LEASE
    limit(stage, "wait_for", 1)
    worker, gate, at_once = stage.worker("-c", "1"), stage.gate(), stage.folder / "empty"
    at_once.touch()
    first = stage.send("wait_for", gate)
    stage.await_runs(first.id)
    stage.worker("-c", "1")
    second = stage.send("wait_for", str(at_once))
    time.sleep(2 * LEASE)  # the very thing under test: a place is held as long as its worker lives
    assert not stage.runs(second.id)
    worker.kill_group()
    worker.wait()
    stage.await_runs(first.id, 2, timeout=30)
    open_gate(gate)
    first.get(timeout=30)
    second.get(timeout=30)


@ONE_BROKER
def test_a_worker_that_stops_leaves_its_places(stage):
    limit(stage, "nap", 1)
    worker = stage.worker("-c", "1")
    results = [stage.send("nap", 0.3) for _ in range(3)]
    stage.await_runs(results[0].id)
    worker.stop()
    stage.worker("-c", "1")
    for result in results:
        result.get(timeout=20)  # leases are half a minute long
