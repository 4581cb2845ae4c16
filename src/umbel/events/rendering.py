"""From events to messages: single ones, and task events in groups, as Celery's workers send them.

Groups are put together from pieces of JSON, at a third of what a JSON library takes; tests compare.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from umbel.events.model import GROUP_KEY, EventType, routing_key
from umbel.runtime.clock import SYSTEM
from umbel.runtime.logical_clock import LogicalClock
from umbel.wire import serializers
from umbel.wire.message import Message

#: The most events, and about the most bytes, of one message.
GROUP_EVENTS: Final = 250
GROUP_BYTES: Final = 128 * 1024

_TRANSIENT: Final = 1
#: Writes a text as JSON.
quote: Final[Callable[[str], str]] = json.encoder.encode_basestring_ascii
#: Characters of a text that an event repeats of a message.
LONGEST_VALUE: Final = 4096


@dataclass(slots=True)
class EventMessage(Message):
    """A message of events."""

    #: How many.
    count: int = 1


#: A message and its routing key.
Routed = tuple[EventMessage, str]


def utcoffset() -> float:
    """Return the hours from local time to UTC, as Celery's events say them: positive in the west."""
    is_dst = time.localtime().tm_isdst
    return (time.altzone if is_dst else time.timezone) / 3600


class EventRenderer:
    """Writes the events of one sender.

    Args:
        hostname: of the sender.
        clock: goes forward with each event.
        serializer: Celery's ``event_serializer``.
        pid: of the sender; this process when not given.
        offset: hours from local time to UTC; of this machine when not given.
        delivery_mode: 1 or 2; events are not worth a disk.
    """

    def __init__(
        self,
        hostname: str,
        clock: LogicalClock,
        *,
        serializer: str = "json",
        pid: int | None = None,
        offset: float | None = None,
        delivery_mode: int = _TRANSIENT,
    ) -> None:
        self.hostname = hostname
        self._clock = clock
        self._found = serializers.find(serializer)
        self._head = {
            "hostname": hostname,
            "utcoffset": utcoffset() if offset is None else offset,
            "pid": os.getpid() if pid is None else pid,
        }
        self._head_text = json.dumps(self._head)[:-1] + ', "clock": '
        self._properties = {"delivery_mode": delivery_mode, "priority": 0}

    def event(self, kind: str, fields: Mapping[str, Any], timestamp: float | None = None) -> dict[str, Any]:
        """Make an event, with the next value of the clock.

        Args:
            kind: its type.
            fields: those of the type.
            timestamp: seconds since the epoch; now when not given.
        """
        rest = dict(fields)
        when = rest.pop("timestamp", None) if timestamp is None else timestamp
        return {**self._head, "clock": self._clock.forward(), **rest, "timestamp": SYSTEM.now() if when is None else when, "type": kind}

    def single(self, event: Mapping[str, Any]) -> Routed:
        """Write one event.

        Args:
            event: as `event` made it.

        Raises:
            EncodeError: a field cannot be written.
        """
        return self._message(serializers.dumps(event, self._found.name)[2]), routing_key(event["type"])

    def listed(self, events: Sequence[Mapping[str, Any]], group: str = "task") -> Routed:
        """Write events that were made already as one message.

        Args:
            events: as `event` made them.
            group: that they are of.

        Raises:
            EncodeError: a field cannot be written.
        """
        return self._message(serializers.dumps(list(events), self._found.name)[2], len(events)), f"{group}.multi"

    def groups(self, told: Sequence[str]) -> Iterator[Routed]:
        """Write task events as few messages.

        Args:
            told: what stands behind the clock of each, see `rest_text`; in their order.
        """
        clock = self._clock.forward(len(told)) - len(told)
        is_json = self._found.name == "json"
        head, lines, size = self._head_text, [], 0
        for rest in told:
            clock += 1
            line = f"{head}{clock}{rest}"
            lines.append(line)
            size += len(line)
            if size >= GROUP_BYTES or len(lines) >= GROUP_EVENTS:
                yield self._group(lines) if is_json else self.listed(list(map(json.loads, lines)))
                lines, size = [], 0
        if lines:
            yield self._group(lines) if is_json else self.listed(list(map(json.loads, lines)))

    def _group(self, lines: list[str]) -> Routed:
        return self._message(f"[{', '.join(lines)}]".encode(), len(lines)), GROUP_KEY

    def _message(self, body: bytes, count: int = 1) -> EventMessage:
        found = self._found
        return EventMessage(body, {"hostname": self.hostname}, found.content_type, found.content_encoding, dict(self._properties), count)


def count_of(message: Message) -> int:
    """Count the events of a message.

    Args:
        message: of events.
    """
    return message.count if isinstance(message, EventMessage) else 1


def rest_text(kind: EventType, values: Iterable[Any], timestamp: float) -> str:
    """Write what stands behind the clock of an event, as JSON: ``, "uuid": "…", …}``.

    Args:
        kind: its type.
        values: one for each field of the type.
        timestamp: seconds since the epoch.
    """
    return kind.template % (*map(json_text, values), repr(timestamp))


def json_text(value: Any) -> str:
    """Write a value of a message, whose sender may be anybody, as JSON: long texts cut, and what JSON does not have as a text of it.

    Args:
        value: of a field.
    """
    kind = type(value)
    if kind is str:
        return quote(value if len(value) <= LONGEST_VALUE else value[:LONGEST_VALUE])
    if value is None:
        return "null"
    if kind is int:
        return str(value) if -(1 << 63) < value < 1 << 63 else "null"
    if kind is bool:
        return "true" if value else "false"
    if kind is float:
        return repr(value) if math.isfinite(value) else "null"
    return quote(repr(value)[:LONGEST_VALUE])
