"""Tasks that wait for their time (eta, countdown, retry)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from umbel import states
from umbel.dashboard.history.query import Query
from umbel.dashboard.live.monitor import Monitor
from umbel.dashboard.web import words
from umbel.dashboard.web.desk import desk_of
from umbel.dashboard.web.rendering import show
from umbel.errors import UmbelError
from umbel.runtime.clock import SYSTEM

#: Runs of each state that are looked at.
_MOST = 300


def waiting(request: Request) -> Response:
    """Show tasks whose time has not come."""
    monitor = desk_of(request).monitor
    rows = monitor.answers.ask("waiting", 2.0, lambda: rows_of(monitor))
    return show(
        request,
        "scheduled.html",
        rows=rows,
        delayed=[(row.queue, row.delayed) for row in monitor.asking.queues if row.delayed],
        call=lambda each: words.call(each["args"], each["kwargs"], monitor.options.hide),
    )


def rows_of(monitor: Monitor) -> list[dict[str, Any]]:
    """List the tasks that workers hold for their time, and those whose events told one that has not come, the next one first.

    Args:
        monitor: what is known.
    """
    now, found = SYSTEM.now(), {}
    for state in (states.PENDING, states.RECEIVED, states.RETRY):
        for listed in monitor.history.search(Query(state=state, limit=_MOST)).runs:
            run = monitor.history.run(listed["id"]) or listed
            when = instant(run.get("eta"))
            if when is not None and when > now:
                found[run["id"]] = {**run, "when": when, "where": run["queue"] or "the broker"}
    try:
        replies = monitor.app.control.broadcast("scheduled", reply=True, timeout=1.0, limit=monitor.fleet.alive or None) or []
    except UmbelError:
        replies = []
    for node, reply in ((node, reply) for each in replies for node, reply in each.items()):
        for held in reply if isinstance(reply, list) else ():
            task = held.get("request") if isinstance(held, Mapping) else None
            if isinstance(task, Mapping) and isinstance(task.get("id"), str):
                when = instant(held.get("eta"))
                found[task["id"]] = {
                    "id": task["id"], "name": task.get("name"), "args": task.get("args"), "kwargs": task.get("kwargs"),
                    "state": states.RECEIVED, "when": when or now, "where": node, "retries": task.get("retries"),
                }  # fmt: skip
    return sorted(found.values(), key=lambda row: row["when"])[:_MOST]


def instant(text: Any) -> float | None:
    """Read a time, ISO 8601 ``text``, as seconds since the epoch; ``None`` where it is none."""
    try:
        return datetime.fromisoformat(text).timestamp() if isinstance(text, str) else None
    except (ValueError, OverflowError):
        return None


ROUTES = [Route("/scheduled", waiting)]
