"""Back to Celery: what waited for its time under an Umbel worker is run by a real Celery worker."""

from __future__ import annotations

import subprocess
import sys

import pytest

from interop.pairing import Pair
from system.conftest import database
from system.processes import TESTS, eventually
from system.stage import Place

COUNT = 20


@pytest.fixture
def pair(request, unique):
    place = Place(name="redis", broker=database(request, 5), backend=database(request, 6))
    pair = Pair(place, unique("rollback"), "umbel")
    try:
        yield pair
    finally:
        pair.close()


@pytest.mark.redis
def test_tasks_that_wait_for_their_time_are_given_back_to_celery(pair):
    umbel = pair.worker("-c", "1")
    far = [pair.send("mark", number, countdown=20) for number in range(COUNT)]
    pair.app.publisher.flush()
    client = pair.broker.queue_client()
    try:
        eventually(lambda: client.delayed(pair.queue) == COUNT, 30, "all messages delayed")
        assert umbel.stop(timeout=30) == 0
        command = [sys.executable, "-m", "umbel", "-A", "system.workload", "queues", "release-delayed", "-Q", pair.queue]
        done = subprocess.run(command, env=pair.environment(), cwd=TESTS, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert client.delayed(pair.queue) == 0
    finally:
        client.close()
    pair.start_worker("-c", "1")  # Celery's
    assert [result.get(timeout=60) for result in far] == list(range(COUNT))
    starts = [len(pair.runs(result.id)) for result in far]
    assert starts == [1] * COUNT
