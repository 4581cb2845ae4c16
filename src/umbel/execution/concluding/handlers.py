"""User code around a task that has ended: its handlers, error callbacks that are called here, and signals.

The order is Celery's (5.7): handler and its signal → error callbacks → after_return → postrun signal. What one of them raises is logged: the task has
ended already.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from umbel import current, hooks, states
from umbel.errors import Retry
from umbel.execution.exception_info import ExceptionInfo
from umbel.execution.request import Request
from umbel.execution.resolved_task import ResolvedTask

logger: logging.Logger = logging.getLogger("umbel.execution")


def are_for_success(resolved: ResolvedTask) -> bool:
    """Report whether a handler or a signal waits for a success of ``resolved``, a task."""
    return bool(resolved.has_success_handlers or hooks.task_success.receivers or hooks.task_postrun.receivers)


def after_success(request: Request, resolved: ResolvedTask, value: Any, runtime: float) -> Callable[[], None]:
    """Make the function that calls handlers and signals after a success.

    Args:
        request: of the task.
        resolved: the task.
        value: what it returned.
        runtime: seconds in its own code.
    """

    def call() -> None:
        with _Entered(request):
            if resolved.on_success is not None:
                _guard(request, resolved.on_success, value, request.id, request.args, request.kwargs)
            hooks.task_success.send(resolved.task, result=value, runtime=runtime)
            if resolved.after_return is not None:
                _guard(request, resolved.after_return, states.SUCCESS, value, request.id, request.args, request.kwargs, None)
            _postrun(request, resolved, value, states.SUCCESS)

    return call


def after_retry(request: Request, resolved: ResolvedTask, error: Retry, einfo: ExceptionInfo) -> Callable[[], None] | None:
    """Make the function that calls handlers and signals of a task that is to be tried again; ``None`` when there are none.

    Args:
        request: of the task.
        resolved: the task.
        error: the retry.
        einfo: the same with its traceback.
    """
    if resolved.on_retry is None and not hooks.task_retry.receivers and not hooks.task_postrun.receivers:
        drop_tracebacks(request, error)
        return None

    def call() -> None:
        with _Entered(request):
            if resolved.on_retry is not None:
                _guard(request, resolved.on_retry, error.exc, request.id, request.args, request.kwargs, einfo)
            hooks.task_retry.send(resolved.task, request=request, reason=error, einfo=einfo)
            _postrun(request, resolved, error, states.RETRY)
        einfo.tb = None  # its frames lead back to this function

    return call


def after_failure(
    request: Request, resolved: ResolvedTask, error: Exception, inline: Sequence[Mapping[str, Any]], tasks: Mapping[str, Any]
) -> Callable[[], None] | None:
    """Make the function that calls handlers, error callbacks and signals after a failure; ``None`` when there are none.

    Args:
        request: of the task.
        resolved: the task.
        error: what it failed with.
        inline: error callbacks that are called here.
        tasks: name → task, in which these are found.
    """
    listens = resolved.on_failure is not None or resolved.after_return is not None
    if not inline and not listens and not hooks.task_failure.receivers and not hooks.task_postrun.receivers:
        drop_tracebacks(request, error)
        return None

    def call() -> None:
        einfo = ExceptionInfo(error)
        with _Entered(request):
            if resolved.on_failure is not None:
                _guard(request, resolved.on_failure, error, request.id, request.args, request.kwargs, einfo)
            hooks.task_failure.send(
                resolved.task,
                task_id=request.id,
                exception=error,
                args=request.args,
                kwargs=request.kwargs,
                traceback=einfo.tb,
                einfo=einfo,
            )
            call_errbacks(request, error, inline, tasks)
            if resolved.after_return is not None:
                _guard(request, resolved.after_return, states.FAILURE, error, request.id, request.args, request.kwargs, einfo)
            _postrun(request, resolved, error, states.FAILURE)

    return call


def call_errbacks(request: Request, error: Exception, signatures: Sequence[Mapping[str, Any]], tasks: Mapping[str, Any]) -> None:
    """Call error callbacks that take (request, exc, traceback).

    Args:
        request: of what has failed.
        error: what it failed with.
        signatures: of the callbacks.
        tasks: where these are found.
    """
    traceback = ExceptionInfo(error).traceback
    for signature in signatures:
        args, kwargs = signature.get("args") or (), signature.get("kwargs") or {}
        given = () if signature.get("immutable") else (request, error, traceback)
        _guard(request, tasks[signature["task"]], *given, *args, **kwargs)


def after_other(request: Request, resolved: ResolvedTask, error: Exception, state: str) -> Callable[[], None] | None:
    """Make the function that sends signals of a task that was ignored or rejected; ``None`` when there are none.

    Args:
        request: of the task.
        resolved: the task.
        error: the `Ignore` or `Reject`.
        state: IGNORED or REJECTED.
    """
    if not hooks.task_postrun.receivers:
        drop_tracebacks(request, error)
        return None
    return lambda: _postrun(request, resolved, error, state)


def drop_tracebacks(request: Request, error: BaseException) -> None:
    """Drop the tracebacks of an error, and of what led to it, that are not needed any more.

    Their frames and all that called those lead back to the error: it would keep whatever the task had in its hands until a garbage collection.

    Args:
        request: of the task; one that runs in its caller keeps them.
        error: what it raised.
    """
    if request.is_eager:  # its caller will look
        return
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is not None and one.__traceback__ is not None:
            one.__traceback__ = None
            left += one.__cause__, one.__context__


def _postrun(request: Request, resolved: ResolvedTask, value: Any, state: str) -> None:
    hooks.task_postrun.send(
        resolved.task, task_id=request.id, task=resolved.task, args=request.args, kwargs=request.kwargs, retval=value, state=state
    )
    if state != states.SUCCESS:
        drop_tracebacks(request, value)


class _Entered:
    """Makes a request the current one again, for its handlers."""

    __slots__ = ("_request", "_token")

    def __init__(self, request: Request) -> None:
        self._request = request

    def __enter__(self) -> None:
        self._token = current.request.set(self._request)

    def __exit__(self, *_: object) -> None:
        current.request.reset(self._token)


def _guard(request: Request, handler: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
    """RunHandlers a handler; log what it raises."""
    try:
        handler(*args, **kwargs)
    except Exception as error:
        logger.exception(
            "Task %s[%s]: %s raised; the state of the task does not change", request.task, request.id, getattr(handler, "__name__", handler)
        )
        hooks.task_internal_error.send(
            request.task_object,
            task_id=request.id,
            args=request.args,
            kwargs=request.kwargs,
            request=request,
            exception=error,
            traceback=error.__traceback__,
            einfo=ExceptionInfo(error),
        )
