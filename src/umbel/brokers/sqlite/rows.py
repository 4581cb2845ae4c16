"""Messages as rows: the SQL and the JSON between `Message` and the table ``umbel_messages``.

All of a message but its body is one JSON text (``envelope``), with Kombu's tags for what JSON has no word for. The file is not trusted:
nothing in it is executed, and what does not parse becomes a delivery with a flaw.
"""

from __future__ import annotations

import re
import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from json.encoder import encode_basestring_ascii as quote
from typing import Any, Final

from umbel.brokers.base import ATTEMPTS, Delivery, MessageLimits
from umbel.errors import DecodeError, MessageError, MessageTooLarge
from umbel.messages.model import Message, Stencil
from umbel.wire import kombu_json

#: queue, priority, attempts, envelope, body.
Row = tuple[str, int, int, str, bytes]

INSERT: Final = "INSERT INTO umbel_messages (queue, priority, attempts, envelope, body) VALUES (?, ?, ?, ?, ?)"

# The envelope as bytes: text that is not UTF-8 would fail the whole batch. A body over the limit is not read at all.
_COLUMNS: Final = """id, queue, priority, redelivered, attempts, extra, CAST(envelope AS BLOB), typeof(body), length(body),
    CASE WHEN length(body) <= :limit THEN body END"""

CLAIM: Final = f"""
    UPDATE umbel_messages SET holder = :holder, begun = 0 WHERE id IN (
        SELECT id FROM umbel_messages WHERE holder = 0 AND queue = :queue ORDER BY priority DESC, id LIMIT :count
    ) RETURNING {_COLUMNS}"""  # noqa: S608 - a constant

#: What the holder is done with; ids as a JSON list.
ACK: Final = "DELETE FROM umbel_messages WHERE id IN (SELECT value FROM json_each(?)) AND holder = ?"
#: Back to their queues as they were.
REQUEUE: Final = "UPDATE umbel_messages SET holder = 0, redelivered = 1 WHERE id IN (SELECT value FROM json_each(?)) AND holder = ?"
BEGIN: Final = "UPDATE umbel_messages SET begun = 1 WHERE id = ? AND holder = ?"
BLAME: Final = "UPDATE umbel_messages SET holder = 0, redelivered = 1, attempts = attempts + 1 WHERE id = ? AND holder = ?"
DELAY: Final = "UPDATE umbel_messages SET holder = -1, due = ? WHERE id = ? AND holder = ?"
DEAD_LETTER: Final = "UPDATE umbel_messages SET holder = 0, queue = ?, priority = 0, extra = ? WHERE id = ? AND holder = ?"
PROMOTE: Final = "UPDATE umbel_messages SET holder = 0, due = NULL WHERE holder = -1 AND due <= ?"
NEXT_DUE: Final = "SELECT min(due) FROM umbel_messages WHERE holder = -1"
ANY_READY: Final = "SELECT 1 FROM umbel_messages WHERE holder = 0 AND queue = ? LIMIT 1"

_HIGHEST_PRIORITY: Final = 255


def encode(message: Message, exchange: str, routing_key: str) -> tuple[int, int, str, bytes]:
    """A row without its queue.

    Raises:
        EncodeError: a header or property is of a type that JSON cannot hold.
    """
    properties = message.properties
    priority = properties.get("priority") or 0
    attempts = message.headers.get(ATTEMPTS) or 0
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
        attempts if type(attempts) is int else 0,
        envelope,
        message.body,
    )


class StencilRow:
    """A stencil compiled to the pieces of its envelope between the holes."""

    __slots__ = ("_order", "_pieces", "priority")

    def __init__(self, stencil: Stencil) -> None:
        mark = secrets.token_hex(8)
        message = stencil.fill(f"{mark}0", f"{mark}1", f"{mark}2", f"{mark}3", f"{mark}4", b"")
        message.properties["correlation_id"] = f"{mark}0"
        self.priority, _, envelope, _ = encode(message, stencil.exchange, stencil.routing_key)
        parts = re.split(rf'"{mark}(\d)"', envelope)
        self._pieces = parts
        self._order = [int(hole) for hole in parts[1::2]]

    def fill(self, task_id: str, root_id: str, parent_id: str | None, argsrepr: str, kwargsrepr: str) -> str:
        """The envelope of one message."""
        values = (quote(task_id), quote(root_id), "null" if parent_id is None else quote(parent_id), quote(argsrepr), quote(kwargsrepr))
        pieces = self._pieces.copy()
        pieces[1::2] = [values[hole] for hole in self._order]
        return "".join(pieces)


def claim(
    connection: sqlite3.Connection, holder: int, queues: Sequence[str], count: int, limits: MessageLimits, epoch: int
) -> list[Delivery]:
    """Take up to ``count`` ready messages: from each queue in turn, the highest priority first, then the oldest."""
    found: list[Delivery] = []
    for queue in queues:
        arguments = {"holder": holder, "queue": queue, "count": count - len(found), "limit": limits.body}
        rows = connection.execute(CLAIM, arguments).fetchall()
        rows.sort(key=_order)  # RETURNING promises none
        found += [decode(row, limits, epoch) for row in rows]
        if len(found) >= count:
            break
    return found


def _order(row: Sequence[Any]) -> tuple[int, int]:
    return -row[2], row[0]


def decode(row: Sequence[Any], limits: MessageLimits, epoch: int) -> Delivery:
    """A delivery from the columns of `CLAIM`; never raises for what is in them."""
    tag, queue, _, redelivered, attempts, extra, envelope, kind, length, body = row
    flaw: MessageError | None = None
    if kind != "blob":
        flaw, body = DecodeError(f"the body in {queue} is of type {kind}, not a blob"), b""
    elif body is None:
        flaw, body = MessageTooLarge(f"the body has {length} bytes, the limit is {limits.body}"), b""
    try:
        fields = _parse(envelope, limits)
        headers = fields["headers"]
        if extra is not None:
            headers = {**headers, **kombu_json.loads(extra)}
        if flaw is None:
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
            )
    except MessageError as error:
        flaw = error
    headers = _readable(extra)
    return Delivery(body, headers, "", "", {}, tag, epoch, queue, "", queue, bool(redelivered), attempts, flaw)


_FIELDS: Final = (
    ("headers", dict),
    ("content_type", str),
    ("content_encoding", str),
    ("properties", dict),
    ("exchange", str),
    ("routing_key", str),
)


def _parse(envelope: bytes, limits: MessageLimits) -> dict[str, Any]:
    if len(envelope) > limits.header_bytes:
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
    if len(fields["headers"]) > limits.header_count:
        raise MessageTooLarge(f"the message has {len(fields['headers'])} headers, the limit is {limits.header_count}")
    # Counting brackets is cheap and lets nearly every message through.
    if envelope.count(b"[") + envelope.count(b"{") > limits.depth and too_deep(fields["headers"].values(), limits.depth):
        raise MessageTooLarge(f"the headers are nested deeper than {limits.depth} levels")
    return fields


def too_deep(values: Iterable[Any], most: int) -> bool:
    """Whether lists and tables are nested in more than ``most`` levels."""
    for _ in range(most + 1):
        containers = [value for value in values if type(value) is dict or type(value) is list]
        if not containers:
            return False
        values = [inner for value in containers for inner in (value.values() if type(value) is dict else value)]
    return True


def _readable(extra: str | None) -> dict[str, Any]:
    if extra is None:
        return {}
    try:
        found = kombu_json.loads(extra)
    except MessageError:
        return {}
    return found if type(found) is dict else {}
