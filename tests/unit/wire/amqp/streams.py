"""Bytes as a broker sends them."""

from __future__ import annotations

import struct

from umbel.brokers.base import Delivery
from umbel.wire.amqp.fastpath import Receiver
from umbel.wire.message import MessageLimits


def short(raw: bytes) -> bytes:
    return bytes([len(raw)]) + raw


def frame(kind: int, payload: bytes, channel: int = 1) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def deliver(tag: int, *, consumer: bytes = b"c", redelivered: bool = False, exchange: bytes = b"", key: bytes = b"celery") -> bytes:
    return frame(1, struct.pack(">HH", 60, 60) + short(consumer) + struct.pack(">QB", tag, redelivered) + short(exchange) + short(key))


def sized(content_header: bytes, size: int) -> bytes:
    """A captured content header with another body size."""
    return content_header[:4] + struct.pack(">Q", size) + content_header[12:]


def message(tag: int, content_header: bytes, body: bytes, *, piece: int = 0, **fields) -> bytes:
    pieces = [body[at : at + piece] for at in range(0, len(body), piece)] if piece else [body] if body else []
    return deliver(tag, **fields) + frame(2, sized(content_header, len(body))) + b"".join(frame(3, each) for each in pieces)


def receiver(limits: MessageLimits | None = None, frame_max: int = 131072) -> Receiver[Delivery]:
    made = Receiver(limits or MessageLimits(), Delivery, "x-umbel-attempts")
    made.frame_max = frame_max
    made.queues[b"c"] = "celery"
    return made


def seen(delivery: Delivery) -> tuple:
    flaw = None if delivery.flaw is None else (type(delivery.flaw), str(delivery.flaw))
    return (
        delivery.body,
        delivery.headers,
        delivery.content_type,
        delivery.content_encoding,
        delivery.properties,
        delivery.tag,
        delivery.queue,
        delivery.exchange,
        delivery.routing_key,
        delivery.redelivered,
        delivery.attempts,
        flaw,
    )
