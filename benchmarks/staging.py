"""Brokers, workers and clients for benchmarks, as processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import counting

HERE = Path(__file__).resolve().parent
RABBITMQ = os.environ.get("UMBEL_TEST_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672").rstrip("/") + "//"
REDIS = os.environ.get("UMBEL_TEST_REDIS", "redis://127.0.0.1:6379")
SQLITE = f"{counting.FOLDER}.db"
STORE = f"{REDIS}/8"
#: How each library's worker is started with two processes.
COMMANDS = {
    "umbel": ["-m", "umbel", "-A", "tasks", "worker", "-l", "error"],
    "celery": ["-m", "celery", "-A", "tasks", "worker", "-l", "error", "--without-gossip", "--without-mingle", "--without-heartbeat"],
    "dramatiq": ["-m", "dramatiq", "peers", "-p", "2", "-t", "8"],
    "huey": ["-m", "huey.bin.huey_consumer", "peers.huey", "-q", "-k", "process", "-w", "2"],
    "taskiq": ["-m", "taskiq", "worker", "peers:broker", "--workers", "2", "--log-level", "ERROR"],
}
#: A database of the benchmarks' own, made when it is first used.
POSTGRESQL = (
    f"{os.environ.get('UMBEL_TEST_POSTGRESQL', 'postgresql://postgres@127.0.0.1:5432/postgres').rpartition('/')[0]}/umbel_benchmarks"
)
BROKERS = {"rabbitmq": RABBITMQ, "redis": f"{REDIS}/7", "postgresql": POSTGRESQL, "sqlite": f"sqlite:///{SQLITE}"}


@dataclass(frozen=True)
class Setting:
    """One contender on one broker."""

    broker: str
    results: bool = False
    library: str = "umbel"
    python: str = sys.executable
    queue: str = "umbel-benchmarks"

    @property
    def name(self) -> str:
        return f"{self.library} {self.broker}{'+results' if self.results else ''}"

    def env(self) -> dict[str, str]:
        store = BROKERS[self.broker] if self.broker in ("sqlite", "postgresql") else STORE
        if self.broker == "postgresql":
            store = f"db+{store}"
        return {
            **os.environ,
            "BROKER": BROKERS[self.broker],
            "BACKEND": store if self.results else "",
            "BENCH_LIBRARY": self.library,
            "BENCH_QUEUE": self.queue,
            "PYTHONPATH": str(HERE),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONWARNINGS": "ignore",
            "C_FORCE_ROOT": "1",
        }

    def client(self, action: str, *arguments: object, timeout: float = 600) -> dict:
        """Run one function of `clients` in an interpreter of its own; returns what it printed.

        Raises:
            RuntimeError: it failed; the text is its last line.
        """
        command = [self.python, str(HERE / "clients.py"), action, json.dumps(arguments)]
        done = subprocess.run(command, env=self.env(), capture_output=True, text=True, timeout=timeout, check=False)
        if done.returncode:
            raise RuntimeError(f"{self.name} {action}: {' '.join(done.stderr.strip().splitlines()[-1:])}")
        return json.loads(done.stdout.strip().splitlines()[-1])

    def reset(self) -> None:
        """An empty queue and no counts."""
        if self.broker == "sqlite":
            for path in Path(SQLITE).parent.glob(Path(SQLITE).name + "*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        elif self.broker == "postgresql":
            _remake_database()
        else:
            self.client("purge")
        counting.reset()


def _remake_database() -> None:
    import psycopg

    server, _, name = POSTGRESQL.rpartition("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())
        connection.execute(f"CREATE DATABASE {name}".encode())


class Worker:
    """One worker, two children unless told otherwise; a context manager."""

    def __init__(self, setting: Setting, *options: str, concurrency: int = 2) -> None:
        command = [setting.python, *COMMANDS[setting.library], *options]
        if setting.library in ("umbel", "celery"):
            command += ["-c", str(concurrency)]
        if (setting.library, setting.broker) == ("huey", "sqlite"):
            command[-4:] = ["-k", "thread", "-w", "1"]  # its fastest there
        self.begun = time.time()
        self.log = Path(f"{counting.FOLDER}.log")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=setting.env(), stdout=log, stderr=log, start_new_session=True, cwd=HERE)

    def __enter__(self) -> Worker:  # noqa: PYI034
        return self

    def __exit__(self, *_: object) -> None:
        for number, patience in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
            try:
                self.process.send_signal(number)
                self.process.wait(patience)
                break
            except subprocess.TimeoutExpired:
                continue
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)

    def wait(self, count: int, timeout: float = 180) -> tuple[int, float, float]:
        """Return when so many tasks have run: what `counting.total` says.

        Raises:
            RuntimeError: they have not, in time; the text is the end of the worker's log.
        """
        deadline = time.monotonic() + timeout
        while (seen := counting.total())[0] < count:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"{seen[0]} of {count} ran; {self.log.read_text()[-300:]}")
            time.sleep(0.01)
        return seen

    def memory(self) -> float:
        """PSS of the whole group, MB: shared pages are divided among those who share them."""
        total = 0
        for pid in subprocess.run(
            ["ps", "-o", "pid=", "-g", str(self.process.pid)], capture_output=True, text=True, check=False
        ).stdout.split():
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total / 1024


def median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]
