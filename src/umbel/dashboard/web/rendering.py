"""Pages from templates. Whatever is put into one is escaped."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from umbel._version import __version__
from umbel.dashboard.security.people import Role
from umbel.dashboard.web import words
from umbel.dashboard.web.desk import Desk, Visitor, desk_of, visitor_of
from umbel.runtime.clock import SYSTEM

HERE: Final = Path(__file__).resolve().parent.parent
#: Sent by a page that keeps itself current.
LIVE_HEADER: Final = "x-umbel-live"
#: Title, path, icon, key after "g"; a line between groups.
MENU: Final = (
    ("Overview", "/", "home", "o"),
    ("Tasks", "/tasks", "list", "t"),
    ("Queues", "/queues", "queue", "q"),
    ("Workers", "/workers", "cpu", "w"),
    None,
    ("Schedules", "/schedules", "repeat", "s"),
    ("Waiting for their time", "/scheduled", "clock", "e"),
    ("Dead letters", "/dead", "dead", "d"),
    None,
    ("Health", "/health", "heart", "h"),
    ("Settings", "/settings", "gear", "c"),
    ("Audit log", "/audit", "book", "a"),
)


@functools.cache
def environment() -> Environment:
    """Return the templates."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    for name in ("number", "short", "duration", "percent", "moment", "iso", "clean", "pretty", "size", "last_line"):
        made.filters[name] = getattr(words, name)
    made.globals.update(state_of=words.state_of, menu=MENU, version=__version__, Role=Role)
    made.globals["m"] = made.get_template("macros.html").module
    return made


def show(request: Request, template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a page.

    Args:
        request: that asks for it.
        template: its file's name.
        status: of the answer.
        **values: that the template wants.
    """
    desk, visitor = desk_of(request), visitor_of(request)
    root = request.scope.get("root_path", "")
    shared = {
        "root": root,
        "path": request.url.path.removeprefix(root) or "/",
        "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        "visitor": visitor,
        "person": visitor.person,
        "now": SYSTEM.now(),
        # A page that looks again by itself must not take the note that the next one is to show.
        "notes": [] if LIVE_HEADER in request.headers else desk.notes.take(visitor.visit),
        **_about(desk, visitor),
    }
    return HTMLResponse(environment().get_template(template).render(**{**shared, **values}), status)


def _about(desk: Desk, visitor: Visitor) -> dict[str, Any]:
    if visitor.person is None:
        return {"app_name": "", "problems": [], "badges": {}, "environment": desk.options.environment, "can_log_out": False, "sample": 1}
    monitor = desk.monitor
    dead = sum(row.dead for row in monitor.asking.queues)
    return {
        "app_name": monitor.app.main or monitor.loaded.path or "app",
        "problems": list(dict.fromkeys(each for each in (monitor.listening.problem, monitor.asking.problem) if each)),
        "badges": {"/dead": dead} if dead else {},
        "environment": desk.options.environment,
        "sample": monitor.recorder.sample,
        "can_log_out": bool(desk.options.people) and not desk.options.basic,
    }
