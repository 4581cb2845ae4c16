"""The record: all that is stored of a task. Its form as Celery's task meta is made in `umbel.results.meta`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from umbel import states


@dataclass(slots=True, kw_only=True)
class Record:
    """The state of one task, as it is stored.

    ``result`` is a plain value that the result serializer can write: the return value, a custom state's meta, or for exceptions
    ``{"exc_type", "exc_message", "exc_module"}`` (see `umbel.wire.failures`).
    """

    task_id: str
    status: str
    result: Any = None
    traceback: str | None = None
    #: Result tuples of the tasks this one sent; ``None`` is stored as null (revoked), not as an empty list.
    children: Sequence[Any] | None = ()
    #: ISO 8601, UTC.
    date_done: str | None = None
    group_id: str | None = None
    parent_id: str | None = None
    #: name, args, kwargs, worker, retries, queue, stamped_headers and the stamps: with result_extended only.
    extended: Mapping[str, Any] = field(default_factory=dict)
    #: Where an ``rpc://`` client waits for it; not stored.
    reply_to: str | None = None


def sent(task_id: str) -> Record:
    """The record of a task that has been sent and has not begun (``task_store_queued``)."""
    return Record(task_id=task_id, status=states.PENDING, children=None)
