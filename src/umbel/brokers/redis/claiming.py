"""Claimed messages: list items → deliveries, and their way to the dead letters."""

from __future__ import annotations

from umbel.brokers.base import ATTEMPTS, DEAD_SUFFIX, Delivery
from umbel.brokers.envelope import dead_headers
from umbel.runtime.clock import SYSTEM
from umbel.wire.attempts import attempts_in
from umbel.wire.message import Message, MessageLimits
from umbel.wire.redis import envelope


class RedisDelivery(Delivery):
    """A delivery and the list item it came as."""

    __slots__ = ("raw",)

    raw: bytes


def read(raw: bytes, tag: bytes, queue: str, limits: MessageLimits) -> RedisDelivery:
    """A list item as a delivery; one that cannot be read has a flaw."""
    body, headers, content_type, content_encoding, properties, exchange, routing_key, redelivered, flaw = envelope.parse(
        raw, body_limit=limits.body, header_bytes=limits.header_bytes, header_count=limits.header_count, depth=limits.depth
    )
    delivery = RedisDelivery(
        body,
        headers,
        content_type,
        content_encoding,
        properties,
        tag,
        0,
        queue,
        exchange,
        routing_key,
        redelivered,
        attempts_in(headers.get(ATTEMPTS)) if redelivered else 0,
        flaw,
    )
    delivery.raw = raw
    return delivery


def dead_envelope(delivery: RedisDelivery, reason: str, detail: str) -> tuple[str, bytes]:
    """The queue and the list item of a dead letter."""
    queue = f"{delivery.queue}{DEAD_SUFFIX}"
    headers = dead_headers(delivery.queue, reason, detail, SYSTEM.now())
    raw = envelope.marked(delivery.raw, headers, redelivered=False)
    if raw is None:  # no envelope: it becomes the body of one
        message = Message(delivery.raw, headers, "application/data", "binary", {})
        raw = envelope.render(message, "", queue, delivery.tag.decode())
    return queue, raw
