"""A child dies: exactly the task it ran is to blame, and nobody else notices."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import pytest

from system.conftest import ONE_BROKER
from system.processes import eventually, open_gate
from umbel.errors import WorkerLostError

REDELIVER = {"task_acks_late": True, "task_reject_on_worker_lost": True}


def pool_is(stage, size):
    """So many tasks run at the same time, in so many processes."""
    gates = [stage.gate() for _ in range(size)]
    results = [stage.send("wait_for", gate) for gate in gates]
    starts = [stage.await_runs(result.id)[0]["pid"] for result in results]
    for gate in gates:
        open_gate(gate)
    assert [result.get(timeout=30) for result in results] == starts
    return len(set(starts)) == size


@ONE_BROKER
@pytest.mark.parametrize(
    ("how", "words"),
    [("sigkill", "SIGKILL"), ("segfault", "SIGSEGV"), ("abort", "SIGABRT"), ("os._exit", "7"), ("sys.exit", "3"), ("overflow", "SIGSEGV")],
)
def test_an_early_acknowledged_task_that_ends_its_process_fails(stage, how, words):
    stage.settings["task_acks_late"] = False
    worker = stage.worker("-c", "2")
    result = stage.send("die", how)
    others = [stage.send("mark", number) for number in range(30)]
    with pytest.raises(WorkerLostError, match=words):
        result.get(timeout=30)
    assert [other.get(timeout=30) for other in others] == list(range(30))
    assert result.state == "FAILURE"
    assert len(stage.runs(result.id)) == 1
    assert all(len(stage.runs(other.id)) == 1 for other in others)
    assert worker.alive
    assert pool_is(stage, 2)


@ONE_BROKER
def test_reserved_tasks_behind_the_dying_one_are_not_blamed(stage):
    stage.settings.update(REDELIVER)
    worker = stage.worker("-c", "1", "--prefetch-multiplier", "16")
    gate = stage.gate()
    first = stage.send("wait_for", gate)
    start = stage.await_runs(first.id)[0]
    others = [stage.send("mark", number) for number in range(12)]
    eventually(lambda: stage.length() == 0, what="all reserved")
    os.kill(start["pid"], signal.SIGKILL)
    stage.await_runs(first.id, 2)
    open_gate(gate)
    assert first.get(timeout=30) != start["pid"]
    assert [other.get(timeout=30) for other in others] == list(range(12))
    assert all(len(stage.runs(other.id)) == 1 and not stage.runs(other.id)[0]["redelivered"] for other in others)
    assert worker.alive


@ONE_BROKER
def test_redelivered_within_a_second(stage, tmp_path):
    stage.settings.update(REDELIVER)
    stage.worker("-c", "2")
    result = stage.send("die_once", str(tmp_path / "flag"))
    first, second = stage.await_runs(result.id, 2)
    assert second["t"] - first["t"] <= 1.5
    assert result.get(timeout=30) == "alive"
    assert second["redelivered"]


@ONE_BROKER
@pytest.mark.parametrize("how", ["sigkill", "os._exit"])
def test_past_the_limit_it_is_a_dead_letter(stage, how):
    stage.settings.update(REDELIVER, task_max_deliveries=3)
    worker = stage.worker("-c", "2")
    result = stage.send("die", how)
    others = [stage.send("mark", number) for number in range(50)]
    with pytest.raises(WorkerLostError):
        result.get(timeout=30)
    assert [other.get(timeout=30) for other in others] == list(range(50))
    (dead,) = stage.dead()
    assert dead.headers["id"] == result.id
    assert dead.headers["x-umbel-dead-reason"] == "worker_lost"
    assert dead.headers["x-umbel-dead-queue"] == stage.queue
    assert len(stage.runs(result.id)) == 3
    assert worker.stop() == 0
    assert stage.length() == 0


def test_a_worker_killer_is_counted_across_workers(stage):
    """The whole worker dies with the task each time: the count lives with the message. The first death, of a message never seen before, is free."""
    stage.settings.update(REDELIVER, task_max_deliveries=2)
    result = stage.send("wait_for", stage.gate())
    for attempt in (1, 2, 3):
        worker = stage.worker("-c", "1")
        stage.await_runs(result.id, attempt, timeout=30)
        worker.kill_group()
        worker.wait()
    stage.worker("-c", "1")
    (dead,) = stage.dead(timeout=15)
    assert (dead.headers["id"], dead.headers["x-umbel-dead-reason"]) == (result.id, "worker_lost")
    assert len(stage.runs(result.id)) == 3
    assert isinstance(result.get(timeout=30, propagate=False), WorkerLostError)


@ONE_BROKER
def test_the_defaults_lose_nothing_when_a_child_dies(stage, tmp_path):
    stage.worker("-c", "2")
    result = stage.send("die_once", str(tmp_path / "flag"))
    assert result.get(timeout=30) == "alive"
    assert len(stage.runs(result.id)) == 2


@ONE_BROKER
def test_an_idle_child_that_dies_is_replaced(stage):
    worker = stage.worker("-c", "2")
    pids = {stage.send("whoami").get(timeout=30)["pid"] for _ in range(4)}
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert pool_is(stage, 2)
    assert worker.alive


@ONE_BROKER
def test_when_the_main_process_is_killed_its_children_go(stage):
    stage.settings.update(REDELIVER)
    worker = stage.worker("-c", "2")
    result = stage.send("nap", 60)
    stage.await_runs(result.id)
    worker.send(signal.SIGKILL)
    worker.wait()
    try:
        eventually(lambda: not worker.members(), 30)
    except AssertionError:
        left = [Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")[:120] for pid in worker.members()]
        raise AssertionError(f"still there after 2 s: {left}") from None


@ONE_BROKER
def test_children_are_recycled(stage):
    worker = stage.worker("-c", "2", "--max-tasks-per-child", "5")
    results = [stage.send("whoami") for _ in range(40)]
    pids = [result.get(timeout=30)["pid"] for result in results]
    assert max(pids.count(pid) for pid in pids) <= 5
    assert len(set(pids)) >= 8
    assert worker.alive
    assert worker.stop() == 0
    assert stage.length() == 0


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_thread_that_a_task_left_behind_does_not_keep_a_spent_child(stage):
    worker = stage.worker("-c", "1", "--max-tasks-per-child", "1")
    pid = stage.send("leave_a_thread").get(timeout=30)
    after = stage.send("whoami")
    assert after.get(timeout=30)["pid"] != pid
    # While there was nobody to run it, it was not fetched and handed back for ever.
    assert sum(after.id in line and "received" in line for line in worker.log) <= 3


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_child_that_cannot_be_started_is_started_later(stage):
    worker = stage.worker("-c", "1")
    child = stage.send("whoami").get(timeout=30)["pid"]
    usual = resource.prlimit(worker.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, (3, usual[1]))
    os.kill(child, signal.SIGKILL)
    worker.wait_log("cannot be started")
    resource.prlimit(worker.pid, resource.RLIMIT_NOFILE, usual)
    assert stage.send("whoami").get(timeout=30)["pid"] != child


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_new_template_is_as_deaf_to_a_stop_as_the_first(stage):
    worker = stage.worker("-c", "1")
    before = stage.send("whoami").get(timeout=30)
    os.kill(before["parent"], signal.SIGKILL)
    eventually(lambda: stage.send("whoami").get(timeout=30)["parent"] != before["parent"])
    result = stage.send("nap", 1)
    stage.await_runs(result.id)
    worker.kill_group(signal.SIGTERM)
    assert result.get(timeout=30) == 1
    assert worker.wait() == 0
    assert len(stage.runs(result.id)) == 1


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_copy_of_the_process_that_a_task_forked_ends_with_the_task(stage):
    worker = stage.worker("-c", "1")
    stage.send("mark").get(timeout=30)
    before = worker.members()
    results = [stage.send("fork", how) for how in ("return", "raise", "exit")]
    assert [result.get(timeout=30) for result in results] == [0, 0, 7]
    assert worker.members() == before
    assert [stage.send("mark", number).get(timeout=30) for number in range(20)] == list(range(20))
    assert all(len(stage.runs(result.id)) == 1 for result in results)


@pytest.mark.parametrize("place", ["sqlite"], indirect=True)
def test_a_stopped_child_holds_nothing_for_ever(stage):
    worker = stage.worker("-c", "1", "-l", "info")
    result = stage.send("whoami")
    stopped = result.get(timeout=30)["pid"]
    worker.wait_log(rf"{result.id}.* succeeded")  # stopped before it has said so, it would be taken for a child that still runs the task
    os.kill(stopped, signal.SIGSTOP)
    assert stage.send("whoami").get(timeout=60)["pid"] != stopped
    with pytest.raises(ProcessLookupError):
        os.kill(stopped, 0)
