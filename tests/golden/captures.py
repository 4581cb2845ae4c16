"""Load the captures: ``published("redis")``, ``published("rabbitmq")``, ``foreign(…)``, ``fanout(…)``, ``events(…)``, ``pidbox(…)``, ``flows()``, ``failures()``."""

from __future__ import annotations

import base64
import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from umbel.brokers.topology import ReplyAddress
from umbel.wire.message import Message

HERE = Path(__file__).parent

#: What stood still while the captures were made.
NOW = 1893456000.0
ORIGIN = "gen1@client.golden"
BROKERS = ("redis", "rabbitmq")


def task_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


@dataclass(frozen=True)
class Captured:
    """One message on the wire."""

    message: Message
    #: Redis: the list it was pushed to. RabbitMQ: the routing key.
    queue: str
    exchange: str = ""
    #: Redis: the item of the list.
    raw: str = ""
    #: RabbitMQ: the content header frame's payload.
    content_header: bytes = b""


@dataclass(frozen=True)
class Scenario:
    """One call and what it put on the wire."""

    name: str
    #: Python, with T for the module of tasks.
    code: str
    #: The repr of what it raised.
    error: str | None
    messages: tuple[Captured, ...]


@functools.cache
def published(broker: str) -> dict[str, Scenario]:
    """Celery's publish scenarios by name."""
    read = _redis if broker == "redis" else _rabbitmq
    return {
        found["scenario"]: Scenario(found["scenario"], found["code"], found["error"], tuple(read(entry) for entry in found["messages"]))
        for found in _load(f"publish_{broker}.json")
    }


@functools.cache
def foreign(broker: str) -> tuple[Captured, ...]:
    """Messages of clients in other languages."""
    read = _redis if broker == "redis" else _rabbitmq
    return tuple(read(entry) for entry in _load(f"foreign_{broker}.json"))


def flows() -> dict[str, list[dict[str, Any]]]:
    """The task messages of workflows that ran, by clients and workers, in the order in which they were published; by name."""
    return _load("flows_redis.json")


def failures() -> list[dict[str, Any]]:
    """Stored exceptions."""
    return _load("failures.json")


def fanout(broker: str) -> dict[str, Any]:
    """One remote control request and its answer, some events, and what is declared or subscribed to for them."""
    return _load(f"fanout_{broker}.json")


def events(broker: str) -> dict[str, list[dict[str, Any]]]:
    """Events of Celery's workers and clients, some of each type."""
    return _load(f"events_{broker}.json")


@dataclass(frozen=True)
class Asked:
    """One call of remote control: the request, the worker's reply, and what the call returned."""

    name: str
    returned: Any
    request: Message
    reply: Message | None
    #: Where the reply goes.
    address: ReplyAddress | None
    #: Redis: what was published and pushed.
    raw_request: str = ""
    raw_reply: str = ""


@functools.cache
def pidbox(broker: str) -> dict[str, Asked]:
    """Calls of Celery's `app.control`, by name."""
    return {entry["command"]: _asked(entry) for entry in _load(f"pidbox_{broker}.json")}


def _asked(entry: dict[str, Any]) -> Asked:
    request, reply = (None if entry[side] is None else _control_message(entry[side]) for side in ("request", "reply"))
    assert request is not None
    to = json.loads(request.body).get("reply_to")
    raw = [(entry[side] or {}).get("raw", "") for side in ("request", "reply")]
    return Asked(entry["command"], entry["returned"], request, reply, ReplyAddress(**to) if to else None, *raw)


def _control_message(entry: dict[str, Any]) -> Message:
    if "raw" in entry:
        return _redis({**entry, "queue": ""}).message
    properties = dict(entry["props"])
    return Message(
        entry["body"].encode(), properties.pop("headers"), properties.pop("content_type"), properties.pop("content_encoding"), properties
    )


def _load(name: str) -> Any:
    return json.loads((HERE / name).read_text())


def _redis(entry: dict[str, Any]) -> Captured:
    envelope = json.loads(entry["raw"])
    properties = dict(envelope["properties"])
    encoding = properties.pop("body_encoding")
    info = properties.pop("delivery_info")
    properties.pop("delivery_tag")
    body = base64.b64decode(envelope["body"]) if encoding == "base64" else envelope["body"].encode()
    message = Message(body, envelope["headers"], envelope["content-type"], envelope["content-encoding"], properties)
    return Captured(message, entry["queue"], info["exchange"], raw=entry["raw"])


def _rabbitmq(entry: dict[str, Any]) -> Captured:
    properties = dict(entry["properties"])
    body = entry["body"].encode() if "body" in entry else base64.b64decode(entry["body_b64"])
    message = Message(body, properties.pop("headers", {}), properties.pop("content_type"), properties.pop("content_encoding"), properties)
    return Captured(message, entry["routing_key"], entry["exchange"], content_header=bytes.fromhex(entry["content_header_hex"]))
