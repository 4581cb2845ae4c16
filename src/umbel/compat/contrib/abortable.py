"""Celery's ``celery.contrib.abortable``: tasks that are asked to end, and look whether they were."""

from __future__ import annotations

from typing import Any, Final

from umbel.app.task.task import Task
from umbel.results.handles import AsyncResult
from umbel.results.model import Record

#: The state by which a task is asked to end.
ABORTED: Final = "ABORTED"


class AbortableAsyncResult(AsyncResult[Any]):
    """A result whose task can be asked to end."""

    def is_aborted(self) -> bool:
        """Report whether it was asked to end."""
        return self.state == ABORTED

    def abort(self) -> None:
        """Ask it to end. It goes on unless it looks (`AbortableTask.is_aborted`).

        Raises:
            OperationalError: the result store cannot be reached.
        """
        self.backend.store([Record(task_id=self.id, status=ABORTED, result=None)])


class AbortableTask(Task[..., Any]):
    """A task that can be asked to end."""

    abstract = True

    def AsyncResult(self, task_id: str) -> AbortableAsyncResult:  # noqa: N802 - Celery's name
        """Make the handle of a call that was made before.

        Args:
            task_id: its id.
        """
        return AbortableAsyncResult(task_id, None, self.name, self.app)

    def is_aborted(self, **kwargs: Any) -> bool:
        """Report whether the task that runs was asked to end.

        Args:
            kwargs: ``task_id``, where it is another one.
        """
        task_id = kwargs.get("task_id", self.request.id)
        if task_id is None:
            return False
        return self.AsyncResult(task_id).is_aborted()
