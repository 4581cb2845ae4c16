"""Redis' own protocol, RESP2 and RESP3, as bytes ⇄ plain values (https://redis.io/docs/reference/protocol-spec)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from umbel.errors import ProtocolError

Argument = bytes | str | int | float


class ReplyError(Exception):
    """An error reply; ``code`` is its first word (``WRONGTYPE``, ``OOM``, …)."""

    @property
    def code(self) -> str:
        """The first word, in capitals by convention."""
        return str(self).partition(" ")[0]


class Push(list[Any]):
    """A RESP3 message that answers nothing: an invalidation, a publication."""


def pack(*arguments: Argument) -> bytes:
    """Render one command from its ``*arguments``."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        data = argument if type(argument) is bytes else str(argument).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


def pack_part(argument: Argument) -> bytes:
    """Render one ``argument`` of a command, for `pack_joined`."""
    data = argument if type(argument) is bytes else str(argument).encode()
    return b"$%d\r\n%b\r\n" % (len(data), data)


def pack_joined(count: int, *parts: bytes) -> bytes:
    """Render one command of ``count`` arguments from ``*parts`` that are packed already."""
    return b"*%d\r\n" % count + b"".join(parts)


def pack_all(commands: Iterable[Iterable[Argument]]) -> bytes:
    """Render several ``commands``, each as its arguments."""
    parts: list[bytes] = []
    for command in commands:
        arguments = [argument if type(argument) is bytes else str(argument).encode() for argument in command]
        parts.append(b"*%d\r\n" % len(arguments))
        for data in arguments:  # which may be large, and is copied once
            parts += (b"$%d\r\n" % len(data), data, b"\r\n")
    return b"".join(parts)


def _double(data: bytes) -> float:
    return float(data)


#: Replies that fit into their first line.
_SIMPLE: dict[int, Callable[[bytes], Any]] = {
    ord(":"): int,
    ord("+"): bytes,
    ord("_"): lambda _: None,
    ord("#"): lambda data: data == b"t",
    ord(","): _double,
    ord("("): int,
    ord("-"): lambda data: ReplyError(data.decode("utf-8", "replace")),
}
_AGGREGATES = {ord("*"): 1, ord("~"): 1, ord(">"): 1, ord("%"): 2}
#: Replies with a length before them: text, verbatim text, errors.
_BULKS = frozenset(b"$=!")
#: Bytes of a line and of a value (what Redis itself allows), and arrays inside one another: more is not Redis that is talking.
_LONGEST_LINE, _LARGEST, _DEEPEST = 64 * 1024, 512 * 1024 * 1024, 64
_BULK_ERROR, _PUSH = ord("!"), ord(">")


class Parser:
    """Takes bytes as they come, gives whole replies.

    Error replies are given as `ReplyError` values, maps as flat lists, pushes as `Push`.
    """

    __slots__ = ("_chunks", "_missing", "_rest", "_stack")

    def __init__(self) -> None:
        self._rest = b""
        #: What has come of a large value, not joined before it is complete.
        self._chunks: list[bytes] = []
        self._missing = 0
        #: (items so far, items in all) of the aggregates that are being read, the outermost first.
        self._stack: list[tuple[list[Any], int]] = []

    def feed(self, data: bytes) -> list[Any]:
        """Take ``data`` from the server; returns the replies that are complete now.

        Raises:
            ProtocolError: they are not RESP.
        """
        if self._missing:
            self._chunks.append(data)
            self._missing -= len(data)
            if self._missing > 0:
                return []
            data = b"".join(self._chunks)
            self._chunks, self._missing = [], 0
        elif self._rest:
            data = self._rest + data
        self._rest = b""
        try:
            return self._read(data)
        except (ValueError, KeyError) as error:
            raise ProtocolError(f"the server sent what is not RESP: {data[:60]!r}") from error

    def _read(self, data: bytes) -> list[Any]:  # noqa: C901, PLR0912 - flat, because calls cost more than the work
        out: list[Any] = []
        at, size, stack = 0, len(data), self._stack
        while at < size:
            end = data.find(b"\r\n", at)
            if end < 0:
                if size - at > _LONGEST_LINE:
                    raise ValueError("a line without an end")
                break
            kind = data[at]
            value: Any
            if kind in _BULKS:
                length = int(data[at + 1 : end])
                if length < 0:
                    value, at = None, end + 2
                elif length > _LARGEST:
                    raise ValueError("a value that is too large")
                elif size < end + length + 4:
                    self._chunks, self._missing = [data[at:]], end + length + 4 - size
                    return out
                else:
                    value, at = data[end + 2 : end + 2 + length], end + length + 4
                    if kind == _BULK_ERROR:
                        value = ReplyError(value.decode("utf-8", "replace"))
            elif kind in _AGGREGATES:
                length = int(data[at + 1 : end]) * _AGGREGATES[kind]
                at = end + 2
                value = Push() if kind == _PUSH else []
                if length > 0:
                    stack.append((value, length))
                    if len(stack) > _DEEPEST:
                        raise ValueError("arrays inside arrays without end")
                    continue
                if length < 0:
                    value = None
            else:
                value = _SIMPLE[kind](data[at + 1 : end])
                at = end + 2
            while stack:
                items, length = stack[-1]
                items.append(value)
                if len(items) < length:
                    break
                value = items
                stack.pop()
            else:
                out.append(value)
        self._rest = data[at:]
        return out
