"""Actions on periodic entries: add, edit, pause, resume, run now, reset, remove."""

from __future__ import annotations

from typing import Any, Final

import click

from umbel.cli.periodic.options import fields_of
from umbel.dashboard.actions.tasks import json_of
from umbel.dashboard.security.people import Role
from umbel.dashboard.web.acting import Action, Order, Refused
from umbel.errors import ImproperlyConfigured
from umbel.schedules import parsing

#: Fields of the form that are options of ``umbel schedule add``.
_SAME: Final = ("queue", "misfire", "overlap", "description")


def fields_from(order: Order) -> dict[str, Any]:
    """Read the form of an entry; what is empty is left out.

    Args:
        order: with the form's fields: kind (every, cron, at or solar), when, timezone, args, kwargs and others.

    Raises:
        Refused: a field cannot be read.
    """
    kind, when = order.get("kind"), order.get("when")
    if kind not in {"every", "cron", "at", "solar"} or not when:
        raise Refused("when is it due? Choose a kind of schedule and say when")
    given: dict[str, Any] = {
        **dict.fromkeys(
            (
                "every", "cron", "at", "solar", "relative", "timezone", "args_text", "kwargs_text", "queue", "priority", "expires", "misfire",
                "misfire_grace", "misfire_limit", "jitter", "overlap", "expire_at_next", "description",
            )
        ),
        "workers": (),
        "more": (),
        kind: when,
        "timezone": order.get("timezone") or None,
    }  # fmt: skip
    given.update({name: order.get(name) or None for name in _SAME})
    try:
        fields = fields_of(given)
        if order.get("jitter"):
            fields["jitter"] = parsing.duration(order.get("jitter"))
    except click.ClickException as error:
        raise Refused(error.message) from error
    except ImproperlyConfigured as error:
        raise Refused(str(error)) from error
    fields["args"], fields["kwargs"] = json_of(order, "args", list, "[30, 42]"), json_of(order, "kwargs", dict, '{"x": 30}')
    return fields


def add(order: Order) -> str:
    """Add an entry."""
    name, task = order.get("name"), order.get("task")
    if not name or not task:
        raise Refused("an entry needs a name and a task")
    fields = fields_from(order)
    schedule = fields.pop("schedule")
    order.desk.monitor.app.schedules.add(name, task, schedule, paused=bool(order.get("paused")), force=bool(order.get("force")), **fields)
    return f"added {name}"


def edit(order: Order) -> str:
    """Change an entry."""
    fields = fields_from(order)
    if not fields.get("options"):
        entry = order.desk.monitor.app.schedules.get(order.subject)
        kept = dict(entry.spec.options) if entry.spec is not None else {}
        kept.pop("queue", None)
        fields["options"] = kept
    fields.setdefault("description", "")
    order.desk.monitor.app.schedules.edit(order.subject, force=bool(order.get("force")), task=order.get("task"), **fields)
    return f"changed {order.subject}: it is kept as a person's from now on, and a deploy leaves it alone"


def pause(order: Order) -> str:
    """Do not send an entry until it is resumed."""
    order.desk.monitor.app.schedules.pause(order.subject)
    return f"paused {order.subject}"


def resume(order: Order) -> str:
    """Send an entry again."""
    order.desk.monitor.app.schedules.resume(order.subject)
    return f"resumed {order.subject}"


def run(order: Order) -> str:
    """Send an entry's task now."""
    result = order.desk.monitor.app.schedules.run(order.subject)
    return f"sent {order.subject} as {result.id}"


def reset(order: Order) -> str:
    """Let an entry be what the code says."""
    order.desk.monitor.app.schedules.reset(order.subject)
    return f"reset {order.subject}: it is what the code says"


def remove(order: Order) -> str:
    """Remove an entry."""
    order.desk.monitor.app.schedules.remove(order.subject)
    return f"removed {order.subject}"


ACTIONS: Final = (
    Action(name="add schedule", path="/schedules/add", role=Role.ADMIN, do=add),
    Action(name="edit schedule", path="/schedules/{entry:path}/edit", role=Role.ADMIN, do=edit),
    Action(name="pause schedule", path="/schedules/{entry:path}/pause", role=Role.OPERATOR, do=pause),
    Action(name="resume schedule", path="/schedules/{entry:path}/resume", role=Role.OPERATOR, do=resume),
    Action(name="run schedule", path="/schedules/{entry:path}/run", role=Role.OPERATOR, do=run),
    Action(name="reset schedule", path="/schedules/{entry:path}/reset", role=Role.ADMIN, do=reset),
    Action(name="remove schedule", path="/schedules/{entry:path}/remove", role=Role.ADMIN, do=remove, is_dangerous=True),
)
