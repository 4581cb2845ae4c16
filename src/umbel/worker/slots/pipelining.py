"""Pipelining: pure decisions about keeping children busy without queueing behind slow tasks."""

from __future__ import annotations

#: Seconds. A task that usually takes longer is given one at a time, to an idle slot only.
QUICK = 0.001
#: Seconds of usual work that a slot may have waiting.
AHEAD = 0.004
#: Jobs that a slot may have waiting, however quick they are.
MOST = 96
#: Top a busy slot up only for this many jobs at once: a frame costs more than a job.
LEAST = MOST // 3
#: Seconds that a job may run before those who wait behind it are taken back.
OVERDUE = 0.010
#: The same where others run in its process, which may be what takes so long.
OVERDUE_SHARED = 0.050


class Pace:
    """The usual runtime of each task: a mean that rises quickly and falls slowly, in seconds."""

    __slots__ = ("_usual",)

    def __init__(self) -> None:
        self._usual: dict[str, float] = {}

    def learn(self, name: str, runtime: float) -> None:
        """Note that one run of the task ``name`` took ``runtime`` seconds."""
        known = self._usual.get(name)
        if known is None:
            self._usual[name] = runtime
        elif runtime > known:
            self._usual[name] = known + (runtime - known) * 0.3
        else:
            self._usual[name] = known + (runtime - known) * 0.05

    def usual(self, name: str) -> float | None:
        """Seconds that the task ``name`` usually takes; ``None`` when it was never seen."""
        return self._usual.get(name)


def room(usual: float | None, waiting: int) -> int:
    """The number of jobs of one kind that a slot may still be given.

    Args:
        usual: what such a job usually takes, seconds; ``None`` when unknown.
        waiting: jobs that the slot has and has not reported.

    Returns:
        1 for an idle slot at least; more only for quick tasks.
    """
    if usual is None or usual > QUICK:
        return 0 if waiting else 1
    return max(1 if not waiting else 0, min(MOST, int(AHEAD / max(usual, 1e-6))) - waiting)


def is_overdue(ran: float, usual: float | None, limit: float = OVERDUE) -> bool:
    """Decide that a running job should have nothing queued behind it.

    Args:
        ran: how long it has been running, seconds.
        usual: what such a job usually takes, seconds; ``None`` when unknown.
        limit: seconds that any job may run.
    """
    return ran > limit and (usual is None or ran > 2 * usual)
