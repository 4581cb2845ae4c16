"""Checks of a call's arguments, made in the caller and not in the worker."""

from __future__ import annotations

import difflib
import inspect
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from umbel.app.config.kinds import RATE

logger: logging.Logger = logging.getLogger("umbel.app")

#: Options of the decorator that are no attributes.
DECORATING: Final = ("bind", "lend", "pydantic", "pydantic_context", "pydantic_dump_kwargs", "pydantic_strict")
#: Arguments of `Task.retry` besides calling options.
_RETRYING: Final = ("args", "kwargs", "exc", "throw", "max_retries")


def argument_check(function: Callable[..., Any], *, skip_first: bool) -> Callable[[tuple[Any, ...], dict[str, Any]], None] | None:
    """Make a function that raises TypeError for arguments that ``function`` would not take.

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
    """Return the signature of ``function``; ``None`` where Python does not know it.

    Of a decorated function it is that of its wrapper, which may take other arguments than the function inside (as in Celery 5.7).
    """
    try:
        return inspect.signature(function, follow_wrapped=False)
    except (ValueError, TypeError):
        return None


def positional(function: Callable[..., Any]) -> list[str]:
    """Return the names of the parameters that ``function`` takes by position, without the task itself; none where Python does not know them."""
    known = signature(function)
    if known is None:
        return []
    return [each.name for each in known.parameters.values() if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]


def nearly(name: str, known: Iterable[str]) -> str | None:
    """Return the ``known`` name that ``name`` is most likely a mistyping of; ``None`` where there is none, and for a known name."""
    names = set(known)
    if name in names:
        return None
    return next(iter(difflib.get_close_matches(name, names, n=1, cutoff=0.85)), None)


def warn_of_typing_errors(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Warn of names that are nearly known ones. They are let pass: in Celery, too, anything may be an attribute of a task.

    Args:
        what: the thing that has the names, for the log.
        names: given.
        known: those that may have been meant.
    """
    for name in names:
        meant = nearly(name, known)
        if meant is not None:
            logger.warning("%s: %s is not an option; did you mean %s?", what, name, meant)


def warn_of_options(base: type, options: Mapping[str, Any], attributes: Iterable[str], calling: Iterable[str]) -> None:
    """Warn of what looks mistyped in a task's decorator, and of a rate that is none.

    Args:
        base: the class of the task; its attributes may be given.
        options: the decorator's, ``name`` among them.
        attributes: what may have been meant.
        calling: the names of calling options, which ``retry_kwargs`` may have.
    """
    what = f"task {options['name']}"
    rate = options.get("rate_limit")
    try:
        RATE.convert(rate or 0)
    except (ValueError, TypeError):
        logger.warning("%s: rate_limit must be a %s, got %r", what, RATE.name, rate)
    unknown = [name for name in options if not hasattr(base, name)]
    if unknown:
        warn_of_typing_errors(what, unknown, [*attributes, *DECORATING])
    if options.get("retry_kwargs"):
        warn_of_typing_errors(f"{what}: retry_kwargs", options["retry_kwargs"], [*calling, *_RETRYING])


def takes_exception(function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], *, bound: bool) -> bool:
    """Report whether an error callback takes (request, exc, traceback), as opposed to the failed task's id.

    As in Celery (5.7), what its signature has already does not count; and one that is given its task is a task to be sent, unless it cannot be called with an
    id alone.

    Args:
        function: the callback's.
        args: positional arguments that its signature has.
        kwargs: keyword arguments that its signature has.
        bound: it is given its task, by ``bind=True`` or as a class; ``function`` does not show that.
    """
    known = signature(function)
    if known is None:
        return False
    parameters = [each for name, each in known.parameters.items() if name not in kwargs]
    if any(each.kind is each.VAR_POSITIONAL for each in parameters) and not bound:
        return True
    positional = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    return sum(1 for each in positional[len(args) :] if each.default is each.empty or not bound) > 1
