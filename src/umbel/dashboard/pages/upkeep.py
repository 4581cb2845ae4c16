"""Health, settings, the audit log."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from umbel.app.config.schema import SETTINGS
from umbel.cli.doctor.command import MARKS, findings_of
from umbel.dashboard.live.monitor import Monitor
from umbel.dashboard.web.desk import desk_of
from umbel.dashboard.web.rendering import show


def health(request: Request) -> Response:
    """Show what `umbel doctor` finds, and how the dashboard itself is."""
    monitor = desk_of(request).monitor
    findings = monitor.answers.ask("doctor", 30.0, lambda: list(findings_of(monitor.loaded, 1.0)))
    subjects: dict[str, list[dict[str, Any]]] = {}
    for each in findings:
        subjects.setdefault(each.subject, []).append({"level": MARKS[each.level][0], "text": each.text, "advice": each.advice})
    return show(request, "health.html", subjects=subjects, listening=monitor.listening, **_history(monitor))


def _history(monitor: Monitor) -> dict[str, Any]:
    options = monitor.options
    return {
        "history_file": monitor.database.path if monitor.database.is_kept else None,
        "history_size": monitor.database.size(),
        "history_runs": sum(monitor.history.states().values()),
        "keep": options.keep,
        "keep_runs": options.keep_runs,
        "pages": len(monitor.changes),
        "broker": monitor.app.broker.public_url(),
        "store": monitor.app.store.public_url() if monitor.app.store is not None else None,
    }


def settings(request: Request) -> Response:
    """Show the settings of the app, secrets hidden."""
    conf = desk_of(request).monitor.app.conf
    everything = request.query_params.get("all") == "1"
    given = set(conf.table())
    rows = [
        {
            "name": name,
            "value": value,
            "meaning": SETTINGS[name].meaning if name in SETTINGS else "of another package",
            "is_given": name in given,
        }
        for name, value in conf.table(with_defaults=everything).items()
    ]
    return show(request, "settings.html", rows=rows, everything=everything)


def audit(request: Request) -> Response:
    """Show who did what."""
    return show(request, "audit.html", rows=desk_of(request).monitor.audit.latest())


ROUTES = [Route("/health", health), Route("/settings", settings), Route("/audit", audit)]
