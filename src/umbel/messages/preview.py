"""Previews of a call's arguments, ``argsrepr`` and ``kwargsrepr``: bounded in time and size, and never raising.

The form is Celery's (5.7), which Flower and `inspect` show: three levels of containers, 1,024 characters and then ``...``, bytes that are
not ASCII in hexadecimal. Where Celery lets control characters and lone surrogates through, `repr` escapes them here: a preview is
shown in logs and terminals, and travels in headers, which must be UTF-8.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

#: Characters before the text is cut; what closes it comes on top.
LIMIT: Final = 1024
_LEVELS: Final = 3

#: Characters of a string that is quoted without a closer look, and how many arguments may be.
_SHORT: Final = 64
_FEW: Final = 8

_CONTAINERS: Final = frozenset({tuple, list, dict})
_PLAIN: Final = frozenset({int, float, bool, type(None)})


def preview(value: Any, limit: int = LIMIT) -> str:
    """The safe, bounded representation of a call's arguments.

    Args:
        value: anything; usually a tuple, list or dict.
        limit: characters.
    """
    kind = type(value)
    if kind is dict and not value:
        return "{}"
    if (
        kind in _CONTAINERS
        and len(value) <= _FEW
        and limit == LIMIT
        and _is_plain(value)
        and (kind is not dict or _is_plain(value.values()))
    ):
        try:
            text = repr(value)
        except ValueError:  # an integer beyond the interpreter's limit of digits
            text = ""
        if text and len(text) <= limit:
            return text
    try:
        return _Preview(limit).show(value)
    except Exception as exc:
        return f"<unrepresentable {kind.__name__}: {type(exc).__name__}>"


def _is_plain(items: Iterable[Any]) -> bool:
    """Report whether `repr` writes these as the slow way would, in a tenth of the time: numbers and short texts, as in most calls."""
    for item in items:
        if type(item) is str:
            if len(item) > _SHORT or "'" in item or "\\" in item or not item.isprintable():
                return False
        elif type(item) not in _PLAIN:
            return False
    return True


class _Full(Exception):
    """The preview has all characters that it may have."""


class _Preview:
    """Text that grows until it is full, and the brackets that are still open."""

    __slots__ = ("closers", "left", "parts", "path")

    def __init__(self, limit: int) -> None:
        self.left = limit
        self.parts: list[str] = []
        #: Of each open container: what closes it, and the values that are still to come.
        self.closers: list[tuple[str, Iterator[Any]]] = []
        self.path: set[int] = set()

    def show(self, value: Any) -> str:
        try:
            self._value(value, 0)
        except _Full:
            self._close()
        return "".join(self.parts)

    def _close(self) -> None:
        more = False
        for closer, rest in reversed(self.closers):
            if not more and next(rest, self) is not self:
                more = True
                self.parts.append(", ...")
            self.parts.append(closer)

    def _put(self, text: str, opened: str = "", closed: str = "") -> None:
        """Add text between quotes; cut it where it fills the rest, and end there."""
        if len(text) >= self.left:
            self.parts.append(f"{opened}{text[: max(0, self.left)]}...{closed}")
            self.left = 0
            raise _Full
        self._punctuate(f"{opened}{text}{closed}")

    def _punctuate(self, text: str) -> None:
        self.parts.append(text)
        self.left -= len(text)

    def _value(self, value: Any, level: int) -> None:
        if isinstance(value, str):
            self._put(*_quoted(value, self.left))
        elif isinstance(value, bytes):
            head = bytes(value[: max(0, self.left) + 1])
            self._put(head.decode() if head.isascii() and head.decode().isprintable() else head.hex(), "b'", "'")
        elif isinstance(value, (dict, list, tuple, set, frozenset)):
            self._container(value, level)
        else:
            self._put(_described(value, self.left))

    def _container(self, value: Any, level: int) -> None:
        opened, closed = _brackets(value)
        if not value and not isinstance(value, dict):
            self._put({"(": "()", "[": "[]", "{": "set()"}.get(opened, "frozenset()"))
            return
        if id(value) in self.path:
            self._put(f"<Recursion on {type(value).__name__} with id={id(value)}>")
            return
        if value and level >= _LEVELS:
            self._punctuate(f"{opened}...{closed}")
            return
        # Copied, so that a change in another thread does no harm; each item takes a character or more.
        items = iter(list(islice(value.items() if isinstance(value, dict) else value, max(0, self.left) + 2)))
        self.path.add(id(value))
        self.closers.append((closed, items))
        self._punctuate(opened)
        self._items(items, level, pairs=isinstance(value, dict))
        self.closers.pop()
        self.path.discard(id(value))
        self._punctuate(closed)

    def _items(self, items: Iterator[Any], level: int, *, pairs: bool) -> None:
        separator = ""
        for item in items:
            if separator:
                self._punctuate(separator)
            separator = ", "
            if pairs:
                self._value(item[0], level + 1)
                self._punctuate(": ")
                self._value(item[1], level + 1)
            else:
                self._value(item, level + 1)


def _brackets(value: Any) -> tuple[str, str]:
    if isinstance(value, tuple):
        return "(", ",)" if len(value) == 1 else ")"
    if isinstance(value, list):
        return "[", "]"
    return ("frozenset({", "})") if isinstance(value, frozenset) else ("{", "}")


def _quoted(value: str, left: int) -> tuple[str, str, str]:
    head = value[: max(0, left) + 1]
    if head.isprintable():
        return head.replace("'", "\\'"), "'", "'"
    text = repr(str(head))
    return text[1:-1], text[0], text[0]


def _described(value: Any, left: int) -> str:
    try:
        text = repr(value)
    except Exception as exc:
        return f"<unrepresentable {type(value).__name__}: {type(exc).__name__}>"
    head = text[: max(0, left) + 1]
    return head if head.isprintable() else repr(head)[1:-1]
