"""Records and verdicts of tasks that have ended. No I/O: the caller does what is decided here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from umbel import states
from umbel.errors import Reject, SoftTimeLimitExceeded, TimeLimitExceeded
from umbel.execution.model import Verdict
from umbel.execution.request import Request
from umbel.execution.resolved_task import ResolvedTask
from umbel.messages.preview import preview
from umbel.reasons import DeadReason
from umbel.results.model import Record
from umbel.wire import failures

#: Characters of a result or an exception in a log line.
DETAIL_LIMIT = 1024


def iso(now: float) -> str:
    """Render the time ``now``, seconds since the epoch, as records carry it."""
    return datetime.fromtimestamp(now, UTC).isoformat()


def is_ignored(headers: Mapping[str, Any], by_default: bool) -> bool:
    """Report whether no result is wanted: the call decides in its ``headers``, where it says anything, else the task (``by_default``)."""
    said = headers.get("ignore_result")
    return said if said is True or said is False else by_default


def record_of(
    request: Request,
    status: str,
    result: Any,
    *,
    now: float | None = None,
    traceback: str | None = None,
    extended: bool = False,
) -> Record:
    """Make the record of a state.

    Args:
        request: of the task.
        status: the state.
        result: a plain value.
        now: seconds since the epoch; for states that are final.
        traceback: as text.
        extended: with name, arguments, worker, retries and queue.
    """
    fields = request.fields
    return Record(
        task_id=request.id or "",
        status=status,
        result=result,
        traceback=traceback,
        children=request.children,
        date_done=None if now is None else iso(now),
        group_id=fields.get("group"),
        parent_id=fields.get("parent_id"),
        extended=_extended(request) if extended else {},
        reply_to=request.properties.get("reply_to") if request.properties else None,
    )


def _extended(request: Request) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": request.task,
        "args": request.args,
        "kwargs": request.kwargs,
        "worker": request.hostname,
        "retries": request.retries,
        "queue": request.delivery_info.get("routing_key"),
    }
    if request.stamped_headers:
        found["stamped_headers"] = list(request.stamped_headers)
        found.update({name: request.stamps.get(name) for name in request.stamped_headers})
    return found


def failure_record(request: Request, exc: BaseException, traceback: str | None, now: float, *, extended: bool = False) -> Record:
    """Make the record of a failed task.

    Args:
        request: of the task.
        exc: the error it failed with.
        traceback: as text.
        now: seconds since the epoch.
        extended: with name, arguments, worker, retries and queue.
    """
    return record_of(request, states.FAILURE, failures.render(exc), now=now, traceback=traceback, extended=extended)


def unexecuted_record(
    task_id: str,
    headers: Mapping[str, Any],
    properties: Mapping[str, Any],
    error: BaseException,
    now: float,
    status: str = states.FAILURE,
) -> Record:
    """Make the record of a task that did not run, from its message, whose fields are not checked.

    Args:
        task_id: from the message.
        headers: of the message.
        properties: of the message.
        error: why it did not run.
        now: seconds since the epoch.
        status: the state.
    """
    return Record(
        task_id=task_id,
        status=status,
        result=failures.render(error),
        date_done=iso(now),
        group_id=_text(headers.get("group")),
        parent_id=_text(headers.get("parent_id")),
        reply_to=_text(properties.get("reply_to")),
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def verdict_of_failure(exc: BaseException, resolved: ResolvedTask) -> tuple[Verdict, str]:
    """Decide on the message of a task that failed with ``exc``, by the options of ``resolved``; the second value is the dead letter's reason."""
    if isinstance(exc, (SoftTimeLimitExceeded, TimeLimitExceeded)):
        return (Verdict.ACK, "") if resolved.acks_on_timeout else (Verdict.DEAD, DeadReason.TIME_LIMIT)
    return (Verdict.ACK, "") if resolved.acks_on_failure else (Verdict.DEAD, DeadReason.FAILED)


def verdict_of_reject(exc: Reject) -> tuple[Verdict, str]:
    """Decide on the message of a task that rejected it with ``exc``; the second value is the dead letter's reason."""
    return (Verdict.REQUEUE, "") if exc.requeue else (Verdict.DEAD, DeadReason.REJECTED)


def detail_of(value: Any) -> str:
    """Render ``value``, a result or an error, for the log, bounded."""
    kind = type(value)
    if value is None or kind is int or kind is bool or kind is float:
        return repr(value)
    return preview(value, DETAIL_LIMIT)


def follow(
    signature: Mapping[str, Any], result: Any, request: Request, chain: Sequence[Mapping[str, Any]] | None = None
) -> tuple[list[Any], dict[str, Any], dict[str, Any]]:
    """Make the call that a callback or the next link stands for.

    Args:
        signature: as it travelled.
        result: put before its own arguments, unless it is immutable.
        request: of the task that it follows.
        chain: the links that follow it.

    Returns:
        Positional arguments, keyword arguments, calling options.
    """
    args = list(signature.get("args") or ())
    if not signature.get("immutable"):
        args.insert(0, result)
    options = {name: value for name, value in (signature.get("options") or {}).items() if value is not None}
    options.update(parent_id=request.id, root_id=request.root_id)
    if request.reply_to:  # the caller that waits for this task may wait for its successors, too
        options.setdefault("reply_to", request.reply_to)
    if chain is not None:
        options["chain"] = chain
    return args, dict(signature.get("kwargs") or {}), options
