"""The queues, and one of them with the messages at its head."""

from __future__ import annotations

import contextlib
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from umbel.cli.queues.contents import document
from umbel.dashboard.actions import queues as acts
from umbel.dashboard.history.query import Query
from umbel.dashboard.live.monitor import Monitor
from umbel.dashboard.web import words
from umbel.dashboard.web.desk import desk_of
from umbel.dashboard.web.rendering import show

#: Messages of a queue that are looked at.
_HEAD = 20


def readers_of(monitor: Monitor, queue: str) -> list[str]:
    """List the workers that read a queue.

    Args:
        monitor: what is known.
        queue: its name.
    """
    return sorted(node for node, names in monitor.asking.read.items() if queue in names)


def queues(request: Request) -> Response:
    """Show all queues."""
    monitor = desk_of(request).monitor
    monitor.asking.has_asked.wait(3.0)
    rows = [(row, readers_of(monitor, row.queue)) for row in monitor.asking.queues]
    return show(request, "queues.html", rows=rows, peeks=monitor.app.broker.capabilities.peeks, broker=monitor.app.broker.public_url())


def queue(request: Request) -> Response:
    """Show one queue."""
    monitor = desk_of(request).monitor
    monitor.asking.has_asked.wait(3.0)
    name = request.path_params["queue"]
    row = next((row for row in monitor.asking.queues if row.queue == name), None)
    if row is None:
        raise HTTPException(404, f"There is no queue {name}: neither the app nor a worker names it.")
    peeks = monitor.app.broker.capabilities.peeks
    return show(
        request,
        "queue.html",
        row=row,
        readers=readers_of(monitor, name),
        peeks=peeks,
        head=monitor.answers.ask(f"peek {name}", 2.0, lambda: _head(monitor, name)) if peeks else [],
        runs=monitor.history.search(Query(queue=name, limit=10)).runs,
        call=lambda each: words.call(each["args"], each["kwargs"], monitor.options.hide),
    )


def _head(monitor: Monitor, name: str) -> list[dict[str, Any]]:
    with contextlib.closing(monitor.app.broker.queue_client()) as client:
        return [document(delivery) for delivery in client.peek(name, _HEAD)]


ROUTES = [Route("/queues", queues), *(action.route for action in acts.ACTIONS), Route("/queues/{queue:str}", queue)]
