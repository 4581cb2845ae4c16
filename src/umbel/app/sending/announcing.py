"""``before_task_publish`` and ``after_task_publish``: tell who listens of a message, and take what a listener changed of it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from umbel import hooks
from umbel.brokers.topology import Destination
from umbel.wire import compression, serializers
from umbel.wire.message import Message


def before(message: Message, to: Destination, retry_policy: Mapping[str, Any] | None) -> None:
    """Tell listeners that a message is going to be published. They may change its headers, its properties, and in its body what can be changed.

    Args:
        message: takes their changes.
        to: its address.
        retry_policy: how often the broker is tried, as Celery says it.
    """
    if not hooks.before_task_publish.receivers:
        return
    content = content_of(message)
    hooks.before_task_publish.send(
        _task_name(message, content),
        body=content,
        exchange=to.exchange,
        routing_key=to.routing_key,
        headers=message.headers,
        properties=message.properties,
        declare=[to.queue] if to.queue else [],
        retry_policy=retry_policy,
    )
    body = serializers.dumps(content, message.content_type)[2]
    if packed := message.headers.get("compression"):
        body = compression.compress(body, packed)[1]
    message.body = body


def after(message: Message, to: Destination) -> None:
    """Tell listeners that ``message`` has been published, at the address ``to``."""
    if not hooks.after_task_publish.receivers:
        return
    content = content_of(message)
    hooks.after_task_publish.send(
        _task_name(message, content), body=content, headers=message.headers, exchange=to.exchange, routing_key=to.routing_key
    )


def content_of(message: Message) -> Any:
    """Decode the body of ``message``. Protocol 2: (args, kwargs, embed); protocol 1: a dict, as in Celery."""
    body = message.body
    if packed := message.headers.get("compression"):
        body = compression.decompress(body, packed, sys.maxsize - 1)
    content = serializers.loads(body, message.content_type, message.content_encoding, frozenset({message.content_type}))
    return tuple(content) if isinstance(content, list) else content


def _task_name(message: Message, content: Any) -> Any:
    return content.get("task") if isinstance(content, dict) else message.headers.get("task")
