"""Sentry: errors of tasks with what is known of the task, and traces over messages. ``sentry_sdk.init(integrations=[UmbelIntegration()])``."""

from __future__ import annotations

from typing import Any, Final

import sentry_sdk
from sentry_sdk.integrations import Integration
from sentry_sdk.tracing import TransactionSource

from umbel import hooks

#: Seconds that a process has to hand over its events when it ends.
_FLUSH: Final = 2.0


class UmbelIntegration(Integration):
    """Reports what tasks raise, each in a scope of its own.

    Args:
        send_arguments: the arguments of tasks are part of a report.
        propagate_traces: messages carry the trace of the process that sends them.
    """

    identifier = "umbel"

    def __init__(self, *, send_arguments: bool = False, propagate_traces: bool = True) -> None:
        self.send_arguments = send_arguments
        self.propagate_traces = propagate_traces

    @staticmethod
    def setup_once() -> None:
        """Connect to the signals of tasks. Called by the SDK, once in a process."""
        for name, receiver in _RECEIVERS.items():
            getattr(hooks, name).connect(receiver, weak=False, dispatch_uid=__name__)


#: What is entered for a task that runs here, to be left at its end, by id and attempt.
_entered: dict[tuple[str, Any], list[Any]] = {}


def _integration() -> UmbelIntegration | None:
    found = sentry_sdk.get_client().get_integration(UmbelIntegration)
    return found if isinstance(found, UmbelIntegration) else None


def _send(headers: Any = None, **_: Any) -> None:
    integration = _integration()
    if integration is not None and integration.propagate_traces and isinstance(headers, dict):
        headers.update(dict(sentry_sdk.get_current_scope().iter_trace_propagation_headers()))


def _begin(task_id: str, task: Any, args: Any = (), kwargs: Any = None, **_: Any) -> None:
    integration = _integration()
    if integration is None:
        return
    request = task.request
    scope_of_task = sentry_sdk.isolation_scope()
    scope = scope_of_task.__enter__()
    entered = _entered[task_id, request.retries] = [scope_of_task]
    scope.set_transaction_name(task.name, source=TransactionSource.TASK)
    scope.set_tag("umbel_task_id", task_id)
    known: dict[str, Any] = {"task_name": task.name, "task_id": task_id, "retries": request.retries, "delivery_info": request.delivery_info}
    if integration.send_arguments:
        known |= {"args": args, "kwargs": kwargs}
    scope.set_context("umbel", known)
    given = {name: str(value) for name in ("sentry-trace", "baggage") if (value := _header(request, name)) is not None}
    transaction = sentry_sdk.start_transaction(
        sentry_sdk.continue_trace(given, op="queue.task.umbel", name=task.name, source=TransactionSource.TASK, origin="auto.queue.umbel")
    )
    transaction.__enter__()
    entered.append(transaction)


def _fail(sender: Any = None, exception: BaseException | None = None, **_: Any) -> None:
    if _integration() is None or exception is None or isinstance(exception, tuple(getattr(sender, "throws", ()) or ())):
        return
    sentry_sdk.capture_exception(exception)


def _end(task_id: str, task: Any, state: Any = None, **_: Any) -> None:
    entered = _entered.pop((task_id, task.request.retries), [])
    for each in reversed(entered):
        if hasattr(each, "set_status"):
            each.set_status("ok" if state == "SUCCESS" else "internal_error")
        each.__exit__(None, None, None)


def _flush(**_: Any) -> None:
    if _integration() is not None:
        sentry_sdk.flush(_FLUSH)


def _header(request: Any, name: str) -> Any:
    headers = getattr(request, "headers", None)
    value = getattr(request, name, None)
    return headers.get(name) if value is None and isinstance(headers, dict) else value


_RECEIVERS: Final = {
    "before_task_publish": _send,
    "task_prerun": _begin,
    "task_failure": _fail,
    "task_postrun": _end,
    "worker_process_shutdown": _flush,
    "worker_shutdown": _flush,
}
