"""Dead letters: what could not be run, and why."""

from __future__ import annotations

import contextlib
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from umbel.cli.dead_letters import DeadLetter, read
from umbel.dashboard.actions import dead as acts
from umbel.dashboard.live.monitor import Monitor
from umbel.dashboard.web import words
from umbel.dashboard.web.desk import desk_of
from umbel.dashboard.web.rendering import show
from umbel.reasons import DeadReason

#: Letters of one queue that are shown, and bytes of a body.
_MOST, _BODY = 100, 5_000


def dead(request: Request) -> Response:
    """Show the dead letters of all queues."""
    monitor = desk_of(request).monitor
    monitor.asking.has_asked.wait(3.0)
    counts = [(row.queue, row.dead) for row in monitor.asking.queues if row.dead]
    letters = monitor.answers.ask(f"dead {counts}", 3.0, lambda: letters_of(monitor, [name for name, _ in counts]))
    return show(request, "dead.html", counts=counts, letters=letters, most=_MOST, reasons=[str(each.value) for each in DeadReason])


def letters_of(monitor: Monitor, names: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Read the oldest dead letters of some queues.

    Args:
        monitor: of their app.
        names: of the queues.
    """
    with contextlib.closing(monitor.app.broker.queue_client()) as client:
        return {name: [_row(letter, monitor) for letter in read(client, name, most=_MOST)] for name in names}


def _row(letter: DeadLetter, monitor: Monitor) -> dict[str, Any]:
    document = letter.document(body=True)
    headers = letter.delivery.headers
    return {
        **document,
        "headers": words.without_secrets(document["headers"], monitor.options.hide),
        "age": letter.age,
        "call": words.call(headers.get("argsrepr"), headers.get("kwargsrepr"), monitor.options.hide),
        "body": words.hidden(words.clean(document["body"][:_BODY]), monitor.options.hide),
    }


ROUTES = [Route("/dead", dead), *(action.route for action in acts.ACTIONS)]
