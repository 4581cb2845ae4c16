"""Arguments of commands: nothing in them is trusted. Pure."""

from __future__ import annotations

import math
import signal as signals
from typing import Any, Final

#: Texts in one request; characters of one.
_MOST: Final = 100_000
_LONGEST: Final = 255


def text(name: str, value: Any) -> str:
    """Check a text.

    Args:
        name: of the argument, for the error.
        value: as received.

    Raises:
        ValueError: it is none, is empty, too long, or has control characters.
    """
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST or not value.isprintable():
        raise ValueError(f"{name} is a printable text of 1 to {_LONGEST} characters, got {value!a:.60}")
    return value


def texts(name: str, value: Any) -> set[str]:
    """Check a text, or a list of them.

    Args:
        name: of the argument, for the error.
        value: as received; ``None`` is none.

    Raises:
        TypeError: it is neither.
        ValueError: one is no text, or there are too many.
    """
    if value is None:
        return set()
    if isinstance(value, str):
        return {text(name, value)}
    if not isinstance(value, (list, tuple, set, frozenset)):
        raise TypeError(f"{name} is a text or a list of texts, got a {type(value).__name__}")
    if len(value) > _MOST:
        raise ValueError(f"{name}: {len(value):,} of them, at most {_MOST:,} are taken at once")
    return {text(name, each) for each in value}


def whole(name: str, value: Any, least: int, most: int) -> int:
    """Check a whole number.

    Args:
        name: of the argument, for the error.
        value: as received.
        least: the smallest that is taken.
        most: the largest.

    Raises:
        ValueError: it is none, or out of these bounds.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ValueError(f"{name} is a whole number from {least:,} to {most:,}, got {value!a:.60}")
    return value


def seconds(name: str, value: Any) -> float | None:
    """Check a number of seconds; 0 and ``None`` are no limit.

    Args:
        name: of the argument, for the error.
        value: as received.

    Raises:
        ValueError: it is none.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
        raise ValueError(f"{name} is a number of seconds, got {value!a:.60}")
    return float(value) or None


#: Signals that end a process, or interrupt a task.
_ENDING: Final = ("SIGTERM", "SIGKILL", "SIGINT", "SIGQUIT", "SIGHUP", "SIGABRT", "SIGUSR1")


def ending_signal(value: Any) -> signals.Signals:
    """Check a signal that ends a task: its name, with or without ``SIG``, or its number; SIGTERM where it is ``None``.

    Args:
        value: as received.

    Raises:
        ValueError: it is none, or ends nothing.
    """
    known = {name: getattr(signals, name) for name in _ENDING if hasattr(signals, name)}
    given = "SIGTERM" if value is None else value
    if isinstance(given, str) and given.isdecimal() and len(given) < 4:
        given = int(given)
    if isinstance(given, str):
        name = given.upper()
        found = known.get(name) or known.get(f"SIG{name}")
    else:
        found = next((each for each in known.values() if not isinstance(given, bool) and each == given), None)
    if found is None:
        raise ValueError(f"{value!a:.60} is no signal that ends a task: expected {', '.join(known)}")
    return signals.Signals(found)
