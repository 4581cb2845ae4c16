"""The slow path: methods as pamqp's objects, which know each method's fields. Whatever pamqp raises on bad bytes becomes `ProtocolError`."""

from __future__ import annotations

from typing import Any, TypeVar

from pamqp import base, commands
from pamqp.heartbeat import Heartbeat

from umbel.errors import EncodeError, ProtocolError
from umbel.wire.amqp.fields import render_name, render_table
from umbel.wire.amqp.rendering import render_frame

M = TypeVar("M", bound=base.Frame)

PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
HEARTBEAT: bytes = Heartbeat.value
_INTEGERS = {"octet": 1, "short": 2, "long": 4, "longlong": 8}


def method(kind: type[M], **fields: Any) -> M:
    """Make a method; its fields are set after it is made, because pamqp's constructors refuse names that brokers allow.

    Args:
        kind: pamqp's class.
        fields: its fields by name.
    """
    made = kind()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def render_method(frame: base.Frame, channel: int) -> bytes:
    """Render the frame of a method.

    The fields are rendered here and not by pamqp, because pamqp refuses names that brokers allow (spaces, letters beyond ASCII) and picks
    other integer tags for tables than Celery does.

    Args:
        frame: the method, as pamqp's object.
        channel: number of the channel.

    Raises:
        EncodeError: an argument cannot be carried.
    """
    parts, bits, count = [frame.index.to_bytes(4, "big")], 0, 0
    try:
        for name in frame.__slots__:
            kind, value = frame.amqp_type(name), getattr(frame, name)
            if kind == "bit":
                bits |= bool(value) << count
                count += 1
                continue
            if count:
                parts.append(bytes((bits,)))
                bits = count = 0
            parts.append(_field(kind, value))
    except (ValueError, TypeError, OverflowError) as error:
        raise EncodeError(f"{frame.name}: {error}") from error
    if count:
        parts.append(bytes((bits,)))
    return render_frame(1, channel, b"".join(parts))


def _field(kind: str, value: Any) -> bytes:
    size = _INTEGERS.get(kind)
    if size:
        return int(value or 0).to_bytes(size, "big")
    if kind == "shortstr":
        return render_name(value or "")
    if kind == "table":
        return render_table(value or {})
    if kind == "longstr":
        raw = value if isinstance(value, bytes) else (value or "").encode()
        return len(raw).to_bytes(4, "big") + raw
    raise TypeError(f"no method that Umbel sends has a {kind}")


def parse_method(payload: bytes) -> base.Frame:
    """Parse the ``payload`` of a method's frame.

    Raises:
        ProtocolError: it is unknown or malformed.
    """
    index = int.from_bytes(payload[:4], "big")
    kind = commands.INDEX_MAPPING.get(index)
    if kind is None or kind is commands.Basic.RecoverAsync:  # deprecated, for clients only, and making one warns
        raise ProtocolError(f"the broker sent the unknown method {index >> 16}.{index & 0xFFFF}")
    frame: base.Frame = kind()
    try:
        frame.unmarshal(payload[4:])
    except Exception as error:
        raise ProtocolError(f"the broker sent a malformed {frame.name}: {type(error).__name__}: {error}") from error
    return frame
