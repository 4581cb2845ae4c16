"""Kinds of values that settings take. Each checks a value and converts text, as it comes from environments and command lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from math import inf
from typing import Any

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0", ""})


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value.

    Args:
        name: for people: "number of seconds".
        convert: returns the value to keep; raises ValueError or TypeError for one that does not fit.
    """

    name: str
    convert: Callable[[Any], Any]

    def __repr__(self) -> str:
        return f"Kind({self.name})"


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    if isinstance(value, str):
        if value.strip().lower() in _TRUE:
            return True
        if value.strip().lower() in _FALSE:
            return False
    raise ValueError


def _number(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, str):
        return float(value) if not value.strip().lstrip("+-").isdigit() else int(value)
    raise TypeError


def _integer(value: Any) -> int:
    number = _number(value)
    if number == int(number):
        return int(number)
    raise ValueError


def _seconds(value: Any) -> float | timedelta:
    return value if isinstance(value, timedelta) else _number(value)


def _string(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise TypeError


def _zone(value: Any) -> Any:
    if isinstance(value, tzinfo):
        return value
    if value and _string(value).upper() != "UTC":
        from zoneinfo import ZoneInfo

        try:
            ZoneInfo(value)
        except (KeyError, OSError) as error:
            raise ValueError from error
    return value


def _text_or_number(value: Any) -> Any:
    if isinstance(value, (str, int)) and not isinstance(value, bool):
        return value
    raise TypeError


def _names(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, Mapping) or not hasattr(value, "__iter__"):
        raise TypeError
    return value


def _urls(value: Any) -> Any:
    return value if isinstance(value, str) else tuple(map(_string, _names(value)))


def _mapping(value: Any) -> Any:
    if isinstance(value, Mapping):
        return value
    raise TypeError


def _flag_or_mapping(value: Any) -> Any:
    return value if isinstance(value, Mapping) else _flag(value)


def _rate(value: Any) -> Any:
    from umbel.runtime.rates import rate  # few settings have one

    rate(value)
    return value


def choice(*allowed: Any) -> Kind:
    """Make the kind of one of the words ``allowed``; letters' case does not matter."""

    def convert(value: Any) -> Any:
        for word in allowed:
            if value == word or (isinstance(value, str) and value.lower() == str(word).lower()):
                return word
        raise ValueError

    return Kind("one of " + ", ".join(repr(word) for word in allowed), convert)


def between(kind: Kind, least: float, most: float | None = None) -> Kind:
    """Limit the numbers of ``kind`` to those from ``least`` to ``most``; durations in seconds."""

    def convert(value: Any) -> Any:
        kept = kind.convert(value)
        number = kept.total_seconds() if isinstance(kept, timedelta) else kept
        if not least <= number <= (inf if most is None else most):
            raise ValueError
        return kept

    return Kind(f"{kind.name}, at least {least}" if most is None else f"{kind.name} from {least} to {most}", convert)


def or_word(kind: Kind, word: str) -> Kind:
    """Take a ``word``, in any case, beside what ``kind`` takes."""

    def convert(value: Any) -> Any:
        return word if isinstance(value, str) and value.strip().lower() == word else kind.convert(value)

    return Kind(f"{kind.name}, or {word}", convert)


FLAG = Kind("True or False", _flag)
INTEGER = Kind("whole number", _integer)
NUMBER = Kind("number", _number)
COUNT = between(INTEGER, 0)
COUNT_OR_AUTO = or_word(COUNT, "auto")
POSITIVE = between(INTEGER, 1)
PRIORITY = between(INTEGER, 0, 255)
PORT = between(INTEGER, 0, 65535)
SECONDS = Kind("number of seconds or timedelta", _seconds)
DURATION = between(SECONDS, 0)
TEXT = Kind("text", _string)
ZONE = Kind("name of a zone such as Europe/Berlin, or tzinfo", _zone)
TEXT_OR_NUMBER = Kind("text or whole number", _text_or_number)
NAMES = Kind("list of names", _names)
URLS = Kind("URL, a ;-separated list of URLs, or a list of them", _urls)
MAPPING = Kind("dict", _mapping)
FLAG_OR_MAPPING = Kind("True, False or a dict of options", _flag_or_mapping)
RATE = Kind("rate such as 10, '10/s', '100/m' or '5/h'", _rate)
ANY = Kind("anything", lambda value: value)
