"""Values as people read them: times, durations, counts, states. Pure; the templates' filters."""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from umbel import states

#: State → (class of its colour, icon, word). Colour never stands alone.
STATES: Final = {
    states.PENDING: ("wait", "clock", "Sent"),
    states.RECEIVED: ("wait", "inbox", "Received"),
    states.STARTED: ("run", "play", "Running"),
    states.RETRY: ("warn", "retry", "Retrying"),
    states.SUCCESS: ("good", "check", "Succeeded"),
    states.FAILURE: ("bad", "cross", "Failed"),
    states.REVOKED: ("gone", "slash", "Revoked"),
    states.REJECTED: ("gone", "slash", "Rejected"),
    states.IGNORED: ("gone", "slash", "Ignored"),
    states.EXPIRED: ("gone", "clock", "Expired"),
    states.UNKNOWN: ("gone", "clock", "Unknown"),
    # of periodic entries, and of their runs
    "active": ("good", "check", "Active"),
    "paused": ("warn", "pause", "Paused"),
    "disabled": ("bad", "cross", "Disabled"),
    "SENT": ("wait", "inbox", "Sent"),
    "CLAIMED": ("wait", "clock", "Claimed"),
    "UNSENT": ("bad", "cross", "Not sent"),
    "SKIPPED": ("gone", "slash", "Skipped"),
    # of workers
    "online": ("good", "check", "Online"),
    "offline": ("bad", "cross", "Offline"),
    # of findings
    "ok": ("good", "check", "Fine"),
    "warning": ("warn", "alert", "Warning"),
    "error": ("bad", "cross", "Error"),
}
_CONTROLS: Final = re.compile("[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
HIDDEN: Final = "••••••"


def state_of(name: Any) -> tuple[str, str, str]:
    """Return colour, icon and word of a state; ``name`` may be one of a task's own."""
    return STATES.get(str(name), ("run", "play", str(name)[:40]))


def number(value: Any) -> str:
    """Write a count; a dash where there is no ``value``."""
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def short(value: float | None) -> str:
    """Write a ``value`` in few characters: 950, 12.3k, 4.56M."""
    if value is None:
        return "–"
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if unit == 'k' else size):.3g}{unit}"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def duration(seconds: Any) -> str:
    """Write so many ``seconds``: 12 ms, 1.24 s, 3 min 10 s, 2 h 5 min, 3 d 4 h."""
    if not isinstance(seconds, (int, float)):
        return "–"
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs" if seconds > 0 else "0 s"
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 60:
        return f"{seconds:.3g} s"
    for size, unit, small, below in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            rest = int(seconds % size // small)
            return f"{int(seconds // size)} {unit}" + (f" {rest} {below}" if rest else "")
    return f"{seconds:.0f} s"


def size(count: float) -> str:
    """Write a ``count`` of bytes: 512 B, 3.4 MB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} B" if unit == "B" else f"{count:.3g} {unit}"
        count /= 1000
    raise AssertionError


def percent(part: float | None) -> str:
    """Write a ``part`` of one: 42 %."""
    return "–" if part is None else f"{part * 100:.0f} %"


def moment(instant: Any) -> str:
    """Write an ``instant``, seconds since the epoch, in UTC: 2031-03-03 07:30:00."""
    if not isinstance(instant, (int, float)):
        return "–"
    try:
        return f"{datetime.fromtimestamp(instant, UTC):%Y-%m-%d %H:%M:%S}"
    except (ValueError, OverflowError, OSError):
        return "–"


def iso(instant: Any) -> str:
    """Write an ``instant``, seconds since the epoch, for programs."""
    try:
        return datetime.fromtimestamp(float(instant), UTC).isoformat()
    except (TypeError, ValueError, OverflowError, OSError):
        return ""


def clean(value: Any) -> str:
    """Write a ``value`` so that it cannot turn the text around it: controls and overrides of direction become visible."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", str(value))


def pretty(value: Any) -> str:
    """Write a ``value`` as JSON, over several lines if it is long; a text as it is."""
    if isinstance(value, str):
        return clean(value)
    compact = json.dumps(value, ensure_ascii=False, default=repr)
    if len(compact) <= 80:
        return clean(compact)
    return clean(json.dumps(value, ensure_ascii=False, indent=2, default=repr))


def hidden(text: Any, patterns: Sequence[str]) -> str:
    """Hide values of keyword arguments in a preview of them.

    Args:
        text: ``{'name': 'Ann', 'password': 'x'}``, as events carry it; cut ones, too.
        patterns: of names whose values are hidden.
    """
    given = str(text)
    if not patterns or not any(fnmatch.fnmatch(name.lower(), pattern) for name in _NAMES.findall(given) for pattern in patterns):
        return given

    def masked(found: re.Match[str]) -> str:
        is_secret = any(fnmatch.fnmatch(found["name"].lower(), pattern) for pattern in patterns)
        return f"{found['before']}{HIDDEN}" if is_secret else found[0]

    return _PAIRS.sub(masked, given)


def without_secrets(value: Any, patterns: Sequence[str], depth: int = 8) -> Any:
    """Hide values in what JSON can hold, by the names that they have there, and in texts as `hidden` does.

    Args:
        value: lists, mappings, texts and others.
        patterns: of names whose values are hidden.
        depth: levels that are looked at; what is deeper is left out.
    """
    if isinstance(value, str):
        return hidden(value, patterns)
    if isinstance(value, (list, tuple)):
        return [without_secrets(each, patterns, depth - 1) for each in value] if depth else []
    if isinstance(value, Mapping):
        if not depth:
            return {}
        return {
            str(name): HIDDEN
            if any(fnmatch.fnmatch(str(name).lower(), pattern) for pattern in patterns)
            else without_secrets(each, patterns, depth - 1)
            for name, each in value.items()
        }
    return value


_NAMES: Final = re.compile(r"""["']([\w-]{1,80})["']\s*:""")
#: A name and its value: a quoted text, or all up to the next comma or bracket; of a list or an object, the whole of it up to its end.
_PAIRS: Final = re.compile(
    r"""(?P<before>["'](?P<name>[\w-]{1,80})["']\s*:\s*)(?:'(?:[^'\\]|\\.)*(?:'|$)|"(?:[^"\\]|\\.)*(?:"|$)|[\[{(][^\]})]*[\]})]?|[^,}\]]+)"""
)


def call(args: Any, kwargs: Any, patterns: Sequence[str] = ()) -> str:
    """Write the arguments of a task as in a call, from previews.

    Args:
        args: ``(1, 2)``, as events carry it.
        kwargs: ``{'x': 3}``.
        patterns: of names whose values are hidden.
    """
    parts = []
    if args and args not in ("()", "[]"):
        text = str(args).strip()
        parts.append(text[1:-1].rstrip(",") if text[:1] in "([" and text[-1:] in ")]" else text)
    if kwargs and kwargs != "{}":
        text = hidden(kwargs, patterns).strip()
        parts.append(text)
    return clean(", ".join(parts))


def last_line(text: Any) -> str:
    """Return the last line of a traceback that says something, from its ``text``."""
    lines = [line for line in str(text or "").strip().splitlines() if line.strip()]
    return lines[-1] if lines else ""
