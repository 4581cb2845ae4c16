"""The periodic entries, and one of them with its runs."""

from __future__ import annotations

import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from umbel.beat.editing import NoSuchEntry
from umbel.beat.entries.model import Entry
from umbel.cli.periodic.tables import call, in_words, near, next_times, took
from umbel.dashboard.actions import schedules as acts
from umbel.dashboard.live.monitor import Monitor
from umbel.dashboard.web.desk import desk_of
from umbel.dashboard.web.rendering import show
from umbel.runtime.clock import SYSTEM
from umbel.schedules import clocked, crontab, schedule, solar

#: Next times, and runs, of one entry that are shown.
_NEXT, _RUNS = 5, 50


def row_of(entry: Entry, now: float, times: int = 1) -> dict[str, Any]:
    """Write an entry as pages show it.

    Args:
        entry: to be shown.
        now: seconds since the epoch.
        times: next ones.
    """
    coming = next_times(entry, now, times)
    return {
        "entry": entry,
        "words": in_words(entry),
        "call": call(entry),
        "next": [(near(moment, now), moment.timestamp()) for moment in coming],
        "policies": _policies(entry),
    }


def _policies(entry: Entry) -> list[tuple[str, str]]:
    spec = entry.spec
    if spec is None:
        return []
    missed = {"once": "fired once", "skip": f"left out after {spec.misfire_grace:g} s", "all": f"all fired, {spec.misfire_limit} at most"}
    found = [
        ("Missed runs", missed.get(spec.misfire, spec.misfire)),
        ("While the last run goes on", "another one may run" if spec.overlap == "allow" else "it is left out"),
    ]
    if spec.jitter:
        found.append(("Spread over", f"{spec.jitter:g} s"))
    if spec.expire_at_next:
        found.append(("Expires", "when the next one is due"))
    if spec.workers:
        found.append(("Workers", ", ".join(spec.workers)))
    return [*found, *((name, str(value)) for name, value in spec.options.items())]


def form_of(entry: Entry | None) -> dict[str, str]:
    """Write an entry as the fields of its form.

    Args:
        entry: to be edited; ``None`` is a new one.
    """
    empty = dict.fromkeys(
        ("name", "task", "kind", "when", "timezone", "args", "kwargs", "queue", "misfire", "overlap", "jitter", "description"), ""
    )
    if entry is None or entry.spec is None:
        return {**empty, "kind": "cron", "task": "" if entry is None else str(entry.document.get("task", ""))}
    spec = entry.spec
    kind, when = _when(spec.schedule)
    zone = spec.schedule.timezone
    return {
        **empty,
        "name": entry.name,
        "task": spec.task,
        "kind": kind,
        "when": when,
        "timezone": str(zone) if zone is not None else "",
        "args": json.dumps(list(spec.args), ensure_ascii=False, default=repr) if spec.args else "",
        "kwargs": json.dumps(dict(spec.kwargs), ensure_ascii=False, default=repr) if spec.kwargs else "",
        "queue": str(spec.options.get("queue") or ""),
        "misfire": spec.misfire,
        "overlap": spec.overlap,
        "jitter": f"{spec.jitter:g}s" if spec.jitter else "",
        "description": spec.description,
    }


def _when(found: Any) -> tuple[str, str]:
    """Write a schedule as a person would type it."""
    if isinstance(found, crontab):
        fields = (found._orig_minute, found._orig_hour, found._orig_day_of_month, found._orig_month_of_year, found._orig_day_of_week)  # noqa: SLF001
        return "cron", " ".join(str(each).replace(" ", "") for each in fields)
    if isinstance(found, solar):
        return "solar", f"{found.event},{found.lat:g},{found.lon:g}"
    if isinstance(found, clocked):
        return "at", str(getattr(found, "clocked_time", ""))
    if isinstance(found, schedule):
        return "every", f"{found.run_every.total_seconds():g}s"
    return "cron", ""


def schedules(request: Request) -> Response:
    """Show all entries."""
    monitor, now = desk_of(request).monitor, SYSTEM.now()
    entries = monitor.answers.ask("schedules", 1.0, monitor.app.schedules.list)
    runs = monitor.answers.ask("schedule runs", 1.0, lambda: monitor.app.schedules.history(None, 20))
    return show(
        request,
        "schedules.html",
        rows=[row_of(entry, now) for entry in entries],
        runs=runs,
        took=took,
        holder=monitor.answers.ask("schedule holder", 2.0, monitor.app.schedules.store.holder),
        where=monitor.app.schedules.store.public_url(),
        **_choices(monitor, None),
    )


def _choices(monitor: Monitor, entry: Entry | None) -> dict[str, Any]:
    names = sorted(name for name in monitor.app.tasks if not name.startswith(("celery.", "umbel.")))
    return {"form": form_of(entry), "tasks": names, "queues": monitor.asking.queue_names()}


def entry(request: Request) -> Response:
    """Show one entry."""
    monitor, name = desk_of(request).monitor, request.path_params["entry"]
    try:
        found = monitor.app.schedules.get(name)
    except NoSuchEntry as error:
        raise HTTPException(404, f"There is no periodic entry {name}.") from error
    return show(
        request,
        "schedule.html",
        row=row_of(found, SYSTEM.now(), _NEXT),
        runs=monitor.app.schedules.history(name, _RUNS),
        took=took,
        **_choices(monitor, found),
    )


ROUTES = [Route("/schedules", schedules), *(action.route for action in acts.ACTIONS), Route("/schedules/{entry:path}", entry)]
