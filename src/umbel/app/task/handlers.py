"""`TaskHandlers`: the methods of a task that users override."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Handler = TypeVar("Handler", bound=Callable[..., Any])


def does_nothing(handler: Handler) -> Handler:
    """Mark a ``handler`` that need not be called."""
    handler.does_nothing = True  # type: ignore[attr-defined]
    return handler


class TaskHandlers:
    """Methods that are called around a run, in the process that runs the task; nothing happens in them until they are overridden."""

    @does_nothing
    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Before the task begins.

        Args:
            task_id: of the run.
            args: its positional arguments.
            kwargs: its keyword arguments.
        """

    @does_nothing
    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        """After the result was stored.

        Args:
            retval: what the task returned.
            task_id: of the run.
            args: its positional arguments.
            kwargs: its keyword arguments.
        """

    @does_nothing
    def on_retry(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """After it was decided that the task is tried again.

        Args:
            exc: what the task raised, or gave to ``retry``.
            task_id: of the run.
            args: its positional arguments.
            kwargs: its keyword arguments.
            einfo: the exception (``einfo.exception``) and its traceback as text (``einfo.traceback``).
        """

    @does_nothing
    def on_failure(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """After the failure was stored.

        Args:
            exc: what the task raised.
            task_id: of the run.
            args: its positional arguments.
            kwargs: its keyword arguments.
            einfo: the exception (``einfo.exception``) and its traceback as text (``einfo.traceback``).
        """

    @does_nothing
    def after_return(self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """After success or failure.

        Args:
            status: the task's state, e.g. ``SUCCESS``.
            retval: what the task returned or raised.
            task_id: of the run.
            args: its positional arguments.
            kwargs: its keyword arguments.
            einfo: the exception (``einfo.exception``) and its traceback as text (``einfo.traceback``); ``None`` after success.
        """

    @does_nothing
    def shadow_name(self, args: Any, kwargs: Any, options: Any) -> str | None:
        """Choose the name to show in place of the task's, where a call is made; ``None`` for the task's own.

        Args:
            args: positional arguments of the call.
            kwargs: keyword arguments of the call.
            options: calling options, by name.
        """

    @classmethod
    def on_bound(cls, app: Any) -> None:
        """Join an app; for subclasses.

        Args:
            app: the app.
        """
