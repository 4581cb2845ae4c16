"""Messages at rest, for brokers that keep them as text: one JSON document holds all of a message but its body.

JSON with Kombu's tags for what JSON has no word for. What is read back is not trusted: nothing in it is executed, and what does not
parse, or passes a limit, becomes a delivery with a flaw.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from json.encoder import encode_basestring_ascii as quote
from typing import Any, Final

from umbel.brokers.base import ATTEMPTS, DEAD_AT, DEAD_DETAIL, DEAD_QUEUE, DEAD_REASON, Delivery
from umbel.errors import DecodeError, MessageError, MessageTooLarge
from umbel.wire import kombu_json
from umbel.wire.attempts import attempts_in
from umbel.wire.message import Call, Message, MessageLimits, Stencil

#: priority, attempts, envelope, body.
Encoded = tuple[int, int, str, bytes]
#: id, queue, priority, redelivered, attempts, extra headers (JSON), envelope, type of the body, its length, the body unless it is too long.
Stored = Sequence[Any]

_HIGHEST_PRIORITY: Final = 255
#: Characters of a dead letter's explanation.
_LONGEST_DETAIL: Final = 2000
#: Headers of up to so many times the limit are read, so that a dead letter and a stored failure can name the task.
_READ: Final = 4


def encode(message: Message, exchange: str, routing_key: str) -> Encoded:
    """A message as it rests.

    Raises:
        EncodeError: a header or property is of a type that JSON cannot hold.
    """
    properties = message.properties
    priority = properties.get("priority") or 0
    envelope = kombu_json.dumps(
        {
            "headers": message.headers,
            "content_type": message.content_type,
            "content_encoding": message.content_encoding,
            "properties": properties,
            "exchange": exchange,
            "routing_key": routing_key,
        }
    )
    return (
        min(max(priority, 0), _HIGHEST_PRIORITY) if type(priority) is int else 0,
        attempts_in(message.headers.get(ATTEMPTS)),
        envelope,
        message.body,
    )


class CompiledStencil:
    """A stencil compiled to the pieces of its envelope between the holes."""

    __slots__ = ("_order", "_pieces", "priority")

    def __init__(self, stencil: Stencil) -> None:
        mark = secrets.token_hex(8)
        message = stencil.fill(Call(f"{mark}0", f"{mark}1", f"{mark}2", f"{mark}3", f"{mark}4", b""))
        message.headers["group_index"] = f"{mark}5"
        message.properties["correlation_id"] = f"{mark}0"
        self.priority, _, envelope, _ = encode(message, stencil.exchange, stencil.routing_key)
        parts = re.split(rf'"{mark}(\d)"', envelope)
        self._pieces = parts
        self._order = [int(hole) for hole in parts[1::2]]

    def fill(self, call: Call) -> str:
        """The envelope of one message."""
        task_id, root_id, parent_id, argsrepr, kwargsrepr, _, group_index = call
        values = (
            quote(task_id),
            quote(root_id),
            "null" if parent_id is None else quote(parent_id),
            quote(argsrepr),
            quote(kwargsrepr),
            "null" if group_index is None else str(group_index),
        )
        pieces = self._pieces.copy()
        pieces[1::2] = [values[hole] for hole in self._order]
        return "".join(pieces)


def dead_headers(queue: str, reason: str, detail: str, now: float) -> dict[str, str]:
    """The headers that a dead letter gets."""
    return {
        DEAD_REASON: str(reason),
        DEAD_DETAIL: detail[:_LONGEST_DETAIL].encode(errors="replace").decode(),
        DEAD_QUEUE: queue,
        DEAD_AT: datetime.fromtimestamp(now, UTC).isoformat(),
    }


def decode(row: Stored, limits: MessageLimits, epoch: int) -> Delivery:
    """A delivery from what was stored; never raises for what is in it."""
    tag, queue, _, redelivered, attempts, extra, envelope, kind, length, body = row
    flaw: MessageError | None = None
    if kind != "blob":
        flaw, body = DecodeError(f"the body in {queue} is of type {kind}, not a blob"), b""
    elif body is None:
        flaw, body = MessageTooLarge(f"the body has {length} bytes, the limit is {limits.body}"), b""
    try:
        fields = _parse(envelope, limits)
        flaw = flaw or _excess(fields["headers"], envelope, limits)
    except MessageError as error:
        flaw = error.with_traceback(None)  # which would keep the message, and itself, in memory
        fields = {"headers": {}, "content_type": "", "content_encoding": "", "properties": {}, "exchange": "", "routing_key": queue}
    headers = fields["headers"]
    if extra is not None:
        headers = {**headers, **_readable(extra)}
    return Delivery(
        body,
        headers,
        fields["content_type"],
        fields["content_encoding"],
        fields["properties"],
        tag,
        epoch,
        queue,
        fields["exchange"],
        fields["routing_key"],
        bool(redelivered),
        attempts,
        flaw,
    )


_FIELDS: Final = (
    ("headers", dict),
    ("content_type", str),
    ("content_encoding", str),
    ("properties", dict),
    ("exchange", str),
    ("routing_key", str),
)


def _parse(envelope: bytes, limits: MessageLimits) -> dict[str, Any]:
    if len(envelope) > limits.header_bytes * _READ:
        raise MessageTooLarge(f"the headers have {len(envelope)} bytes, the limit is {limits.header_bytes}")
    try:
        fields = kombu_json.loads(envelope.decode())
    except UnicodeDecodeError:
        raise DecodeError("the envelope is not UTF-8") from None
    if type(fields) is not dict:
        raise DecodeError("the envelope is not a JSON object")
    for name, kind in _FIELDS:
        if type(fields.get(name)) is not kind:
            raise DecodeError(f"the envelope's {name!r} is not of type {kind.__name__}")
    return fields


def _excess(headers: dict[str, Any], envelope: bytes, limits: MessageLimits) -> MessageError | None:
    """Name the limit that the headers pass."""
    if len(envelope) > limits.header_bytes:
        return MessageTooLarge(f"the headers have {len(envelope)} bytes, the limit is {limits.header_bytes}")
    if len(headers) > limits.header_count:
        return MessageTooLarge(f"the message has {len(headers)} headers, the limit is {limits.header_count}")
    # Counting brackets is cheap and lets nearly every message through.
    if envelope.count(b"[") + envelope.count(b"{") > limits.depth and too_deep(headers.values(), limits.depth):
        return MessageTooLarge(f"the headers are nested deeper than {limits.depth} levels")
    return None


def too_deep(values: Iterable[Any], most: int) -> bool:
    """Report whether lists and tables are nested in more than ``most`` levels."""
    for _ in range(most + 1):
        containers = [value for value in values if type(value) is dict or type(value) is list]
        if not containers:
            return False
        values = [inner for value in containers for inner in (value.values() if type(value) is dict else value)]
    return True


def _readable(extra: bytes) -> dict[str, Any]:
    try:
        found = kombu_json.loads(extra.decode())
    except (MessageError, UnicodeDecodeError):
        return {}
    return found if type(found) is dict else {}
