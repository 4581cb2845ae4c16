"""Priorities, several queues, and who serves what."""

from __future__ import annotations

import pytest

from system.conftest import ONE_BROKER
from umbel.brokers.topology import Queue


@pytest.fixture
def queues(stage):
    names = [f"{stage.queue}-{letter}" for letter in "abc"]
    yield names
    client = stage.broker.queue_client()
    for name in names:
        client.delete(name)
    client.close()


@ONE_BROKER
def test_a_worker_serves_its_queues_only(stage, queues):
    a, b, c = queues
    one = stage.worker("-c", "1", "-Q", f"{a},{b}", "-n", "one@here")
    two = stage.worker("-c", "1", "-Q", c, "-n", "two@here")
    results = [(queue, stage.send("whoami", queue=queue)) for queue in queues for _ in range(5)]
    for queue, result in results:
        told = result.get(timeout=30)
        assert told["queue"] == queue
        assert told["hostname"] == ("two@here" if queue == c else "one@here")
    waiting = stage.send("mark", 1)
    assert stage.send("mark", 2, queue=a).get(timeout=30) == 2
    assert not stage.runs(waiting.id)
    assert (one.stop(), two.stop()) == (0, 0)


@ONE_BROKER
def test_all_queues_get_their_turn(stage, queues):
    results = [stage.send("nap", 0.01, queue=queue) for queue in queues for _ in range(40)]
    stage.worker("-c", "1", "-Q", ",".join(queues), "--prefetch-multiplier", "1")
    for result in results:
        result.get(timeout=30)
    order = [entry["queue"] for entry in stage.watch.update() if entry["kind"] == "start"]
    assert set(order[:30]) == set(queues), "one queue was served to its end before another began"


@ONE_BROKER
def test_first_in_first_out(stage):
    results = [stage.send("mark", index) for index in range(200)]
    stage.worker("-c", "1")
    for result in results:
        result.get(timeout=30)
    assert [entry["id"] for entry in stage.watch.update() if entry["kind"] == "start"] == [result.id for result in results]


def test_priorities(stage):
    """On RabbitMQ the higher number first, on Redis the lower, as with Celery; SQLite says which."""
    if stage.place.name == "rabbitmq":
        client = stage.broker.queue_client()
        client.declare(Queue(stage.queue, arguments={"x-max-priority": 10}))
        client.close()
        stage.settings["task_queue_max_priority"] = 10
    higher_first = stage.broker.capabilities.higher_first
    results = {stage.send("mark", priority, priority=priority).id: priority for _ in range(5) for priority in (0, 3, 6, 9)}
    stage.worker("-c", "1", "--prefetch-multiplier", "1")
    stage.watch.wait(lambda entries: len([entry for entry in entries if entry["kind"] == "end"]) == 20, 20)
    order = [results[entry["id"]] for entry in stage.watch.update() if entry["kind"] == "start"]
    assert order == sorted(order, reverse=higher_first)


@pytest.mark.redis
@pytest.mark.parametrize("place", ["redis"], indirect=True)
def test_one_meaning_for_priorities(stage):
    """Redis serves the lower number first, and yet the higher one runs first. What is tried again keeps its priority."""
    stage.settings["priority_order"] = "higher-first"
    retried = stage.send("retry_until", 1, 0, priority=8)
    results = {stage.send("mark", priority, priority=priority).id: priority for _ in range(3) for priority in (0, 3, 6, 9)}
    unsaid = stage.send("mark", 0)
    stage.worker("-c", "1", "--prefetch-multiplier", "1")
    assert retried.get(timeout=30) == 1
    assert unsaid.get(timeout=30) == 0
    stage.watch.wait(lambda entries: len([entry for entry in entries if entry["kind"] == "end"]) == 14, 20)
    starts = [entry["id"] for entry in stage.watch.update() if entry["kind"] == "start"]
    order = [results.get(task_id, 0) for task_id in starts if task_id != retried.id]
    assert order == sorted(order, reverse=True)
    assert max(index for index, task_id in enumerate(starts) if task_id == retried.id) < starts.index(unsaid.id)


@ONE_BROKER
def test_a_broadcast_runs_in_every_worker(stage):
    stage.settings["broadcast"] = everyone = f"{stage.queue}-all"
    nobody = stage.send("mark", 0, queue=everyone)
    names = ["one@here", "two@here"]
    one, two = (stage.worker("-c", "1", "-n", name) for name in names)
    result = stage.send("mark", "all", queue=everyone)
    runs = stage.await_runs(result.id, 2, kind="end")
    assert len({entry["pid"] for entry in runs}) == 2
    assert result.get(timeout=30) == "all"
    # Each tries again by itself, and is to blame for itself.
    retried = stage.send("retry_until", 2, 0, queue=everyone)
    assert len(stage.await_runs(retried.id, 6)) == 6
    unknown = stage.app.send_task("no.such.task", queue=everyone)
    for worker in (one, two):
        worker.wait_log(rf"no.such.task\[{unknown.id}\] dropped: this worker cannot run what was sent to all workers: unregistered")
    one.kill_group()
    last = stage.send("mark", "last", queue=everyone)
    assert last.get(timeout=30) == "last"
    assert (len(stage.runs(last.id)), len(stage.runs(nobody.id)), len(stage.runs(retried.id))) == (1, 0, 6)
    assert two.stop() == 0
    assert stage.send("mark", "usual").id


def test_purge(stage):
    for index in range(50):
        stage.send("mark", index)
    stage.app.close()
    assert stage.app.control.purge() == 50
    assert stage.length() == 0
