"""Messages and their addresses ⇄ rows. The envelope is JSON with Kombu's tags for what JSON has no word for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from umbel.brokers.topology import Binding, Destination, Exchange, Queue
from umbel.contrib.outbox.base import Row
from umbel.errors import DecodeError
from umbel.wire import kombu_json
from umbel.wire.message import Message

_QUEUE = (
    "name", "routing_key", "durable", "exclusive", "auto_delete", "arguments", "binding_arguments", "consumer_arguments", "no_ack", "no_declare",
    "alias", "is_broadcast",
)  # fmt: skip
_EXCHANGE = ("name", "type", "durable", "auto_delete", "delivery_mode", "arguments", "no_declare")


def render(message: Message, to: Destination) -> Row:
    """Write a message.

    Args:
        message: of a task.
        to: its address.

    Raises:
        EncodeError: a header, a property or an argument of its queue is of a type that JSON cannot hold.
    """
    address = {"exchange": to.exchange, "routing_key": to.routing_key, "mandatory": to.mandatory, "queue": _queue(to.queue)}
    envelope = kombu_json.dumps(
        {
            "headers": message.headers,
            "content_type": message.content_type,
            "content_encoding": message.content_encoding,
            "properties": message.properties,
            "to": address,
        }
    )
    return Row(str(message.headers.get("id") or ""), str(message.headers.get("task") or ""), envelope, bytes(message.body))


def read(row: Row) -> tuple[Message, Destination]:
    """Read a row.

    Args:
        row: of an outbox.

    Raises:
        DecodeError: it is no message.
    """
    try:
        fields = kombu_json.loads(row.envelope)
        message = Message(row.body, fields["headers"], fields["content_type"], fields["content_encoding"], fields["properties"])
        to = fields["to"]
        return message, Destination(to["exchange"], to["routing_key"], _read_queue(to["queue"]), bool(to["mandatory"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DecodeError(
            f"the message {row.task_id or row.task!r} in the outbox cannot be read: {type(error).__name__}: {error}"
        ) from error


def _queue(queue: Queue | None) -> dict[str, Any] | None:
    if queue is None:
        return None
    bindings = [
        {"exchange": _exchange(each.exchange), "routing_key": each.routing_key, "arguments": each.arguments} for each in queue.bindings
    ]
    return {**{name: getattr(queue, name) for name in _QUEUE}, "exchange": _exchange(queue.exchange), "bindings": bindings}


def _exchange(exchange: Exchange | None) -> dict[str, Any] | None:
    return None if exchange is None else {name: getattr(exchange, name) for name in _EXCHANGE}


def _read_queue(given: Mapping[str, Any] | None) -> Queue | None:
    if given is None:
        return None
    bindings = [Binding(Exchange(**each["exchange"]), each["routing_key"], each["arguments"]) for each in given["bindings"]]
    exchange = None if given["exchange"] is None else Exchange(**given["exchange"])
    return Queue(**{**given, "exchange": exchange, "bindings": bindings})
