"""Task times, from what callers write to what messages carry: when a task may start and when it is too late, as ISO 8601 text.

As Celery (5.7): a countdown or a number of seconds becomes a time with offset, in the app's zone; a caller's time keeps its own offset, and
a naive one stays naive, and its reader takes it for UTC, whatever the reader's own zone. The time is always an argument here.
"""

from __future__ import annotations

import datetime as dt
import math

from umbel.errors import MessageError

UTC = dt.UTC

#: Characters; the longest that `datetime.isoformat` writes has 32, a zone with seconds included 35.
_LONGEST = 40


def after(seconds: float, now: float, zone: dt.tzinfo = UTC) -> str:
    """The time in so many seconds.

    Args:
        seconds: may be negative.
        now: seconds since the epoch.
        zone: whose offset is written.

    Raises:
        TypeError: not a number.
        ValueError: not finite, or beyond the year 9999.
    """
    if not math.isfinite(seconds):
        raise ValueError(f"Expected a number of seconds, not {seconds!r}.")
    try:
        return (dt.datetime.fromtimestamp(now, zone) + dt.timedelta(seconds=seconds)).isoformat()
    except OverflowError:
        raise ValueError(f"{seconds!r} seconds from now is beyond the year 9999.") from None


def eta_text(eta: dt.datetime | str | None, countdown: float | None, now: float, zone: dt.tzinfo = UTC) -> str | None:
    """The ``eta`` of a message; a countdown outranks an eta.

    Args:
        eta: a time, or ISO 8601.
        countdown: seconds from now.
        now: seconds since the epoch.
        zone: of times that are made from a countdown.

    Raises:
        ValueError: not a time.
    """
    if countdown is not None:
        return after(countdown, now, zone)
    return None if eta is None else _iso(eta)


def expires_text(expires: float | dt.datetime | str | None, now: float, zone: dt.tzinfo = UTC) -> str | None:
    """The ``expires`` of a message.

    Args:
        expires: seconds from now, a time, or ISO 8601.
        now: seconds since the epoch.
        zone: of times that are made from seconds.

    Raises:
        ValueError: not a time.
    """
    if expires is None:
        return None
    return _iso(expires) if isinstance(expires, (dt.datetime, str)) else after(expires, now, zone)


def timestamp(text: str) -> float:
    """Read a message's time.

    Args:
        text: ISO 8601 with date and time; without an offset it is UTC.

    Returns:
        Seconds since the epoch.

    Raises:
        MessageError: not such a time.
    """
    if type(text) is str and 16 <= len(text) <= _LONGEST and text[7] == "-" and text[10] in "T ":
        try:
            when = dt.datetime.fromisoformat(text)
            return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
        except (ValueError, OverflowError):
            pass
    raise MessageError(f"Expected an ISO 8601 date and time, not {ascii(text)[:80]}.")


def _iso(when: dt.datetime | str) -> str:
    return (dt.datetime.fromisoformat(when) if isinstance(when, str) else when).isoformat()
