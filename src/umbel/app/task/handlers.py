"""`TaskHandlers`: the methods of a task that users override."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

Handler = TypeVar("Handler", bound=Callable[..., Any])


def does_nothing(handler: Handler) -> Handler:
    """Mark a handler that need not be called."""
    handler.does_nothing = True  # type: ignore[attr-defined]
    return handler


class TaskHandlers:
    """Methods that are called around a run; nothing happens in them until they are overridden."""

    @does_nothing
    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Before the body."""

    @does_nothing
    def on_success(self, retval: Any, task_id: str, args: Any, kwargs: Any) -> None:
        """After the result was stored."""

    @does_nothing
    def on_retry(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """When it will be tried again."""

    @does_nothing
    def on_failure(self, exc: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """After the failure was stored."""

    @does_nothing
    def after_return(self, status: str, retval: Any, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
        """After success or failure."""

    @does_nothing
    def shadow_name(self, args: Any, kwargs: Any, options: Any) -> str | None:
        """A name to show in place of the task's."""

    @classmethod
    def on_bound(cls, app: Any) -> None:
        """When the task joins an app."""
