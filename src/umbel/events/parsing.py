"""From messages to events. Whoever can publish can send anything, so the fields of every event are checked; what is no event is left out."""

from __future__ import annotations

from typing import Any, Final, NamedTuple, TypeGuard

from umbel.errors import DecodeError
from umbel.events.model import LONGEST_NAME
from umbel.runtime.logical_clock import MOST
from umbel.wire import serializers
from umbel.wire.message import Delivery

#: Fields of one event; Celery's have up to eighteen.
MOST_FIELDS: Final = 100
#: Events in one message; beyond these the rest is left out.
MOST_EVENTS: Final = 10_000
#: Seconds since the epoch, in the year 5138.
_LAST: Final = 1e11


class Parsed(NamedTuple):
    """The contents of a message."""

    events: list[dict[str, Any]]
    #: Number of things in it that were no events.
    refused: int


def parse(delivery: Delivery, accept: frozenset[str], now: float) -> Parsed:
    """Read the events of a message: one, or a list of them.

    Each has a ``type`` and a ``hostname`` that are printable text, a ``timestamp`` that is a time, and a ``clock`` if its sender gave one that can
    be.

    Args:
        delivery: as a subscriber got it.
        accept: content types that may be decoded.
        now: seconds since the epoch, for events without a time.

    Raises:
        MessageError: it passes a limit, or cannot be read.
    """
    if delivery.flaw is not None:
        raise delivery.flaw
    value = serializers.loads(delivery.body, delivery.content_type, delivery.content_encoding, accept)
    found = value if isinstance(value, list) else [value]
    sender = delivery.headers.get("hostname")
    if delivery.content_type != "application/json":  # which has texts for keys, always
        found = [each if isinstance(each, dict) and all(type(key) is str for key in each) else None for each in found]
    events = [event for each in found[:MOST_EVENTS] if (event := checked(each, now, sender)) is not None]
    return Parsed(events, len(found) - len(events))


def parsed_or_refused(delivery: Delivery, accept: frozenset[str], now: float) -> Parsed:
    """Read the events of a message as `parse` does; one that cannot be read holds none.

    Args:
        delivery: as for `parse`.
        accept: as for `parse`.
        now: as for `parse`.
    """
    try:
        return parse(delivery, accept, now)
    except DecodeError:
        return Parsed([], 1)


def checked(event: Any, now: float, sender: Any = None) -> dict[str, Any] | None:
    """Check an event, and mend its time and clock; ``None`` when it is none.

    Args:
        event: anything.
        now: seconds since the epoch, in place of a time that is none.
        sender: its hostname, if it says none.
    """
    if type(event) is not dict or len(event) > MOST_FIELDS:
        return None
    kind, hostname = event.get("type"), event.setdefault("hostname", sender)
    if not is_name(kind) or not is_name(hostname):
        return None
    if kind[:5] == "task-" and not is_name(event.get("uuid", "-")):
        return None
    if not is_time(event.get("timestamp")):
        event["timestamp"] = now
    if not is_clock(event.get("clock")):
        event.pop("clock", None)
    return event


def is_name(value: Any) -> TypeGuard[str]:
    """Report whether a value may be a type, a hostname, or the id of a task.

    Args:
        value: anything.
    """
    return type(value) is str and 0 < len(value) <= LONGEST_NAME and value.isprintable()


def is_time(value: Any) -> TypeGuard[float]:
    """Report whether a value may be seconds since the epoch.

    Args:
        value: anything.
    """
    return type(value) in {int, float} and 0 < value < _LAST


def is_clock(value: Any) -> TypeGuard[int]:
    """Report whether a value may be that of a logical clock.

    Args:
        value: anything.
    """
    return type(value) is int and 0 <= value <= MOST
