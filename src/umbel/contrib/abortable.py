"""Tasks that end when they are asked to: `AbortableTask` looks, and `AbortableAsyncResult.abort` asks. Celery's names and state (5.7).

To be asked is a state in the result store, ABORTED, which the running task reads: so it works on every pool, without a signal, and for a client of Celery's. What the
task returns then is its result, as at any other end.
"""

from __future__ import annotations

from typing import Any, Final

from umbel.app.task.task import Task
from umbel.errors import ImproperlyConfigured
from umbel.results.handles import AsyncResult, EagerResult
from umbel.results.model import Record
from umbel.typing import P, R

__all__ = ["ABORTED", "AbortableAsyncResult", "AbortableTask"]

ABORTED: Final = "ABORTED"


class AbortableAsyncResult(AsyncResult[R]):
    """The result of a task that may be asked to end."""

    def abort(self) -> None:
        """Ask the task to end, whether it runs or waits. It does so when it looks, with `AbortableTask.is_aborted`; one that has ended stays as it is.

        Raises:
            ImproperlyConfigured: there is no result store that a worker could read.
            OperationalError: it cannot be reached.
        """
        store = self.backend
        if not store.shared:
            raise ImproperlyConfigured(
                f"{store.public_url()} is read by its caller alone: a task that is to be aborted needs another result store"
            )
        store.store([Record(task_id=self.id, status=ABORTED)])

    async def aabort(self) -> None:
        """`abort` for coroutines."""
        import asyncio

        await asyncio.to_thread(self.abort)

    def is_aborted(self) -> bool:
        """Report whether the task has been asked to end, and has not ended yet."""
        return self.state == ABORTED


class AbortableTask(Task[P, R]):
    """A task that may be asked to end: ``@app.task(base=AbortableTask, bind=True)``. It looks from time to time."""

    abstract = True

    def apply_async(self, *args: Any, **options: Any) -> AsyncResult[R]:
        """Send it; returns a handle by which it may be aborted. An eager call returns the result of what has run.

        Args:
            *args: those of `umbel.Task.apply_async`.
            **options: likewise.
        """
        handle = super().apply_async(*args, **options)
        if isinstance(handle, EagerResult):
            return handle
        found = self.AsyncResult(handle.id, parent=handle.parent)
        found.ignored = handle.ignored
        return found

    def AsyncResult(self, task_id: str, **kwargs: Any) -> AbortableAsyncResult[R]:  # noqa: N802 - Celery's name
        """Make the handle of a call, by which it may be aborted.

        Args:
            task_id: of the call.
            **kwargs: of `umbel.AsyncResult`.
        """
        return AbortableAsyncResult(task_id, task_name=self.name, app=self.app, **kwargs)

    def is_aborted(self, **kwargs: Any) -> bool:
        """Report whether this run has been asked to end; reads the result store.

        Args:
            **kwargs: ``task_id`` looks at another task.

        Raises:
            OperationalError: the store cannot be reached.
        """
        task_id = kwargs.get("task_id") or self.request.id
        return task_id is not None and self.AsyncResult(task_id).is_aborted()
