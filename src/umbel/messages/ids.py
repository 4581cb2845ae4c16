"""Task ids: UUIDv7 (RFC 9562, section 5.7), which carry the time from which on their task may run."""

from __future__ import annotations

import os
import re

from umbel.wire.message import Message

_SHAPE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

#: The digit that holds the variant (binary 10), by the random digit in its place.
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def uuid7(now: float, random: bytes | None = None) -> str:
    """A new id.

    Args:
        now: seconds since the epoch; what is to run later has its own time.
        random: ten random bytes; read from the operating system when not given.
    """
    noise = (random or os.urandom(10)).hex()
    stamp = f"{int(now * 1000):012x}"
    return f"{stamp[:8]}-{stamp[8:]}-7{noise[:3]}-{_VARIANT[noise[3]]}{noise[4:7]}-{noise[7:19]}"


def begins_at(task_id: str) -> float | None:
    """Return when the task of ``task_id`` may begin, in seconds since the epoch; ``None`` when it is not a UUIDv7.

    This is the time at which the id was made or, for a task with an ``eta``, the eta.
    """
    if not _SHAPE.fullmatch(task_id):
        return None
    return int(task_id[:8] + task_id[9:13], 16) / 1000


def waits_since(message: Message) -> float | None:
    """Return since when a ``message`` of a task could have run, in seconds since the epoch; ``None`` when its id does not tell."""
    found = message.headers.get("id") or message.properties.get("correlation_id")
    return begins_at(found) if isinstance(found, str) else None
