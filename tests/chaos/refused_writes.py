"""Scenarios "misconf" and "full": a server that takes no writes, and a full disk, until somebody mends them."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from chaos.scenario import Arena, Outcome, Site
from system.processes import WorkerProcess, eventually
from umbel.errors import OperationalError

#: Seconds for which writes are refused.
LASTS = 8.0
#: Log lines of a worker that are fine for that time: each of its parts (consumer, leases, two children) backs off on its own.
MOST_LINES = 40
#: MB of a disk that gets full.
DISK = 200


def misconf(site: Site) -> Outcome:
    """Redis refuses all writes, because it could not save (MISCONF)."""
    outcome = Outcome("misconf on redis")
    # The same server is the result store: results must not be lost either.
    place = replace(site.place, backend=site.server.url(database=1))
    arena = Arena(place, settings={"broker_publish_timeout": 5.0})
    try:
        _play(arena, outcome, _refusing(site.server))
    finally:
        arena.close()
    return outcome


def full(site: Site) -> Outcome:
    """The disk of an SQLite file is full."""
    outcome = Outcome(f"full disk of {DISK} MB under SQLite")
    with _disk() as folder:
        if folder is None:
            outcome.check("a disk of its own", "cannot be mounted here: run it as root", "mounted", good=False)
            return outcome
        url = f"sqlite:///{folder}/umbel.db"
        arena = Arena(replace(site.place, broker=url, backend=url), settings={"broker_publish_timeout": 2.0})
        try:
            _play(arena, outcome, _filled(folder))
        finally:
            arena.close()
    return outcome


@contextlib.contextmanager
def _refusing(server) -> Iterator[None]:
    obstacle = Path(server.folder, "dump.rdb")
    obstacle.mkdir()  # the snapshot is renamed to this in the end
    with server.client() as client:
        client.config_set("save", "3600 1000000")
        client.config_set("stop-writes-on-bgsave-error", "yes")
        client.bgsave()
        eventually(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", 20, "a snapshot that failed")
        try:
            yield
        finally:
            obstacle.rmdir()
            client.bgsave()
            eventually(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "ok", 20, "a snapshot that is written")


@contextlib.contextmanager
def _disk() -> Iterator[Path | None]:
    folder = Path(tempfile.mkdtemp(prefix="umbel-disk-"))
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "tmpfs", folder], capture_output=True, check=False)
    try:
        yield folder if mounted.returncode == 0 else None
    finally:
        if mounted.returncode == 0:
            subprocess.run(["umount", "-l", folder], check=True)
        folder.rmdir()


@contextlib.contextmanager
def _filled(folder: Path) -> Iterator[None]:
    path = folder / "something else"
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1):
            with contextlib.suppress(OSError):
                while file.write(b"x" * size):
                    pass
        os.fsync(file.fileno())
    try:
        yield
    finally:
        path.unlink()


def _play(arena: Arena, outcome: Outcome, refusal: contextlib.AbstractContextManager[None]) -> None:
    worker = arena.worker("-c", "2")
    running = arena.submit("nap", 3)
    arena.await_runs(running)
    held = [arena.submit("nap", 0.1) for _ in range(20)]
    arena.app.publisher.flush()
    with refusal:
        began, lines = time.monotonic(), len(worker.log)
        errors = [_publish(arena) for _ in range(3)]
        slowest = (time.monotonic() - began) / len(errors)
        arena.fault("writes are refused")
        time.sleep(max(0.0, LASTS - (time.monotonic() - began)))
        said = [line for line in worker.log[lines:] if "Task" not in line and "received" not in line]
        alive = worker.alive
    mended = time.monotonic()
    first = arena.submit("mark", 0)
    arena.await_runs(first, timeout=30)
    resumed = time.monotonic() - mended
    after = [arena.submit("mark", number) for number in range(50)]
    arena.flush_client()
    arena.await_all(20)
    _judge(arena, outcome, worker, [running, *held, first, *after])
    outcome.lines += [f"refused: {errors[0]}", f"the worker said {len(said)} lines, the last: {said[-1] if said else '-'}"]
    outcome.none("calls that returned while nothing was taken", [error for error in errors if error is None])
    outcome.at_most("seconds of such a call", slowest, 6.0, " s")
    outcome.check("the worker lives", alive, "True", alive)
    outcome.at_most("lines in its log", len(said), MOST_LINES)
    outcome.at_most("resumed", resumed, 10.0, " s")


def _publish(arena: Arena) -> str | None:
    try:
        arena.send("mark", -1, confirm=True)
    except OperationalError as error:
        return f"{type(error).__name__}: {error}"
    return None


def _judge(arena: Arena, outcome: Outcome, worker: WorkerProcess, sent: list[str]) -> None:
    report = arena.verdict(states=True)
    outcome.none("lost", set(sent) & set(report.lost))
    outcome.none("without a result", [task_id for task_id in sent if arena.app.AsyncResult(task_id).state != "SUCCESS"])
    outcome.none("run twice", report.duplicates)
