"""Replies of workers as tables. Pure.

Nothing in a reply is trusted: it may come from another version, or from Celery; what has not the expected form is shown as it is.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from umbel.cli.output import ago, as_json

#: A row's cells, without the node's name.
Row = Sequence[object]


@dataclass(frozen=True, slots=True)
class Table:
    """The form of one command's replies.

    Args:
        titles: of the columns after the node's.
        rows: makes rows of one reply, at a time in seconds since the epoch.
    """

    titles: tuple[str, ...]
    rows: Callable[[Any, float], Iterator[Row]]


def _tasks(reply: Any, now: float) -> Iterator[Row]:
    for task in reply:
        started = task["time_start"]
        yield task["name"], task["id"], None if started is None else ago(now - started), _call(task)


def _reserved(reply: Any, now: float) -> Iterator[Row]:  # noqa: ARG001 - as every table has it
    for task in reply:
        yield task["name"], task["id"], _call(task)


def _scheduled(reply: Any, now: float) -> Iterator[Row]:  # noqa: ARG001
    for each in reply:
        task = each["request"]
        yield each["eta"], task["name"], task["id"], _call(task)


def _queried(reply: Any, now: float) -> Iterator[Row]:  # noqa: ARG001
    for task_id, (state, task) in reply.items():
        yield task_id, state, task["name"], _call(task)


def _queues(reply: Any, now: float) -> Iterator[Row]:  # noqa: ARG001
    for queue in reply:
        yield queue["name"], queue["exchange"]["name"], queue["exchange"]["type"], queue["routing_key"]


def _each(reply: Any, now: float) -> Iterator[Row]:  # noqa: ARG001
    if not isinstance(reply, list):
        raise TypeError
    for value in reply:
        yield (value,)


def _fields(reply: Any, now: float) -> Iterator[Row]:  # noqa: ARG001
    yield from flat(reply)


def flat(value: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Name each value of nested mappings by its path: ``pool.processes``.

    Args:
        value: the mapping.
        before: the path so far.
    """
    for name, each in value.items():
        path = f"{before}{name}"
        if isinstance(each, Mapping) and each:
            yield from flat(each, f"{path}.")
        else:
            yield path, each if isinstance(each, str) else as_json(each)


_EACH_ID: Final = Table(("ID",), _each)
TABLES: Final = {
    "active": Table(("TASK", "ID", "FOR", "CALL"), _tasks),
    "reserved": Table(("TASK", "ID", "CALL"), _reserved),
    "scheduled": Table(("ETA", "TASK", "ID", "CALL"), _scheduled),
    "query_task": Table(("ID", "STATE", "TASK", "CALL"), _queried),
    "active_queues": Table(("QUEUE", "EXCHANGE", "TYPE", "ROUTING KEY"), _queues),
    "registered": Table(("TASK",), _each),
    "revoked": _EACH_ID,
    "stats": Table(("FIELD", "VALUE"), _fields),
    "conf": Table(("SETTING", "VALUE"), _fields),
    "clock": Table(("FIELD", "VALUE"), _fields),
}


def rows_of(name: str, reply: Any, now: float) -> list[Row] | None:
    """Make the rows of one node's reply.

    Args:
        name: of the command.
        reply: of the node.
        now: seconds since the epoch.

    Returns:
        ``None`` where there is no table for this command, or the reply has another form.
    """
    table = TABLES.get(name)
    if table is None:
        return None
    try:
        return list(table.rows(reply, now))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        return None


def sentence(reply: Any) -> tuple[bool, str]:
    """Say a reply in one text, and whether it is no error.

    Args:
        reply: of a node.
    """
    if isinstance(reply, Mapping) and len(reply) == 1:
        ((word, value),) = reply.items()
        if word in {"ok", "error"}:
            return word == "ok", _error(value) if word == "error" and isinstance(value, str) else _text(value)
    return True, _text(reply)


def _error(text: str) -> str:
    """An error without the Python around it: ``ValueError('Autoscale not enabled')`` is *Autoscale not enabled*."""
    try:
        call = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and len(call.args) == 1 and isinstance(call.args[0], ast.Constant):
        value = call.args[0].value
        return f"no command {value!r}" if call.func.id == "KeyError" else value if isinstance(value, str) else text
    return text


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "–" if value is None else as_json(value)


def _call(task: Mapping[str, Any]) -> str:
    """The arguments of a task as they would be written."""
    args, kwargs = task["args"], task["kwargs"]
    if isinstance(args, str) or not isinstance(kwargs, Mapping):
        return f"{args} {kwargs}" if kwargs not in ({}, "{}") else str(args)
    return ", ".join([*map(repr, args), *(f"{name}={value!r}" for name, value in kwargs.items())])
