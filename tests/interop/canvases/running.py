"""Runs canvases: one worker and one client of a library, in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid

from interop.pairing import celery_python
from system.processes import TESTS, WorkerProcess, environment

APP = "interop.canvases.tasks"


def outcomes(library, broker, backend, folder, names=None, timeout=120.0):
    """What canvases come to: name → outcome.

    Args:
        library: ``umbel`` or ``celery``.
        broker: its URL.
        backend: the URL of Redis for results, and for what the tasks write.
        folder: for what a worker leaves behind.
        names: of the canvases; all when not given.
        timeout: seconds for all.

    Raises:
        AssertionError: the client ended with an error.
    """
    session = f"canvases-{uuid.uuid4().hex[:12]}"
    python = str(celery_python()) if library == "celery" else sys.executable
    settings = {"task_default_queue": session, "control_exchange": session, "broker_connection_retry_on_startup": True}
    env = {**environment(broker, backend, folder / "ledger", settings, library), "JOURNAL": backend, "PYTHONWARNINGS": "ignore"}
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat") if library == "celery" else ()
    worker = WorkerProcess(env, "-c", "2", *quiet, python=python, library=library, app=APP)
    try:
        worker.wait_ready(40)
        done = subprocess.run(
            [python, "-m", "interop.canvases.side"],
            input=json.dumps({"session": session, "names": names}),
            env=env,
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=TESTS,
            check=False,
        )
        assert done.returncode == 0, f"{library} client:\n{done.stderr[-3000:]}\n{worker.text()}"
        return json.loads(done.stdout)
    finally:
        worker.end()
