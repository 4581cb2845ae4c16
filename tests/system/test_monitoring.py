"""Probes, metrics and the heartbeat file of a worker that loses its broker and gets it back."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request

import pytest

from chaos.servers import PrivateRedis, free_port
from system.processes import WorkerProcess, environment, eventually
from system.workload import make_app


def ask(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.redis
def test_a_worker_is_live_without_its_broker_and_ready_with_it(tmp_path):
    broker_port, file = free_port(), tmp_path / "alive"
    url = f"redis://127.0.0.1:{broker_port}/0"
    options = ("-c", "1", "--health-port", "127.0.0.1:0", "--metrics-port", "127.0.0.1:0", "--heartbeat-file", str(file))
    worker = WorkerProcess(environment(url, None, tmp_path / "ledger", {}), *options)
    server = None
    try:
        port = re.search(r"served on 127\.0\.0\.1:(\d+)", worker.wait_log("Probes and metrics are served on"))[1]
        assert ask(port, "/livez")[0] == 200
        assert ask(port, "/startupz")[0] == 503
        assert ask(port, "/metrics")[0] == 200
        assert file.exists()
        server = PrivateRedis(broker_port)
        worker.wait_ready(15)
        assert ask(port, "/startupz")[0] == ask(port, "/readyz")[0] == 200
        app = make_app(url, None, {})
        for _ in range(5):
            app.tasks["mark"].apply_async(confirm=True)
        eventually(lambda: re.search(r'^umbel_tasks_total\{.*state="SUCCESS",task="mark"\} 5\.0$', ask(port, "/metrics")[1], re.MULTILINE))
        app.close()
        server.close()
        eventually(lambda: ask(port, "/readyz")[0] == 503)
        assert [name for name, is_well in json.loads(ask(port, "/readyz")[1])["checks"].items() if not is_well] == ["broker"]
        assert ask(port, "/livez")[0] == 200
        assert re.search(r"^umbel_broker_connected 0\.0$", ask(port, "/metrics")[1], re.MULTILINE)
        server = PrivateRedis(broker_port)
        eventually(lambda: ask(port, "/readyz")[0] == 200, 30)
        assert worker.stop() == 0
        assert not file.exists()
    finally:
        worker.end()
        if server is not None:
            server.close()
