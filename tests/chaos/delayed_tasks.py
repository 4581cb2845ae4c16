"""Scenario "eta": a flood of far-off tasks costs the worker nothing, and near ones start on time."""

from __future__ import annotations

import time

from chaos.ledger import quantile
from chaos.scenario import Arena, Outcome, Site
from chaos.servers import PrivateRabbit
from system.processes import eventually, proportional_memory


def run(site: Site, *, far: int = 100_000, near: int = 1000, growth: float = 30.0) -> Outcome:
    """``far`` tasks in an hour, then ``near`` tasks in two seconds.

    Args:
        growth: MB that the worker may grow by.
    """
    arena = Arena(site.place)
    outcome = Outcome(f"eta on {site.place.name}: {far} in an hour, {near} in two seconds")
    try:
        worker = arena.worker("-c", "2")
        _ready(arena)
        before = proportional_memory(worker.members())
        begun = time.monotonic()
        for _ in range(far):
            arena.send("mark", countdown=3600, ignore_result=True)
        arena.flush_client()
        rate = far / (time.monotonic() - begun)
        begun_beside = time.monotonic()
        arena.await_runs(arena.submit("mark"), kind="end", timeout=600)
        behind = time.monotonic() - begun_beside
        begun = time.monotonic()
        eventually(lambda: arena.length() == 0, 600, "all set aside")
        took = behind + time.monotonic() - begun
        outcome.lines.append(f"all set aside {took:.0f} s after the last was published, {far / (far / rate + took):.0f}/s in all")
        outcome.lines.append(f"a task published behind the flood waited {behind:.1f} s")
        after = proportional_memory(worker.members())
        outcome.lines.append(f"published {rate:.0f}/s, memory {before:.1f} MB, then {after:.1f} MB")
        outcome.at_most("growth of memory", after - before, growth, " MB")
        begun = time.monotonic()
        _ready(arena)
        outcome.at_most("a task beside them", time.monotonic() - begun, 0.5, " s")
        _count(arena, outcome, site, "set aside", far)
        assert worker.stop(timeout=60) == 0
        _count(arena, outcome, site, "set aside after a stop", far)
        worker = arena.worker("-c", "2")
        _ready(arena)
        arena.kill(worker)
        worker = arena.worker("-c", "2")
        _ready(arena)
        _count(arena, outcome, site, "set aside after a kill", far)
        _punctual(arena, outcome, near)
    finally:
        arena.close()
    return outcome


def _count(arena: Arena, outcome: Outcome, site: Site, what: str, far: int) -> None:
    """One reading is judged and shown. RabbitMQ's own figures lag by some seconds, so it may take a few until one is right."""
    seen = waiting(arena, site)
    deadline = time.monotonic() + 20
    while seen != far and time.monotonic() < deadline:
        time.sleep(0.5)
        seen = waiting(arena, site)
    outcome.check(what, seen, f"{far}", seen == far)


def _ready(arena: Arena) -> None:
    task = arena.submit("mark")
    arena.await_runs(task, kind="end", timeout=(arena.place.lease or 0) + 10)


def _punctual(arena: Arena, outcome: Outcome, near: int) -> None:
    due = {}
    for _ in range(near):
        at = time.time() + 2
        due[arena.submit("mark", countdown=2)] = at
    arena.flush_client()
    arena.watch.wait(
        lambda entries: due.keys() <= {entry["id"] for entry in entries if entry["kind"] == "start"}, 30, f"all near tasks\n{arena.logs()}"
    )
    late = [arena.runs(task_id)[0]["t"] - at for task_id, at in due.items()]
    outcome.lines.append(f"lateness p50 {quantile(late, 0.5):.3f} s, p99 {quantile(late, 0.99):.3f} s")
    outcome.at_most("latest start", max(late), 0.5, " s")
    outcome.check("earliest start", f"{min(late):.3f} s", "≥ -0.02 s", min(late) >= -0.02)
    outcome.none("near tasks that ran twice", [task_id for task_id in due if len(arena.runs(task_id)) != 1])


def waiting(arena: Arena, site: Site) -> int:
    """Messages in the delayed store and in the queue."""
    if isinstance(site.server, PrivateRabbit):
        return sum(site.server.lengths().values())
    client = arena.broker.queue_client()
    try:
        return (client.delayed(arena.queue) or 0) + (client.length(arena.queue) or 0)
    finally:
        client.close()
