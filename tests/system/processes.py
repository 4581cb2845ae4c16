"""Workers as real processes: start, wait until ready, signal, kill."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
TESTS = Path(__file__).resolve().parent.parent
READY = re.compile(r"\bready\b")


def eventually(read: Callable[[], T], timeout: float = 30.0, what: str = "") -> T:
    """Poll something outside (a server's view, /proc) that cannot call back, until it is true.

    Raises:
        AssertionError: it was not, in time.
    """
    deadline = time.monotonic() + timeout
    while not (value := read()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s: {what or read}; last value: {value!r}")
        time.sleep(0.02)
    return value


def environment(
    broker: str, backend: str | None, ledger: str | os.PathLike[str], settings: Mapping[str, Any], library: str = "umbel"
) -> dict[str, str]:
    """What `system.workload` reads. A Celery worker that is killed leaves folders of `multiprocessing` behind: in ours, which is removed."""
    own = {"TMPDIR": os.fspath(Path(ledger).parent)} if library == "celery" else {}
    return {
        **os.environ,
        "PYTHONPATH": str(TESTS),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "C_FORCE_ROOT": "1",
        "BROKER": broker,
        "BACKEND": backend or "",
        "LEDGER": os.fspath(ledger),
        "WORKLOAD_CONFIG": json.dumps(dict(settings)),
        "WORKLOAD_LIBRARY": library,
        **own,
    }


class WorkerProcess:
    """One ``umbel worker`` (or ``celery worker``, or ``umbel beat``), leader of its own process group."""

    def __init__(
        self,
        env: Mapping[str, str],
        *options: str,
        python: str | os.PathLike[str] = sys.executable,
        library: str = "umbel",
        name: str = "worker",
        app: str = "system.workload",
    ) -> None:
        command = [os.fspath(python), "-m", library, "-A", app, name, "-l", "info", *options]
        self.log: list[str] = []
        self._grown = threading.Condition()
        self.process = subprocess.Popen(
            command,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=TESTS,
        )
        self.pid = self.process.pid
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._grown:
                self.log.append(line.decode(errors="replace").rstrip("\n"))
                self._grown.notify_all()
        with self._grown:
            self._grown.notify_all()

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def text(self, lines: int = 40) -> str:
        """The end of the log, for messages of failed assertions."""
        return "\n".join(self.log[-lines:])

    def wait_log(self, pattern: str | re.Pattern[str], timeout: float = 45.0, since: int = 0) -> str:
        """Return the first line (from line ``since`` on) that matches.

        Raises:
            AssertionError: none came, or the worker ended.
        """
        deadline = time.monotonic() + timeout
        pattern = re.compile(pattern)
        at = since
        with self._grown:
            while True:
                for line in self.log[at:]:
                    if pattern.search(line):
                        return line
                at = max(since, len(self.log))
                left = deadline - time.monotonic()
                ended = not self.alive and not self._reader.is_alive()
                if left <= 0 or ended:
                    raise AssertionError(f"no line {pattern.pattern!r} ({'the worker ended' if ended else f'{timeout} s'}):\n{self.text()}")
                self._grown.wait(min(left, 0.2))

    def wait_ready(self, timeout: float = 60.0) -> WorkerProcess:
        self.wait_log(READY, timeout)
        return self

    def send(self, number: int) -> None:
        """A signal to the main process only."""
        os.kill(self.pid, number)

    def stop(self, number: int = signal.SIGTERM, timeout: float = 45.0) -> int:
        """Signal the main process and return its exit status."""
        if self.alive:
            self.send(number)
        return self.wait(timeout)

    def wait(self, timeout: float = 45.0) -> int:
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the worker is still running after {timeout} s:\n{self.text()}") from None

    def kill_group(self, number: int = signal.SIGKILL) -> None:
        """A signal to the main process and all that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def members(self) -> list[int]:
        """Pids of the group that are alive (zombies are not)."""
        return group(self.pid)

    def end(self) -> None:
        """Make sure that nothing of it is left; for clean-up."""
        self.kill_group()
        self.process.wait(10)
        self._reader.join(10)
        if self.process.stdout is not None:
            self.process.stdout.close()


def group(leader: int) -> list[int]:
    """Live processes whose process group or session is the given one."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if fields[0] != "Z" and (int(fields[2]) == leader or int(fields[3]) == leader):
                found.append(int(stat.parent.name))
    return found


def mapped(pids: list[int]) -> set[str]:
    """Files that some processes map, as the kernel names them: with `` (deleted)`` behind those that have no name any more."""
    found = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
                fields = line.split(maxsplit=5)
                if len(fields) == 6:
                    found.add(fields[5])
    return found


def named_shared_memory(pids: list[int]) -> set[str]:
    """What they have in ``/dev/shm`` under a name. Others use that folder, too, so this is how to know whose a name is."""
    return {path for path in mapped(pids) if path.startswith("/dev/shm/") and not path.endswith(" (deleted)")}


def proportional_memory(pids: list[int]) -> float:
    """PSS of some processes, MB: shared pages are divided among those who share them."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
    return total / 1024


def open_gate(gate: str | os.PathLike[str]) -> None:
    """Let one `wait_for` go on."""

    def reader() -> bool:
        try:
            os.close(os.open(gate, os.O_WRONLY | os.O_NONBLOCK))
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return False
        return True

    eventually(reader, what=f"a task that waits at {gate}")
