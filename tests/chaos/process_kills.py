"""Scenarios "orphans" and "children": SIGKILL to the consumer process only, and to one child after the other in a stream of tasks."""

from __future__ import annotations

import os
import signal
import time

from chaos.scenario import Arena, Outcome, Site
from system.processes import WorkerProcess, eventually


def orphans(site: Site, *, rounds: int = 5) -> Outcome:
    """The main process dies; its children must follow within two seconds, and the tasks come back."""
    arena = Arena(site.place)
    outcome = Outcome(f"orphans on {site.place.name}: main killed {rounds} times")
    gone: list[float] = []
    try:
        for _ in range(rounds):
            worker = arena.worker("-c", "2")
            busy = [arena.submit("nap", 1.0) for _ in range(2)]
            for _ in range(20):
                arena.submit("nap", 0.005)
            arena.flush_client()
            for task in busy:
                arena.await_runs(task)
            gone.append(_kill_main(arena, worker))
        arena.worker("-c", "2")
        arena.await_all((site.place.lease or 0) + 15)
        report = arena.verdict()
        outcome.lines = [*report.lines(), f"children gone after {[round(each, 3) for each in gone]} s"]
        outcome.at_most("slowest end of the children", max(gone), 2, " s")
        outcome.none("lost", report.lost)
        outcome.none("phantom", report.phantom)
        outcome.at_most("duplicates", report.duplicates, 4 * rounds)
        outcome.none("running twice at the same time", report.concurrent)
        outcome.none("stuck", [f"{place} {count}" for place, count in report.stuck.items()])
    finally:
        arena.close()
    return outcome


def _kill_main(arena: Arena, worker: WorkerProcess) -> float:
    """Kill the main process; returns how long the others lived on."""
    pids = worker.members()
    assert len(pids) >= 3, pids
    at = time.time()
    os.kill(worker.pid, signal.SIGKILL)
    assert worker.wait(5) == -signal.SIGKILL
    eventually(lambda: not worker.members(), 10, "the children gone")
    took = time.time() - at
    arena.fault("kill main", t=at, pids=pids)
    worker.end()
    arena.workers.remove(worker)
    return took


def children(site: Site, *, kills: int = 30, stream: int = 30) -> Outcome:
    """One child after the other dies in mid-task; only its own task runs again, within a second.

    Args:
        stream: tasks of 10 ms between two kills: less than the worker can do, for RabbitMQ puts what comes again at the end.
    """
    arena = Arena(site.place, settings={"task_reject_on_worker_lost": True, "task_max_deliveries": 100})
    outcome = Outcome(f"children on {site.place.name}: {kills} killed in a stream of tasks of 10 ms")
    try:
        worker = arena.worker("-c", "4")
        before = footprint(worker.pid)
        for _ in range(kills):
            for _ in range(stream):
                arena.submit("nap", 0.01)
            arena.submit("nap", 0.2)
            eventually(lambda: _kill_child(arena, worker), 10, "a task that runs")
            time.sleep(0.25)
        arena.flush_client()
        arena.await_all((site.place.lease or 0) + 10)
        pool = [pid for pid in worker.members() if pid != worker.pid]
        eventually(lambda: footprint(worker.pid)["children"] >= before["children"], 3, "the pool full again")
        after = footprint(worker.pid)
        report = arena.verdict()
        fired = report.faults.get("kill child", 0)
        outcome.lines = [*report.lines(), f"children at the end {len(pool)}, main before {before}, after {after}"]
        outcome.check("children killed", fired, f"= {kills}", fired == kills)
        outcome.none("lost", report.lost)
        outcome.none("phantom", report.phantom)
        outcome.at_most("duplicates", report.duplicates, fired)
        outcome.none("duplicates not marked as redelivered", report.unmarked)
        outcome.none("running twice at the same time", report.concurrent)
        outcome.none("stuck", [f"{place} {count}" for place, count in report.stuck.items()])
        outcome.at_most("p99 of all re-executions", report.recovery(0.99), 1, " s")
        judge_leaks(outcome, before, after)
    finally:
        arena.close()
    return outcome


def _kill_child(arena: Arena, worker: WorkerProcess) -> bool:
    """Kill the child whose task began last and has not ended."""
    entries = arena.watch.update()
    ended = {(entry["id"], entry["pid"], entry["run"]) for entry in entries if entry["kind"] == "end"}
    alive = set(worker.members())
    for entry in reversed(entries):
        if entry["kind"] == "start" and entry["pid"] in alive and (entry["id"], entry["pid"], entry["run"]) not in ended:
            at = time.time()
            os.kill(entry["pid"], signal.SIGKILL)
            arena.fault("kill child", t=at, pids=[entry["pid"]])
            return True
    return False


def footprint(pid: int) -> dict[str, float]:
    """What a process holds: descriptors, threads, children alive and dead, MB of memory."""
    fields: dict[str, str] = {}
    with open(f"/proc/{pid}/status") as file:  # noqa: PTH123 - one read of a live file
        for line in file:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
    offspring = _offspring(pid)
    return {
        "descriptors": len(os.listdir(f"/proc/{pid}/fd")),  # noqa: PTH208 - only counted
        "threads": int(fields["Threads"]),
        "children": len(offspring),
        "zombies": sum(state == "Z" for state in offspring.values()),
        "memory": round(int(fields["VmRSS"].split()[0]) / 1024, 1),
    }


def _offspring(pid: int) -> dict[int, str]:
    """Descendants of a process and their states."""
    parents: dict[int, tuple[int, str]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - numbers only
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as file:  # noqa: PTH123 - may be gone by the next line
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(name)] = (int(fields[1]), fields[0])
    found: dict[int, str] = {}
    grown = True
    while grown:
        more = {each: state for each, (parent, state) in parents.items() if each not in found and (parent == pid or parent in found)}
        grown = bool(more)
        found.update(more)
    return found


def judge_leaks(outcome: Outcome, before: dict[str, float], after: dict[str, float]) -> None:
    """The bars for what a worker's main process may have gained."""
    outcome.at_most("descriptors gained", after["descriptors"] - before["descriptors"], 2)
    outcome.at_most("threads gained", after["threads"] - before["threads"], 1)
    outcome.at_most("zombies", after["zombies"], 0)
    outcome.at_most("memory gained", after["memory"] - before["memory"], 10, " MB")
