"""Batches: calls of a task that are collected here, and run together when there are enough of them or the first has waited for long enough.

They wait in a line, unacknowledged, and take no slot. A call whose child has died is not collected again: it runs alone, so that what one call does to its child
is not counted against others for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from umbel.worker.gates.base import NOBODY, PASS, Answer, Asked, Wait
from umbel.worker.tasks.reserved import ReservedTask
from umbel.worker.tasks.waiting_room import WaitReason


class Batches:
    """The gate of tasks with a `batch_size`.

    Args:
        waiting: counts those that wait in a line.
    """

    concerns_all = False
    ids: Collection[str] = NOBODY

    def __init__(self, waiting: Callable[[str], int]) -> None:
        self._waiting = waiting
        #: When the next batch of a line is complete, or has waited for long enough; monotonic seconds.
        self._opens_at: dict[str, float] = {}

    def concerns(self, task: ReservedTask) -> bool:
        return task.policy.batch_size is not None

    def ask(self, asked: Asked) -> Answer:
        policy = asked.task.policy
        if policy.batch_size is None or not asked.is_due or asked.has_waited or asked.task.delivery.attempts:
            return PASS
        name = _line(asked.task)
        ahead = asked.ahead(name)
        if ahead + 1 >= policy.batch_size:
            self._opens_at[name] = asked.now
        elif not ahead:
            self._opens_at[name] = asked.now + policy.batch_wait
        return Wait(name, WaitReason.BATCH, policy.batch_size)

    def passed(self, asked: Asked) -> None:
        policy = asked.task.policy
        if policy.batch_size is not None and asked.has_waited:  # others may be left, of the next batch
            name = _line(asked.task)
            self._opens_at[name] = asked.now + (0.0 if self._waiting(name) >= policy.batch_size else policy.batch_wait)

    def started(self, task: ReservedTask, now: float) -> None:
        """Nothing is held."""

    def opens_in(self, line: str, now: float) -> float | None:
        opens_at = self._opens_at.get(line)
        return None if opens_at is None else max(0.0, opens_at - now)


def _line(task: ReservedTask) -> str:
    return f"batch:{task.task}"
