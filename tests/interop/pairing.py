"""Real Celery in an environment of its own, and pairs of a client and a worker of different houses."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from system.processes import TESTS, WorkerProcess, environment
from system.stage import Place, Stage

CELERY_VENV = TESTS.parent / ".build" / "celery-venv"
#: What real Celery needs to speak every serializer and compression.
PACKAGES = (
    "celery[redis]==5.7.0",
    "sqlalchemy",
    "psycopg[binary]",
    "hiredis",
    "pymemcache",
    "pymongo",
    "msgpack",
    "pyyaml",
    "zstandard",
    "brotli",
    "backports.zstd",
    "cryptography",
)


FLOWER_VENV = TESTS.parent / ".build" / "flower-venv"
#: Flower brings Celery's newest; it gets the one that the captures are of.
FLOWER_PACKAGES = ("celery[redis]==5.7.0", "flower==2.2.0")


def celery_python() -> Path:
    """The interpreter of the environment with real Celery; makes it at first use."""
    return _made(CELERY_VENV, PACKAGES)


def flower_python() -> Path:
    """The interpreter of the environment with Flower, and real Celery; makes it at first use."""
    return _made(FLOWER_VENV, FLOWER_PACKAGES)


def _made(venv: Path, wanted: Sequence[str]) -> Path:
    python = venv / "bin" / "python"
    venv.parent.mkdir(exist_ok=True)
    with venv.with_name(f"{venv.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ready, packages = venv / "ready", "\n".join(wanted)
        if not ready.exists() or ready.read_text() != packages:
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
            subprocess.run([str(python), "-m", "pip", "install", "-q", *wanted], check=True, timeout=600)
            ready.write_text(packages)
    return python


class Pair(Stage):
    """A client of one house, a worker of the other, on one broker."""

    def __init__(self, place: Place, queue: str, client: str) -> None:
        super().__init__(place, queue)
        self.houses = {"client": client, "worker": "celery" if client == "umbel" else "umbel"}
        self.settings.update({"accept_content": ["json", "pickle", "yaml", "msgpack"], "broker_connection_retry_on_startup": True})

    def _python(self, house: str) -> str:
        return str(celery_python()) if house == "celery" else sys.executable

    def _environment(self, house: str, settings: Mapping[str, Any] | None = None) -> dict[str, str]:
        return environment(self.place.broker, self.place.backend, self.ledger, {**self.settings, **(settings or {})}, house)

    def start_worker(self, *options: str, settings: Mapping[str, Any] | None = None) -> WorkerProcess:
        quiet = ("--without-gossip", "--without-mingle") if self.houses["worker"] == "celery" else ()
        return self.start_worker_that_mingles(*quiet, *options, settings=settings)

    def start_worker_that_mingles(self, *options: str, settings: Mapping[str, Any] | None = None) -> WorkerProcess:
        """Start a worker that speaks to the others; it takes a second longer."""
        house = self.houses["worker"]
        worker = WorkerProcess(self._environment(house, settings), *options, python=self._python(house), library=house)
        self.workers.append(worker)
        return worker.wait_ready(40)

    def talk(
        self, calls: Sequence[Mapping[str, Any]], timeout: float = 60, settings: Mapping[str, Any] | None = None
    ) -> list[dict[str, Any]]:
        """Let the client publish all calls and read all results."""
        house = self.houses["client"]
        done = subprocess.run(
            [self._python(house), "-m", "interop.side"],
            input=json.dumps({"calls": list(calls), "timeout": timeout}),
            env={**self._environment(house, settings), "PYTHONWARNINGS": "ignore"},
            capture_output=True,
            text=True,
            timeout=timeout + 60,
            cwd=TESTS,
            check=False,
        )
        assert done.returncode == 0, f"{house} client:\n{done.stderr[-3000:]}"
        return [json.loads(line) for line in done.stdout.splitlines()]


def count() -> int:
    """Tasks in the mass tests: ``UMBEL_INTEROP_TASKS`` (2000 for the full measure), else 200."""
    return int(os.environ.get("UMBEL_INTEROP_TASKS", "200"))
