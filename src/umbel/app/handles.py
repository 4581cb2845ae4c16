"""Handles of an app's tasks by their ids, and the classes of groups and sets of results that belong to it."""

from __future__ import annotations

import functools
from typing import Any

from umbel.results import handles
from umbel.results.base import ResultStore


class Handles:
    """The part of an app that makes handles."""

    def handle(self, task_id: str, name: str | None = None) -> handles.AsyncResult[Any]:
        """Make the handle of a call.

        Args:
            task_id: of the call.
            name: of the task, where it is known.
        """
        return handles.AsyncResult(task_id, None, name, self)

    def AsyncResult(  # noqa: N802 - Celery's name
        self, id: str, backend: ResultStore | None = None, task_name: str | None = None, parent: handles.AsyncResult[Any] | None = None
    ) -> handles.AsyncResult[Any]:
        """Make the handle of a task that was sent before.

        Args:
            id: of the task.
            backend: the result store; the app's when not given.
            task_name: shown where no record has it.
            parent: the result of the task before it in a chain.
        """
        return handles.AsyncResult(id, backend, task_name, self, parent)

    @functools.cached_property
    def GroupResult(self) -> type[handles.GroupResult[Any]]:  # noqa: N802 - Celery's name
        """`umbel.result.GroupResult`, bound to this app."""
        return handles.GroupResult.bound_to(self)

    @functools.cached_property
    def ResultSet(self) -> type[handles.ResultSet[Any]]:  # noqa: N802 - Celery's name
        """`umbel.result.ResultSet`, bound to this app."""
        return handles.ResultSet.bound_to(self)
