"""``shared_task``: tasks for whichever app there is, for packages that do not know it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Literal, overload

from umbel.app.proxies import get_current_app
from umbel.app.task.making import BindingDecorator, Decorator
from umbel.app.task.registry import SHARED
from umbel.app.task.task import Task
from umbel.typing import P, R


class SharedTask:
    """Stands for a shared task: what is done with it is done with the current app's task of this name.

    Args:
        key: of its definition in `SHARED`.
        function: the task's.
    """

    def __init__(self, key: str, function: Callable[..., Any]) -> None:
        self.__dict__.update(
            _key=key, __wrapped__=function, __doc__=function.__doc__, __module__=function.__module__, __name__=function.__name__
        )

    def _task(self) -> Any:
        app = get_current_app()
        return app.tasks[SHARED.name_in(app, self._key)]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task(), name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._task(), name, value)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._task()(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<@shared_task: {self._key}>"

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return Task


@overload
def shared_task(function: Callable[P, Awaitable[R]], /) -> Task[P, R]: ...
@overload
def shared_task(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def shared_task(*, bind: Literal[True], **options: Any) -> BindingDecorator: ...
@overload
def shared_task(*, bind: Literal[False] = False, **options: Any) -> Decorator: ...
def shared_task(*function: Any, **options: Any) -> Any:
    """Make a task of a function that every app has, now and later.

    Args:
        function: the function, where the decorator stands without parentheses.
        options: as for `Umbel.task`.
    """

    def decorate(decorated: Callable[..., Any]) -> Any:
        return SharedTask(SHARED.define(decorated, options), decorated)

    return decorate(*function) if function else decorate
