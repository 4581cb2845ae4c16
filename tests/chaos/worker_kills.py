"""Scenario "kill": two workers, one of them killed with all its processes every few seconds and restarted, until everything has run."""

from __future__ import annotations

import random
import time

from chaos.scenario import Arena, Outcome, Site, in_background
from system.processes import WorkerProcess

SLOTS = 4


def run(site: Site, *, tasks: int = 6000, task: float = 0.02, kills: int = 15, interval: float = 2.0, seed: int = 0) -> Outcome:
    """Kill ``kills`` times at least, and as long as there is work.

    Args:
        task: seconds that each task sleeps.
        interval: seconds from one kill to the next.
    """
    chance = random.Random(seed)
    arena = Arena(site.place)
    outcome = Outcome(f"kill on {site.place.name}: {tasks} tasks of {task * 1000:g} ms, seed {seed}")
    try:
        workers = [_start(arena), _start(arena)]
        for worker in workers:
            worker.wait_ready()
        thread, errors = in_background(lambda: _publish(arena, tasks, task, kills * interval))
        count, due = 0, time.monotonic()
        while count < kills or thread.is_alive() or _outstanding(arena):
            due += interval
            if count >= 3 * kills:
                break
            time.sleep(max(0.0, due - time.monotonic()))
            victim = chance.choice(workers)
            arena.kill(victim)
            workers[workers.index(victim)] = _start(arena)
            count += 1
        thread.join()
        assert not errors, errors
        for worker in workers:
            worker.wait_ready()
        arena.flush_client()
        arena.await_all((site.place.lease or 0) + 15)
        report = arena.verdict(states=True)
        outcome.lines = [*report.lines(), f"kills {count}, of slots exposed {count * SLOTS}, in {time.time() - arena.begun:.0f} s"]
        _judge(outcome, report, count, site.place.lease)
    finally:
        arena.close()
    return outcome


def _start(arena: Arena) -> WorkerProcess:
    return arena.worker("-c", str(SLOTS), ready=False)


def _publish(arena: Arena, tasks: int, seconds: float, duration: float) -> None:
    """Half at once, the rest spread over the time of the kills."""
    for _ in range(tasks // 2):
        arena.submit("nap", seconds)
    begun, rest = time.monotonic(), tasks - tasks // 2
    for number in range(rest):
        wait = begun + duration * number / rest - time.monotonic()
        if wait > 0.02:
            time.sleep(wait)
        arena.submit("nap", seconds)


def _outstanding(arena: Arena) -> bool:
    ended = {entry["id"] for entry in arena.watch.update() if entry["kind"] == "end"}
    return not arena.accepted() <= ended


def _judge(outcome: Outcome, report, kills: int, lease: float | None) -> None:
    outcome.check("kills", kills, "> 0", kills > 0 and report.faults.get("kill group") == kills)
    outcome.none("lost", report.lost)
    outcome.none("phantom", report.phantom)
    outcome.at_most("duplicates", report.duplicates, SLOTS * kills)
    outcome.none("duplicates not marked as redelivered", report.unmarked)
    outcome.none("running twice at the same time", report.concurrent)
    outcome.none("dead letters or stuck", [f"{place} {count}" for place, count in report.stuck.items()])
    outcome.none("without a terminal state", report.unsettled)
    outcome.none("refused or unknown", report.unknown + report.refused)
    outcome.at_most("slowest first re-execution after a kill", max(report.first_recoveries, default=0.0), (lease or 0) + 5, " s")
    outcome.at_most("p99 of all re-executions", report.recovery(0.99), (lease or 0) + 10, " s")
