"""Fields of events as they are kept: of one kind, and bounded, whatever their sender has put into them. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from umbel.events.model import LONGEST_NAME
from umbel.messages.preview import preview

#: Characters of a text that is kept of an event, and of a traceback.
LONGEST_TEXT: Final = 2_000
LONGEST_TRACEBACK: Final = 20_000
#: Seconds. A worker that tells a longer time between two heartbeats would never be missed.
LONGEST_FREQ: Final = 3_600.0


def text(value: Any) -> str | None:
    """Keep a text, or a preview of what is none.

    Args:
        value: of a field.
    """
    if value is None or (type(value) is str and len(value) <= LONGEST_TEXT):
        return value
    return (value if isinstance(value, str) else preview(value))[:LONGEST_TEXT]


def traceback(value: Any) -> str | None:
    """Keep the end of a traceback, which says most.

    Args:
        value: of a field.
    """
    return value[-LONGEST_TRACEBACK:] if isinstance(value, str) else None


def name(value: Any) -> str | None:
    """Keep a name or an id.

    Args:
        value: of a field.
    """
    return value[:LONGEST_NAME] if isinstance(value, str) else None


def number(value: Any) -> float | None:
    """Keep a number that is one.

    Args:
        value: of a field.
    """
    return value if type(value) in {int, float} and -1e15 < value < 1e15 else None


def count(value: Any) -> int | None:
    """Keep a whole number.

    Args:
        value: of a field.
    """
    return value if type(value) is int and 0 <= value < 1 << 63 else None


def seconds_between(value: Any) -> float | None:
    """Keep a time between two heartbeats, in seconds.

    Args:
        value: of a field.
    """
    found = number(value)
    return min(found, LONGEST_FREQ) if found is not None and found > 0 else None


def load(value: Any) -> list[float] | None:
    """Keep the load of a machine: three numbers.

    Args:
        value: of a field.
    """
    if not isinstance(value, (list, tuple)) or len(value) > 3:
        return None
    return [found for each in value if (found := number(each)) is not None]


def plain(value: Any) -> Any:
    """Keep a value of a field that nobody knows, as a task sends it: numbers as they are, all else as a text.

    Args:
        value: of a field.
    """
    if value is None or type(value) is bool:
        return value
    if type(value) is float and not math.isfinite(value):
        return None
    found = number(value)
    return text(value) if found is None else found


#: Fields of tasks that are kept, and how.
OF_TASK: Final[Mapping[str, Callable[[Any], Any]]] = {
    **dict.fromkeys(("name", "root_id", "parent_id", "queue", "exchange", "routing_key"), name),
    **dict.fromkeys(("args", "kwargs", "eta", "expires", "result", "exception"), text),
    "retries": count,
    "runtime": number,
    "traceback": traceback,
    **dict.fromkeys(("requeue", "terminated", "signum", "expired"), plain),
}
#: Fields of workers that are kept, and how.
OF_WORKER: Final[Mapping[str, Callable[[Any], Any]]] = {
    "pid": count,
    "freq": seconds_between,
    "active": count,
    "processed": count,
    "loadavg": load,
    **dict.fromkeys(("sw_ident", "sw_ver", "sw_sys"), name),
}
