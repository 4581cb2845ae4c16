"""``shared_task``: tasks for whichever app there is, for packages that do not know it."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, Literal, cast, overload

from umbel import current
from umbel.app.registry import TaskRegistry
from umbel.app.tasks import Task
from umbel.errors import AlwaysEagerIgnored
from umbel.typing import P, R


class SharedTasks:
    """The definitions of shared tasks, in the order of their making. There is one, because decorators run before apps exist."""

    def __init__(self) -> None:
        self._definitions: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {}
        self._lock = threading.Lock()
        #: Grows with each definition.
        self.count = 0

    def define(self, function: Callable[..., Any], options: dict[str, Any]) -> str:
        """Add a definition; returns the task's name."""
        name = options.get("name") or f"{function.__module__}.{function.__name__}"
        with self._lock:
            self._definitions[name] = (function, {**options, "name": name})
            self.count += 1
        return cast("str", name)

    def add_to(self, app: Any, registry: TaskRegistry) -> None:
        """Make the tasks that an app lacks."""
        for name, (function, options) in list(self._definitions.items()):
            if name not in registry:
                app.task(**options)(function)


#: Every shared task of this process.
tasks = SharedTasks()


class SharedTask:
    """Stands for a shared task: everything asked of it is asked of the current app's task of this name."""

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.__dict__.update(
            _name=name, __wrapped__=function, __doc__=function.__doc__, __module__=function.__module__, __name__=function.__name__
        )

    def _task(self) -> Any:
        app = current.find_app()
        if app is None:
            from umbel.app.proxies import get_current_app

            app = get_current_app()
        return app.tasks[self._name]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._task(), name, value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._task()(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<@shared_task: {self._name}>"

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return Task


@overload
def shared_task(function: Callable[P, Awaitable[R]], /) -> Task[P, R]: ...
@overload
def shared_task(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def shared_task(*, bind: Literal[True], **options: Any) -> Callable[[Callable[Concatenate[Any, P], R]], Task[P, R]]: ...
@overload
def shared_task(*, bind: Literal[False] = False, **options: Any) -> Callable[[Callable[P, R]], Task[P, R]]: ...
def shared_task(*function: Any, **options: Any) -> Any:
    """Make a task of a function that every app has, now and later."""

    def decorate(decorated: Callable[..., Any]) -> Any:
        return SharedTask(tasks.define(decorated, options), decorated)

    return decorate(*function) if function else decorate


def warn_eager_ignored(name: str) -> None:
    """Warn that a task sent by name is really sent."""
    warnings.warn(f"send_task({name!r}) sends a message although task_always_eager is set", AlwaysEagerIgnored, stacklevel=4)
