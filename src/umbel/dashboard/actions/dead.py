"""Actions on dead letters: send again, drop."""

from __future__ import annotations

import contextlib
from typing import Final

from umbel.cli.commands.dead import replay as replay_one
from umbel.cli.dead_letters import Selection
from umbel.cli.output import count
from umbel.dashboard.security.people import Role
from umbel.dashboard.web.acting import Action, Order, Refused


def _selection(order: Order) -> Selection:
    ids = frozenset(order.lists.get("id", ()))
    if not ids and not order.get("all"):
        raise Refused("no dead letter is chosen")
    return Selection(ids=ids)


def replay(order: Order) -> str:
    """Send dead letters to their queue again."""
    chosen, monitor, done = _selection(order), order.desk.monitor, 0
    with contextlib.closing(monitor.app.broker.queue_client()) as client:
        for letter in chosen.among(client, (order.subject,)):
            replay_one(monitor.loaded, client, letter)
            done += 1
    if not done:
        raise Refused("none of them is there any more")
    return f"sent {count(done, 'dead letter')} of {order.subject} again"


def drop(order: Order) -> str:
    """Drop dead letters."""
    chosen, monitor = _selection(order), order.desk.monitor
    with contextlib.closing(monitor.app.broker.queue_client()) as client:
        done = sum(client.ack(letter.delivery) for letter in chosen.among(client, (order.subject,)))
    if not done:
        raise Refused("none of them is there any more")
    return f"dropped {count(done, 'dead letter')} of {order.subject}"


ACTIONS: Final = (
    Action(name="replay dead letters", path="/dead/{queue:str}/replay", role=Role.OPERATOR, do=replay),
    Action(name="drop dead letters", path="/dead/{queue:str}/drop", role=Role.ADMIN, do=drop, is_dangerous=True),
)
