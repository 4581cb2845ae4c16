"""gevent and eventlet, with everything patched: publishing and waiting for results leave the other greenlets their turns."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from umbel import Umbel

BOTH = [pytest.mark.rabbitmq, pytest.mark.redis]
PROGRAM = Path(__file__).with_name("green_program.py")


@pytest.fixture(
    params=["sqlite", pytest.param("redis", marks=pytest.mark.redis), pytest.param("rabbitmq", marks=BOTH), pytest.param("rpc", marks=BOTH)]
)
def urls(request, tmp_path):
    if request.param == "sqlite":
        return (f"sqlite:///{tmp_path}/umbel.db",) * 2
    if request.param == "redis":
        return request.getfixturevalue("redis_url"), request.getfixturevalue("redis_store_url")
    backend = "rpc://" if request.param == "rpc" else request.getfixturevalue("redis_store_url")
    return request.getfixturevalue("rabbitmq_url"), backend


@pytest.mark.parametrize("kind", ["gevent", "eventlet"])
def test_fifty_greenlets_publish_and_read_their_results(urls, unique, kind):
    broker, backend = urls
    app = Umbel("green_program", broker=broker, backend=backend, task_default_queue=unique("green"), set_as_current=False)
    app.task(name="green.add")(lambda x, y: x + y)
    worker = app.Worker(pool="solo")
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        assert worker.is_ready.wait(30)
        command = [sys.executable, "-W", "ignore", str(PROGRAM), kind, broker, backend, unique("green")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    finally:
        worker.request_stop()
        thread.join(30)
        client = app.broker.queue_client()
        client.delete(unique("green"))
        client.close()
        app.close()
    assert (done.returncode, done.stdout) == (0, "True True\n"), done.stderr
