"""Revoked ids: messages of these tasks are not run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from umbel.execution.policy import TaskPolicy
from umbel.worker.gates.base import PASS, REVOKE, Answer, Asked
from umbel.worker.tasks.reserved import ReservedTask


class RevokedIds:
    """The gate of revoked tasks. It remembers ids for a while, and the latest of very many.

    Args:
        most: ids to remember; the oldest is forgotten for another.
        expires: seconds for which an id is remembered.
    """

    def __init__(self, most: int, expires: float) -> None:
        self._most = most
        self._expires = expires
        #: Id → when it was revoked, monotonic seconds; the oldest first.
        self._ids: dict[str, float] = {}
        self.concerns_all = False

    def __iter__(self) -> Iterator[str]:
        """The ids, the oldest first."""
        return iter(self._ids)

    def add(self, task_ids: Iterable[str], now: float) -> None:
        """Remember ids. One that is known becomes the newest.

        Args:
            task_ids: of tasks that may have been sent, or may be yet.
            now: monotonic seconds.
        """
        for task_id in task_ids:
            self._ids.pop(task_id, None)
            self._ids[task_id] = now
        self._forget(now)

    def _forget(self, now: float) -> None:
        while self._ids:
            oldest = next(iter(self._ids))
            if len(self._ids) <= self._most and now - self._ids[oldest] < self._expires:
                break
            del self._ids[oldest]
        self.concerns_all = bool(self._ids)

    def concerns(self, policy: TaskPolicy) -> bool:  # noqa: ARG002 - it knows ids, not tasks
        """No task in particular."""
        return False

    def ask(self, asked: Asked) -> Answer:
        """A revoked task is told so as soon as its message comes, whenever it is due."""
        self._forget(asked.now)
        return REVOKE if asked.task.id in self._ids else PASS

    def passed(self, asked: Asked) -> None:
        """Nothing is held."""

    def started(self, task: ReservedTask, now: float) -> None:
        """Nothing is held."""

    def opens_in(self, line: str, now: float) -> float | None:  # noqa: ARG002 - nobody waits here
        """It has no line."""
        return None
