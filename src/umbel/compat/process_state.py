"""``celery._state``: the apps of this process and the task that runs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from umbel import current
from umbel.app.proxies import current_app, current_task, get_current_app, get_current_task
from umbel.current import set_default_app, task_join_will_block

__all__ = [
    "_get_current_app", "_set_current_app", "_set_task_join_will_block", "app_or_default", "current_app", "current_task",
    "get_current_app", "get_current_task", "get_current_worker_task", "set_default_app", "task_join_will_block",
]  # fmt: skip

_get_current_app = get_current_app
_set_current_app = current.set_current_app
get_current_worker_task = get_current_task


class _Local(SimpleNamespace):
    """The part of the state that belongs to one thread."""

    @property
    def current_app(self) -> Any:
        return current.app.get()

    @current_app.setter
    def current_app(self, app: Any) -> None:
        current.app.set(app)


_tls = _Local()


def __getattr__(name: str) -> Any:
    if name == "default_app":
        return current.default_app()
    if name == "tasks":  # celery.registry.tasks
        return get_current_app().tasks
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def app_or_default(app: Any = None) -> Any:
    """Return an app, the current one where none is given.

    Args:
        app: the app.
    """
    return get_current_app() if app is None else app


def _set_task_join_will_block(blocks: bool) -> None:
    """Say whether waiting for results blocks a slot; only `allow_join_result` can allow it here."""
