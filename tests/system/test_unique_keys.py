"""Unique calls and the workers that run them."""

from __future__ import annotations

import os
import signal
import time

import pytest

from system.conftest import ONE_BROKER, ONE_SHARED
from system.processes import eventually, open_gate
from umbel.errors import TaskRevokedError

#: Seconds of a lease in tests where its holder dies.
LEASE = 1.0


def test_one_call_runs_for_all_until_it_has_ended(shared_stage):
    stage, gate, key = shared_stage, shared_stage.gate(), f"k-{time.time_ns()}"
    first = stage.send("wait_for", gate, unique_key=key)
    stage.await_runs(first.id)
    assert {stage.send("wait_for", gate, unique_key=key).id for _ in range(5)} == {first.id}
    open_gate(gate)
    first.get(timeout=30)
    second = stage.send("mark", "again", unique_key=key)
    assert second.get(timeout=30) == "again"
    assert len(stage.runs(first.id)) == 1


@ONE_SHARED
def test_until_the_start_one_waits_while_one_runs(shared_stage):
    stage, gate, key = shared_stage, shared_stage.gate(), f"k-{time.time_ns()}"
    first = stage.send("wait_for", gate, unique_key=key, unique_until="start")
    stage.await_runs(first.id)
    second, third = (stage.send("wait_for", gate, unique_key=key, unique_until="start") for _ in range(2))
    assert first.id != second.id == third.id
    for result in (first, second):
        stage.await_runs(result.id)
        open_gate(gate)
        result.get(timeout=30)


@ONE_SHARED
def test_of_calls_that_replace_each_other_the_newest_runs(shared_stage):
    stage, key = shared_stage, f"k-{time.time_ns()}"
    results = [stage.send("mark", number, countdown=0.5, unique_key=key, unique_on_conflict="replace") for number in range(4)]
    assert results[-1].get(timeout=30) == 3
    for result in results[:-1]:
        with pytest.raises(TaskRevokedError, match=f"replaced by {results[-1].id}"):
            result.get(timeout=30)


@ONE_SHARED
def test_what_never_runs_frees_its_key(shared_stage):
    stage, key = shared_stage, f"k-{time.time_ns()}"
    expired = stage.send("mark", 1, countdown=0.3, expires=0.1, unique_key=key)
    with pytest.raises(TaskRevokedError):
        expired.get(timeout=30)
    dead = stage.app.send_task("nobody_knows_it", unique_key=key)
    with pytest.raises(Exception, match="nobody_knows_it"):
        dead.get(timeout=30)
    stage.dead()
    again = stage.app.send_task("nobody_knows_it", unique_key=key)
    assert again.id != dead.id
    with pytest.raises(Exception, match="nobody_knows_it"):
        again.get(timeout=30)
    stage.dead()


@ONE_SHARED
def test_a_retry_keeps_it_and_its_end_frees_it(shared_stage):
    stage, key = shared_stage, f"k-{time.time_ns()}"
    first = stage.send("backoff_until", 2, unique_key=key)
    stage.await_runs(first.id, 2)
    assert stage.send("backoff_until", 2, unique_key=key).id == first.id
    assert first.get(timeout=30) == 2
    assert stage.send("mark", 1, unique_key=key).get(timeout=30) == 1


@ONE_BROKER
def test_what_must_run_waits_for_the_key_in_the_worker(stage):
    """A link is sent whoever has its key."""
    stage.worker("-c", "2")
    gate, another = stage.gate(), stage.gate()
    first = stage.send("wait_for", gate, unique_key="k")
    stage.await_runs(first.id)
    chained = (stage.app.tasks["mark"].s("a") | stage.app.tasks["wait_for"].si(another).set(unique_key="k")).apply_async()
    assert stage.send("mark", "goes past").get(timeout=30) == "goes past"
    time.sleep(0.5)  # the very thing under test: it does not run beside the other
    assert not stage.runs(chained.id)
    open_gate(gate)
    open_gate(another)
    chained.get(timeout=30)


@ONE_BROKER
def test_a_killed_child_keeps_the_key_for_the_redelivery(stage):
    stage.worker("-c", "1")
    gate = stage.gate()
    first = stage.send("wait_for", gate, unique_key="k")
    os.kill(stage.await_runs(first.id)[0]["pid"], signal.SIGKILL)
    stage.await_runs(first.id, 2)
    assert stage.send("wait_for", gate, unique_key="k").id == first.id
    open_gate(gate)
    first.get(timeout=30)
    assert stage.send("mark", 1, unique_key="k").get(timeout=30) == 1


@ONE_BROKER
def test_the_key_of_a_killed_worker_is_free_within_its_lease_and_two_of_it_never_run_side_by_side(stage):
    stage.settings["lease_duration"] = LEASE
    worker = stage.worker("-c", "1")
    first = stage.send("nap", 1.5, unique_key="k")
    stage.await_runs(first.id)
    eventually(lambda: stage.app.leases.holders("unique:nap:k")[0].seconds <= LEASE, what="held by a worker that lives")
    worker.kill_group()
    worker.wait()
    killed = time.time()
    second = eventually(
        lambda: result if (result := stage.send("nap", 1.5, unique_key="k")).id != first.id else None, LEASE + 20, "the key is free"
    )
    stage.worker("-c", "2")
    for each in (first, second):
        assert each.get(timeout=30) == 1.5
    starts = sorted(entry["t"] for each in (first, second) for entry in stage.runs(each.id) if entry["t"] > killed)
    ends = sorted(entry["t"] for each in (first, second) for entry in stage.runs(each.id, "end"))
    assert len(starts) == len(ends) == 2
    assert ends[0] <= starts[1]
