"""Content headers: a message's size, properties and header table (AMQP 0-9-1, section 4.2.6.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from struct import Struct
from struct import error as StructError  # noqa: N812 - it is a class
from typing import Any, NamedTuple

from umbel.errors import DecodeError, EncodeError, MessageError, MessageTooLarge
from umbel.wire.amqp.fields import DEEPEST_WRITE, U32, U64, Limits, name_of, parse_table, render_name, render_table

CLASS_BASIC = 60
_PREFIX = Struct(">HHQH")
_PREFIX_AT = _PREFIX.unpack_from
_CONTENT_TYPE, _CONTENT_ENCODING, _HEADERS = 0x8000, 0x4000, 0x2000
_DELIVERY_MODE, _PRIORITY, _CORRELATION_ID, _REPLY_TO = 0x1000, 0x0800, 0x0400, 0x0200
_USUAL = _CONTENT_TYPE | _CONTENT_ENCODING | _HEADERS | _DELIVERY_MODE | _PRIORITY | _CORRELATION_ID | _REPLY_TO
#: What nearly every task message starts with: content type and encoding.
_JSON_UTF8 = b"\x10application/json\x05utf-8"
_TIMESTAMP = 0x0040
#: The rarer properties, in the order of the wire.
_REST = (
    (0x0100, "expiration"),
    (0x0080, "message_id"),
    (_TIMESTAMP, "timestamp"),
    (0x0020, "type"),
    (0x0010, "user_id"),
    (0x0008, "app_id"),
    (0x0004, "cluster_id"),
)

#: content type, content encoding, headers, properties, what is wrong with them. Headers that pass a limit are there all the same.
Content = tuple[str, str, dict[str, Any], dict[str, Any], MessageError | None]
TableParser = Callable[[bytes, int, Limits], tuple[dict[str, Any], int]]


def parse_content(data: bytes, at: int, end: int, limits: Limits, table: TableParser = parse_table) -> Content:  # noqa: C901, PLR0912 - one step for each property
    """Parse the payload of a content header. Never raises for what a sender can put there: the content has a ``flaw`` then.

    Args:
        data: bytes that hold the payload.
        at: offset at which it starts.
        end: offset behind it.
        limits: what the header table may weigh.
        table: parses the header table; the fast path puts in one that remembers shapes.
    """
    headers: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    content_type = content_encoding = ""
    flaw: MessageError | None = None
    try:
        _, _, size, flags = _PREFIX_AT(data, at)
        at += 14
        if flags & 0xC000 == 0xC000 and data.startswith(_JSON_UTF8, at):
            content_type, content_encoding = "application/json", "utf-8"
            at += 23
        else:
            if flags & _CONTENT_TYPE:
                content_type, at = _recurring(data, at)
            if flags & _CONTENT_ENCODING:
                content_encoding, at = _recurring(data, at)
        if flags & _HEADERS:
            try:
                headers, at = table(data, at, limits)
            except MessageTooLarge as error:
                flaw = error.with_traceback(None)  # which would keep the bytes, and itself, in memory
                headers, at = _parse_large(data, at)
        if flags & _DELIVERY_MODE:
            properties["delivery_mode"] = data[at]
            at += 1
        if flags & _PRIORITY:
            properties["priority"] = data[at]
            at += 1
        if flags & _CORRELATION_ID:
            stop = at + 1 + data[at]
            properties["correlation_id"] = data[at + 1 : stop].decode()
            at = stop
        if flags & _REPLY_TO:
            properties["reply_to"], at = _recurring(data, at)
        if flags & ~_USUAL:
            at = _parse_rest(data, at, flags, properties)
        if at > end:
            raise DecodeError("the properties are longer than their frame")
    except MessageError as error:
        return content_type, content_encoding, {}, properties, flaw or error.with_traceback(None)
    except (StructError, IndexError, ValueError, OverflowError, OSError) as error:
        return content_type, content_encoding, headers, properties, flaw or DecodeError(f"the properties are malformed: {error}")
    if size > limits.body:
        flaw = flaw or MessageTooLarge(f"the body has {size} bytes, the limit is {limits.body}")
    return content_type, content_encoding, headers, properties, flaw


class _Writable(NamedTuple):
    """Limits of what can be written again. One frame holds all headers, so their bytes and number are bounded anyway."""

    body: int = 0
    header_bytes: int = 1 << 32
    header_count: int = 1 << 32
    depth: int = DEEPEST_WRITE


def _parse_large(data: bytes, at: int) -> tuple[dict[str, Any], int]:
    """A table that passes a limit, for its dead letter; empty when it could not be written again."""
    try:
        return parse_table(data, at, _Writable())
    except MessageError:
        return {}, at + 4 + U32(data, at)[0]


def _recurring(data: bytes, at: int) -> tuple[str, int]:
    stop = at + 1 + data[at]
    return name_of(data[at + 1 : stop]), stop


def _parse_rest(data: bytes, at: int, flags: int, properties: dict[str, Any]) -> int:
    if flags & 1:
        raise DecodeError("the properties have flags that AMQP 0-9-1 does not define")
    for flag, name in _REST:
        if not flags & flag:
            continue
        if flag == _TIMESTAMP:
            properties[name] = datetime.fromtimestamp(U64(data, at)[0], UTC)
            at += 8
        else:
            stop = at + 1 + data[at]
            properties[name] = data[at + 1 : stop].decode()
            at = stop
    return at


def render_content(
    body_size: int, content_type: str, content_encoding: str, headers: Mapping[str, Any] | None, properties: Mapping[str, Any]
) -> bytes:
    """Render the payload of a content header.

    Args:
        body_size: bytes of the body.
        content_type: empty is left out.
        content_encoding: empty is left out.
        headers: the header table; ``None`` leaves it out.
        properties: the other properties by name; unknown ones, and those whose value is ``None``, are left out.

    Raises:
        EncodeError: a header or property cannot be carried.
    """
    flags, parts = 0, []
    for flag, value in ((_CONTENT_TYPE, content_type), (_CONTENT_ENCODING, content_encoding)):
        if value:
            flags |= flag
            parts.append(render_name(value))
    if headers is not None:
        flags |= _HEADERS
        parts.append(render_table(headers))
    tail_flags, tail = render_tail(properties)
    parts.append(tail)
    return _PREFIX.pack(CLASS_BASIC, 0, body_size, flags | tail_flags) + b"".join(parts)


def render_tail(properties: Mapping[str, Any]) -> tuple[int, bytes]:
    """Render those of the ``properties`` that follow the header table; returns their flags and bytes."""
    flags, parts = 0, []
    try:
        for flag, name in ((_DELIVERY_MODE, "delivery_mode"), (_PRIORITY, "priority")):
            value = properties.get(name)
            if value is not None:
                flags |= flag
                parts.append(bytes((int(value),)))
        for flag, name in ((_CORRELATION_ID, "correlation_id"), (_REPLY_TO, "reply_to"), *_REST):
            value = properties.get(name)
            if value is None:
                continue
            flags |= flag
            if flag == _TIMESTAMP:
                stamp = (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp() if isinstance(value, datetime) else value
                parts.append(int(stamp).to_bytes(8, "big"))
            else:
                parts.append(render_name(str(value)))
    except (ValueError, TypeError, OverflowError) as error:
        raise EncodeError(f"the property {name!r} is {value!r}: {error}") from error
    return flags, b"".join(parts)
