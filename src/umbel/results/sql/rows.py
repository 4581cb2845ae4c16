"""Records ⇄ rows of Celery's table. What the table has no column for stands beside it, in ``umbel_task_extra``.

A task without children has NULL there, as in Celery; one of which nobody knows (revoked) a serialized null, which Celery reads as the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any, NamedTuple

from umbel import states
from umbel.errors import DecodeError, EncodeError
from umbel.results.model import Record
from umbel.results.sql.layout import Layout
from umbel.results.sql.tables import EXTENDED
from umbel.results.sql.values import ValueCodec, cut, key_of, moment_of, text_of
from umbel.runtime.clock import SYSTEM


class Rendered(NamedTuple):
    """One record, ready to be written."""

    row: dict[str, Any]
    #: What has no column anywhere.
    beside: dict[str, Any]
    #: What an older table may have no column for, as plain values.
    optional: dict[str, Any]


def render(record: Record, codec: ValueCodec) -> Rendered:
    """Render a record.

    Args:
        record: of a task.
        codec: of the store.

    Raises:
        EncodeError: a value cannot be written; names the task.
    """
    others = dict(record.extended)
    optional: dict[str, Any] = {name: value for name in EXTENDED if (value := others.pop(name, None)) is not None}
    names = others.get("stamped_headers")
    if names:
        stamps = {name: others.pop(name) for name in names if name in others}
        optional["stamps"] = {"stamped_headers": others.pop("stamped_headers"), "stamps": stamps}
    children = None if record.children is None else list(record.children)
    if children:
        optional["children"] = children
    try:
        row = {
            "task_id": key_of(record.task_id),
            "status": record.status,
            "result": codec.dumps(record.result),
            "date_done": moment_of(record.date_done, SYSTEM.now()),
            "traceback": None if record.traceback is None else text_of(record.traceback),
            "children": None if children == [] else codec.dumps(children),
            **{name: codec.dumps(optional[name]) if name in optional else None for name in ("args", "kwargs", "stamps")},
            **{name: cut(optional.get(name)) for name in ("name", "worker", "retries", "queue")},
        }
        beside = {"group_id": record.group_id, "parent_id": record.parent_id, "extended": others}
        beside = {name: value for name, value in beside.items() if value}
        codec.dumps(beside)
    except EncodeError as error:
        raise EncodeError(f"the result of task {record.task_id} cannot be stored: {error}") from error
    return Rendered(row, beside, optional)


def fit(rendered: Rendered, layout: Layout, codec: ValueCodec) -> tuple[dict[str, Any], bytes | None]:
    """Make the row that a table takes, and what stands beside it.

    Args:
        rendered: of `render`.
        layout: of the database.
        codec: of the store.
    """
    row, beside, optional = rendered
    moved = {name: value for name, value in optional.items() if name not in layout.columns}
    if moved:
        beside = {**beside, "moved": moved}
    fitting = {name: value for name, value in row.items() if name in layout.columns}
    return fitting, codec.dumps(beside) if beside and layout.has_extra else None


def read(task_id: str, row: Mapping[str, Any], beside: bytes | None, codec: ValueCodec) -> Record:
    """Read a row, whoever wrote it.

    Args:
        task_id: of the task.
        row: column → value.
        beside: of ``umbel_task_extra``.
        codec: of the store.

    Raises:
        DecodeError: it is no record.
    """

    def value(name: str) -> Any:
        data = row.get(name)
        return moved.get(name) if data is None else codec.loads(data)

    more: Any = codec.loads(beside) if beside is not None else {}
    if not isinstance(more, dict) or not isinstance(moved := more.get("moved") or {}, dict):
        raise DecodeError(f"what is stored beside the result of task {task_id} is not a mapping")
    stamps = value("stamps")
    stamps = stamps if isinstance(stamps, dict) else {}
    extended = {**(more.get("extended") or {}), **(stamps.get("stamps") or {})}
    if stamps.get("stamped_headers"):
        extended["stamped_headers"] = stamps["stamped_headers"]
    for name in EXTENDED:
        found = value(name) if name in ("args", "kwargs") else row.get(name, moved.get(name))
        if found is not None:
            extended[name] = found
    done, status = row["date_done"], row["status"] or states.PENDING
    return Record(
        task_id=task_id,
        status=status,
        result=value("result"),
        traceback=row["traceback"],
        children=value("children") if row.get("children") is not None else moved.get("children", ()),
        date_done=done.replace(tzinfo=UTC).isoformat() if done and status in states.READY_STATES else None,
        group_id=more.get("group_id"),
        parent_id=more.get("parent_id"),
        extended=extended,
    )
