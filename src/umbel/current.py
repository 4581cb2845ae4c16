"""The current app, and the request of the task that runs in this context.

Context variables follow threads, coroutines and greenlets; an app that was made in one thread is
also the fallback of every other thread, so that a web server's workers find it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

#: The app of this context, when one was chosen explicitly.
app: ContextVar[Any] = ContextVar("umbel_current_app", default=None)
#: The request of the task that runs in this context (`umbel.execution.request.Request`).
request: ContextVar[Any] = ContextVar("umbel_current_request", default=None)
#: Whether a task may wait for another task's result here.
join_allowed: ContextVar[bool] = ContextVar("umbel_join_allowed", default=False)


class _Fallback:
    """The apps that threads without an app of their own fall back to."""

    __slots__ = ("default", "latest", "make")

    def __init__(self) -> None:
        self.default: Any = None
        self.latest: Any = None
        #: Makes the app of a process that has none; ``None`` is the plain one.
        self.make: Callable[..., Any] | None = None


_fallback = _Fallback()


def set_current_app(new: Any) -> None:
    """Make the app ``new`` the current one in this context, and the fallback of contexts that have none."""
    app.set(new)
    _fallback.latest = new


def set_default_app(new: Any) -> None:
    """Make the app ``new`` the fallback of every context that has no app of its own."""
    _fallback.default = new


def default_app() -> Any:
    """The fallback of every context that has no app of its own; ``None`` when none was set."""
    return _fallback.default


def make_apps_with(make: Callable[..., Any] | None) -> None:
    """Have the app of a process that has none made in this way.

    Args:
        make: takes the arguments of an app; ``None`` is the plain way.
    """
    _fallback.make = make


def app_maker() -> Callable[..., Any] | None:
    """The way in which the app of a process that has none is made; ``None`` is the plain way."""
    return _fallback.make


def find_app() -> Any:
    """The current app, else the default app, else the app made last, else ``None``."""
    return app.get() or _fallback.default or _fallback.latest


def forget_app(old: Any) -> None:
    """Forget the app ``old``, which was closed."""
    if app.get() is old:
        app.set(None)
    if _fallback.default is old:
        _fallback.default = None
    if _fallback.latest is old:
        _fallback.latest = None


def task_join_will_block() -> bool:
    """Report whether waiting for a result here would occupy a worker's slot (and may so wait for ever)."""
    running = request.get()
    return running is not None and not running.is_eager and not join_allowed.get()


@contextmanager
def allow_join_result() -> Iterator[None]:
    """Allow a task to wait for other tasks inside this block."""
    token = join_allowed.set(True)
    try:
        yield
    finally:
        join_allowed.reset(token)


@contextmanager
def denied_join_result() -> Iterator[None]:
    """Forbid a task to wait for other tasks inside this block."""
    token = join_allowed.set(False)
    try:
        yield
    finally:
        join_allowed.reset(token)
