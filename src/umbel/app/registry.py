"""Name → task."""

from __future__ import annotations

import difflib
import inspect
from typing import Any

from umbel.errors import AlreadyRegistered, NotRegistered


class TaskRegistry(dict[str, Any]):
    """The tasks of one app by name."""

    def __missing__(self, key: str) -> Any:
        raise NotRegistered(key)

    def register(self, task: Any) -> Any:
        """Add a task; it replaces one of the same name from the same place (a module imported again).

        Raises:
            AlreadyRegistered: a function from elsewhere has this name already.
        """
        name = task.name
        if not name:
            raise ValueError(f"the task {task!r} has no name")
        present = self.get(name)
        if present is not None and present is not task and _origin(present) != _origin(task):
            raise AlreadyRegistered(
                f"{name!r} is the name of two tasks: {' in '.join(reversed(_origin(present)))} and {' in '.join(reversed(_origin(task)))}; name one of them otherwise: @app.task(name=…)"
            )
        self[name] = task
        return task

    def unregister(self, name: Any) -> None:
        """Remove a task, given itself or its name.

        Raises:
            NotRegistered: there is no such task.
        """
        key = getattr(name, "name", name)
        if key not in self:
            raise NotRegistered(key)
        del self[key]

    def regular(self) -> dict[str, Any]:
        """All tasks."""
        return dict(self)

    def suggest(self, name: str) -> str | None:
        """The registered name that is most like this one."""
        close = difflib.get_close_matches(name, self, n=1)
        return close[0] if close else None


def _origin(task: Any) -> tuple[str, str]:
    """Where a task is written: a file imported under two names is still one place."""
    run = inspect.unwrap(getattr(task.run, "__func__", task.run))
    code = getattr(run, "__code__", None)
    return getattr(code, "co_filename", None) or getattr(run, "__module__", "") or "", getattr(run, "__qualname__", type(task).__qualname__)
