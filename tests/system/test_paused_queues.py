"""Queues that are paused for the whole fleet, while workers run, and before they start."""

from __future__ import annotations

import time

from system.conftest import ONE_BROKER
from system.processes import eventually, open_gate


def test_paused_for_all_workers_until_it_is_resumed(stage):
    first, gate = stage.worker("-c", "1"), stage.gate()
    runs = stage.send("wait_for", gate)
    stage.await_runs(runs.id)
    waiting = [stage.send("mark", str(number)) for number in range(3)]
    later = stage.send("mark", "later", countdown=3)
    begin = time.monotonic()
    stage.app.control.pause_queues(stage.queue)
    try:
        eventually(lambda: "is paused" in first.text(), 30, "the worker learns of it")
        eventually(lambda: stage.length() >= 3, 30, "what was reserved has gone back")
        assert time.monotonic() - begin < 2
        assert stage.app.control.paused_queues() == [stage.queue]
        open_gate(gate)
        runs.get(timeout=30)  # what ran goes on, and is not run again
        second = stage.worker("-c", "1")  # knows it from its start
        assert "is paused" in second.text()
        eventually(lambda: stage.length() >= 3, 30, "nobody takes them")
        assert not any(stage.runs(each.id) for each in waiting)
        begin = time.monotonic()
    finally:
        stage.app.control.resume_queues(stage.queue)
    for each in waiting:
        stage.await_runs(each.id, timeout=2 - (time.monotonic() - begin))
    assert stage.app.control.paused_queues() == []
    stage.await_runs(later.id, timeout=30)
    assert [len(stage.runs(each.id)) for each in (runs, *waiting, later)] == [1] * 5


@ONE_BROKER
def test_a_worker_that_hears_no_broadcast_looks_by_itself(stage):
    worker = stage.worker("-c", "1", settings={"worker_enable_remote_control": False})
    client = stage.broker.queue_client()
    try:
        client.pause(stage.queue)
        eventually(lambda: "is paused" in worker.text(), 2.5, "it looks")
        sent = stage.send("mark", "x")
        client.resume(stage.queue)
        stage.await_runs(sent.id, timeout=2.5)
    finally:
        client.resume(stage.queue)
        client.close()
