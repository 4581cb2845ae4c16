"""Tasks, results and calls in the forms that Flower gives and takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from umbel import states
from umbel.dashboard.live.monitor import Monitor
from umbel.dashboard.web import words
from umbel.dashboard.web.acting import Refused
from umbel.events.task_state import FIELDS
from umbel.results.model import Record

#: State → the field of a task that says when it came to it.
_ENDS: Final = {states.SUCCESS: "succeeded", states.FAILURE: "failed", states.REVOKED: "revoked", states.REJECTED: "rejected"}
#: Options of a call that Flower passes on.
_OPTIONS: Final = ("queue", "countdown", "eta", "expires", "priority", "task_id", "routing_key", "exchange")


def task_dict(monitor: Monitor, run: Mapping[str, Any]) -> dict[str, Any]:
    """Write a run with the fields of Flower's tasks.

    Args:
        monitor: what is known.
        run: a row of the history.
    """
    found: dict[str, Any] = {name: run.get(name) for name in FIELDS}
    kwargs = run.get("kwargs")
    found.update(
        uuid=run["id"],
        timestamp=run.get("changed"),
        root=run.get("root_id"),
        parent=run.get("parent_id"),
        kwargs=None if kwargs is None else words.hidden(kwargs, monitor.options.hide),
        children=[child["id"] for child in monitor.history.children(run["id"])],
    )
    if (moment := _ENDS.get(run["state"])) is not None:
        found[moment] = run.get("ended")
    if run["state"] == states.RETRY:
        found["retried"] = run.get("changed")
    return found


def result_dict(handle: Any, task_id: str) -> dict[str, Any]:
    """Write a result.

    Args:
        handle: of the task.
        task_id: of it.
    """
    state, value = handle.state, handle.result
    found: dict[str, Any] = {"task-id": task_id, "state": state}
    if state == states.FAILURE:
        return {**found, "result": repr(value), "traceback": handle.traceback}
    if state == states.SUCCESS:
        found["result"] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    try:
        json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return repr(value)
    return value


def call_of(body: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any], dict[str, Any]]:
    """Read a call: ``{"args": [], "kwargs": {}, "queue": …}``; returns arguments and options.

    Args:
        body: of the request.

    Raises:
        Refused: it is none.
    """
    args, kwargs = body.get("args", []), body.get("kwargs", {})
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise Refused("args must be an array, and kwargs an object")
    return args, kwargs, {name: body[name] for name in _OPTIONS if body.get(name) is not None}


def abort(monitor: Monitor, task_id: str, _given: Mapping[str, str], _body: dict[str, Any]) -> dict[str, Any]:
    """Mark a task as aborted, for its own code to see.

    Args:
        monitor: whose store.
        task_id: of the task.

    Raises:
        Refused: there is no store.
    """
    store = monitor.app.store
    if store is None:
        raise Refused("the app has no result store")
    store.store([Record(task_id=task_id, status="ABORTED")])
    return {"message": f"Aborted '{task_id}'"}
