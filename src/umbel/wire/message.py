"""The values that brokers move: a whole message, one that was received, and one whose parts are mostly the same from call to call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from umbel.errors import MessageError


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


class Delivery(Message):
    """A message in a worker's hand, and the handle by which it is settled. Equal only to itself."""

    __slots__ = ("attempts", "epoch", "exchange", "flaw", "queue", "redelivered", "routing_key", "tag")

    #: Settles it; meaning known to its consumer only.
    tag: Any
    #: The connection (or lease) it came under; a consumer ignores settlements from an older one.
    epoch: int
    #: The queue it was read from.
    queue: str
    exchange: str
    routing_key: str
    #: The broker has handed it out before.
    redelivered: bool
    #: How often a worker or child died while running it.
    attempts: int
    #: Set when the message passes a limit or cannot be parsed. The rest is then what could be read of it: headers may be missing, and the
    #: body may be empty, or what the broker held.
    flaw: MessageError | None

    def __init__(  # noqa: PLR0913, PLR0917 - one is made per message; keywords would cost more than the rest
        self,
        body: bytes,
        headers: dict[str, Any],
        content_type: str,
        content_encoding: str,
        properties: dict[str, Any],
        tag: Any,
        epoch: int,
        queue: str,
        exchange: str,
        routing_key: str,
        redelivered: bool = False,
        attempts: int = 0,
        flaw: MessageError | None = None,
    ) -> None:
        self.body = body
        self.headers = headers
        self.content_type = content_type
        self.content_encoding = content_encoding
        self.properties = properties
        self.tag = tag
        self.epoch = epoch
        self.queue = queue
        self.exchange = exchange
        self.routing_key = routing_key
        self.redelivered = redelivered
        self.attempts = attempts
        self.flaw = flaw

    if TYPE_CHECKING:

        def __eq__(self, other: object) -> bool: ...

        def __hash__(self) -> int: ...

    else:
        __eq__ = object.__eq__
        __hash__ = object.__hash__


class Call(NamedTuple):
    """The parts of one plain call of a task that fill a `Stencil`."""

    task_id: str
    root_id: str
    parent_id: str | None
    argsrepr: str
    kwargsrepr: str
    #: Serialized: args, kwargs and what follows.
    body: bytes
    #: Of a member of a group.
    group_index: int | None = None


@dataclass(frozen=True, slots=True)
class Stencil:
    """The parts of a task's messages that do not change from call to call.

    A publisher compiles a stencil once into wire bytes with holes; a plain ``delay()`` then only fills the holes with a `Call`, whose id is also the
    correlation id. ``headers`` holds all protocol-2 headers in
    order, with ``None`` at the holes. Identity is the key under which a publisher keeps what it compiled.
    """

    headers: Mapping[str, Any]
    properties: Mapping[str, Any]
    content_type: str
    content_encoding: str
    exchange: str
    routing_key: str

    #: None to declare: that was done when the stencil was made.
    queue: ClassVar[Any] = None

    if TYPE_CHECKING:

        def __hash__(self) -> int: ...

    else:
        __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def fill(self, call: Call) -> Message:
        """Make the message of ``call``, for publishers that have no compiled form."""
        task_id, root_id, parent_id, argsrepr, kwargsrepr, body, group_index = call
        headers = dict(self.headers)
        headers.update(id=task_id, group_index=group_index, root_id=root_id, parent_id=parent_id, argsrepr=argsrepr, kwargsrepr=kwargsrepr)
        return Message(body, headers, self.content_type, self.content_encoding, {**self.properties, "correlation_id": task_id})


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageLimits:
    """The limits of one message, checked before it is parsed."""

    #: Bytes of body. 16 MiB: far above what a task message should be, far below what hurts a worker.
    body: int = 16 * 1024 * 1024
    #: Bytes of headers. RabbitMQ itself allows one frame, 128 KiB.
    header_bytes: int = 64 * 1024
    header_count: int = 200
    depth: int = 8


#: For who looks at single messages (`QueueClient.get`): many a dead letter is one because it passes a limit, and must be seen, and sent
#: again, as it is.
INSPECTION = MessageLimits(body=1 << 30, header_bytes=1 << 26, header_count=1 << 20, depth=64)
