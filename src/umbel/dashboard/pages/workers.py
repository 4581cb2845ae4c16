"""The workers, and one of them with what it does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from umbel.cli.remote.tables import flat
from umbel.dashboard.actions import workers as acts
from umbel.dashboard.history.query import Query
from umbel.dashboard.live.monitor import Monitor
from umbel.dashboard.pages.waiting import instant
from umbel.dashboard.web import words
from umbel.dashboard.web.desk import desk_of
from umbel.dashboard.web.rendering import show
from umbel.errors import UmbelError

#: Seconds for which one worker may take to reply.
_PATIENCE = 3.0
#: Questions to one worker.
_ASKED = ("active", "reserved", "scheduled", "stats", "active_queues")


def workers(request: Request) -> Response:
    """Show all workers."""
    monitor = desk_of(request).monitor
    monitor.asking.has_asked.wait(3.0)
    rows = [
        {
            "row": row,
            "queues": monitor.asking.read.get(row.name, []),
            "uptime": monitor.asking.stats.get(row.name, {}).get("uptime"),
            "kind": _kind(monitor, row.name),
        }
        for row in monitor.workers()
    ]
    return show(request, "workers.html", rows=rows, path_of_app=monitor.loaded.path)


def _kind(monitor: Monitor, node: str) -> str:
    pool = monitor.asking.stats.get(node, {}).get("pool")
    text = str(pool.get("implementation", "")) if isinstance(pool, Mapping) else ""
    return text.rpartition(".")[2].partition(":")[0]


def worker(request: Request) -> Response:
    """Show one worker."""
    monitor = desk_of(request).monitor
    name = request.path_params["node"]
    row = next((row for row in monitor.workers() if row.name == name), None)
    if row is None:
        raise HTTPException(404, f"There is no worker {name}. It may have stopped; its tasks are still found by worker:{name}.")
    replies = monitor.answers.ask(f"worker {name}", 2.0, lambda: asked(monitor, name)) if row.alive else {}
    known = monitor.state.workers.get(name)
    return show(
        request,
        "worker.html",
        row=row,
        known=known,
        replies=replies,
        answers=bool(replies.get("stats")),
        figures=list(flat(replies["stats"])) if isinstance(replies.get("stats"), Mapping) else [],
        queues=[each["name"] for each in _list(replies, "active_queues") if "name" in each],
        active=_list(replies, "active"),
        reserved=_list(replies, "reserved"),
        scheduled=[
            {**each["request"], "eta": instant(each.get("eta"))}
            for each in _list(replies, "scheduled")
            if isinstance(each.get("request"), Mapping)
        ],
        registered=registered(monitor, name),
        runs=monitor.history.search(Query(worker=name, limit=10)).runs,
        call=lambda each: words.call(each.get("args"), each.get("kwargs"), monitor.options.hide),
    )


def asked(monitor: Monitor, name: str) -> dict[str, Any]:
    """Ask one worker what it does.

    Args:
        monitor: of its app.
        name: of the worker.
    """
    found: dict[str, Any] = {}
    for question in _ASKED:
        try:
            replies = monitor.app.control.broadcast(question, destination=[name], reply=True, timeout=_PATIENCE) or []
        except UmbelError:
            break
        if not replies:
            break  # it will not answer the others, either
        found[question] = next((reply for each in replies for reply in each.values()), None)
    return found


def _list(replies: Mapping[str, Any], question: str) -> list[Mapping[str, Any]]:
    found = replies.get(question)
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []


def registered(monitor: Monitor, name: str) -> list[str]:
    """List the tasks that a worker knows, with their limits.

    Args:
        monitor: of its app.
        name: of the worker.
    """

    def ask() -> list[str]:
        replies = monitor.app.control.broadcast(
            "registered", {"taskinfoitems": ["rate_limit", "time_limit"]}, destination=[name], reply=True, timeout=_PATIENCE
        )
        found = next((reply for each in replies or [] for reply in each.values()), None)
        return sorted(str(each) for each in found) if isinstance(found, list) else []

    try:
        return monitor.answers.ask(f"registered {name}", 30.0, ask)
    except UmbelError:
        return []


ROUTES = [Route("/workers", workers), *(action.route for action in acts.ACTIONS), Route("/workers/{node:str}", worker)]
