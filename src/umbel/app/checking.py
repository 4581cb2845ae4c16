"""Check a call's arguments where it is made, not where it runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def argument_check(function: Callable[..., Any], *, skip_first: bool) -> Callable[[tuple[Any, ...], dict[str, Any]], None] | None:
    """A function that raises TypeError for arguments that ``function`` would not take.

    Args:
        function: the task's.
        skip_first: its first parameter is the task itself.

    Returns:
        ``None`` when the function takes anything, or does not say what it takes.
    """
    known = signature(function)
    if known is None:
        return None
    parameters = list(known.parameters.values())[1 if skip_first else 0 :]
    kinds = {each.kind for each in parameters}
    if inspect.Parameter.VAR_POSITIONAL in kinds and inspect.Parameter.VAR_KEYWORD in kinds and len(parameters) == 2:
        return None
    bind = known.replace(parameters=parameters).bind
    name = getattr(function, "__name__", "the task")
    positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    least = sum(1 for each in positional if each.default is each.empty)
    most = len(positional)
    # Binding costs microseconds; counting is enough for most calls.
    countable = not any(each.kind is each.KEYWORD_ONLY and each.default is each.empty for each in parameters)

    def check(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if countable and not kwargs and least <= len(args) <= most:
            return
        try:
            bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{name}{known.replace(parameters=parameters)}: {error}") from None

    return check


def signature(function: Callable[..., Any]) -> inspect.Signature | None:
    """A function's signature, if it tells."""
    try:
        return inspect.signature(function)
    except (ValueError, TypeError):
        return None


def takes_exception(function: Callable[..., Any], *, skip_first: bool) -> bool:
    """Whether an error callback takes (request, exc, traceback), as opposed to the failed task's id."""
    try:
        parameters = list(inspect.signature(function).parameters.values())[1 if skip_first else 0 :]
    except (ValueError, TypeError):
        return False
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return True
    return sum(1 for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)) > 1
