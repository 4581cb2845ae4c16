"""A broker that is not there, not yet there, or does not let us in."""

from __future__ import annotations

import time

import pytest

from chaos.servers import PrivateRedis, free_port
from system.processes import WorkerProcess, environment
from system.workload import make_app
from umbel.errors import OperationalError


def no_broker(kind):
    port = free_port()
    return {"redis": f"redis://:hunter2@127.0.0.1:{port}/0", "rabbitmq": f"amqp://guest:hunter2@127.0.0.1:{port}//"}[kind]


@pytest.mark.parametrize("kind", ["redis", "rabbitmq"])
def test_publishing_to_nobody_raises_soon(kind, tmp_path):
    app = make_app(no_broker(kind), None, {"broker_connection_timeout": 2})
    begun = time.monotonic()
    with pytest.raises(OperationalError) as caught:
        app.tasks["mark"].apply_async(confirm=True)
    assert time.monotonic() - begun <= 3
    assert "127.0.0.1" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    with pytest.raises(OperationalError):
        app.tasks["mark"].delay()
        app.close()


@pytest.mark.redis
def test_a_worker_waits_for_its_broker(tmp_path):
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    worker = WorkerProcess(environment(url, None, tmp_path / "ledger", {}), "-c", "1")
    server = None
    try:
        first = worker.wait_log(r"127\.0\.0\.1.*again")  # it says what it tries
        worker.wait_log(r"127\.0\.0\.1.*again", since=worker.log.index(first) + 1)
        assert worker.alive
        server = PrivateRedis(port)
        worker.wait_ready(15)
        assert worker.stop() == 0
    finally:
        worker.end()
        if server is not None:
            server.close()


@pytest.mark.rabbitmq
def test_a_wrong_password_is_said_and_final(rabbitmq_url, tmp_path):
    url = rabbitmq_url.replace(":guest@", ":hunter2@")
    worker = WorkerProcess(environment(url, None, tmp_path / "ledger", {}), "-c", "1")
    try:
        assert worker.wait(15) != 0
        text = worker.text()
        assert "hunter2" not in text
        assert "Traceback" not in text
        assert "refused" in text.lower()
    finally:
        worker.end()
