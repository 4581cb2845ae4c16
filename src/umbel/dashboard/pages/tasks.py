"""The list of tasks with its search, and one task."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from umbel import states
from umbel.dashboard.actions import tasks as acts
from umbel.dashboard.history.query import PAGE, Query, parse
from umbel.dashboard.history.reading import MOST_COUNTED
from umbel.dashboard.live.monitor import Monitor
from umbel.dashboard.web import words
from umbel.dashboard.web.desk import desk_of
from umbel.dashboard.web.rendering import show
from umbel.errors import ImproperlyConfigured, UmbelError
from umbel.results.model import Record
from umbel.results.progress import progress_of

#: States that the filter offers, in the order of a task's life.
OFFERED: Final = (states.PENDING, states.RECEIVED, states.STARTED, states.RETRY, states.SUCCESS, states.FAILURE, states.REVOKED)
#: Names of fields of the form beside the search itself.
_FIELDS: Final = ("state", "name", "worker", "queue")
#: Kinds of moments between a task's beginning and its end → state.
_BETWEEN: Final = {"received": states.RECEIVED, "started": states.STARTED, "retried": states.RETRY, "rejected": states.REJECTED}
#: Characters of a result that are shown at once.
_SHOWN: Final = 20_000


def query_of(request: Request, limit: int = PAGE) -> tuple[Query, str, str | None]:
    """Read the search of a ``request``, for at most ``limit`` runs; returns the query, the text that was typed, and what is wrong with it."""
    given = request.query_params
    text = given.get("q", "")
    before = _place(given.get("before", ""))
    try:
        return parse(text, before=before, limit=limit, **{name: given.get(name, "")[:255] for name in _FIELDS}), text, None
    except ImproperlyConfigured as error:
        return Query(before=before), text, str(error)


def _place(text: str) -> tuple[float, int] | None:
    first, _, number = text.partition("-")
    try:
        return float(first), int(number)
    except ValueError:
        return None


def tasks(request: Request) -> Response:
    """Show the tasks that a search finds."""
    monitor = desk_of(request).monitor
    query, text, problem = query_of(request)
    page = monitor.history.search(query)
    counted = Query(
        **{name: getattr(query, name) for name in ("state", "name", "worker", "queue", "id", "root", "parent", "since", "words")}
    )
    kept = {name: value for name, value in request.query_params.items() if value and name != "before"}
    return show(
        request,
        "tasks.html",
        query=query,
        text=text,
        problem=problem,
        runs=page.runs,
        older=None if page.next is None else urlencode({**kept, "before": f"{page.next[0]!r}-{page.next[1]}"}),
        newest=urlencode(kept),
        total=monitor.answers.ask(f"count {counted}", 5.0, lambda: monitor.history.count(counted)),
        most=MOST_COUNTED,
        totals=monitor.history.states(),
        offered=OFFERED,
        names=monitor.history.names(),
        workers=[worker.name for worker in monitor.workers()],
        call=lambda run: words.call(run["args"], run["kwargs"], monitor.options.hide),
        kept=kept,
    )


def record_of(monitor: Monitor, task_id: str) -> tuple[Record | None, str]:
    """Return what the result store has of a task, and why it cannot tell, where it cannot.

    Args:
        monitor: whose store.
        task_id: of the task.
    """
    store = monitor.app.store
    if store is None:
        return None, "The app has no result store."
    if not store.shared:
        return None, "The result store shows each result to its own caller alone."
    try:
        return monitor.answers.ask(f"record {task_id}", 0.5, lambda: store.fetch([task_id])).get(task_id), ""
    except UmbelError as error:
        return None, str(error)


def task(request: Request) -> Response:
    """Show one task."""
    monitor = desk_of(request).monitor
    task_id = request.path_params["task_id"]
    run, (record, silence) = monitor.history.run(task_id), record_of(monitor, task_id)
    if run is None and record is None:
        raise HTTPException(
            404, f"Nothing is known of the task {task_id}. It may be older than the history, or its worker tells of no tasks."
        )
    found = joined(run, record, task_id)
    hide = monitor.options.hide
    return show(
        request,
        "task.html",
        run=found,
        record=record,
        silence=silence,
        progress=progress_of(record),
        args=_arguments(record, run, "args", ()),
        kwargs=_arguments(record, run, "kwargs", hide),
        call=words.call(found["args"], found["kwargs"], hide),
        result=_result(record, run),
        timeline=timeline(found, monitor.history.attempts(task_id)),
        children=[child for child in monitor.history.children(task_id) if child["id"] != task_id],  # a retry is sent by the task itself
        can_retry=acts.arguments_of(monitor, task_id) is not None,
        has_ended=found["state"] in states.READY_STATES,
    )


def joined(run: dict[str, Any] | None, record: Record | None, task_id: str) -> dict[str, Any]:
    """Put together what events and the result store tell; a state in the store outranks one that events tell of before it.

    Args:
        run: of the history.
        record: of the store.
        task_id: of the task.
    """
    found: dict[str, Any] = {
        **dict.fromkeys(
            (
                "name", "worker", "queue", "args", "kwargs", "result", "exception", "traceback", "client", "root_id", "parent_id", "eta",
                "expires", "retries", "runtime", "sent", "received", "started", "ended", "first", "changed",
            )
        ),
        "id": task_id,
        "state": states.PENDING,
        **(run or {}),
    }  # fmt: skip
    if record is not None:
        extended = record.extended
        for name in ("name", "worker", "queue", "retries"):
            found[name] = found[name] if found[name] is not None else extended.get(name)
        found["parent_id"] = found["parent_id"] or record.parent_id
        found["traceback"] = record.traceback or found["traceback"]
        if record.status in states.READY_STATES or run is None:
            found["state"] = record.status
    return found


def _arguments(record: Record | None, run: dict[str, Any] | None, name: str, hide: tuple[str, ...]) -> str:
    value = record.extended.get(name) if record is not None else None
    if value is None:
        return words.clean(words.hidden((run or {}).get(name) or "", hide))
    if name == "kwargs" and isinstance(value, dict):
        return words.hidden(words.pretty(value), hide)
    return words.pretty(value)


def _result(record: Record | None, run: dict[str, Any] | None) -> str | None:
    if record is not None and record.status == states.SUCCESS:
        return words.pretty(record.result)[:_SHOWN]
    return (run or {}).get("result")


def timeline(run: dict[str, Any], attempts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """List what happened to a task, in order: at, state, text, and the seconds since what was before.

    Args:
        run: all that is known of it.
        attempts: what happened between its beginning and its end.
    """
    worker = run["worker"]
    found = [
        {"at": run["sent"], "state": "PENDING", "text": f"by {run['client']}" if run["client"] else "", "traceback": None},
        {"at": run["received"], "state": "RECEIVED", "text": worker or "", "traceback": None},
        {"at": run["started"], "state": "STARTED", "text": worker or "", "traceback": None},
    ]
    found += [
        {
            "at": each["at"],
            "state": _BETWEEN[each["kind"]],
            "text": each["exception"] or each["worker"] or "",
            "traceback": each["traceback"],
        }
        for each in attempts
    ]
    if run["ended"]:
        why = run["exception"] if run["state"] in states.PROPAGATE_STATES else None
        found.append({"at": run["ended"], "state": run["state"], "text": why or "", "traceback": None})
    ordered = sorted((each for each in found if each["at"]), key=lambda each: each["at"])
    for before, each in zip([None, *ordered], ordered, strict=False):
        each["after"] = None if before is None else each["at"] - before["at"]
    return ordered


ROUTES = [
    Route("/tasks", tasks),
    *(action.route for action in acts.ACTIONS),
    Route("/tasks/{task_id:str}", task),
]
