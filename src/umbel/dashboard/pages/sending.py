"""The form by which a task is sent."""

from __future__ import annotations

import inspect
import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from umbel.app.argument_check import signature
from umbel.dashboard.actions.tasks import arguments_of
from umbel.dashboard.security.people import Role
from umbel.dashboard.web.desk import desk_of, visitor_of
from umbel.dashboard.web.rendering import show


def sending(request: Request) -> Response:
    """Show the form, filled with a task that is to be sent again, or with an example of one."""
    monitor = desk_of(request).monitor
    if not visitor_of(request).may(Role.ADMIN):  # it shows arguments as they are
        raise HTTPException(403, "To send tasks, you need the role admin.")
    chosen, again = request.query_params.get("name", ""), request.query_params.get("again", "")
    form = {"name": chosen, "args": "", "kwargs": "", "queue": ""}
    known = arguments_of(monitor, again) if again else None
    run = monitor.history.run(again) if again else None
    if known is not None:
        form = {
            "name": known.name,
            "args": json.dumps(list(known.args), ensure_ascii=False, default=repr),
            "kwargs": json.dumps(dict(known.kwargs), ensure_ascii=False, default=repr),
            "queue": known.queue or "",
        }
    elif run is not None:
        form["name"] = run["name"] or ""
    tasks = sorted(name for name in monitor.app.tasks if not name.startswith(("celery.", "umbel.")))
    return show(
        request,
        "send.html",
        form=form,
        preview=None if known is not None or run is None else f"{run['args'] or '()'} {run['kwargs'] or '{}'}",
        tasks=tasks,
        signatures={name: signature_of(monitor.app.tasks[name]) for name in tasks},
        queues=monitor.asking.queue_names(),
    )


def signature_of(task: Any) -> str:
    """Write how a ``task`` is called; empty where that is not known."""
    found = signature(task.run)
    if found is None:
        return ""
    parameters = [each.replace(annotation=inspect.Parameter.empty) for each in found.parameters.values()]
    if parameters and parameters[0].name == "self" and not inspect.ismethod(task.run):
        parameters = parameters[1:]
    return str(found.replace(parameters=parameters, return_annotation=inspect.Signature.empty))


ROUTES = [Route("/send", sending)]
