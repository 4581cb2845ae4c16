"""``umbel worker --reload``: new code runs when it can be loaded, else the old one goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from system.processes import eventually

URL = "sqlite:///umbel.db"
TASKS = """
from umbel import Umbel
app = Umbel("reloaded", broker="sqlite:///umbel.db", backend="sqlite:///umbel.db")

@app.task(name="value")
def value():
    return {value}
"""


def test_new_code_runs_and_broken_code_does_not(tmp_path):
    file, log = tmp_path / "reloaded.py", tmp_path / "log"
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    umbel = [sys.executable, "-m", "umbel", "-A", "reloaded"]

    def call():
        # Without the app: its file may be broken.
        command = [sys.executable, "-m", "umbel", "-b", URL, "--result-backend", URL, "call", "value", "--wait"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True, timeout=60)
        return int(done.stdout)

    file.write_text(TASKS.format(value=1))
    with (
        log.open("w") as output,
        subprocess.Popen(
            [*umbel, "worker", "--reload", "-c", "1", "-l", "info"],
            cwd=tmp_path,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as worker,
    ):
        try:
            eventually(lambda: log.read_text().count(" ready.") == 1, 30)
            assert call() == 1
            file.write_text(TASKS.format(value="(2"))
            eventually(lambda: "cannot be loaded; the old code goes on" in log.read_text(), 30)
            assert "was never closed" in log.read_text()
            assert call() == 1
            file.write_text(TASKS.format(value=22))
            eventually(lambda: log.read_text().count(" ready.") == 2, 30)
            assert call() == 22
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(30) == 0
        finally:
            worker.kill()
