"""Field tables, the values of message headers (AMQP 0-9-1, section 4.2.1, with RabbitMQ's errata).

What is written carries the type tags that py-amqp 5 writes, so that a header table of ours is byte for byte Celery's: ``S`` text,
``V`` nothing, ``I`` integers of 32 bits and ``L`` of 64, ``d`` floats, ``t`` truth values, ``T`` times, ``D`` decimals, ``F`` tables,
``A`` arrays. Bytes are written as ``x``, which keeps them bytes on the other side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from struct import Struct
from struct import error as StructError  # noqa: N812 - it is a class
from typing import Any, Protocol

from umbel.errors import DecodeError, EncodeError, MessageTooLarge

U16 = Struct(">H").unpack_from
U32 = Struct(">I").unpack_from
U64 = Struct(">Q").unpack_from
_I8 = Struct(">b").unpack_from
_I16 = Struct(">h").unpack_from
I32 = Struct(">i").unpack_from
_I64 = Struct(">q").unpack_from
_F32 = Struct(">f").unpack_from
_F64 = Struct(">d").unpack_from
_DECIMAL = Struct(">Bi").unpack_from
PACK_U32 = Struct(">I").pack
_PACK_TEXT = Struct(">cI").pack
_PACK_I32 = Struct(">ci").pack
_PACK_I64 = Struct(">cq").pack
_PACK_F64 = Struct(">cd").pack
_PACK_TIME = Struct(">cQ").pack
_PACK_DECIMAL = Struct(">cBi").pack

#: Header names recur; each is decoded once. Bounded, because a peer chooses them.
_NAMES: dict[bytes, str] = {}
_MOST_NAMES = 2000
#: Levels of nesting that are written; a message read back under the default limits may have eight.
DEEPEST_WRITE = 32


class Limits(Protocol):
    """The limits of one message; see `umbel.wire.message.MessageLimits`."""

    @property
    def body(self) -> int:
        """The bytes of a body."""

    @property
    def header_bytes(self) -> int:
        """The bytes of the header table."""

    @property
    def header_count(self) -> int:
        """The values in the header table, nested ones included."""

    @property
    def depth(self) -> int:
        """The levels of nesting."""


def name_of(raw: bytes) -> str:
    """Decode the bytes ``raw`` of a short string that recurs (a header's name, an exchange, a routing key).

    Raises:
        UnicodeDecodeError: it is not UTF-8.
    """
    found = _NAMES.get(raw)
    if found is None:
        found = raw.decode()
        if len(_NAMES) < _MOST_NAMES and len(raw) < 128:
            _NAMES[raw] = found
    return found


def parse_table(data: bytes, at: int, limits: Limits) -> tuple[dict[str, Any], int]:
    """Parse a field table with its length; returns it and the offset behind it.

    Args:
        data: bytes that hold the table.
        at: offset at which its length starts.
        limits: what it may weigh.

    Raises:
        MessageTooLarge: it passes a limit.
        DecodeError: it is malformed.
    """
    try:
        (size,) = U32(data, at)
        at += 4
        end = at + size
        if end > len(data):
            raise DecodeError("the header table is longer than its frame")
        if size > limits.header_bytes:
            raise MessageTooLarge(f"the headers have {size} bytes, the limit is {limits.header_bytes}")
        out, _ = _table(data, at, end, limits.header_count, limits.header_count, limits.depth)
    except (StructError, IndexError, ValueError, OverflowError, OSError) as error:
        raise DecodeError(f"the header table is malformed: {error}") from error
    return out, end


def _table(data: bytes, at: int, end: int, room: int, most: int, depth: int) -> tuple[dict[str, Any], int]:
    """The entries between two places; returns them and how many more values there may be. Flat on purpose: it runs for each delivery."""
    if depth <= 0:
        raise MessageTooLarge("the headers are nested too deeply")
    out: dict[str, Any] = {}
    names = _NAMES
    while at < end:
        stop = at + 1 + data[at]
        raw = data[at + 1 : stop]
        name = names.get(raw) or name_of(raw)
        kind = data[stop]
        at = stop + 1
        room -= 1
        if kind == 83:  # S
            stop = at + 4 + U32(data, at)[0]
            if stop > end:
                raise DecodeError(f"the header {name!r} is longer than its table")
            out[name] = data[at + 4 : stop].decode()
            at = stop
        elif kind == 86:  # V
            out[name] = None
        elif kind == 73:  # I
            (out[name],) = I32(data, at)
            at += 4
        elif kind == 116:  # t
            out[name] = data[at] != 0
            at += 1
        else:
            out[name], at, room = _value(data, kind, at, end, room, most, depth)
        if room < 0:
            raise MessageTooLarge(f"there are more than {most} headers")
    if at != end:
        raise DecodeError("a header is longer than its table")
    return out, room


def _value(data: bytes, kind: int, at: int, end: int, room: int, most: int, depth: int) -> tuple[Any, int, int]:
    """One value after its tag; returns it, where it ends, and how many more values there may be."""
    reader = _FIXED.get(kind)
    if reader is not None:
        size, read = reader
        if at + size > end:
            raise DecodeError("a header is longer than its table")
        return read(data, at), at + size, room
    if kind in b"SxFA":
        stop = at + 4 + U32(data, at)[0]
        if stop > end:
            raise DecodeError("a header is longer than its table")
        at += 4
        if kind == 65:  # A
            array, room = _array(data, at, stop, room, most, depth - 1)
            return array, stop, room
        if kind == 70:  # F
            table, room = _table(data, at, stop, room, most, depth - 1)
            return table, stop, room
        return (data[at:stop].decode() if kind == 83 else data[at:stop]), stop, room
    raise DecodeError(f"a header has the unknown type tag {chr(kind)!r}")


def _array(data: bytes, at: int, end: int, room: int, most: int, depth: int) -> tuple[list[Any], int]:
    if depth <= 0:
        raise MessageTooLarge("the headers are nested too deeply")
    out: list[Any] = []
    while at < end:
        room -= 1
        if room < 0:
            raise MessageTooLarge(f"there are more than {most} headers")
        kind = data[at]
        if kind == 86:  # V
            out.append(None)
            at += 1
            continue
        value, at, room = _value(data, kind, at + 1, end, room, most, depth)
        out.append(value)
    return out, room


def _decimal(data: bytes, at: int) -> Decimal:
    scale, value = _DECIMAL(data, at)
    return Decimal(value).scaleb(-scale)


#: Type tag → (bytes, reader).
_FIXED: dict[int, tuple[int, Callable[[bytes, int], Any]]] = {
    ord("V"): (0, lambda _data, _at: None),
    ord("t"): (1, lambda data, at: data[at] != 0),
    ord("b"): (1, lambda data, at: _I8(data, at)[0]),
    ord("B"): (1, lambda data, at: data[at]),
    ord("s"): (2, lambda data, at: _I16(data, at)[0]),
    ord("U"): (2, lambda data, at: _I16(data, at)[0]),
    ord("u"): (2, lambda data, at: U16(data, at)[0]),
    ord("I"): (4, lambda data, at: I32(data, at)[0]),
    ord("i"): (4, lambda data, at: U32(data, at)[0]),
    ord("l"): (8, lambda data, at: _I64(data, at)[0]),
    ord("L"): (8, lambda data, at: _I64(data, at)[0]),
    ord("f"): (4, lambda data, at: _F32(data, at)[0]),
    ord("d"): (8, lambda data, at: _F64(data, at)[0]),
    ord("D"): (5, _decimal),
    ord("T"): (8, lambda data, at: datetime.fromtimestamp(U64(data, at)[0], UTC)),
}


def render_table(table: Mapping[str, Any]) -> bytes:
    """Render ``table`` as a field table with its length.

    Raises:
        EncodeError: a name is longer than 255 bytes, or a value has no AMQP form.
    """
    return _sized(_entries(table, DEEPEST_WRITE))


def _sized(parts: Iterable[bytes]) -> bytes:
    content = b"".join(parts)
    return PACK_U32(len(content)) + content


def _entries(table: Mapping[str, Any], depth: int) -> list[bytes]:
    if depth <= 0:
        raise EncodeError("headers are nested too deeply, or contain themselves")
    parts: list[bytes] = []
    for name, value in table.items():
        parts.append(_recurring_name(name))
        parts.append(b"V" if value is None else render_value(value, name, depth))
    return parts


def render_name(name: str) -> bytes:
    """Render ``name`` as a short string: a header's name, a queue, an exchange, a routing key.

    Raises:
        EncodeError: it is longer than 255 bytes.
    """
    raw = name.encode()
    if len(raw) > 255:
        raise EncodeError(f"{name[:40]!r}… has {len(raw)} bytes; AMQP allows 255 for a name")
    return bytes((len(raw),)) + raw


_recurring_name = lru_cache(maxsize=1024)(render_name)


def render_text(text: str) -> bytes:
    """Render ``text`` as a value with its tag."""
    raw = text.encode()
    return _PACK_TEXT(b"S", len(raw)) + raw


def render_value(value: Any, name: str = "", depth: int = DEEPEST_WRITE) -> bytes:  # noqa: PLR0911 - one for each type
    """Render one value with its tag; the tests are in the order of the frequency of types.

    Args:
        value: what a header holds.
        name: the header, for the error's text.
        depth: levels that lists and tables may still be nested.

    Raises:
        EncodeError: the value has no AMQP form.
    """
    if value is None:
        return b"V"
    if isinstance(value, str):
        return render_text(value)
    if isinstance(value, bool):
        return b"t\x01" if value else b"t\x00"
    if isinstance(value, int):
        # py-amqp writes -2**31 in 64 bits as well.
        if -0x7FFFFFFF <= value <= 0x7FFFFFFF:
            return _PACK_I32(b"I", value)
        if not -(1 << 63) <= value < 1 << 63:
            raise EncodeError(f"the header {name!r} is {value}: AMQP integers have 64 bits")
        return _PACK_I64(b"L", value)
    if isinstance(value, float):
        return _PACK_F64(b"d", value)
    if isinstance(value, Mapping):
        return b"F" + _sized(_entries(value, depth - 1))
    if isinstance(value, (list, tuple)):
        if depth <= 1:
            raise EncodeError(f"the header {name!r} is nested too deeply, or contains itself")
        return b"A" + _sized([render_value(item, name, depth - 1) for item in value])
    return _rare(value, name)


def _rare(value: Any, name: str) -> bytes:
    if isinstance(value, (bytes, bytearray, memoryview)):
        raw = bytes(value)
        return _PACK_TEXT(b"x", len(raw)) + raw
    if isinstance(value, datetime):
        seconds = int((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp())
        if seconds < 0:
            raise EncodeError(f"the header {name!r} is {value}: AMQP has no times before 1970")
        return _PACK_TIME(b"T", seconds)
    if isinstance(value, Decimal):
        return _render_decimal(value, name)
    raise EncodeError(f"the header {name!r} is a {type(value).__name__}, which AMQP cannot carry")


def _render_decimal(value: Decimal, name: str) -> bytes:
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or exponent > 0:
        raise EncodeError(f"the header {name!r} is {value}: AMQP decimals are finite and have no positive exponent")
    number = int("".join(map(str, digits)) or "0")
    number = -number if sign else number
    if -exponent > 255 or not -(1 << 31) <= number < 1 << 31:
        raise EncodeError(f"the header {name!r} is {value}: AMQP decimals have 32 bits and up to 255 places")
    return _PACK_DECIMAL(b"D", -exponent, number)
