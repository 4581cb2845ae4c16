"""Revoking by a worker inside somebody else's program: what waits, what runs, and what is to come."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import threading, time
from pathlib import Path
from umbel import Umbel, hooks
from umbel.errors import TaskRevokedError

app = Umbel("script", broker="sqlite:///here.db")

@app.task
def mark(name):
    Path(name).touch()
    return name

@app.task
def hang(name):
    Path(name).touch()
    while True:
        time.sleep(0.1)

@app.task(rate_limit="30/m")
def limited(name):
    return name

def wait_for(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)

def reason(result):
    try:
        return result.get(timeout=30)
    except TaskRevokedError as error:
        return f"{result.state} {error}"

if __name__ == "__main__":
    told = []
    def listen(request, terminated, signum, expired, **named):
        told.append((request.id, terminated, signum, expired))
    hooks.task_revoked.connect(listen)
    worker = app.Worker(concurrency=1, hostname="guest", prefetch_multiplier=10)
    thread = threading.Thread(target=worker.run)
    to_come, running = mark.apply_async(("to_come",), countdown=3600), hang.delay("running")
    worker.revoke(to_come.id)
    thread.start()
    try:
        wait_for(Path("running").exists)
        first, held, behind, kept = limited.delay("first"), limited.delay("held"), mark.delay("behind"), mark.delay("kept")
        wait_for(lambda: worker.parts.intake.holding.held)
        worker.revoke([held.id, behind.id, running.id])
        print(reason(to_come), "|", reason(held))
        print(running.state)
        worker.revoke(running.id, terminate=True)
        print(reason(running), "|", reason(kept), "|", reason(first), "|", reason(behind))
        wait_for(lambda: len(told) == 4)
        names = {to_come.id: "to_come", held.id: "held", behind.id: "behind", running.id: "running"}
        print(*sorted((names[task_id], *rest) for task_id, *rest in told))
    finally:
        worker.request_stop(warm=False)
        thread.join(30)
    app.close()
    print(*sorted(path.name for path in Path().iterdir() if path.suffix not in (".py", ".db") and path.is_file() and "db" not in path.name))
"""


def test_revoking(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-W", "error", "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "REVOKED revoked | REVOKED revoked",
        "PENDING",
        "REVOKED terminated | kept | first | REVOKED revoked",
        "('behind', False, None, False) ('held', False, None, False) ('running', True, 9, False) ('to_come', False, None, False)",
        "kept running",
    ], done.stderr
