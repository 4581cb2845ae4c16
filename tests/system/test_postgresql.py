"""A worker whose broker and results are one PostgreSQL database: what a user does first, and the death of a worker."""

from __future__ import annotations

import time

import pytest

from system.conftest import LEASE
from system.stage import Place, Stage
from umbel import chord, group
from umbel.errors import TaskRevokedError

pytestmark = pytest.mark.postgresql


@pytest.fixture
def stage(request, unique):
    url = request.getfixturevalue("postgresql_url")
    place = Place(name="postgresql", broker=url.removeprefix("db+").replace("+psycopg", ""), backend=url, lease=LEASE)
    stage = Stage(place, unique("system"))
    try:
        yield stage
    finally:
        stage.close()


def test_one_database_is_enough(stage):
    worker = stage.worker("-c", "2", "-E")
    tasks, control = stage.app.tasks, stage.app.control
    assert control.ping(timeout=10, limit=1)
    revoked = stage.send("add", 1, 1, countdown=5)
    control.revoke(revoked.id)
    slow = stage.send("nap", 600)
    stage.await_runs(slow.id)
    assert [each["id"] for found in control.inspect(timeout=10, limit=1).active().values() for each in found] == [slow.id]
    control.terminate(slow.id)
    with pytest.raises(TaskRevokedError):
        slow.get(timeout=30)
    late = stage.send("add", 1, 1, countdown=1.5)
    assert chord(group(tasks["add"].s(number, number) for number in range(20)))(tasks["total"].s()).get(timeout=30) == 380
    assert late.get(timeout=30) == 2
    with pytest.raises(TaskRevokedError):
        revoked.get(timeout=30)
    assert worker.stop(timeout=30) == 0
    assert stage.length() == 0


def test_a_dead_workers_tasks_come_back(stage):
    first = stage.worker("-c", "1")
    task = stage.send("nap", 600)
    stage.await_runs(task.id)
    first.kill_group()
    first.wait(30)
    begun = time.monotonic()
    second = stage.worker("-c", "1")
    stage.await_runs(task.id, 2, timeout=60)
    assert time.monotonic() - begun < 30
    stage.app.control.terminate(task.id)
    with pytest.raises(TaskRevokedError):
        task.get(timeout=30)
    assert second.stop(timeout=30) == 0
