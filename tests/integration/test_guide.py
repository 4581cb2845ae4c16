"""The samples of the guide do what their pages say."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from system.processes import eventually
from umbel.events.model import FIELDS, TABLE

GUIDE = Path(__file__).parents[2] / "docs" / "guide"


def sample(page: str) -> str:
    """The first Python block of a page."""
    found = re.search(r"```python\n(.*?)```", (GUIDE / page).read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def test_workflows():
    names: dict[str, Any] = {}
    exec(sample("workflows.md"), names)
    found = {name: names[name].apply().get() for name in ("one", "steps", "prices", "order", "whole")}
    names["app"].close()
    assert found == {"one": 12, "steps": "Ada pays 20", "prices": [12, 2], "order": 20, "whole": "Grace pays 19"}


def write_files(page: str, folder: Path, *names: str) -> None:
    """The Python blocks of a page that begin with a file's name."""
    blocks = re.findall(r"```python\n# (\S+\.py)\n(.*?)```", (GUIDE / page).read_text(encoding="utf-8"), re.DOTALL)
    for name in names:
        (folder / name).write_text(dict(blocks)[name])


def test_testing(tmp_path):
    write_files("testing.md", tmp_path, "tasks.py", "test_tasks.py", "conftest.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert "2 passed" in done.stdout, done.stdout + done.stderr


def test_testing_a_broker(tmp_path):
    write_files("testing.md", tmp_path, "test_contract.py", "conftest.py")
    (tmp_path / "my_broker.py").write_text("from umbel.brokers.memory import connect\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), "-k", "Roundtrip or Window"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert re.search(r"^\d+ passed", done.stdout, re.MULTILINE), done.stdout + done.stderr


@contextlib.contextmanager
def worker(folder: Path, page: str, *options: str):
    """A worker of a page's first sample. It is stopped after the block, and must end well."""
    (folder / "tasks.py").write_text(sample(page))
    command = [sys.executable, "-m", "umbel", "-A", "tasks", "worker", "-c", "1", *options]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ}) as process:
        try:
            yield process
            process.send_signal(signal.SIGTERM)
            _, log = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0, log.decode()


def umbel(folder: Path, *words: str) -> str:
    """What ``umbel -A tasks …`` prints."""
    done = subprocess.run([sys.executable, "-m", "umbel", "-A", "tasks", *words], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_routing(tmp_path):
    page = (GUIDE / "routing.md").read_text(encoding="utf-8")
    printed = re.search(r"```console\n\$ python send.py\n(.*?)```", page, re.DOTALL)
    assert printed is not None
    write_files("routing.md", tmp_path, "tasks.py", "send.py")
    logs = {name: tmp_path / f"{name}.log" for name in ("one", "two")}
    command = [sys.executable, "-m", "umbel", "-A", "tasks", "worker", "-l", "info", "-c", "1"]
    with contextlib.ExitStack() as stack:
        workers = []
        for name, words in (("one", []), ("two", ["-Q", "celery,everyone"])):
            log = stack.enter_context(logs[name].open("w"))
            workers.append(
                stack.enter_context(subprocess.Popen([*command, "-n", name, *words], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=log))
            )
            stack.callback(workers[-1].kill)
        eventually(lambda: all("ready." in log.read_text() for log in logs.values()), 30)
        done = subprocess.run([sys.executable, "send.py"], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
        assert done.stdout == printed[1], done.stderr
        eventually(lambda: all(re.search(r"tasks.reload\S+ succeeded", log.read_text()) for log in logs.values()))
        for process in workers:
            process.send_signal(signal.SIGTERM)
        assert [process.wait(30) for process in workers] == [0, 0]


@pytest.mark.parametrize(("page", "program"), [("calling.md", "call.py"), ("../tutorial/first-steps.md", "program.py")])
def test_programs_beside_a_worker(tmp_path, page, program):
    text = (GUIDE / page).read_text(encoding="utf-8")
    printed = re.search(rf"```console\n\$ python {program}\n(.*?)```", text, re.DOTALL)
    assert printed is not None
    write_files(page, tmp_path, program)
    with worker(tmp_path, page):
        done = subprocess.run([sys.executable, program], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.stdout == printed[1], done.stderr


def test_retrying(tmp_path):
    with worker(tmp_path, "retrying.md"):
        assert umbel(tmp_path, "call", "tasks.charge", "--args", '["order 1"]', "--wait") == "order 1: attempt 2\n"
        assert umbel(tmp_path, "call", "tasks.fetch", "--args", '["a"]', "--wait") == "a after 3 attempts\n"


def test_progress(tmp_path):
    with worker(tmp_path, "progress.md"):
        task_id = umbel(tmp_path, "call", "tasks.resize", "--args", "[[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]]").strip()
        assert umbel(tmp_path, "result", task_id, "--follow", "--timeout", "60") == "10\n"
        assert "SUCCESS" in umbel(tmp_path, "workflow", task_id)


def test_worker_services(tmp_path):
    with worker(tmp_path, "worker-services.md"):
        eventually((tmp_path / "alive").exists, 30, "the file of a worker that is alive")
    assert not (tmp_path / "alive").exists()


def test_embedding(tmp_path):
    (tmp_path / "program.py").write_text(sample("embedding.md"))
    ran = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.stdout, ran.returncode) == ("72\n", 0), ran.stderr


def test_dead_letters(tmp_path):
    def letters():
        return json.loads(umbel(tmp_path, "dead", "list", "--json"))

    with worker(tmp_path, "dead-letters.md"):
        task_id = umbel(tmp_path, "call", "tasks.charge", "--args", "[{}]").strip()
        eventually(letters, 30, "a dead letter")
        (first,) = letters()
        assert (first["id"], first["task"], first["reason"], first["detail"]) == (
            task_id, "tasks.charge", "rejected", "an order without a total",
        )  # fmt: skip
        assert task_id in umbel(tmp_path, "dead", "show", task_id)
        umbel(tmp_path, "dead", "replay", task_id)
        eventually(lambda: [each for each in letters() if each["at"] != first["at"]], 30, "the dead letter of its replay")
        assert "1 dead letter" in umbel(tmp_path, "dead", "purge", "--reason", "rejected", "--yes")
        assert not letters()


def test_rate_limits(tmp_path):
    with worker(tmp_path, "rate-limits.md"):
        program = "from tasks import add, app, fetch; add.delay(1, 2).get(timeout=30); print(*[fetch.delay(page).id for page in range(10)])"
        sent = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
        ids = sent.stdout.split()
        starts = [json.loads(umbel(tmp_path, "result", task_id, "--timeout", "30", "--json"))["result"][1] for task_id in ids]
    assert max(starts) - min(starts) >= 0.4  # 0.9, but the first may have been late


def test_batches(tmp_path):
    with worker(tmp_path, "batches.md"):
        ran = subprocess.run([sys.executable, "tasks.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert ran.stdout == "[0, 2, 4, 6, 8]\n", ran.stderr


def test_checkpoints(tmp_path):
    with worker(tmp_path, "checkpoints.md"):
        task_id = umbel(tmp_path, "call", "tasks.copy", "--args", "[1000]").strip()
        assert umbel(tmp_path, "result", task_id, "--timeout", "30") == "1000\n"


def test_periodic_tasks(tmp_path):
    def succeeded():
        runs = json.loads(umbel(tmp_path, "schedule", "history", "pulse", "--json"))
        return [run for run in runs if run["state"] == "SUCCESS" and run["worker"] and run["runtime"] is not None]

    with worker(tmp_path, "periodic-tasks.md", "-B"):
        (run, *_) = eventually(succeeded, 60, "a run that has succeeded, as its worker reports it")
        umbel(tmp_path, "schedule", "add", "report", "tasks.add", "-a", "[1, 2]", "--cron", "0 8 * * mon-fri", "--timezone", "Asia/Tokyo")
        umbel(tmp_path, "schedule", "pause", "report")
        sent = umbel(tmp_path, "schedule", "run", "report").split()[-1]
        assert umbel(tmp_path, "result", sent, "--timeout", "60") == "3\n"
        assert umbel(tmp_path, "result", run["task_id"]) == "72\n"
    names = [line.split()[0] for line in umbel(tmp_path, "schedule", "list").splitlines()]
    assert names == ["NAME", "nightly", "pulse", "report"]


def test_concurrency_limits(tmp_path):
    with worker(tmp_path, "concurrency-limits.md", "-c", "4"):
        done = subprocess.run([sys.executable, "tasks.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "True\n", done.stderr


def test_unique_tasks(tmp_path):
    with worker(tmp_path, "unique-tasks.md"):
        done = subprocess.run([sys.executable, "tasks.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "True False\nreport 2026 of 7 False\n", done.stderr


def test_revoking(tmp_path):
    (tmp_path / "program.py").write_text(sample("revoking.md"))
    done = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "REVOKED revoked\n", done.stderr


def test_remote_control(tmp_path):
    write_files("remote-control.md", tmp_path, "ask.py")
    with worker(tmp_path, "remote-control.md"):
        replies = eventually(lambda: umbel_or_nothing(tmp_path, "inspect", "slots", "--json"), 30, "a reply")
        assert list(json.loads(replies).values()) == [{"slots": 1}]
        asked = subprocess.run([sys.executable, "ask.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
        assert asked.stdout.count("'ok': 'pong'") == asked.stdout.count("new rate limit set successfully") == 1
        assert "has made it" in umbel(tmp_path, "control", "touch", str(tmp_path / "made"))
        assert (tmp_path / "made").exists()
    assert not umbel_or_nothing(tmp_path, "status")


def umbel_or_nothing(folder: Path, *words: str) -> str:
    """What ``umbel -A tasks …`` prints, if anything: there may be no worker."""
    return subprocess.run(
        [sys.executable, "-m", "umbel", "-A", "tasks", *words], cwd=folder, capture_output=True, text=True, check=False
    ).stdout


def test_apps_in_children(tmp_path):
    (tmp_path / "shop.py").write_text(sample("apps-in-children.md"))
    done = subprocess.run([sys.executable, "shop.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "charged 7\n"), done.stderr


def test_tracing(tmp_path):
    write_files("tracing.md", tmp_path, "tasks.py")
    script = "from tasks import add; print(add.apply((30, 42)).get())"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "72\n"


def test_lent_objects(tmp_path):
    write_files("lent-objects.md", tmp_path, "tasks.py")
    script = "from tasks import predict; print([predict.apply(('hello',)).get() for _ in range(2)])"
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[(5, 1), (5, 2)]\n"


def test_events(tmp_path):
    shots, lines = tmp_path / "snapshots.txt", tmp_path / "lines"
    line = re.compile(r"^tasks.divide(\(1, 0\)|\[1, 0\]) failed on celery@\S+: ZeroDivisionError\('division by zero'\)$", re.MULTILINE)

    def is_seen():
        umbel(tmp_path, "call", "tasks.divide", "-a", "[1, 0]")
        return line.search(lines.read_text()) and shots.exists() and "tasks.divide FAILURE" in shots.read_text()

    with worker(tmp_path, "events.md", "-E"), lines.open("w") as file:
        write_files("events.md", tmp_path, "monitor.py", "cameras.py")
        monitor = subprocess.Popen([sys.executable, "monitor.py"], cwd=tmp_path, stdout=file)
        camera = subprocess.Popen(
            [sys.executable, "-m", "umbel", "-A", "tasks", "events", "-c", "cameras.Camera", "-F", "0.2"], cwd=tmp_path
        )
        try:
            eventually(is_seen, 30)  # by programs that begin to listen at some time
            camera.send_signal(signal.SIGTERM)
            assert camera.wait(20) == 0
        finally:
            for each in (monitor, camera):
                each.kill()
                each.wait(10)
    rows = re.findall(
        r"^\| `(\S+?)` \| (.*) \|$", (GUIDE / "events.md").read_text(encoding="utf-8").partition("## All events")[2], re.MULTILINE
    )
    wanted = [(kind.name, f"{kind.when} | {', '.join(f'`{name}`' for name in kind.fields)}") for kind in TABLE]
    assert rows == [*wanted, *FIELDS.items()]


def test_security(tmp_path):
    with worker(tmp_path, "security.md"):
        assert umbel(tmp_path, "call", "tasks.pay", "--args", "[7]", "--wait") == "paid 7\n"
        script = "from umbel import Umbel; Umbel('stranger', broker='sqlite:///umbel.db').send_task('tasks.pay', [8])"
        subprocess.run([sys.executable, "-c", script], cwd=tmp_path, check=True)
        eventually(lambda: "unsigned" in umbel(tmp_path, "dead", "list"), 30, "a dead letter")


def test_outbox(tmp_path):
    write_files("outbox.md", tmp_path, "shop.py")
    (tmp_path / "ask.py").write_text("import runpy\nrunpy.run_module('shop', run_name='__main__')\n")
    assert with_worker(tmp_path, [sys.executable, "-m", "umbel", "-A", "shop", "worker", "-c", "1"]) == "receipt for order 1\n"


def test_flask(tmp_path):
    write_files("flask.md", tmp_path, "shop.py")
    (tmp_path / "ask.py").write_text("import shop\nprint(shop.create_app().test_client().get('/greet/Ada').text)\n")
    assert (
        with_worker(tmp_path, [str(Path(sys.executable).parent / "flask"), "--app", "shop", "umbel", "worker", "-c", "1"]) == "Hello, Ada\n"
    )


def test_fastapi(tmp_path):
    write_files("fastapi.md", tmp_path, "shop.py")
    (tmp_path / "ask.py").write_text(
        "import asyncio, shop\n"
        "async def ask():\n"
        "    task = (await shop.buy(shop.Order(customer='Ada', total=3)))['task']\n"
        "    stream = (await shop.follow(task)).body_iterator\n"
        "    print([event async for event in stream][-1])\n"
        "asyncio.run(ask())\n"
    )
    said = with_worker(tmp_path, [sys.executable, "-m", "umbel", "-A", "shop:queue", "worker", "-c", "1"])
    assert said.startswith("event: end\n")
    assert '"result": "Ada pays 3.00, 4 lines"' in said


def with_worker(folder: Path, command: list[str]) -> str:
    """What ask.py prints, while a worker runs."""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
        try:
            done = subprocess.run([sys.executable, "ask.py"], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
        finally:
            worker.terminate()
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_dashboard():
    from starlette.testclient import TestClient

    names: dict[str, Any] = {}
    exec(sample("dashboard.md"), names)
    with TestClient(names["site"], base_url="http://localhost") as client:
        page = client.get("/umbel/tasks").text
        assert "/umbel/static/look.css" in page
        assert client.get("/umbel/static/look.css").status_code == 200
    names["app"].close()
