"""Name → task: of one app, and of all apps."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable
from typing import Any, Final, cast

from umbel.errors import AlreadyRegistered, NotRegistered


class TaskRegistry(dict[str, Any]):
    """The tasks of one app by name."""

    def __missing__(self, key: str) -> Any:
        raise NotRegistered(key)

    def register(self, task: Any) -> Any:
        """Add ``task``; it replaces one of the same name from the same place (a module imported again).

        Raises:
            AlreadyRegistered: a function from elsewhere has this name already.
        """
        name = task.name
        if not name:
            raise ValueError(f"the task {task!r} has no name")
        present = self.get(name)
        if present is not None and present is not task and not _is_same(present, task):
            raise AlreadyRegistered(
                f"{name!r} is the name of two tasks: {' in '.join(reversed(_origin(present)))} and {' in '.join(reversed(_origin(task)))}; name one of them otherwise: @app.task(name=…)"
            )
        self[name] = task
        return task

    def unregister(self, name: Any) -> None:
        """Remove a task; ``name`` is its name, or the task itself.

        Raises:
            NotRegistered: there is no such task.
        """
        key = getattr(name, "name", name)
        if key not in self:
            raise NotRegistered(key)
        del self[key]

    def regular(self) -> dict[str, Any]:
        """Return all tasks; Celery's periodic ones stand apart."""
        return dict(self)


class SharedTasks:
    """The definitions of shared tasks, in the order of their making. There is one, because decorators run before apps exist."""

    def __init__(self) -> None:
        self._definitions: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {}
        self._lock = threading.Lock()
        #: Grows with each definition.
        self.count: int = 0

    def define(self, function: Callable[..., Any], options: dict[str, Any]) -> str:
        """Add a definition; returns its key here, which is the task's name where no app decides on it.

        Args:
            function: the task's.
            options: of the decorator.
        """
        key = options.get("name") or f"{function.__module__}.{function.__name__}"
        with self._lock:
            self._definitions[key] = (function, options)
            self.count += 1
        return cast("str", key)

    def name_in(self, app: Any, key: str) -> str:
        """Return the name that the task of ``key`` has in ``app``: one that is defined in ``__main__`` is called after the app."""
        function, options = self._definitions[key]
        return cast("str", options.get("name") or app.gen_task_name(function.__name__, function.__module__))

    def functions_in(self, app: Any) -> dict[str, Callable[..., Any]]:
        """The functions of shared tasks, by the names that the tasks have in an app.

        Args:
            app: one of those that have them.
        """
        return {self.name_in(app, key): function for key, (function, _) in list(self._definitions.items())}

    def add_to(self, app: Any, registry: TaskRegistry) -> None:
        """Make the tasks that ``app`` lacks in its ``registry``."""
        for key, (function, options) in list(self._definitions.items()):
            name = self.name_in(app, key)
            if name not in registry:
                app.task(**{**options, "name": name})(function)


#: Every shared task of this process.
SHARED: Final = SharedTasks()


def _is_same(one: Any, other: Any) -> bool:
    """Report whether two tasks are one function, defined again: a module imported again or under a second name, a cell of a notebook run again."""
    return _origin(one) == _origin(other) or (_place(one) == _place(other) and one.run.__name__ != "<lambda>")


def _place(task: Any) -> tuple[str, str]:
    """Return module and name of a task's function. Each run of a notebook's cell is a file of its own."""
    run = inspect.unwrap(getattr(task.run, "__func__", task.run))
    return getattr(run, "__module__", "") or "", getattr(run, "__qualname__", "")


def _origin(task: Any) -> tuple[str, str]:
    """Find where a task is written: a file imported under two names is still one place."""
    run = inspect.unwrap(getattr(task.run, "__func__", task.run))
    code = getattr(run, "__code__", None)
    return getattr(code, "co_filename", None) or getattr(run, "__module__", "") or "", getattr(run, "__qualname__", type(task).__qualname__)
