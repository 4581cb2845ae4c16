"""The first page: how the fleet is, what goes wrong, how busy it was."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from umbel.dashboard.history.query import Query
from umbel.dashboard.history.rollups import SPANS
from umbel.dashboard.live.monitor import Monitor
from umbel.dashboard.web.desk import desk_of
from umbel.dashboard.web.rendering import show
from umbel.runtime.clock import SYSTEM

#: Failures that the page lists.
_FAILURES = 8


#: Span → seconds for which its figures are good: the longer it is, the more there is to read, and the less changes.
FRESH = {"1h": 2.0, "24h": 15.0, "30d": 60.0}


def span_of(request: Request) -> str:
    """Return the span that a ``request`` asks for."""
    asked = request.query_params.get("span", "1h")
    return asked if asked in SPANS else "1h"


def figures_of(monitor: Monitor) -> dict[str, Any]:
    """Sum up how the fleet is now.

    Args:
        monitor: what is known.
    """
    workers = monitor.workers()
    alive = [worker for worker in workers if worker.alive]
    lines = monitor.answers.ask("series 1h None", FRESH["1h"], lambda: monitor.history.series("1h"))
    # The slot that is being filled tells less than a whole one.
    recent = lines["succeeded"][-7:-1], lines["failed"][-7:-1]
    slots = sum(worker.slots or 0 for worker in alive)
    active = sum(worker.active or 0 for worker in alive)
    queues = monitor.asking.queues
    ages = [row.oldest for row in queues if row.oldest is not None]
    times = [each for each in lines["p95"][-7:] if each is not None]
    return {
        "rate": sum(sum(each) for each in recent) / 60,
        "failed": sum(lines["failed"]),
        "succeeded": sum(lines["succeeded"]),
        "p95": max(times) if times else None,
        "ready": sum(row.ready or 0 for row in queues),
        "delayed": sum(row.delayed or 0 for row in queues),
        "dead": sum(row.dead for row in queues),
        "oldest": max(ages, default=None),
        "paused": [row.queue for row in queues if row.paused],
        "alive": len(alive),
        "gone": len(workers) - len(alive),
        "slots": slots,
        "active": active,
        "utilization": active / slots if slots else None,
        "silent": [worker.name for worker in alive if worker.tells is False],
    }


def overview(request: Request) -> Response:
    """Show the first page."""
    monitor = desk_of(request).monitor
    span = span_of(request)
    failures = monitor.history.search(Query(state="FAILURE", limit=_FAILURES)).runs
    return show(
        request,
        "overview.html",
        figures=figures_of(monitor),
        failures=failures,
        by_task=monitor.answers.ask(f"by task {span}", FRESH[span], lambda: monitor.history.by_task(span)),
        spans=list(SPANS),
        span=span,
        is_new=not monitor.history.states() and not monitor.workers(),
        listening=monitor.listening,
        path_of_app=monitor.loaded.path,
        started=SYSTEM.now(),
    )


def series(request: Request) -> Response:
    """Give the lines of the charts."""
    monitor = desk_of(request).monitor
    span, name = span_of(request), request.query_params.get("task") or None
    return JSONResponse(monitor.answers.ask(f"series {span} {name}", FRESH[span], lambda: monitor.history.series(span, name)))


ROUTES = [Route("/", overview), Route("/series", series)]
