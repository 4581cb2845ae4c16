"""Hostile messages between valid ones: each is dead-lettered with its reason, the worker does not even blink."""

from __future__ import annotations

import json
import os
import re

import pytest

from system import poisons
from system.processes import eventually, proportional_memory
from umbel.errors import NotRegistered
from umbel.wire.message import MessageLimits


def test_every_row_is_quarantined(stage, tmp_path):
    canary = tmp_path / "canary"
    worker = stage.worker("-c", "2")
    pids = set(worker.members())
    stage.send("mark").get(timeout=30)
    before = proportional_memory(worker.members())
    rows = poisons.rows(str(canary))
    bad = {name: reason for name, _, reason in rows if reason}
    results = []
    for name, poison, _ in rows:
        poison.headers.setdefault("x-row", name)
        stage.publish(poison)
        results += [stage.send("mark", number) for number in range(10)]
    assert [result.get(timeout=60) for result in results] == [*range(10)] * len(rows)
    eventually(lambda: stage.length() == 0)
    letters = stage.dead(count=len(bad), timeout=10)
    found = {letter.headers["x-row"]: letter.headers["x-umbel-dead-reason"] for letter in letters}
    assert found == bad
    assert len(letters) == len(bad)
    bodies = {name: poison.body for name, poison, _ in rows}
    assert [letter.headers["x-row"] for letter in letters if letter.body != bodies[letter.headers["x-row"]]] == []
    assert worker.alive
    assert pids <= set(worker.members()), "a child died"
    assert not canary.exists()
    assert len([result for result in results if len(stage.runs(result.id)) == 1]) == len(results)
    assert proportional_memory(worker.members()) - before <= 50
    assert max(map(len, worker.log)) <= 4096
    assert not any(re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202e]", re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in worker.log)
    assert worker.stop() == 0
    assert stage.length() == 0


def test_what_must_run_runs(shared_stage):
    """Rows without a reason are odd, but valid."""
    for name, odd, reason in poisons.rows("/nowhere"):
        if reason is None:
            shared_stage.publish(odd)
            task_id = odd.headers.get("id") or odd.properties["correlation_id"]
            assert shared_stage.await_runs(task_id), name


def test_unknown_task_is_a_failure_that_is_stored(shared_stage):  # P1
    result = shared_stage.app.send_task("no.such.task", (1,))
    with pytest.raises(NotRegistered, match=r"no\.such\.task"):
        result.get(timeout=30)
    assert result.state == "FAILURE"
    (dead,) = shared_stage.dead()
    assert (dead.headers["id"], dead.headers["x-umbel-dead-reason"]) == (result.id, "unregistered")
    assert "no.such.task" in dead.headers["x-umbel-dead-detail"]


def test_a_forged_id_does_not_overwrite_a_result(shared_stage):  # P13
    first = shared_stage.send("add", 1, 2)
    assert first.get(timeout=30) == 3
    shared_stage.publish(poisons.message(poisons.arguments("1, 99"), task="add", id=first.id))
    shared_stage.publish(poisons.message(task="no.such.task", id=first.id))
    shared_stage.dead()
    assert shared_stage.send("mark", 1).get(timeout=30) == 1
    assert (shared_stage.app.AsyncResult(first.id).state, shared_stage.app.AsyncResult(first.id).result) == ("SUCCESS", 3)


def test_a_body_at_the_limit_runs(shared_stage):  # P7
    size = MessageLimits().body
    padded = poisons.message(poisons.BODY + b" " * (size - len(poisons.BODY)))
    shared_stage.publish(padded)
    assert shared_stage.await_runs(padded.headers["id"], timeout=30)


@pytest.mark.redis
@pytest.mark.parametrize("place", ["redis"], indirect=True)
def test_broken_envelopes(stage, place):
    """What is not even an envelope, straight into the list."""
    import redis

    worker = stage.worker("-c", "1")
    client = redis.Redis.from_url(place.broker)
    broken = [
        b"",
        b"\xff\xfe",
        b"{",
        b"[]",
        b"5",
        b"{}",
        b'{"body": 5}',
        b'{"body": "!!!", "headers": {}, "properties": {"delivery_tag": "x"}}',
        b"[" * 100_000,
    ]
    broken.append(
        json.dumps({"body": "W10=", "headers": [], "properties": {"delivery_tag": "t"}, "content-type": "application/json"}).encode()
    )
    for raw in broken:
        client.lpush(stage.queue, raw)
    assert stage.send("mark", 1).get(timeout=30) == 1
    assert len(stage.dead(count=len(broken))) == len(broken)
    assert worker.alive
    client.close()


@pytest.mark.parametrize("count", [1000])
def test_throughput_under_ten_percent_poison(stage, count):
    """Poison costs about what a task costs."""
    results = []
    for number in range(count):
        if number % 10 == 0:
            stage.publish(poisons.message(poisons.BODY[:-5]))
        results.append(stage.send("mark", number))
    stage.worker("-c", "2")
    for result in results:
        result.get(timeout=60)
    starts = [entry["t"] for entry in stage.watch.update() if entry["kind"] == "start"]
    assert len(starts) == count
    assert len(stage.dead(count=count // 10)) == count // 10
    assert max(starts) - min(starts) <= 10, os.getloadavg()
