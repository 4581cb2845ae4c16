"""Task messages as a worker reads them, whichever protocol carried them. Brokers move `umbel.wire.message.Message`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Embed:
    """The third element of a protocol-2 body: what follows the task. Signatures are plain dicts here."""

    callbacks: Sequence[Mapping[str, Any]] | None = None
    errbacks: Sequence[Mapping[str, Any]] | None = None
    #: Reversed: the next task is the last element (Celery 5.7, protocol 2).
    chain: Sequence[Mapping[str, Any]] | None = None
    chord: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMessage:
    """One call of a task, whichever protocol carried it."""

    task: str
    id: str
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    embed: Embed = field(default_factory=Embed)
    lang: str = "py"
    shadow: str | None = None
    #: ISO 8601, as sent: naive text stays naive.
    eta: str | None = None
    #: ISO 8601, as sent.
    expires: str | None = None
    group: str | None = None
    group_index: int | None = None
    retries: int = 0
    #: (hard, soft), seconds: the order of the wire (Celery's code, not its documentation).
    timelimit: tuple[float | None, float | None] = (None, None)
    root_id: str | None = None
    parent_id: str | None = None
    argsrepr: str = ""
    kwargsrepr: str = ""
    origin: str = ""
    #: ``None`` when the sender did not know the task (``send_task``): the worker's own setting counts.
    ignore_result: bool | None = False
    replaced_task_nesting: int = 0
    stamped_headers: Sequence[str] | None = None
    stamps: Mapping[str, Any] = field(default_factory=dict)
    #: The user's own headers.
    headers: Mapping[str, Any] = field(default_factory=dict)
    reply_to: str | None = None
    priority: int | None = None
