"""Actions on tasks: retry, revoke, terminate, forget, send."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from umbel.dashboard.history.query import Query, parse
from umbel.dashboard.live.monitor import Monitor
from umbel.dashboard.security.people import Role
from umbel.dashboard.web.acting import Action, Order, Refused
from umbel.errors import UmbelError

#: Tasks that one action takes at most.
MOST: Final = 1_000
#: The end of a preview that was cut.
_CUT: Final = ("...", "…")


class Arguments(NamedTuple):
    """The arguments of a task, to be sent again."""

    name: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    queue: str | None


def arguments_of(monitor: Monitor, task_id: str) -> Arguments | None:
    """Find the arguments of a task: in the result store (``result_extended``), or in the preview that events carry, if it is whole and of plain values.

    Args:
        monitor: whose store and history.
        task_id: of the task.
    """
    run = monitor.history.run(task_id) or {}
    store = monitor.app.store
    extended: Mapping[str, Any] = {}
    if store is not None and store.shared:
        try:
            record = store.fetch([task_id]).get(task_id)
            extended = record.extended if record is not None else {}
        except UmbelError:
            extended = {}
    name = run.get("name") or extended.get("name")
    args, kwargs = extended.get("args"), extended.get("kwargs")
    if not isinstance(args, (list, tuple)):
        args = _literal(run.get("args"), (list, tuple))
    if not isinstance(kwargs, Mapping):
        kwargs = _literal(run.get("kwargs"), dict)
    if not name or args is None or kwargs is None:
        return None
    return Arguments(name, args, kwargs, run.get("queue") or extended.get("queue"))


def _literal(text: str | None, kind: Any) -> Any:
    """Read a preview; ``None`` where it was cut, or shows something that is no plain value."""
    if text is None or any(mark in text for mark in _CUT):
        return None
    try:
        value = ast.literal_eval(text)
        json.dumps(value)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return None
    return value if isinstance(value, kind) else None


def send_again(monitor: Monitor, task_id: str) -> str:
    """Send a task again, under a new id, which is returned.

    Args:
        monitor: whose app.
        task_id: of the task.

    Raises:
        Refused: its arguments are not known.
    """
    found = arguments_of(monitor, task_id)
    if found is None:
        raise Refused(
            f"the arguments of {task_id} are known as a shortened preview only: use “Edit and send again”, or let workers keep them (result_extended)"
        )
    options = {"queue": found.queue} if found.queue and found.queue in monitor.asking.queue_names() else {}
    result = monitor.app.send_task(found.name, args=found.args, kwargs=found.kwargs, **options)
    monitor.app.publisher.flush()
    return str(result.id)


def retry(order: Order) -> str:
    """Send one task again."""
    return f"sent again, as {send_again(order.desk.monitor, order.subject)}"


def revoke(order: Order) -> str:
    """Have a task not run."""
    order.desk.monitor.app.control.revoke(order.subject)
    return f"revoked {order.subject}: it will not begin any more"


def terminate(order: Order) -> str:
    """End a task that runs."""
    signal = order.get("signal", "SIGTERM")
    if signal not in {"SIGTERM", "SIGKILL", "SIGUSR1"}:
        raise Refused(f"the signal is SIGTERM, SIGKILL or SIGUSR1, not {signal[:20]!r}")
    order.desk.monitor.app.control.revoke(order.subject, terminate=True, signal=signal)
    return f"asked the workers to end {order.subject} ({signal})"


def forget(order: Order) -> str:
    """Drop the stored result of a task."""
    store = order.desk.monitor.app.store
    if store is None:
        raise Refused("the app has no result store")
    store.forget([order.subject])
    return f"forgot the result of {order.subject}"


def _chosen(order: Order) -> list[str]:
    """Return the ids that were ticked, or that a search finds."""
    ids = list(order.lists.get("id", ()))
    if order.get("all"):
        query: Query = parse(order.get("q"), **{name: order.get(name) for name in ("state", "name", "worker", "queue")})
        if query.is_open:
            raise Refused("a search that finds all tasks is too wide: choose a state or a name first")
        ids = order.desk.monitor.history.ids(query, MOST)
    if not ids:
        raise Refused("no task is chosen")
    if len(ids) > MOST:
        raise Refused(f"{MOST:,} tasks at most, {len(ids):,} are chosen")
    return ids


def retry_many(order: Order) -> str:
    """Send several tasks again."""
    sent, left = 0, 0
    for task_id in _chosen(order):
        try:
            send_again(order.desk.monitor, task_id)
            sent += 1
        except Refused:
            left += 1
    if not sent:
        raise Refused("none was sent: their arguments are known as shortened previews only")
    return f"sent {sent:,} again" + (f"; of {left:,} the arguments are not known" if left else "")


def revoke_many(order: Order) -> str:
    """Have several tasks not run."""
    ids = _chosen(order)
    order.desk.monitor.app.control.revoke(ids)
    return f"revoked {len(ids):,}"


def send(order: Order) -> str:
    """Send a new task."""
    monitor, name = order.desk.monitor, order.get("name")
    if not name:
        raise Refused("which task? Its name is missing")
    if name not in monitor.app.tasks and not order.get("force"):
        raise Refused(f"this app has no task {name!r}; tick “the workers know it” if they do")
    options: dict[str, Any] = {}
    if order.get("queue"):
        options["queue"] = order.get("queue")
    if order.get("countdown"):
        options["countdown"] = order.number("countdown", 0, 10 * 365 * 86_400)
    if order.get("eta"):
        options["eta"] = _moment(order.get("eta"))
    if order.get("expires"):
        options["expires"] = order.number("expires", 0, 10 * 365 * 86_400)
    if order.get("priority"):
        options["priority"] = int(order.number("priority", 0, 255))
    args, kwargs = json_of(order, "args", list, "[30, 42]"), json_of(order, "kwargs", dict, '{"x": 30}')
    if name in monitor.app.tasks:
        try:
            result = monitor.app.tasks[name].apply_async(args, kwargs, **options)
        except TypeError as error:
            raise Refused(str(error)) from error
    else:
        result = monitor.app.send_task(name, args=args, kwargs=kwargs, **options)
    monitor.app.publisher.flush()
    return f"sent {name} as {result.id}"


def json_of(order: Order, name: str, kind: type, example: str) -> Any:
    """Read a field that is JSON; an empty one is an empty list or object.

    Args:
        order: whose field.
        name: of the field.
        kind: list or dict.
        example: for the error.

    Raises:
        Refused: it is none.
    """
    text = order.get(name)
    if not text:
        return kind()
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused(f"{name} is not JSON: {error}. Write it like {example}") from error
    if not isinstance(value, kind):
        raise Refused(f"{name}: expected JSON like {example}, got {text[:40]}")
    return value


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise Refused(f"{text[:40]!r} is not a time: write 2030-01-31T12:00") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


ACTIONS: Final = (
    Action(name="send task", path="/send", role=Role.ADMIN, do=send),
    Action(name="retry tasks", path="/tasks/retry", role=Role.OPERATOR, do=retry_many),
    Action(name="revoke tasks", path="/tasks/revoke", role=Role.OPERATOR, do=revoke_many),
    Action(name="retry task", path="/tasks/{task_id:str}/retry", role=Role.OPERATOR, do=retry),
    Action(name="revoke task", path="/tasks/{task_id:str}/revoke", role=Role.OPERATOR, do=revoke),
    Action(name="terminate task", path="/tasks/{task_id:str}/terminate", role=Role.OPERATOR, do=terminate),
    Action(name="forget result", path="/tasks/{task_id:str}/forget", role=Role.ADMIN, do=forget),
)
