"""Drivers of a task's own code. What is raised here, and only that, is the task's."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from time import monotonic
from typing import Any

from umbel import hooks
from umbel.errors import SoftTimeLimitExceeded, TaskError
from umbel.execution.model import SoftLimit
from umbel.execution.preparing.prepare import Prepared

#: What the task returned, or the error that it raised; when its own code began (monotonic seconds), and for how long it ran.
Ended = tuple[Any, Exception | None, float, float]
#: Calls a function that may block, in the context of the task that awaits it; not on its event loop.
Aside = Callable[[Callable[[], Any]], Awaitable[Any]]


def run_sync(prepared: Prepared, limit: SoftLimit, await_: Callable[[Coroutine[Any, Any, Any]], Any]) -> Ended:
    """Run a task in this thread, to its end.

    Args:
        prepared: the call.
        limit: set while the soft time limit may be raised.
        await_: runs the coroutine of an ``async def`` task.
    """
    number, request, resolved = prepared
    started = monotonic()
    try:
        if hooks.task_prerun.receivers:
            _prerun(prepared)
        try:
            limit.may_raise = True
            if limit.due == number != 0:
                raise SoftTimeLimitExceeded
            if resolved.before_start is not None:
                resolved.before_start(request.id, request.args, request.kwargs)
            started = monotonic()
            value = resolved.call(*request.args, **request.kwargs)
            if resolved.is_async:
                value = await_(value)
        finally:
            limit.may_raise = False
    except Exception as error:
        return None, error, started, monotonic() - started
    return value, None, started, monotonic() - started


async def run_async(prepared: Prepared, limit: SoftLimit, aside: Aside) -> Ended:
    """Run an ``async def`` task beside others, on the loop of whoever awaits this.

    Args:
        prepared: the call.
        limit: set while the soft time limit may be raised.
        aside: calls what precedes the task, handlers of its own and listeners.

    Raises:
        CancelledError: the task was told to end.
    """
    number, request, resolved = prepared
    started = monotonic()
    try:
        if resolved.before_start is not None or hooks.task_prerun.receivers:
            await aside(partial(_precede, prepared))
        try:
            limit.may_raise = True
            if limit.due == number != 0:
                raise SoftTimeLimitExceeded
            started = monotonic()
            value = await resolved.call(*request.args, **request.kwargs)
        finally:
            limit.may_raise = False
    except CancelledError as cancelled:
        if limit.ended == number:
            raise
        error = TaskError("The coroutine was cancelled.")
        error.__cause__ = cancelled
        return None, error, started, monotonic() - started
    except Exception as error:
        return None, error, started, monotonic() - started
    return value, None, started, monotonic() - started


def _precede(prepared: Prepared) -> None:
    _, request, resolved = prepared
    if hooks.task_prerun.receivers:
        _prerun(prepared)
    if resolved.before_start is not None:
        resolved.before_start(request.id, request.args, request.kwargs)


def _prerun(prepared: Prepared) -> None:
    _, request, resolved = prepared
    hooks.task_prerun.send(resolved.task, task_id=request.id, task=resolved.task, args=request.args, kwargs=request.kwargs)
