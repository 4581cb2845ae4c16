"""Events: what a connection reports besides deliveries and confirms, which are handed over in bulk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pamqp.base import Frame

from umbel.wire.amqp.content import Content


@dataclass(frozen=True, slots=True)
class Opened:
    """The handshake is done; channels may be opened."""

    server: Mapping[str, Any]
    #: Seconds agreed on; 0 is off.
    heartbeat: int


@dataclass(frozen=True, slots=True)
class Replied:
    """The answer to a method of ours: they come in the order of the questions on each channel."""

    channel: int
    method: Frame


@dataclass(frozen=True, slots=True)
class Got:
    """A message that Basic.Get asked for."""

    channel: int
    tag: int
    redelivered: bool
    exchange: str
    routing_key: str
    content: Content
    body: bytes


@dataclass(frozen=True, slots=True)
class Returned:
    """A mandatory message that no queue is bound for."""

    channel: int
    code: int
    text: str
    exchange: str
    routing_key: str
    content: Content
    body: bytes


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker did not take these messages (Basic.Nack)."""

    channel: int
    tag: int
    multiple: bool


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The broker ended a consumer: its queue is gone."""

    channel: int
    consumer_tag: str


@dataclass(frozen=True, slots=True)
class ChannelClosed:
    """The broker closed a channel; a new one may be opened under the same number."""

    channel: int
    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Blocked:
    """The broker reads no more from publishers: it is in alarm."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unblocked:
    """The alarm is over."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection is over; code 200 when we asked for it."""

    code: int
    text: str


Event = Opened | Replied | Got | Returned | Refused | Cancelled | ChannelClosed | Blocked | Unblocked | Closed
