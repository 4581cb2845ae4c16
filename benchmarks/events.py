"""What telling whoever watches costs: the drain of `throughput` without events, with ``-E`` and a receiver, and with one that keeps a State of all."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator

from staging import HERE, Setting, Worker

#: Events of one task: received, started, succeeded.
EACH = 3


def run(setting: Setting, count: int) -> dict:
    filled(setting, count)
    plain = drained(setting, count)
    row = {"tasks_per_s": round(plain)}
    for name, keeps in (("receiver", False), ("state", True)):
        filled(setting, count)
        with watching(setting, EACH * count, keeps=keeps) as watcher:
            told = drained(setting, count, "-E")
            seen = json.loads(watcher.communicate(timeout=60)[0].splitlines()[-1])
        row |= {
            f"{name}_per_s": round(told),
            f"{name}_%": round(100 * told / plain),
            f"{name}_seen_%": round(100 * seen["events"] / (EACH * count), 1),
            f"{name}_behind_s": seen["behind_s"],
        }
    return row | {"state_mb": seen["mb"]}


def filled(setting: Setting, count: int) -> None:
    """A queue of so many tasks."""
    setting.reset()
    setting.client("publish", count)


def drained(setting: Setting, count: int, *options: str) -> float:
    """Tasks per second."""
    with Worker(setting, *options) as worker:
        done, first, last = worker.wait(count)
    return done / (last - first)


@contextlib.contextmanager
def watching(setting: Setting, count: int, *, keeps: bool) -> Iterator[subprocess.Popen[str]]:
    """A receiver in a process of its own, which listens already; it ends with its count of events, or when none has come for a while."""
    command = [setting.python, str(HERE / "clients.py"), "watch", json.dumps([count, keeps])]
    with subprocess.Popen(command, env=setting.env(), stdout=subprocess.PIPE, text=True) as watcher:
        try:
            watcher.stdout.readline()
            yield watcher
        finally:
            watcher.kill()
