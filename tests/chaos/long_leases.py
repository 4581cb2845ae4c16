"""Scenario "lease": a slow task and a delayed one, both far beyond the lease, beside a Celery worker that restores what looks abandoned."""

from __future__ import annotations

import os
import time

from chaos.scenario import Arena, Outcome, Site


def run(site: Site, *, celery: str | os.PathLike[str] | None = None, long: float = 20.0) -> Outcome:
    """Once each; killed, once more.

    Args:
        celery: the interpreter of an environment with Celery; without it only our own workers play.
        long: seconds of the slow task and of the countdown.
    """
    lease = site.place.lease
    assert lease is not None
    arena = Arena(site.place, settings={"task_reject_on_worker_lost": True})
    outcome = Outcome(f"lease on {site.place.name}: lease {lease:g} s, task {long:g} s, {'with' if celery else 'without'} a Celery worker")
    try:
        ours = [arena.worker("-c", "2") for _ in range(2)]
        slow, delayed = arena.submit("nap", long), arena.submit("mark", "delayed", countdown=long)
        published = time.time()
        arena.flush_client()
        arena.await_runs(slow)
        if celery:
            # It joins when the slow task runs: what a Celery worker itself runs for longer than its visibility timeout comes again.
            visible = {"broker_transport_options": {"visibility_timeout": lease}}
            arena.celery_worker(celery, "-c", "1", "-n", "celery@there", settings=visible)
        arena.await_runs(slow, kind="end", timeout=long + 10)
        arena.await_runs(delayed, timeout=long + 10)
        arena.submit("nap", lease + 2)
        arena.await_all(lease + 10)
        late = arena.runs(delayed)[0]["t"] - published - long
        outcome.check("runs of the slow task", len(arena.runs(slow)), "1", len(arena.runs(slow)) == 1)
        outcome.check("runs of the delayed task", len(arena.runs(delayed)), "1", len(arena.runs(delayed)) == 1)
        outcome.check("lateness of the delayed task", f"{late:.2f} s", "0 to 0.5 s", -0.05 <= late <= 0.5)
        _killed(arena, outcome, ours, long)
    finally:
        arena.close()
    return outcome


def _killed(arena: Arena, outcome: Outcome, ours, long: float) -> None:
    """The worker that runs the slow task dies. No Celery worker may take it: it would run into its own timeout."""
    for worker in [worker for worker in arena.workers if worker not in ours]:
        worker.stop()
        arena.workers.remove(worker)
        worker.end()
    slow = arena.submit("nap", long)
    arena.flush_client()
    start = arena.await_runs(slow)[0]
    (victim,) = (worker for worker in ours if start["pid"] in worker.members())
    arena.kill(victim)
    killed = time.time()
    again = arena.await_runs(slow, 2, timeout=20)[1]
    outcome.at_most("re-execution after the kill", again["t"] - killed, 10, " s")
    arena.await_runs(slow, kind="end", timeout=long + 10)
    outcome.check("runs of the killed task", len(arena.runs(slow)), "2", len(arena.runs(slow)) == 2)
