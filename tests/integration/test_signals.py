"""Signals of a real worker: who starts, configures, ends, and what nobody else can tell of."""

import json
import signal
import subprocess
import sys

import pytest

from system.processes import eventually
from umbel import Umbel

SCRIPT = """
import json, logging, os, sys, time
from umbel import Umbel, get_task_logger, hooks

app = Umbel("script", broker="sqlite:///here.db", worker_concurrency=1)
log = get_task_logger("script.tasks")

def listen(name):
    def receiver(sender, signal, **named):
        facts = {key: value for key, value in named.items() if isinstance(value, (str, int, bool, type(None)))}
        sender = sender if isinstance(sender, str) else type(sender).__name__
        with open("heard", "a") as file:
            file.write(json.dumps([name, sender, facts, sorted(named), os.getpid()]) + "\\n")
        if name == "celeryd_init":
            named["conf"].task_default_priority = 7
        if name == "after_setup_task_logger":
            handler = logging.FileHandler("tasks.log")
            handler.setFormatter(logging.Formatter("%(name)s %(message)s"))
            named["logger"].addHandler(handler)
    getattr(hooks, name).connect(receiver, weak=False)

for name in NAMES:
    listen(name)

@app.task
def look():
    log.warning("looked")
    return app.conf.task_default_priority

@app.task(time_limit=0.5)
def slow():
    time.sleep(60)
"""

NAMES = [
    "celeryd_init", "worker_init", "after_setup_logger", "after_setup_task_logger", "celeryd_after_setup", "worker_process_init", "worker_ready",
    "task_received", "task_success", "task_failure", "task_revoked", "task_unknown", "task_rejected", "worker_shutting_down", "worker_shutdown",
]  # fmt: skip


class Run:
    """A worker process of the script, in a folder."""

    def __init__(self, folder, names):
        self.folder = folder
        (folder / "script.py").write_text(SCRIPT.replace("NAMES", repr(names), 1))
        words = [sys.executable, "-W", "error", "-m", "umbel", "-A", "script", "worker", "-n", "w1@host", "-l", "info"]
        with (folder / "worker.log").open("w") as log:
            self.process = subprocess.Popen(words, cwd=folder, stderr=log, stdout=log)

    def log(self):
        return (self.folder / "worker.log").read_text()

    def heard(self, name):
        path = self.folder / "heard"
        rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
        return [row for row in rows if row[0] == name]

    def await_signal(self, name):
        return eventually(lambda: self.heard(name), 20.0, f"signal {name}\n{self.log()}")[0]

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(20) == 0, self.log()


@pytest.fixture
def start(tmp_path):
    started = []

    def start(names):
        started.append(Run(tmp_path, names))
        return started[-1]

    yield start
    for run in started:
        run.process.kill()
        run.process.wait()


@pytest.mark.slow
def test_a_worker_tells_of_itself_and_of_what_it_did_not_run(start):
    run = start(NAMES)
    assert run.await_signal("worker_ready")[1] == "Worker"
    with Umbel("script", broker=f"sqlite:///{run.folder}/here.db", set_as_current=False) as app:
        assert app.send_task("script.look").get(timeout=20) == 7, "what celeryd_init changed is not known in the child"
        slow = app.send_task("script.slow")
        late = app.send_task("script.look", expires=-1)
        unknown = app.send_task("script.nothing")
        assert run.await_signal("task_success")[3] == ["result", "runtime"]
        assert run.await_signal("task_received")[1:] == ["Worker", {}, ["request"], run.process.pid]
        _, sender, facts, names, pid = run.await_signal("task_failure")
        assert (sender, facts["task_id"], pid) == ("script.slow", slow.id, run.process.pid)
        assert names == ["args", "einfo", "exception", "kwargs", "task_id", "traceback"]
        revoked = run.await_signal("task_revoked")
        assert (revoked[1], revoked[2]) == ("script.look", {"terminated": False, "signum": None, "expired": True})
        assert late.state == "REVOKED"
        assert run.await_signal("task_unknown")[2] == {"name": "script.nothing", "id": unknown.id}
    run.end()
    assert run.heard("celeryd_init")[0][1:4:2] == ["w1@host", ["conf", "instance", "options"]]
    assert run.heard("celeryd_after_setup")[0][1] == "w1@host"
    assert run.heard("worker_shutting_down")[0][1:3] == ["w1@host", {"sig": "SIGTERM", "how": "Warm", "exitcode": 0}]
    assert run.heard("worker_shutdown")[0][1] == "Worker"
    assert len(run.heard("worker_init")) == len(run.heard("worker_ready")) == 1
    parents = [row[4] for name in ("worker_init", "worker_ready", "worker_shutdown") for row in run.heard(name)]
    assert parents == [run.process.pid] * 3
    assert all(row[4] != run.process.pid for row in run.heard("worker_process_init"))
    assert {row[4] for row in run.heard("after_setup_logger")} > {run.process.pid}, "parent and children"
    assert (run.folder / "tasks.log").read_text() == "script.tasks looked\n"
    assert not run.heard("task_rejected")


def test_who_sets_logging_up_himself_is_left_alone(start):
    run = start(["setup_logging", "worker_ready"])
    run.await_signal("worker_ready")
    assert run.heard("setup_logging")[0][3] == ["colorize", "format", "logfile", "loglevel"]
    run.end()
    assert "INFO/MainProcess" not in run.log()


def test_listening_to_what_is_never_sent_is_remarked_upon(start):
    run = start(["eventlet_pool_apply", "worker_ready"])
    run.await_signal("worker_ready")
    run.end()
    assert "The signal eventlet_pool_apply has listeners, but is not sent by this version." in run.log()
