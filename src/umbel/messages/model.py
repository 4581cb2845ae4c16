"""The values that travel: what a broker moves (`Message`) and what it means to a worker (`TaskMessage`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Message:
    """One message as brokers move it: an opaque body with headers and properties.

    Not frozen, because one is made for each delivery and a frozen dataclass costs three times as much to make. The publisher's listeners (``before_task_publish``)
    and the worker, which brings protocol 1 to protocol 2, change theirs before anybody else sees it.
    """

    #: Serialized, perhaps compressed; opaque to brokers and to the worker's consumer process.
    body: bytes
    #: AMQP application headers. Protocol 2 keeps all that a worker decides on here.
    headers: dict[str, Any]
    content_type: str = "application/json"
    content_encoding: str = "utf-8"
    #: AMQP basic properties that are set: correlation_id, reply_to, delivery_mode, priority, expiration (milliseconds, text), …
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stencil:
    """The parts of a task's messages that do not change from call to call.

    A publisher compiles a stencil once into wire bytes with holes; a plain ``delay()`` then only fills the holes: the id (which is
    also the correlation id), root_id, parent_id, argsrepr, kwargsrepr and the body. ``headers`` holds all protocol-2 headers in
    order, with ``None`` at the holes. Identity is the key under which a publisher keeps what it compiled.
    """

    headers: Mapping[str, Any]
    properties: Mapping[str, Any]
    content_type: str
    content_encoding: str
    exchange: str
    routing_key: str

    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def fill(self, task_id: str, root_id: str, parent_id: str | None, argsrepr: str, kwargsrepr: str, body: bytes) -> Message:
        """The message that a publisher without a compiled form sends."""
        headers = dict(self.headers)
        headers.update(id=task_id, root_id=root_id, parent_id=parent_id, argsrepr=argsrepr, kwargsrepr=kwargsrepr)
        return Message(body, headers, self.content_type, self.content_encoding, {**self.properties, "correlation_id": task_id})


@dataclass(frozen=True, slots=True, kw_only=True)
class Embed:
    """What follows a task: the third element of a protocol-2 body. Signatures are plain dicts here."""

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
