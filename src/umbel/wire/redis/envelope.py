"""The JSON envelope in which kombu's Redis transport keeps a message (5.7) ⇄ the parts of the message.

Keys in kombu's order: body (base64), content-encoding, content-type, headers, properties; among the properties, last, delivery_mode,
expiration, delivery_info, priority, body_encoding and delivery_tag.
"""

from __future__ import annotations

import json
from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections.abc import Mapping
from json.encoder import encode_basestring_ascii
from typing import Any, NamedTuple

from umbel.errors import DecodeError, MessageError, MessageTooLarge
from umbel.wire import kombu_json
from umbel.wire.message import Call, Message, Stencil

#: Properties with a place of their own behind the others.
_LATE = ("delivery_mode", "expiration", "delivery_info", "priority", "body_encoding", "delivery_tag")
_EARLY = ("correlation_id", "reply_to")
#: Property of what is sent over the channel of a fanout exchange when the lists of Umbel's own queues have it already.
LISTED = "umbel_listed"
#: How an item begins that kombu or we have made, and what would make the quote after it one of the body.
_BODY, _BACKSLASH = b'{"body": "', ord("\\")
_HOLE = "\x00hole:"


def _dump(value: Any) -> str:
    return encode_basestring_ascii(value) if type(value) is str else kombu_json.dumps(value)


def properties_of(message_properties: Mapping[str, Any], exchange: str, routing_key: str, delivery_tag: Any) -> dict[str, Any]:
    """Put a message's properties into kombu's order, completed by what its virtual transports add.

    Args:
        message_properties: by name.
        exchange: that it is published to.
        routing_key: that it is published with.
        delivery_tag: unique among unsettled messages.
    """
    properties = {name: message_properties[name] for name in _EARLY if message_properties.get(name) is not None}
    properties.update((name, value) for name, value in message_properties.items() if name not in _LATE and name not in _EARLY)
    properties["delivery_mode"] = message_properties.get("delivery_mode") or 2
    if message_properties.get("expiration") is not None:
        properties["expiration"] = message_properties["expiration"]
    properties["delivery_info"] = {"exchange": exchange, "routing_key": routing_key}
    properties["priority"] = message_properties.get("priority") or 0
    properties["body_encoding"] = "base64"
    properties["delivery_tag"] = delivery_tag
    return properties


def render(message: Message, exchange: str, routing_key: str, delivery_tag: str) -> bytes:
    """Render a message as its list item.

    Args:
        message: to be published.
        exchange: that it is published to.
        routing_key: that it is published with.
        delivery_tag: unique among unsettled messages.
    """
    properties = properties_of(message.properties, exchange, routing_key, delivery_tag)
    rest = (
        f'", "content-encoding": {_dump(message.content_encoding)}, '
        f'"content-type": {_dump(message.content_type)}, "headers": {kombu_json.dumps(message.headers)}, '
        f'"properties": {kombu_json.dumps(properties)}}}'
    )
    return b"".join((b'{"body": "', b2a_base64(message.body, newline=False), rest.encode()))


class CompiledStencil:
    """The envelopes of one stencil: compiled once to a format string, then about 3 µs a message.

    Args:
        stencil: the parts that all its messages share.
    """

    __slots__ = ("_format",)

    def __init__(self, stencil: Stencil) -> None:
        headers = dict(stencil.headers)
        headers.update({name: f"{_HOLE}{name}" for name in ("id", "group_index", "root_id", "parent_id", "argsrepr", "kwargsrepr")})
        properties = {**stencil.properties, "correlation_id": f"{_HOLE}id"}
        shape = Message(b"", headers, stencil.content_type, stencil.content_encoding, properties)
        text = render(shape, stencil.exchange, stencil.routing_key, f"{_HOLE}tag").decode()
        text = text.replace('"body": ""', f'"body": {_dump(_HOLE + "body")}', 1)
        first, *pieces = text.split(_dump(_HOLE)[:-1])
        out = [first.replace("%", "%%")]
        for piece in pieces:
            name, _, rest = piece.partition('"')
            out += f"%({name})s", rest.replace("%", "%%")
        self._format = "".join(out)

    def render(self, call: Call, tag: str) -> bytes:
        """Render one message as its list item.

        Args:
            call: what fills the stencil.
            tag: its delivery tag.
        """
        task_id, root_id, parent_id, argsrepr, kwargsrepr, body, group_index = call
        quote = encode_basestring_ascii
        return (
            self._format
            % {
                "body": f'"{b2a_base64(body, newline=False).decode()}"',
                "id": quote(task_id),
                "group_index": "null" if group_index is None else group_index,
                "root_id": quote(root_id),
                "parent_id": "null" if parent_id is None else quote(parent_id),
                "argsrepr": quote(argsrepr),
                "kwargsrepr": quote(kwargsrepr),
                "tag": f'"{tag}"',
            }
        ).encode()


class Parsed(NamedTuple):
    """The parts of a message read from one envelope; with a ``flaw``, those that could be read."""

    body: bytes
    headers: dict[str, Any]
    content_type: str
    content_encoding: str
    properties: dict[str, Any]
    exchange: str
    routing_key: str
    redelivered: bool
    flaw: MessageError | None


def _flawed(raw: bytes, flaw: MessageError) -> Parsed:
    return Parsed(raw, {}, "application/data", "binary", {}, "", "", False, flaw)


def parse(raw: bytes, *, body_limit: int, header_bytes: int, header_count: int, depth: int) -> Parsed:
    """Read a list item; never raises for what is in it.

    Args:
        raw: the item.
        body_limit: bytes of decoded body.
        header_bytes: bytes of all that is not body.
        header_count: headers.
        depth: levels of lists and mappings within a header.
    """
    if len(raw) > body_limit // 3 * 4 + header_bytes + 8:
        return _flawed(
            raw, MessageTooLarge(f"the envelope has {len(raw)} bytes; the limits allow {body_limit} of body and {header_bytes} of headers")
        )
    try:
        envelope = kombu_json.loads(raw.decode())
    except (ValueError, DecodeError) as error:
        return _flawed(raw, DecodeError(f"the envelope is not JSON: {error}"))
    try:
        return _read(envelope, raw, body_limit, header_bytes, header_count, depth)
    except (KeyError, TypeError, AttributeError, ValueError, Base64Error) as error:
        return _flawed(raw, DecodeError(f"the envelope lacks a part or has it in a wrong form: {error!r}"))


def _read(envelope: Any, raw: bytes, body_limit: int, header_bytes: int, header_count: int, depth: int) -> Parsed:
    properties = envelope["properties"]
    text = envelope.get("body")
    if text is None:
        body, size, taken = b"", 0, 4
    elif properties.get("body_encoding") == "base64":
        taken = len(text)
        size = taken // 4 * 3 - text.count("=", -2)
        body = a2b_base64(text) if size <= body_limit else b""
    else:
        body = text.encode()
        size = taken = len(body)
    headers = envelope.get("headers") or {}
    info = properties.get("delivery_info") or {}
    flaw: MessageError | None = None
    if size > body_limit:
        flaw = MessageTooLarge(f"the body has {size} bytes; the limit is {body_limit}")
    elif len(raw) - taken > header_bytes:
        flaw = MessageTooLarge(f"headers and properties have {len(raw) - taken} bytes; the limit is {header_bytes}")
    elif len(headers) > header_count:
        flaw = MessageTooLarge(f"the message has {len(headers)} headers; the limit is {header_count}")
    else:
        for name, value in headers.items():
            if (type(value) is dict or type(value) is list) and value and _deeper(value, depth):
                flaw = MessageTooLarge(f"header {name[:80]!r} is nested more than {depth} levels deep")
                break
    if type(headers) is not dict or type(properties) is not dict or type(info) is not dict:
        raise TypeError("headers, properties and delivery_info must be objects")
    return Parsed(
        body,
        headers,
        str(envelope.get("content-type") or "application/data"),
        str(envelope.get("content-encoding") or "binary"),
        properties,
        str(info.get("exchange") or ""),
        str(info.get("routing_key") or ""),
        bool(info.get("redelivered") or headers.get("redelivered")),
        flaw,
    )


def _deeper(value: Any, levels: int) -> bool:
    if levels <= 0:
        return True
    items = value.values() if type(value) is dict else value
    return any((type(item) is dict or type(item) is list) and _deeper(item, levels - 1) for item in items)


def marked(raw: bytes, headers: Mapping[str, Any] | None = None, *, redelivered: bool = True) -> bytes | None:
    """Add headers to a list item and, as kombu does it, mark it as handed out before; ``None`` when it is no envelope.

    Args:
        raw: the list item.
        headers: to be added.
        redelivered: mark it.
    """
    try:
        body, rest = _split(raw)
        envelope = json.loads(rest)
        properties = envelope["properties"]
        all_headers = {**(envelope.get("headers") or {}), **(headers or {})}
        envelope["headers"] = all_headers
        if redelivered:
            all_headers["redelivered"] = True
            properties["delivery_info"] = {**(properties.get("delivery_info") or {}), "redelivered": True}
        dumped = json.dumps(envelope).encode()
        return b"".join((body, dumped[1:])) if body else dumped
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None


def _split(raw: bytes) -> tuple[memoryview | bytes, bytes]:
    """An item as its start, up to where other parts than the body follow, and the rest as JSON: bodies are long, and stay as they are."""
    if raw.startswith(_BODY):
        end = raw.find(b'"', len(_BODY))
        if raw[end + 1 : end + 3] == b", " and raw[end - 1] != _BACKSLASH:
            return memoryview(raw)[: end + 3], b"{" + raw[end + 3 :]
    return b"", raw


def unacked_tail(queue: str) -> str:
    """Render what follows the envelope in an entry of ``unacked``, ``[envelope, exchange, routing_key]``: back to ``queue`` by name."""
    return f', "", {json.dumps(queue)}]'


def render_unacked(raw: bytes, queue: str) -> bytes:
    """Render the list item ``raw`` of ``queue`` as its entry of ``unacked``."""
    text = raw if raw[:1] == b"{" else json.dumps(raw.decode("utf-8", "surrogateescape")).encode()
    return b"[" + text + unacked_tail(queue).encode()


class UnackedEntry(NamedTuple):
    """An entry of ``unacked``, read."""

    raw: bytes
    exchange: str
    routing_key: str
    priority: Any


def parse_unacked(data: bytes) -> UnackedEntry | None:
    """Parse ``data``, an entry of ``unacked`` that Umbel or kombu wrote; ``None`` when it cannot be read."""
    try:
        payload, exchange, routing_key = json.loads(data)
    except (ValueError, TypeError, RecursionError):
        return None
    if isinstance(payload, str):
        return UnackedEntry(payload.encode("utf-8", "surrogateescape"), str(exchange or ""), str(routing_key or ""), 0)
    properties = payload.get("properties") if isinstance(payload, dict) else None
    priority = properties.get("priority") if isinstance(properties, dict) else 0
    return UnackedEntry(json.dumps(payload).encode(), str(exchange or ""), str(routing_key or ""), priority)
