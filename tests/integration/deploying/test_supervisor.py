"""The programs of supervisord: it runs them, and stops them as they want to be stopped."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from system.processes import eventually

CONFIG = Path(__file__).parents[3] / "deploy" / "supervisor" / "umbel.conf"
BIN = Path(sys.executable).parent
TASKS = """
from umbel import Umbel
app = Umbel("proj")

@app.task
def add(x, y):
    return x + y
"""


def test_supervisord_runs_and_stops_them(tmp_path):
    (tmp_path / "proj.py").write_text(TASKS)
    programs = (
        CONFIG.read_text()
        .replace("/srv/proj/.venv/bin", str(BIN))
        .replace("/srv/proj", str(tmp_path))
        .replace("/var/log/umbel", str(tmp_path))
    )
    programs = re.sub(r"^user=.*\n", "", programs, flags=re.MULTILINE)
    config = tmp_path / "supervisord.conf"
    config.write_text(
        f"[supervisord]\nnodaemon=true\nlogfile={tmp_path}/supervisord.log\npidfile={tmp_path}/supervisord.pid\n"
        f"[unix_http_server]\nfile={tmp_path}/s\n[supervisorctl]\nserverurl=unix://{tmp_path}/s\n"
        "[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface\n" + programs
    )
    environment = {**os.environ, "UMBEL_APP": "proj", "PYTHONWARNINGS": "ignore"}

    def told(name, pattern):
        file = tmp_path / name
        return re.search(pattern, file.read_text()) if file.exists() else None

    with subprocess.Popen(
        [BIN / "supervisord", "-c", config], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            eventually(
                lambda: told("supervisord.log", "umbel-worker entered RUNNING") and told("supervisord.log", "umbel-beat entered RUNNING"),
                60,
            )
            eventually(lambda: told("worker.log", "worker@.* ready"), 60)
            call = [BIN / "umbel", "call", "proj.add", "-a", "[30, 42]", "--wait"]
            assert (
                subprocess.run(call, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True, timeout=60).stdout == "72\n"
            )
        finally:
            process.terminate()
            process.wait(60)
    assert told("supervisord.log", r"stopped: umbel-worker \(exit status 0\)")
    assert told("supervisord.log", r"stopped: umbel-beat \(exit status 0\)")
