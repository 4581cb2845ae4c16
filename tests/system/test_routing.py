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
        told = result.get(timeout=10)
        assert told["queue"] == queue
        assert told["hostname"] == ("two@here" if queue == c else "one@here")
    waiting = stage.send("mark", 1)
    assert stage.send("mark", 2, queue=a).get(timeout=5) == 2
    assert not stage.runs(waiting.id)
    assert (one.stop(), two.stop()) == (0, 0)


@ONE_BROKER
def test_all_queues_get_their_turn(stage, queues):
    results = [stage.send("nap", 0.01, queue=queue) for queue in queues for _ in range(40)]
    stage.worker("-c", "1", "-Q", ",".join(queues), "--prefetch-multiplier", "1")
    for result in results:
        result.get(timeout=20)
    order = [entry["queue"] for entry in stage.watch.update() if entry["kind"] == "start"]
    assert set(order[:30]) == set(queues), "one queue was served to its end before another began"


@ONE_BROKER
def test_first_in_first_out(stage):
    results = [stage.send("mark", index) for index in range(200)]
    stage.worker("-c", "1")
    for result in results:
        result.get(timeout=20)
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


def test_purge(stage):
    for index in range(50):
        stage.send("mark", index)
    stage.app.close()
    assert stage.app.control.purge() == 50
    assert stage.length() == 0
