"""Actions on queues: pause, resume, purge."""

from __future__ import annotations

from typing import Final

from umbel.cli.output import count
from umbel.dashboard.security.people import Role
from umbel.dashboard.web.acting import Action, Order


def pause(order: Order) -> str:
    """Have no worker take messages from a queue."""
    order.desk.monitor.app.control.pause_queues(order.subject)
    return f"paused {order.subject}: workers take nothing from it until it is resumed"


def resume(order: Order) -> str:
    """Let workers take messages again."""
    order.desk.monitor.app.control.resume_queues(order.subject)
    return f"resumed {order.subject}"


def purge(order: Order) -> str:
    """Drop the messages that wait in a queue."""
    dropped = order.desk.monitor.app.control.purge([order.subject])
    return f"dropped {count(dropped, 'message')} of {order.subject}"


ACTIONS: Final = (
    Action(name="pause queue", path="/queues/{queue:str}/pause", role=Role.OPERATOR, do=pause),
    Action(name="resume queue", path="/queues/{queue:str}/resume", role=Role.OPERATOR, do=resume),
    Action(name="purge queue", path="/queues/{queue:str}/purge", role=Role.ADMIN, do=purge, is_dangerous=True),
)
