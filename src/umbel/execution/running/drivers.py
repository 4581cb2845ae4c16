"""Drivers of a task's own code. What is raised here, and only that, is the task's."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from time import monotonic
from typing import Any

from umbel import hooks
from umbel.errors import SoftTimeLimitExceeded
from umbel.execution.model import SoftLimit
from umbel.execution.preparing.prepare import Prepared

#: What the task returned, or the error that it raised; when its own code began (monotonic seconds), and for how long it ran.
Ended = tuple[Any, Exception | None, float, float]


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
            hooks.task_prerun.send(resolved.task, task_id=request.id, task=resolved.task, args=request.args, kwargs=request.kwargs)
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
