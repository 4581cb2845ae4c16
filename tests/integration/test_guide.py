"""The samples of the guide do what their pages say."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from system.processes import eventually

GUIDE = Path(__file__).parents[2] / "docs" / "guide"


def sample(page: str) -> str:
    """The first Python block of a page."""
    found = re.search(r"```python\n(.*?)```", (GUIDE / page).read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def test_worker_services(tmp_path):
    (tmp_path / "tasks.py").write_text(sample("worker-services.md"))
    command = [sys.executable, "-m", "umbel", "-A", "tasks", "worker", "-c", "1"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ}) as worker:
        try:
            eventually((tmp_path / "alive").exists, 30, "the file of a worker that is alive")
            worker.send_signal(signal.SIGTERM)
            _, log = worker.communicate(timeout=30)
        finally:
            worker.kill()
    assert worker.returncode == 0, log.decode()
    assert not (tmp_path / "alive").exists()


def test_embedding(tmp_path):
    (tmp_path / "program.py").write_text(sample("embedding.md"))
    ran = subprocess.run([sys.executable, "program.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.stdout, ran.returncode) == ("72\n", 0), ran.stderr
