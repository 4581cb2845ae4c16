"""Scenario "freeze": a worker is stopped for longer than its lease, others take over, and what it says when it wakes up does not count.

Its acknowledgements must settle nothing and its results must not overwrite those of the second run. Two runs of one task may overlap only while the
first worker stands still or until it has learned of its loss.
"""

from __future__ import annotations

import signal
import time

from chaos.scenario import Arena, Outcome, Site
from system.processes import eventually
from umbel.brokers.base import DEAD_SUFFIX


def run(site: Site, *, tasks: int = 200, rounds: int = 3) -> Outcome:
    """Freeze one of two workers ``rounds`` times for twice its lease."""
    lease = site.place.lease
    assert lease is not None, "this broker has no leases"
    arena = Arena(site.place)
    outcome = Outcome(f"freeze on {site.place.name}: {rounds} × {2 * lease:g} s")
    try:
        workers = [arena.worker("-c", "2") for _ in range(2)]
        for number in range(rounds):
            for _ in range(tasks // rounds):
                arena.submit("nap", 0.02)
            slow = arena.submit("nap", lease + 1)
            arena.flush_client()
            pid = arena.await_runs(slow)[0]["pid"]
            (victim,) = (worker for worker in workers if pid in worker.members())
            _freeze(arena, victim, 2 * lease, slow)
            (again,) = arena.await_runs(slow, 2, timeout=lease + 5)[1:]
            outcome.check(f"round {number}: taken over by another process", again["pid"] != pid, "true", again["pid"] != pid)
            eventually(lambda task_id=slow: arena.app.AsyncResult(task_id).state == "SUCCESS", 3 * lease + 10)
            time.sleep(lease)  # whatever the frozen worker still has to say
            outcome.at_most(f"round {number}: runs of the slow task", len(arena.runs(slow)), 2)
        arena.await_all(lease + 15)
        report = arena.verdict(states=True)
        outcome.lines = report.lines()
        outcome.check("freezes", report.faults.get("freeze", 0), f"{rounds}", report.faults.get("freeze") == rounds)
        outcome.none("lost", report.lost)
        outcome.none("phantom", report.phantom)
        outcome.none("without a terminal state", report.unsettled)
        outcome.none("stuck", [f"{place} {count}" for place, count in report.stuck.items()])
        outcome.none("dead letters", arena.length(arena.queue + DEAD_SUFFIX))
        # What the frozen worker held: two running tasks, and what was reserved and had started when it stopped.
        outcome.at_most("duplicates", report.duplicates, rounds * 4)
        outcome.none(
            "workers that died", sum(not worker.alive for worker in workers if worker in arena.workers and worker.process.returncode)
        )
    finally:
        for worker in arena.workers:
            worker.kill_group(signal.SIGCONT)
        arena.close()
    return outcome


def _freeze(arena: Arena, victim, seconds: float, slow: str) -> None:
    """SIGSTOP to the whole group, proved by its state, then SIGCONT."""
    since = time.time()
    victim.kill_group(signal.SIGSTOP)
    eventually(lambda: all(_state(pid) == "T" for pid in victim.members()), 5, "the group stopped")
    arena.watch.wait(
        lambda entries: sum(entry["kind"] == "start" and entry["id"] == slow for entry in entries) >= 2, seconds + 5, f"{slow} taken over"
    )
    time.sleep(max(0.0, since + seconds - time.time()))
    victim.kill_group(signal.SIGCONT)
    arena.fault("freeze", seconds=time.time() - since)


def _state(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - gone as soon as read
            return file.read().rpartition(")")[2].split()[0]
    except OSError:
        return "T"
