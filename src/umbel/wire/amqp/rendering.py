"""The hot path of sending: whole messages, messages from a stencil, acknowledgements.

A `CompiledStencil` is a task's message with everything that does not change already in bytes; rendering one fills six holes and three
lengths. ``benchmarks/bench_amqp_codec.py`` holds it to 6 µs.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct
from typing import Any

from umbel.errors import EncodeError
from umbel.wire.amqp.content import CLASS_BASIC, parse_content, render_content, render_tail
from umbel.wire.amqp.fields import Limits, render_name, render_value
from umbel.wire.message import Call, Message, Stencil

_PACK_FRAME = Struct(">BHI").pack
_PACK_LONG = Struct(">I").pack
_PUBLISH = b"\x00\x3c\x00\x28\x00\x00"
_PACK_ACK = Struct(">BHIHHQBB").pack
_HOLES = ("id", "group_index", "root_id", "parent_id", "argsrepr", "kwargsrepr")
#: Those that may hold nothing: their type is written with them.
_EMPTY = frozenset(("group_index", "parent_id"))
_PACK_INDEX = Struct(">ci").pack


def render_frame(kind: int, channel: int, payload: bytes) -> bytes:
    """Render one frame.

    Args:
        kind: 1 method, 2 content header, 3 body, 8 heartbeat.
        channel: number of the channel.
        payload: the bytes between its header and its end mark.
    """
    return _PACK_FRAME(kind, channel, len(payload)) + payload + b"\xce"


def render_publish(channel: int, exchange: str, routing_key: str, *, mandatory: bool) -> bytes:
    """Render the method frame of Basic.Publish.

    Args:
        channel: number of the channel.
        exchange: its name; empty is the default exchange.
        routing_key: of the message.
        mandatory: have the broker return a message that no queue takes.
    """
    payload = _PUBLISH + render_name(exchange) + render_name(routing_key) + (b"\x01" if mandatory else b"\x00")
    return render_frame(1, channel, payload)


def render_body(channel: int, body: bytes, frame_max: int) -> bytes:
    """Render the frames of a message's body: none when it is empty.

    Args:
        channel: number of the channel.
        body: its bytes.
        frame_max: bytes of the largest frame.
    """
    most = frame_max - 8
    if len(body) <= most:
        return render_frame(3, channel, body) if body else b""
    return b"".join(render_frame(3, channel, body[at : at + most]) for at in range(0, len(body), most))


def render_message(channel: int, method: bytes, message: Message, frame_max: int) -> bytes:
    """Render a message whole, its `render_publish` included.

    Args:
        channel: number of the channel.
        method: the frame of its Basic.Publish.
        message: the rest of it.
        frame_max: bytes of the largest frame.

    Raises:
        EncodeError: a header or property cannot be carried, or the headers do not fit into one frame.
    """
    content = render_content(len(message.body), message.content_type, message.content_encoding, message.headers, message.properties)
    if len(content) + 8 > frame_max:
        raise EncodeError(f"the headers and properties have {len(content)} bytes; the broker allows {frame_max - 8}")
    return b"".join((method, _PACK_FRAME(2, channel, len(content)), content, b"\xce", render_body(channel, message.body, frame_max)))


class CompiledStencil:
    """A stencil in wire bytes for one channel; `render` fills the holes.

    Args:
        stencil: the parts that all its messages share.
        channel: number of the channel.
        mandatory: have the broker return a message that no queue takes.
    """

    __slots__ = ("_channel", "_fixed", "_head", "_pieces", "_prefix", "_tail_after", "_tail_before")

    def __init__(self, stencil: Stencil, channel: int, *, mandatory: bool = True) -> None:
        self._channel = channel
        flags, pieces, static = 0, [], b""
        before = b""
        for flag, value in ((0x8000, stencil.content_type), (0x4000, stencil.content_encoding)):
            if value:
                flags |= flag
                before += render_name(value)
        names = [name for name in stencil.headers if name in _HOLES]
        if tuple(names) != _HOLES:
            raise EncodeError(f"a stencil's headers must hold {', '.join(_HOLES)} in this order; they hold {', '.join(names) or 'none'}")
        for name, value in stencil.headers.items():
            static += render_name(name)
            if name in _HOLES:
                pieces.append(static if name in _EMPTY else static + b"S")
                static = b""
            else:
                static += render_value(value, name)
        pieces.append(static)
        properties = {key: value for key, value in stencil.properties.items() if key != "correlation_id"}
        leading: dict[str, Any] = {key: properties.pop(key) for key in ("delivery_mode", "priority") if key in properties}
        lead_flags, self._tail_before = render_tail(leading)
        tail_flags, self._tail_after = render_tail(properties)
        method = render_publish(channel, stencil.exchange, stencil.routing_key, mandatory=mandatory)
        # Method frame, header frame and the first piece of the table in one pack: frame size, body size, table size, length of the id.
        self._head = Struct(f">{len(method)}sBHIHHQH{len(before)}sI{len(pieces[0])}sI").pack
        self._prefix = (method, flags | 0x2400 | lead_flags | tail_flags, before, pieces[0])
        self._pieces = tuple(pieces[1:])
        table = sum(map(len, pieces)) + 16
        self._fixed = (table, 14 + len(before) + 4 + len(self._tail_before) + 1 + len(self._tail_after))

    def render(self, call: Call, frame_max: int) -> bytes:
        """Render the frames of one message.

        Args:
            call: what fills the stencil.
            frame_max: bytes of the largest frame.

        Raises:
            EncodeError: the id is longer than 255 bytes, or the headers do not fit into one frame.
        """
        task_id, root_id, parent_id, argsrepr, kwargsrepr, body, group_index = call
        ident = task_id.encode()
        root = ident if root_id == task_id else root_id.encode()
        args, kwargs = argsrepr.encode(), kwargsrepr.encode()
        if parent_id is None:
            parent = b"V"
        else:
            raw = parent_id.encode()
            parent = b"S" + _PACK_LONG(len(raw)) + raw
        index = b"V" if group_index is None else _PACK_INDEX(b"I", group_index)
        ident_size, size, channel = len(ident), len(body), self._channel
        table_size, rest_size = self._fixed
        table_size += ident_size + len(index) + len(root) + len(parent) + len(args) + len(kwargs)
        header_size = table_size + rest_size + ident_size
        if ident_size > 255 or header_size + 8 > frame_max:
            raise EncodeError(f"the headers and properties have {header_size} bytes; the broker allows {frame_max - 8}, and 255 for the id")
        method, flags, before, first = self._prefix
        to_index, to_root, to_parent, to_args, to_kwargs, last = self._pieces
        return b"".join(
            (
                self._head(method, 2, channel, header_size, CLASS_BASIC, 0, size, flags, before, table_size, first, ident_size),
                ident,
                to_index,
                index,
                to_root,
                _PACK_LONG(len(root)),
                root,
                to_parent,
                parent,
                to_args,
                _PACK_LONG(len(args)),
                args,
                to_kwargs,
                _PACK_LONG(len(kwargs)),
                kwargs,
                last,
                self._tail_before,
                bytes((ident_size,)),
                ident,
                self._tail_after,
                b"\xce",
                _PACK_FRAME(3, channel, size) + body + b"\xce" if 0 < size <= frame_max - 8 else render_body(channel, body, frame_max),
            )
        )


def render_ack(channel: int, tag: int, *, multiple: bool) -> bytes:
    """Render Basic.Ack.

    Args:
        channel: number of the channel.
        tag: the delivery's.
        multiple: acknowledge all deliveries up to it.
    """
    return _PACK_ACK(1, channel, 13, CLASS_BASIC, 80, tag, multiple, 0xCE)


def render_acks(channel: int, upto: int, singles: Iterable[int]) -> bytes:
    """Render one ack for all deliveries up to a tag, and one for each further tag.

    Args:
        channel: number of the channel.
        upto: the tag; 0 is none.
        singles: tags after it.
    """
    parts = [_PACK_ACK(1, channel, 13, CLASS_BASIC, 80, upto, 1, 0xCE)] if upto else []
    parts.extend([_PACK_ACK(1, channel, 13, CLASS_BASIC, 80, tag, 0, 0xCE) for tag in singles])
    return b"".join(parts)


def render_requeue(channel: int, tag: int) -> bytes:
    """Render Basic.Nack with requeue (RabbitMQ's extension), for one ``tag`` on ``channel``."""
    return _PACK_ACK(1, channel, 13, CLASS_BASIC, 120, tag, 2, 0xCE)


def address_of(frames: bytes) -> tuple[str, str]:
    """Read exchange and routing key from the ``frames`` of a rendered message."""
    stop = 14 + frames[13]
    return frames[14:stop].decode(), frames[stop + 1 : stop + 1 + frames[stop]].decode()


def size_of(frames: bytes) -> int:
    """Read the body's size in bytes from the ``frames`` of a rendered message."""
    header = _header_of(frames)
    return int.from_bytes(frames[header + 4 : header + 12], "big")


def names_of(frames: bytes, limits: Limits) -> tuple[str, str]:
    """Read task and id from the ``frames`` of a rendered message, empty where it has none; ``limits`` are those of its header table."""
    header = _header_of(frames)
    stop = header + int.from_bytes(frames[header - 4 : header], "big")
    _, _, headers, properties, _ = parse_content(frames, header, stop, limits)
    return str(headers.get("task") or ""), str(headers.get("id") or properties.get("correlation_id") or "")


def _header_of(frames: bytes) -> int:
    """Find the offset at which the payload of the content header starts."""
    return 8 + int.from_bytes(frames[3:7], "big") + 7
