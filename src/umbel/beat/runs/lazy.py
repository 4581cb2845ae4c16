"""Arguments that are made when their task is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any


class BeatLazyFunc:
    """An argument of a periodic task that is a function's value, called each time the task is sent.

    Args:
        func: the function; it runs in the scheduler.
        args: positional arguments of it.
        kwargs: keyword arguments of it.
    """

    def __init__(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        self._func, self._args, self._kwargs = func, args, kwargs

    def __call__(self) -> Any:
        return self.delay()

    def delay(self) -> Any:
        """Call the function."""
        return self._func(*self._args, **self._kwargs)

    def __repr__(self) -> str:
        return f"<BeatLazyFunc: {getattr(self._func, '__qualname__', self._func)}>"


def evaluate(args: Iterable[Any] | None, kwargs: Mapping[str, Any] | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return arguments in which each `BeatLazyFunc` is its value.

    Args:
        args: positional ones.
        kwargs: keyword ones.
    """
    values = (each() if isinstance(each, BeatLazyFunc) else each for each in args or ())
    named = {name: each() if isinstance(each, BeatLazyFunc) else each for name, each in (kwargs or {}).items()}
    return tuple(values), named
