"""When a message is done with: early (the default) and late acknowledgement, under normal end and under the death of a whole worker."""

from __future__ import annotations

import contextlib

import pytest
import redis

from system.conftest import LEASE, ONE_BROKER
from system.processes import eventually, open_gate

LATE = {"task_acks_late": True}


@pytest.mark.parametrize("late", [False, True])
def test_tasks_run_once_and_leave_nothing(stage, late):
    stage.settings["task_acks_late"] = late
    results = [stage.send("mark", number) for number in range(200)]
    worker = stage.worker("-c", "2")
    assert [result.get(timeout=30) for result in results] == list(range(200))
    assert worker.stop() == 0
    starts = [entry["id"] for entry in stage.watch.update() if entry["kind"] == "start"]
    assert sorted(starts) == sorted(result.id for result in results)
    assert stage.length() == 0


def test_an_early_acknowledged_task_is_not_run_again(stage):
    stage.settings["task_acks_late"] = False
    worker = stage.worker("-c", "1", "--prefetch-multiplier", "4")  # a fixed window: what waits is not handed back meanwhile
    result = stage.send("wait_for", stage.gate())
    stage.await_runs(result.id)
    after = stage.send("mark", "reserved")  # behind the running one: it has not started, so it must survive
    eventually(lambda: stage.place.name != "rabbitmq" or stage.length() == 0)
    worker.kill_group()
    worker.wait()
    stage.worker("-c", "2")
    assert after.get(timeout=LEASE + 10) == "reserved"
    last = stage.send("nap", LEASE + 1)
    stage.await_runs(last.id, kind="end", timeout=LEASE + 10)
    assert len(stage.runs(result.id)) == 1


def test_a_late_acknowledged_task_is_run_again_after_its_worker_died(stage):
    stage.settings.update(LATE)
    worker = stage.worker("-c", "1")
    gate = stage.gate()
    result = stage.send("wait_for", gate)
    stage.await_runs(result.id)
    worker.kill_group()
    worker.wait()
    stage.worker("-c", "1")
    first, second = stage.await_runs(result.id, 2, timeout=LEASE + 8)
    assert (first["redelivered"], second["redelivered"]) == (False, True)
    open_gate(gate)
    assert result.get(timeout=30) == second["pid"]
    assert len(stage.runs(result.id)) == 2


def test_a_slow_task_outlives_its_lease_and_runs_once(stage):
    stage.settings.update(LATE)
    stage.worker("-c", "2")
    stage.worker("-c", "2")
    results = [stage.send("nap", LEASE * 2) for _ in range(3)]
    for result in results:
        assert result.get(timeout=LEASE * 2 + 30) == LEASE * 2
    assert [len(stage.runs(result.id)) for result in results] == [1, 1, 1]


def test_a_failing_late_task_is_done_with(shared_stage):
    """That nothing of it is left in the queue shows at the end of the shared worker."""
    result = shared_stage.send("fail", "own", 5, "five")
    result.get(timeout=30, propagate=False)
    assert result.state == "FAILURE"
    assert shared_stage.send("mark", "next").get(timeout=30) == "next"
    assert len(shared_stage.runs(result.id)) == 1


def test_ignore_and_reject(shared_stage):
    ignored = shared_stage.send("give_up", "ignore")
    rejected = shared_stage.send("give_up", "reject")
    shared_stage.await_runs(ignored.id)
    shared_stage.await_runs(rejected.id)
    assert shared_stage.send("mark", "next").get(timeout=30) == "next"
    (dead,) = shared_stage.dead()
    assert dead.headers["id"] == rejected.id
    assert dead.headers["x-umbel-dead-reason"] == "rejected"
    assert (len(shared_stage.runs(ignored.id)), len(shared_stage.runs(rejected.id))) == (1, 1)


@ONE_BROKER
def test_reject_with_requeue_comes_again(stage):
    stage.settings.update(LATE)
    stage.worker("-c", "1")
    result = stage.send("give_up", "reject", kwargs={"requeue": True})
    assert len(stage.await_runs(result.id, 2)) >= 2


@pytest.mark.parametrize(
    "place",
    [pytest.param("rabbitmq", marks=[pytest.mark.rabbitmq, pytest.mark.redis]), pytest.param("redis", marks=pytest.mark.redis)],
    indirect=True,
)
def test_what_cannot_be_dead_lettered_holds_nobody_up(stage, unique):
    """RabbitMQ: the name of the queue leaves no room for that of its dead letters. Redis: something else is there."""
    queue = unique("refused")
    with contextlib.ExitStack() as stack:
        if stage.place.name == "rabbitmq":
            queue = queue.ljust(252, "x")
        else:
            client = stack.enter_context(redis.Redis.from_url(stage.place.broker))
            client.set(f"{queue}.dead", "no list")
            stack.callback(client.delete, f"{queue}.dead")
        unknown = [stage.app.send_task("no.such.task", queue=queue) for _ in range(5)]
        worker = stage.worker("-c", "1", "-Q", f"{queue},{stage.queue}")
        assert stage.send("mark", 1).get(timeout=30) == 1
        assert stage.send("mark", 2, queue=queue).get(timeout=30) == 2
        assert worker.text(1000).count("cannot be moved") == 1
        assert worker.stop(timeout=20) == 0, "a stop waits 30 s for what may succeed"
        assert stage.length(queue) == len(unknown)
        counter = stage.broker.queue_client()
        counter.delete(queue)
        counter.close()
