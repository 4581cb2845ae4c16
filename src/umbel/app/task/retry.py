"""Ask for another attempt of the running task: what ``task.retry()`` decides."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

from umbel.app import argument_check
from umbel.errors import Retry
from umbel.execution import retrying


def ask_for(
    task: Any,
    args: Sequence[Any] | None,
    kwargs: Mapping[str, Any] | None,
    *,
    exc: BaseException | None,
    eta: Any,
    countdown: float | None,
    max_retries: int | None,
    options: Mapping[str, Any],
) -> Retry:
    """Note the next attempt in the task's request; returns the `Retry` that ends this one.

    Args:
        task: the running one.
        args: as for `umbel.Task.retry`, like all that follow.
        kwargs: see there.
        exc: see there.
        eta: see there.
        countdown: seconds; see there.
        max_retries: see there.
        options: see there.

    Raises:
        Retry: the task was called as a function, without ``exc``.
        MaxRetriesExceededError: there are no more attempts, and no ``exc``.
    """
    request = task.request
    cause = sys.exc_info()[1]
    if request.called_directly:
        told = exc or Retry("the task was called directly and cannot be tried again", cause)
        raise told from (cause if cause is not told else None)
    most = task.max_retries if max_retries is None else max_retries
    if not retrying.may_retry(request.retries, most):
        final = retrying.give_up(task.name, request, exc)
        raise final from (cause if cause is not final else None)
    if eta is None and countdown is None:
        countdown = task.default_retry_delay
    new_args, new_kwargs = _arguments(task, request, args, kwargs)
    request.planned_retry = retrying.NextAttempt(
        args=new_args,
        kwargs=new_kwargs,
        retries=request.retries + 1,
        countdown=countdown,
        eta=eta,
        options=options,
    )
    return Retry(exc=exc or cause, when=eta if eta is not None else countdown, is_eager=request.is_eager)


def _arguments(
    task: Any, request: Any, args: Sequence[Any] | None, kwargs: Mapping[str, Any] | None
) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """The arguments of the next attempt. A parameter that is given anew is not given a second time, by what stays of the other kind."""
    if args is not None and kwargs is not None:
        return tuple(args), dict(kwargs)
    names = argument_check.positional(task.run)
    if args is not None:
        taken = set(names[: len(tuple(args))]) & request.kwargs.keys()
        return tuple(args), {name: value for name, value in request.kwargs.items() if name not in taken} if taken else request.kwargs
    if kwargs is not None:
        left = dict(kwargs)
        kept = [left.pop(name) if name in left else value for name, value in zip(names, request.args, strict=False)]
        return (*kept, *request.args[len(kept) :]), left
    return request.args, request.kwargs
