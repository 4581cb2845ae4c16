"""Failpoints: each named place in the code at which a process may die, on each broker, with a few dozen tasks.

A process dies there, somebody starts it again, and the ledger must show that nothing was lost and that no more ran twice than could have been
running. See `umbel.runtime.failpoints`.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass

from chaos.ledger import Report
from chaos.scenario import Arena, Outcome, Site
from system import poisons
from system.processes import TESTS, eventually
from system.stage import Place
from umbel.brokers.base import DEAD_SUFFIX

#: Tasks of each run, slots of the worker, and how many messages are moved where moving is at stake.
TASKS, SLOTS, MOVED = 30, 2, 10
#: Of a worker's death: what its slots were running, and what they had finished and it had not acknowledged yet.
IN_HAND = 2 * SLOTS
#: Seconds: far enough to go to the broker's delayed store.
FAR = 6.0


@dataclass(frozen=True)
class Case:
    """One place, what happens there, and how many tasks may then run twice."""

    site: str
    #: As in ``UMBEL_FAILPOINTS``.
    action: str
    #: child, main or publisher.
    process: str
    duplicates: int

    def __str__(self) -> str:
        return f"{self.site}={self.action}"


CASES = (
    Case("before_exec", "kill@3", "child", 0),
    Case("before_exec", "raise@3", "child", 0),
    Case("after_exec_before_commit", "kill@2*3", "child", 3),
    Case("after_commit_before_report", "kill@3", "child", 1),
    Case("after_commit_before_report", "raise@3", "child", 1),
    Case("after_fetch_before_register", "kill@2", "main", IN_HAND),
    Case("after_report_before_ack", "kill@5", "main", IN_HAND),
    Case("before_delay_settle", "kill@3", "main", IN_HAND),
    Case("before_dead_letter_settle", "kill@3", "main", IN_HAND),
    Case("during_shutdown_handback", "kill", "main", IN_HAND),
    Case("after_write_before_confirm", "kill@15", "publisher", 0),
)


def run(place: Place, case: Case) -> Outcome:
    """Play one case."""
    arena = Arena(place, settings={"task_reject_on_worker_lost": True})
    outcome = Outcome(f"{case} on {place.name}")
    marks = arena.folder / "marks"
    marks.mkdir()
    armed = {"UMBEL_FAILPOINTS": str(case), "UMBEL_FAILPOINTS_FOLDER": str(marks)}
    dead_lettered: list[str] = []
    try:
        if case.process == "publisher":
            _publish_and_die(arena, armed)
            arena.worker("-c", str(SLOTS))
        else:
            dead_lettered = _load(arena, case)
            _work_and_die(arena, case, armed)
        for _ in range(5):  # what comes after the fault runs, too
            arena.submit("mark")
        arena.flush_client()
        arena.await_all((place.lease or 0) + FAR + 5, besides=dead_lettered)
        if dead_lettered:
            dead_queue = arena.queue + DEAD_SUFFIX
            eventually(lambda: arena.length(dead_queue) >= MOVED, (place.lease or 0) + 10, "all dead letters")
        fired = sorted(path.name for path in marks.iterdir())
        arena.fault(f"failpoint {case.site}", fired=fired)
        report = arena.verdict()
        outcome.lines = report.lines()
        wanted = int(case.action.partition("*")[2] or 1)
        outcome.check("fired", fired, f"{wanted}", len(fired) == wanted)
        _judge(outcome, report, case, place)
    finally:
        for mark in marks.iterdir():
            mark.unlink()
        marks.rmdir()
        arena.close()
    return outcome


def run_all(site: Site) -> Outcome:
    """Every case, one after the other; shown in full where it failed."""
    whole = Outcome(f"failpoints on {site.place.name}: {len(CASES)}, {TASKS} tasks each")
    for case in CASES:
        outcome = run(site.place, case)
        duplicates = next(check.seen for check in outcome.checks if check.what == "duplicates")
        whole.check(str(case), f"fired, lost 0, duplicates {duplicates}" if outcome.good else outcome.text(), "as stated", outcome.good)
    return whole


def _load(arena: Arena, case: Case) -> list[str]:
    """Publish what the worker shall fail at; returns the ids that must end as dead letters."""
    dead_lettered = []
    for _ in range(TASKS):
        arena.submit("nap", 0.05 if case.site == "during_shutdown_handback" else 0.005)
    if case.site == "before_dead_letter_settle":
        for _ in range(MOVED):
            bad = poisons.message(poisons.BODY[:-5])
            dead_lettered.append(bad.headers["id"])
            arena.journal.write("intent", id=bad.headers["id"])
            arena.publish(bad)
            arena.journal.write("outcome", id=bad.headers["id"], outcome="ok")
    arena.flush_client()
    return dead_lettered


def _work_and_die(arena: Arena, case: Case, armed: dict[str, str]) -> None:
    worker = arena.worker("-c", str(SLOTS), env=armed, ready=case.process != "main")
    if case.site in ("during_shutdown_handback", "before_delay_settle"):
        arena.watch.wait(lambda entries: any(entry["kind"] == "end" for entry in entries), 20, "the first end")
    if case.site == "during_shutdown_handback":
        worker.send(signal.SIGTERM)
    if case.site == "before_delay_settle":  # now, not before: a worker that is slow to start would find them too near to be moved
        for _ in range(MOVED):
            arena.submit("mark", countdown=FAR)
        arena.flush_client()
    if case.process == "main":
        assert worker.wait(20) == -signal.SIGKILL, worker.text()
        eventually(lambda: not worker.members(), 5, "the children gone")
        worker.end()
        arena.workers.remove(worker)
        arena.worker("-c", str(SLOTS))


_PUBLISHER = """
import json, os, sys, uuid
from chaos.ledger import Journal
from system.workload import make_app
journal = Journal(os.environ["LEDGER"])
app = make_app(os.environ["BROKER"], os.environ["BACKEND"] or None, json.loads(os.environ["WORKLOAD_CONFIG"]))
for number in range(int(sys.argv[1])):
    task_id = str(uuid.uuid4())
    journal.write("intent", id=task_id)
    app.tasks["nap"].apply_async((0.005,), task_id=task_id, confirm=True)
    journal.write("outcome", id=task_id, outcome="ok")
app.close()
journal.close()
"""


def _publish_and_die(arena: Arena, armed: dict[str, str]) -> None:
    """A publisher that dies with one message written and not confirmed, then another one for the rest."""
    for more, status in ((armed, -signal.SIGKILL), ({}, 0)):
        env = {**arena.environment(), **more}
        done = subprocess.run([sys.executable, "-c", _PUBLISHER, str(TASKS)], env=env, capture_output=True, cwd=TESTS, check=False)
        assert done.returncode == status, done.stderr.decode()


def _judge(outcome: Outcome, report: Report, case: Case, place: Place) -> None:
    # Where a move is two steps, what was copied and not settled comes twice, the copy as a message of its own.
    copied = case.site == "before_delay_settle" and place.name == "rabbitmq"
    outcome.none("lost", report.lost)
    outcome.none("phantom", report.phantom)
    outcome.at_most("duplicates", report.duplicates, case.duplicates + (MOVED if copied else 0))
    if not copied:
        outcome.none("duplicates not marked as redelivered", report.unmarked)
        outcome.none("running twice at the same time", report.concurrent)
    outcome.none("stuck", [f"{where} {count}" for where, count in report.stuck.items()])
    outcome.at_most("unknown", report.unknown, 1 if case.process == "publisher" else 0)
