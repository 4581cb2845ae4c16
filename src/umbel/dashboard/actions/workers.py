"""Actions on workers: their pool, their queues, limits of tasks, shutdown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from umbel.cli.output import count
from umbel.dashboard.security.people import Role
from umbel.dashboard.web.acting import Action, Order, Refused, told

#: Seconds that workers may take to answer.
_PATIENCE: Final = 5.0
#: Slots that one step may add or take.
_MOST_SLOTS: Final = 1_000


def _tell(order: Order, command: str, arguments: Mapping[str, Any], done: str) -> str:
    """Tell the worker that the order is about, or all."""
    monitor, to = order.desk.monitor, [order.subject] if order.subject else None
    limit = 1 if to else monitor.fleet.alive or None  # whoever has answered is waited for no longer
    replies = monitor.app.control.broadcast(command, arguments, destination=to, reply=True, timeout=_PATIENCE, limit=limit)
    return told(replies, done)


def grow(order: Order) -> str:
    """Give a worker more slots."""
    number = int(order.number("n", 1, _MOST_SLOTS))
    return _tell(order, "pool_grow", {"n": number}, f"gave {order.subject} {count(number, 'more slot')}")


def shrink(order: Order) -> str:
    """Take slots from a worker."""
    number = int(order.number("n", 1, _MOST_SLOTS))
    return _tell(order, "pool_shrink", {"n": number}, f"took {count(number, 'slot')} from {order.subject}, when their tasks have ended")


def autoscale(order: Order) -> str:
    """Change the bounds between which a worker scales itself."""
    least, most = int(order.number("min", 0, _MOST_SLOTS)), int(order.number("max", 1, _MOST_SLOTS))
    if least > most:
        raise Refused(f"at least {least} slots and at most {most} cannot both be")
    return _tell(order, "autoscale", {"min": least, "max": most}, f"{order.subject} scales from {least} to {most} slots")


def consume(order: Order) -> str:
    """Have a worker read one more queue."""
    return _tell(order, "add_consumer", {"queue": _queue(order)}, f"{order.subject} reads {_queue(order)}")


def cancel(order: Order) -> str:
    """Have a worker read one queue less."""
    return _tell(order, "cancel_consumer", {"queue": _queue(order)}, f"{order.subject} reads {_queue(order)} no more")


def _queue(order: Order) -> str:
    name = order.get("queue")
    if not name or len(name) > 255:
        raise Refused("which queue? Its name is missing")
    return name


def rate_limit(order: Order) -> str:
    """Change the rate limit of a task, on one worker or on all."""
    task, rate = order.get("task"), order.get("rate") or "0"
    if not task:
        raise Refused("which task? Its name is missing")
    return _tell(order, "rate_limit", {"task_name": task, "rate_limit": rate}, f"{task}: {'no rate limit' if rate == '0' else rate}")


def time_limit(order: Order) -> str:
    """Change the time limits of a task, on one worker or on all."""
    task = order.get("task")
    if not task:
        raise Refused("which task? Its name is missing")
    soft = order.number("soft", 0.001, 10 * 86_400) if order.get("soft") else None
    hard = order.number("hard", 0.001, 10 * 86_400) if order.get("hard") else None
    return _tell(
        order, "time_limit", {"task_name": task, "soft": soft, "hard": hard}, f"{task}: soft {soft or '–'} s, hard {hard or '–'} s"
    )


def events(order: Order) -> str:
    """Have all workers tell of their tasks."""
    return _tell(order, "enable_events", {}, "workers tell of their tasks now")


def restart(order: Order) -> str:
    """Replace the children of a worker."""
    return _tell(order, "pool_restart", {}, f"{order.subject} replaces its processes")


def shutdown(order: Order) -> str:
    """Have a worker stop when its tasks have ended."""
    order.desk.monitor.app.control.shutdown(destination=[order.subject])
    return f"told {order.subject} to stop; what runs may end"


ACTIONS: Final = (
    Action(name="enable events", path="/workers/events", role=Role.OPERATOR, do=events),
    Action(name="rate limit", path="/limits/rate", role=Role.OPERATOR, do=rate_limit),
    Action(name="time limit", path="/limits/time", role=Role.OPERATOR, do=time_limit),
    Action(name="grow pool", path="/workers/{node:str}/grow", role=Role.OPERATOR, do=grow),
    Action(name="shrink pool", path="/workers/{node:str}/shrink", role=Role.OPERATOR, do=shrink),
    Action(name="autoscale", path="/workers/{node:str}/autoscale", role=Role.OPERATOR, do=autoscale),
    Action(name="add consumer", path="/workers/{node:str}/consume", role=Role.OPERATOR, do=consume),
    Action(name="cancel consumer", path="/workers/{node:str}/cancel", role=Role.OPERATOR, do=cancel),
    Action(name="worker rate limit", path="/workers/{node:str}/rate", role=Role.OPERATOR, do=rate_limit),
    Action(name="worker time limit", path="/workers/{node:str}/time", role=Role.OPERATOR, do=time_limit),
    Action(name="restart pool", path="/workers/{node:str}/restart", role=Role.OPERATOR, do=restart),
    Action(name="shut down worker", path="/workers/{node:str}/shutdown", role=Role.ADMIN, do=shutdown, is_dangerous=True),
)
