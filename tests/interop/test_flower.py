"""Flower 2.2, with real Celery, before workers of Umbel: its pages, its API and its metrics."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass

import pytest

from chaos.servers import free_port
from interop.conftest import BOTH
from interop.pairing import flower_python
from system.conftest import database
from system.processes import WorkerProcess, environment, eventually, open_gate
from system.stage import Place, Stage

NODE = "one@host"


@dataclass
class Flower:
    """A Flower that runs, before one worker."""

    port: int
    stage: Stage
    process: WorkerProcess

    def ask(self, path, body=None, method=None, /, **query):
        """Return status and text of a page."""
        url = f"http://127.0.0.1:{self.port}{urllib.parse.quote(path)}?{urllib.parse.urlencode(query)}"
        data = b"" if method == "POST" else None
        request = urllib.request.Request(url, data=json.dumps(body).encode() if body is not None else data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def get(self, path, **query):
        """Return what a path of the API says."""
        status, text = self.ask(path, **query)
        assert status == 200, f"{path}: {status} {text[:2000]}\n{self.process.text()}"
        return json.loads(text)

    def page(self, path, **query):
        status, text = self.ask(path, **query)
        assert status == 200, f"{path}: {status} {text[:2000]}\n{self.process.text()}"
        return text

    def post(self, path, body=None, **query):
        status, text = self.ask(path, body, "POST", **query)
        assert status == 200, f"{path}: {status} {text[:2000]}\n{self.process.text()}"
        return json.loads(text)

    def info(self, task_id, state):
        """Wait until a task is known to be in a state."""

        def found():
            status, text = self.ask(f"/api/task/info/{task_id}")
            value = json.loads(text) if status == 200 else {}
            return value if value.get("state") == state else None

        return eventually(found, 15, f"{task_id} is {state}")

    def count(self, kind, task):
        """How many events of a kind the metrics tell of."""
        pattern = rf'^flower_events_total\{{task="{task}",type="{kind}",worker="{NODE}"\}} (\S+)$'
        found = re.search(pattern, self.page("/metrics"), re.MULTILINE)
        return float(found[1]) if found else 0.0


@pytest.fixture(params=[pytest.param("redis", marks=pytest.mark.redis), pytest.param("rabbitmq", marks=BOTH)])
def flower(request, unique):
    broker = database(request, 5) if request.param == "redis" else request.getfixturevalue("rabbitmq_url")
    stage = Stage(Place(name=request.param, broker=broker, backend=database(request, 6)), unique("flower"))
    stage.settings["event_exchange"] = f"{stage.queue}-ev"  # of these workers only
    process = None
    try:
        port = free_port()
        worker = stage.worker("-c", "2", "-n", NODE, ready=False)
        env = environment(stage.place.broker, stage.place.backend, stage.ledger, stage.settings, "celery")
        options = ("--address=127.0.0.1", f"--port={port}", "--inspect_timeout=1000")
        process = WorkerProcess(
            {**env, "FLOWER_UNAUTHENTICATED_API": "true"}, *options, python=flower_python(), library="celery", name="flower"
        )
        worker.wait_ready()
        process.wait_log("Connected to", 40)
        found = Flower(port, stage, process)
        eventually(lambda: found.ask("/healthcheck")[0] == 200, 30)
        eventually(lambda: NODE in found.get("/api/workers", refresh="1"), 20, f"{NODE} is known\n{process.text()}\n{stage.logs()}")
        yield found
    finally:
        if process is not None:
            process.end()
        stage.close()


def test_flower_sees_and_steers_workers_of_umbel(flower):
    workers_are_described(flower)
    numbers_are_those_that_were_sent(flower)
    tasks_are_sent_and_read(flower)
    running_tasks_are_ended(flower)
    if flower.stage.place.name == "redis":
        workers_are_told(flower)
        every_page_is_there(flower)
    worker = flower.stage.workers[0]
    assert flower.post(f"/api/worker/shutdown/{NODE}") == {"message": "Shutting down!"}
    assert worker.wait(20) == 0
    eventually(lambda: flower.get("/api/workers", status="1") == {NODE: False}, 30, "Flower knows that it has gone")


def workers_are_described(flower):
    described = flower.get("/api/workers", refresh="1", workername=NODE)[NODE]
    assert {"stats", "active_queues", "registered", "active", "reserved", "scheduled", "revoked", "conf", "timestamp"} <= set(described)
    assert [queue["name"] for queue in described["active_queues"]] == [flower.stage.queue]
    assert described["stats"]["pool"]["max-concurrency"] == 2
    assert "add" in described["registered"]
    # Its state comes with the worker's events, which Flower may not have heard yet.
    eventually(lambda: flower.get("/api/workers", status="1") == {NODE: True}, 30, "Flower has heard of the worker")
    assert NODE in flower.page("/workers")
    assert "max-concurrency" in flower.page(f"/worker/{NODE}") or "Max concurrency" in flower.page(f"/worker/{NODE}")


def numbers_are_those_that_were_sent(flower):
    """Until task events are on, which Flower sees to, what runs is not told of."""
    first = flower.stage.send("mark", "first")
    first.get(timeout=30)

    def told():
        sent = flower.stage.send("mark", "again")
        sent.get(timeout=30)
        return flower.ask(f"/api/task/info/{sent.id}")[0] == 200

    eventually(told, 15, f"events are on\n{flower.process.text()}")
    done = [flower.stage.send("echo", number) for number in range(20)]
    failed = [flower.stage.send("fail", "value", "no <b>") for _ in range(3)]
    again = flower.stage.send("retry_until", 2)
    again.get(timeout=30)
    for result in done:
        result.get(timeout=30)
    for result in failed:
        assert "no <b>" in str(result.get(timeout=30, propagate=False))
    for kind, task, number in (
        ("task-received", "echo", 20), ("task-started", "echo", 20), ("task-succeeded", "echo", 20), ("task-received", "fail", 3),
        ("task-failed", "fail", 3), ("task-received", "retry_until", 3), ("task-retried", "retry_until", 2), ("task-succeeded", "retry_until", 1),
    ):  # fmt: skip
        eventually(lambda: flower.count(kind, task) >= number, 10, f"{number} × {kind} of {task}: {flower.count(kind, task)}")
        assert flower.count(kind, task) == number
    metrics = flower.page("/metrics")
    assert f'flower_worker_online{{worker="{NODE}"}} 1.0' in metrics
    assert re.search(rf'^flower_task_runtime_seconds_count\{{task="echo",worker="{NODE}"\}} 20.0$', metrics, re.MULTILINE)
    info = flower.info(failed[0].id, "FAILURE")
    assert (info["name"], info["exception"], info["args"]) == ("fail", "ValueError('no <b>')", "('value', 'no <b>')")
    assert "Traceback" in info["traceback"]
    assert len(flower.get("/api/tasks", taskname="echo", state="SUCCESS", workername=NODE)) == 20
    assert {"echo", "fail", "retry_until"} <= set(flower.get("/api/task/types")["task-types"])


def tasks_are_sent_and_read(flower):
    sent = flower.post("/api/task/async-apply/add", {"args": [2, 3]})["task-id"]
    info = flower.info(sent, "SUCCESS")
    assert (info["result"], info["args"], info["kwargs"], info["retries"], info["worker"]) == ("5", "[2, 3]", "{}", 0, NODE)
    assert flower.get(f"/api/task/result/{sent}") == {"task-id": sent, "state": "SUCCESS", "result": 5}
    by_name = flower.post("/api/task/send-task/echo", {"args": [1], "kwargs": {"x": "é"}, "queue": flower.stage.queue})["task-id"]
    flower.info(by_name, "SUCCESS")
    assert flower.get(f"/api/task/result/{by_name}", timeout="10")["result"] == {"args": [1], "kwargs": {"x": "é"}}
    if flower.stage.place.name == "redis":
        applied = flower.post("/api/task/apply/add", {"args": [4, 5]})
        assert (applied["state"], applied["result"]) == ("SUCCESS", 9)


def running_tasks_are_ended(flower):
    gate = flower.stage.gate()
    runs = flower.stage.send("nap", 60)
    flower.stage.await_runs(runs.id)
    flower.info(runs.id, "STARTED")
    late = flower.post("/api/task/async-apply/add", {"args": [1, 2], "countdown": 4})["task-id"]
    assert flower.post(f"/api/task/revoke/{late}") == {"message": f"Revoked '{late}'"}
    assert flower.post(f"/api/task/revoke/{runs.id}", terminate="true") == {"message": f"Revoked '{runs.id}'"}
    info = flower.info(runs.id, "REVOKED")
    assert info["revoked"]
    waits = flower.stage.send("wait_for", gate)
    flower.stage.await_runs(waits.id)
    assert flower.post(f"/api/task/abort/{waits.id}") == {"message": f"Aborted '{waits.id}'"}
    assert flower.get(f"/api/task/result/{waits.id}")["state"] == "ABORTED"
    open_gate(gate)
    flower.info(waits.id, "SUCCESS")
    flower.info(late, "REVOKED")


def workers_are_told(flower):
    limit = flower.post("/api/task/rate-limit/mark", workername=NODE, ratelimit="100/s")
    assert limit == {"message": "new rate limit set successfully"}
    assert flower.post("/api/task/timeout/mark", workername=NODE, soft="5", hard="10") == {"message": "time limits set successfully"}
    extra = f"{flower.stage.queue}-extra"
    assert flower.post(f"/api/worker/queue/add-consumer/{NODE}", queue=extra)["message"]
    queues = flower.get("/api/workers", refresh="1", workername=NODE)[NODE]["active_queues"]
    assert extra in {queue["name"] for queue in queues}
    assert flower.post(f"/api/worker/queue/cancel-consumer/{NODE}", queue=extra)["message"] == f"no longer consuming from {extra}"
    for path, query in (
        ("pool/grow", {"n": 1}),
        ("pool/shrink", {"n": 1}),
        ("pool/autoscale", {"min": 1, "max": 3}),
        ("pool/restart", {}),
    ):
        status, text = flower.ask(f"/api/worker/{path}/{NODE}", None, "POST", **query)
        said = json.loads(text)["message"] if status == 200 else text  # what a worker cannot do it says, in a reply of the usual form
        assert (status == 200 or (status == 403 and re.match("Failed to .*: ", text))) and "Unknown reason" not in said, (
            path,
            status,
            text,
        )


def every_page_is_there(flower):
    queue = flower.stage.queue
    assert queue in flower.page("/broker")
    assert {"name": queue, "messages": 0} in flower.get("/api/queues/length")["active_queues"]
    some = flower.get("/api/tasks", limit="1")
    (task_id,) = some
    for path in ("/", "/tasks", f"/task/{task_id}", "/healthcheck"):
        flower.page(path)
