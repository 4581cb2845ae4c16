"""Calls of one task that run together: the function takes a list of them, and returns a list with a result for each.

An exception in that list is how one call has failed; one that is raised is how all have.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from umbel import current
from umbel.errors import TaskError
from umbel.execution.preparing.prepare import Prepared
from umbel.execution.request import Request
from umbel.execution.running.drivers import Ended


@dataclass(frozen=True, slots=True)
class Call:
    """One of the calls that a batch has collected.

    Args:
        id: of the task.
        args: positional arguments.
        kwargs: keyword arguments.
        request: all that is known of it, as ``self.request`` of other tasks.
    """

    id: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    request: Request


def call_of(request: Request) -> Call:
    """Make the call of a request.

    Args:
        request: of one call.
    """
    return Call(request.id or "", request.args, request.kwargs, request)


def alone(task: Any) -> Callable[..., Any]:
    """Make the function that runs one call of a task as a batch of its own.

    Args:
        task: whose function takes a list of calls.
    """
    from inspect import iscoroutinefunction

    def mine(args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Call]:
        request = current.request.get()
        return [call_of(request if request is not None else Request.outside(task, tuple(args), dict(kwargs)))]

    async def run_async(*args: Any, **kwargs: Any) -> Any:
        return _only(results_of(await task.run(mine(args, kwargs)), 1))

    def run(*args: Any, **kwargs: Any) -> Any:
        return _only(results_of(task.run(mine(args, kwargs)), 1))

    return run_async if iscoroutinefunction(task.run) else run


def _only(results: Sequence[Any]) -> Any:
    if isinstance(results[0], Exception):
        raise results[0]
    return results[0]


def results_of(value: Any, calls: int) -> Sequence[Any]:
    """Read what a batch has returned.

    Args:
        value: that the function returned.
        calls: how many there were.

    Raises:
        TaskError: it is no list with a result for each.
    """
    if not isinstance(value, (list, tuple)):
        raise TaskError(
            f"a task with batch_size must return a list with a result for each call, in their order; it returned a {type(value).__name__}"
        )
    if len(value) != calls:
        raise TaskError(
            f"a task with batch_size must return a list with a result for each call: it returned {len(value)} for {calls} calls"
        )
    return value


def together(calls: Sequence[Prepared]) -> Prepared:
    """Make one call of several. What it sends, and how it is called in the log, is that of its first.

    Args:
        calls: of one task.
    """
    number, (_, first, resolved) = calls[-1][0], calls[0]
    request = copy.copy(first)
    request.args, request.kwargs = ([call_of(each) for _, each, _ in calls],), {}
    return number, request, replace(resolved, call=resolved.task.run, before_start=None)


def apart(ended: Ended, calls: int) -> list[Ended]:
    """Part the end of a batch into those of its calls; each has its part of the time.

    Args:
        ended: what the function returned or raised.
        calls: how many there were.
    """
    value, error, started, runtime = ended
    share = runtime / calls
    if error is None:
        try:
            results = results_of(value, calls)
        except TaskError as broken:
            error = broken
    if error is not None:
        return [(None, error, started, share)] * calls
    return [(None, each, started, share) if isinstance(each, Exception) else (each, None, started, share) for each in results]
