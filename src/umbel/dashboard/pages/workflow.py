"""The workflow that a task is part of, as a graph."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from umbel import states
from umbel.cli.workflow_tree import lines_of, waiting
from umbel.dashboard.live.monitor import Monitor
from umbel.dashboard.web.desk import desk_of
from umbel.dashboard.web.drawing import draw
from umbel.dashboard.web.rendering import show
from umbel.results.workflow import Workflow
from umbel.results.workflow.reading import reader_of

#: Tasks and groups that are drawn; of larger ones a list is shown, which sums up.
_DRAWN = 150
#: Tasks and groups that are read.
_READ = 5_000


def workflow(request: Request) -> Response:
    """Show a workflow."""
    monitor, task_id = desk_of(request).monitor, request.path_params["task_id"]
    store = monitor.app.store
    if store is None or not store.shared:
        raise HTTPException(400, "The app has no result store that others can read, so its workflows cannot be looked at.")
    found = monitor.answers.ask(f"workflow {task_id}", 1.0, lambda: _read(monitor, task_id))
    ended = sum(1 for node in found.tasks if node.state in states.READY_STATES)
    return show(
        request,
        "workflow.html",
        task_id=task_id,
        workflow=found,
        picture=draw(found) if len(found) <= _DRAWN else None,
        lines=lines_of(found),
        waiting=waiting(found),
        ended=ended,
        names={node.id: node.name or (monitor.history.run(node.id) or {}).get("name") for node in found} if len(found) <= _DRAWN else {},
    )


def _read(monitor: Monitor, task_id: str) -> Workflow:
    return reader_of(monitor.app.AsyncResult(task_id), None, _READ).read()


ROUTES = [Route("/workflows/{task_id:str}", workflow)]
