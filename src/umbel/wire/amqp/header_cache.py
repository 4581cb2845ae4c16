"""A cache of header tables, which are alike: their static bytes are compared, not parsed.

Two messages of one task from one sender have header tables that differ in five places (id, root_id, parent_id, the reprs) and agree in
all other bytes. A `HeaderShape` is such a table cut at those places. Where a table matches a shape, only the five values are decoded; the
static bytes are compared, so that a match is exact and a mismatch falls back to `parse_table`, whose result teaches the next shape.
"""

from __future__ import annotations

from typing import Any

from umbel.wire.amqp.fields import U32, Limits, parse_table, render_name, render_value

#: How every protocol-2 table starts: what follows is the name of the task.
_START = b"\x04langS\x00\x00\x00\x02py\x04taskS"
_HOLES = frozenset({"id", "root_id", "parent_id", "argsrepr", "kwargsrepr", "group", "eta", "expires", "origin"})
#: Shapes kept, one for each task name; and mismatches after which one is given up.
_MOST_SHAPES = 500
_MOST_MISSES = 8


class HeaderShape:
    """One header table, cut at the values that differ from call to call.

    Args:
        headers: a table of this shape, parsed.
    """

    __slots__ = ("base", "mutable", "pieces", "tail")

    def __init__(self, headers: dict[str, Any]) -> None:
        """Learn from a parsed table; the static bytes are rendered, so a sender with other type tags never matches."""
        self.base = headers
        self.mutable: tuple[str, ...] = tuple(name for name, value in headers.items() if isinstance(value, (list, dict)))
        pieces: list[tuple[bytes, str]] = []
        static = b""
        for name, value in headers.items():
            static += render_name(name)
            if name in _HOLES and isinstance(value, str):
                pieces.append((static + b"S", name))
                static = b""
            else:
                static += render_value(value, name)
        self.pieces = tuple((piece, len(piece), name) for piece, name in pieces)
        self.tail: bytes = static

    def parse(self, data: bytes, at: int, end: int) -> dict[str, Any] | None:
        """Parse the headers between two offsets; ``None`` when they do not have this shape.

        Args:
            data: bytes that hold them.
            at: offset at which they start.
            end: offset behind them.
        """
        headers = self.base.copy()
        for piece, length, name in self.pieces:
            if not data.startswith(piece, at):
                return None
            at += length + 4
            stop = at + U32(data, at - 4)[0]
            if stop > end:
                return None
            headers[name] = data[at:stop].decode()
            at = stop
        if end - at != len(self.tail) or not data.startswith(self.tail, at):
            return None
        for name in self.mutable:
            value = headers[name]
            if value:
                return self._with_own_values(headers)
            headers[name] = value.copy()
        return headers

    def _with_own_values(self, headers: dict[str, Any]) -> dict[str, Any]:
        """Copy the nested values, which the caller may change."""
        for name in self.mutable:
            headers[name] = _copied(headers[name])
        return headers


def _copied(value: Any) -> Any:
    if isinstance(value, list):
        return [_copied(item) if isinstance(item, (list, dict)) else item for item in value]
    if isinstance(value, dict):
        return {key: _copied(item) if isinstance(item, (list, dict)) else item for key, item in value.items()}
    return value


class HeaderCache:
    """The shapes seen on one connection, by task name."""

    __slots__ = ("_misses", "_shapes")

    def __init__(self) -> None:
        self._shapes: dict[bytes, HeaderShape] = {}
        self._misses: dict[bytes, int] = {}

    def parse(self, data: bytes, at: int, limits: Limits) -> tuple[dict[str, Any], int]:
        """Do what `parse_table` does, faster for tables like one before.

        Args:
            data: bytes that hold the table.
            at: offset at which its length starts.
            limits: what it may weigh.
        """
        start = at + 4
        if not data.startswith(_START, start):
            return parse_table(data, at, limits)
        size_at = start + len(_START)
        key = data[size_at : size_at + 4 + U32(data, size_at)[0]] if len(data) > size_at + 4 else b""
        shape = self._shapes.get(key)
        if shape is not None:
            size = U32(data, at)[0]
            end = start + size
            if size <= limits.header_bytes and end <= len(data):
                headers = shape.parse(data, start, end)
                if headers is not None:
                    return headers, end
        headers, end = parse_table(data, at, limits)
        self._learn(key, headers)
        return headers, end

    def _learn(self, key: bytes, headers: dict[str, Any]) -> None:
        misses = self._misses.get(key, 0)
        if misses < _MOST_MISSES and len(self._shapes) < _MOST_SHAPES and len(key) < 512:
            self._misses[key] = misses + 1
            self._shapes[key] = HeaderShape(_copied(headers))
