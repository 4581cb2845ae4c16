"""``current_app`` and ``current_task``: stand for what is current where they are used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from umbel import current
from umbel.messages.ids import uuid7
from umbel.runtime.clock import SYSTEM


class Proxy:
    """Passes everything on to an object that is looked up at each use.

    Args:
        find: looks it up.
    """

    __slots__ = ("_find",)

    def __init__(self, find: Callable[[], Any]) -> None:
        object.__setattr__(self, "_find", find)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._find(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._find(), name, value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._find()(*args, **kwargs)

    def __repr__(self) -> str:
        return repr(self._find())

    def __bool__(self) -> bool:
        return bool(self._find())

    def __eq__(self, other: object) -> bool:
        return bool(self._find() == (other._find() if isinstance(other, Proxy) else other))

    def __hash__(self) -> int:
        return hash(self._find())

    def _get_current_object(self) -> Any:
        """The object itself."""
        return self._find()


def get_current_app() -> Any:
    """The current app; one with default settings (or those that ``CELERY_CONFIG_MODULE`` names) is made when there is none."""
    found = current.find_app()
    if found is None:
        from umbel.app.app import Umbel

        found = (current.app_maker() or Umbel)("default", set_as_current=False)
        found.config_from_envvar("CELERY_CONFIG_MODULE", silent=True)
        found.set_default()
    return found


def get_current_task() -> Any:
    """The task that runs here, or ``None``."""
    request = current.request.get()
    return None if request is None else request.task_object


current_app: Any = Proxy(get_current_app)
current_task: Any = Proxy(get_current_task)


def new_id() -> str:
    """A new task id."""
    return uuid7(SYSTEM.now())
