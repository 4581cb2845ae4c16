"""Parameters of statements in the forms that cost least to make, and values out of results. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from struct import Struct
from typing import Final, NamedTuple

#: Object ids of types, which are the same on every server.
BOOL, BYTEA, INT8, INT2, INT4, TEXT, FLOAT8 = 16, 17, 20, 21, 23, 25, 701
_ARRAYS: Final = {BYTEA: 1001, INT2: 1005, INT4: 1007, TEXT: 1009, INT8: 1016, FLOAT8: 1022}
_HEADER: Final = Struct(">iiiii")


class Value(NamedTuple):
    """One parameter: its bytes, its type, and 1 where they are in the server's binary form."""

    data: bytes | None
    oid: int
    form: int = 0


class Statement(NamedTuple):
    """A statement and its parameters."""

    text: bytes
    values: Sequence[Value] = ()


def number(value: float | None, oid: int = INT8) -> Value:
    """Make a parameter of a number.

    Args:
        value: the number; ``None`` is NULL.
        oid: its type.
    """
    return Value(None if value is None else repr(value).encode(), oid)


def truth(value: bool) -> Value:
    """Make a parameter of a truth value.

    Args:
        value: it.
    """
    return Value(b"t" if value else b"f", BOOL)


def text(value: str | bytes | None) -> Value:
    """Make a parameter of a text.

    Args:
        value: the text; ``None`` is NULL.
    """
    return Value(value.encode() if isinstance(value, str) else value, TEXT)


def numbers(values: Sequence[float], oid: int = INT8) -> Value:
    """Make an array of numbers; NULL where there are none.

    Args:
        values: the numbers.
        oid: the type of each.
    """
    if not values:
        return Value(None, _ARRAYS[oid])
    return Value(b"{%s}" % ",".join(map(repr, values)).encode(), _ARRAYS[oid])


def array(values: Sequence[bytes], oid: int = TEXT) -> Value:
    """Make an array of texts or bytes, which may be empty.

    Args:
        values: in the server's encoding.
        oid: the type of each.
    """
    if not values:
        return Value(b"{}", _ARRAYS[oid])
    sizes = [len(value).to_bytes(4, "big") for value in values]
    data = b"".join(chain.from_iterable(zip(sizes, values, strict=True)))
    return Value(_HEADER.pack(1, 0, oid, len(values), 1) + data, _ARRAYS[oid], 1)


def texts(values: Iterable[str]) -> Value:
    """Make an array of texts.

    Args:
        values: the texts.
    """
    return array([value.encode() for value in values])


def integer(data: bytes | None) -> int:
    """Read a whole number in binary form; NULL is 0.

    Args:
        data: of a result.
    """
    return 0 if data is None else int.from_bytes(data, "big", signed=True)


_DOUBLE: Final = Struct(">d")


def double(data: bytes | None) -> float | None:
    """Read a floating number in binary form.

    Args:
        data: of a result; ``None`` is NULL.
    """
    if data is None:
        return None
    found: float = _DOUBLE.unpack(data)[0]
    return found


def texts_in(data: bytes | None) -> list[str]:
    """Read an array of texts in binary form.

    Args:
        data: of a result; ``None`` is NULL.
    """
    if data is None or integer(data[:4]) == 0:
        return []
    found, position = [], _HEADER.size
    while position < len(data):
        size = integer(data[position : position + 4])
        position += 4
        found.append(data[position : position + size].decode())
        position += size
    return found
