"""Scenario "jumps": the wall clock of one worker's machine is set an hour ahead or back, while another worker's is right."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from chaos.scenario import Arena, Outcome, Site
from chaos.servers import PrivateRabbit
from system.processes import TESTS, eventually

HOUR = 3600
#: What every interpreter of that machine runs first. Not libfaketime: under it `time.sleep` fails with EINVAL.
CLOCK = """
import os, time
_time, _file = time.time, os.open({path!r}, os.O_RDONLY)
time.time = lambda: _time() + int(os.pread(_file, 20, 0))
"""
#: Seconds of the task that runs across the jump, of the limit of another one, and of countdowns.
LONG, LIMIT, SOON = 8, 5, 6


def run(site: Site) -> Outcome:
    outcome = Outcome(f"jumps on {site.place.name}")
    for hours in (1, -1):
        arena = Arena(site.place)
        try:
            _jump(site, arena, hours, outcome)
        finally:
            arena.close()
    return outcome


def _jump(site: Site, arena: Arena, hours: int, outcome: Outcome) -> None:
    with tempfile.TemporaryDirectory(prefix="umbel-clock-") as name:
        clock = Path(name, "clock")
        clock.write_text("+00000")
        Path(name, "sitecustomize.py").write_text(CLOCK.format(path=str(clock)))
        arena.worker("-c", "2", env={"PYTHONPATH": f"{name}{os.pathsep}{TESTS}"})
        _play(site, arena, hours, outcome, lambda seconds: _set(clock, seconds))


def _set(clock: Path, seconds: int) -> None:
    """Write over what is there: an interpreter may read at any moment, and must not find an empty file."""
    with clock.open("r+") as file:
        file.write(f"{seconds:+06d}")


def _play(site: Site, arena: Arena, hours: int, outcome: Outcome, set_clock: Callable[[int], object]) -> None:
    running = arena.submit("nap", LONG)
    limited = arena.send("nap", 60, time_limit=LIMIT)
    arena.await_runs(limited.id)
    began = time.monotonic()
    arena.await_runs(running)
    arena.worker("-c", "1")  # its clock is right, and it takes over what the other seems to have let go
    before = [arena.submit("mark", number, countdown=SOON) for number in range(20)]
    plain = [arena.submit("mark", number) for number in range(20)]
    arena.app.publisher.flush()
    set_clock(hours * HOUR)
    arena.fault("clock set", hours=hours)
    after = [arena.submit("mark", number, countdown=SOON) for number in range(20)]
    plain += [arena.submit("mark", number) for number in range(20)]
    arena.flush_client()
    with contextlib.suppress(AssertionError):
        eventually(limited.ready, LIMIT * 3)
    limit = time.monotonic() - began
    arena.await_runs(running, kind="end", timeout=LONG * 3)
    time.sleep(max(0.0, LONG + 4 - (time.monotonic() - began)))
    done = {entry["id"] for entry in arena.watch.update() if entry["kind"] == "end"}
    late = set(before + after) - done
    set_clock(0)
    arena.await_all(20)
    report = arena.verdict(states=True)
    waiting = _delayed(site)
    name = f"{hours:+d} h"
    outcome.lines.append(f"{name}: {len(late)} of {len(before + after)} tasks with a countdown waited until the clock was right again")
    # RabbitMQ's delayed store counts down from what the worker told it: what was put there under a wrong clock comes when that has passed.
    outcome.lines.append(f"{name}: {waiting} wait on in RabbitMQ's delayed store, for as long as the wrong clock said")
    outcome.none(f"{name}: lost", max(0, len(report.lost) - waiting))
    outcome.none(f"{name}: run twice", report.duplicates)
    outcome.none(f"{name}: without a countdown, and waited for the clock", set(plain) - done)
    outcome.none(f"{name}: without a final result", set(report.unsettled) - set(report.lost))
    outcome.check(f"{name}: limit of {LIMIT} s", f"{limit:.1f} s", f"{LIMIT} to {LIMIT + 3} s", LIMIT - 1 <= limit <= LIMIT + 3)
    outcome.check(f"{name}: state of what had the limit", limited.state, "FAILURE", limited.state == "FAILURE")


def _delayed(site: Site) -> int:
    if not isinstance(site.server, PrivateRabbit):
        return 0
    return sum(count for name, count in site.server.lengths().items() if name.startswith("celery_delayed_"))
