"""Requests to workers and their replies, as Celery's mailbox (kombu's "pidbox", 5.7) writes them. Pure.

======== ======================================================================================================
request  body ``{method, arguments, destination, pattern, matcher[, ticket, reply_to]}``, headers ``clock, expires``
reply    body ``{node: answer}``, headers ``ticket, clock``
======== ======================================================================================================

A request's ``expires`` is not obeyed: the clocks of two machines may differ by more than the second that it usually gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from umbel.brokers.topology import ReplyAddress
from umbel.control.matching import matches
from umbel.errors import DecodeError
from umbel.wire import serializers
from umbel.wire.message import Delivery, Message

#: Characters of a name in a request.
_LONGEST: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request."""

    method: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    #: Names of nodes; ``None`` is all.
    destination: Sequence[str] | None = None
    #: A pattern of the names of nodes, and its kind.
    pattern: str | None = None
    matcher: str | None = None
    #: By which its sender tells its replies from others.
    ticket: str | None = None
    #: ``None`` where no reply is wanted.
    reply_to: ReplyAddress | None = None
    #: The sender's logical time.
    clock: int = 0
    #: The reply is written as the request was: its sender can read that.
    serializer: str = "json"

    def is_for(self, node: str) -> bool:
        """Report whether a node is to answer. An empty list of names is nobody, a list or a pattern those that it names.

        Args:
            node: its name.

        Raises:
            ValueError: the pattern is none.
        """
        if self.pattern is not None and matches(node, self.pattern, self.matcher or "glob"):
            return True
        if self.destination is not None:
            return node in self.destination
        return self.pattern is None


def render_request(request: Request, expires: float) -> Message:
    """Write a request.

    Args:
        request: whose ``serializer`` is used.
        expires: seconds since the epoch after which nobody waits for a reply; 0 is never.

    Raises:
        EncodeError: the arguments cannot be written.
    """
    body: dict[str, Any] = {
        "method": request.method,
        "arguments": dict(request.arguments),
        "destination": None if request.destination is None else list(request.destination),
        "pattern": request.pattern,
        "matcher": request.matcher,
    }
    if request.reply_to is not None:
        body["ticket"] = request.ticket
        body["reply_to"] = {"exchange": request.reply_to.exchange, "routing_key": request.reply_to.routing_key}
    kind, encoding, data = serializers.dumps(body, request.serializer)
    return Message(data, {"clock": request.clock, "expires": expires}, kind, encoding, {"delivery_mode": 2, "priority": 0})


def parse_request(delivery: Delivery, accept: frozenset[str]) -> Request:
    """Read a request; nothing in it is trusted.

    Args:
        delivery: from the mailbox.
        accept: content types that may be decoded (`umbel.wire.serializers.content_types`). No code of an app is run, pickles hold no classes.

    Raises:
        MessageError: it is none.
    """
    if delivery.flaw is not None:
        raise DecodeError(str(delivery.flaw))  # not itself: its traceback would keep the message in memory
    found = serializers.plain.accepted(delivery.content_type, accept)
    body = serializers.plain.loads(delivery.body, delivery.content_type, delivery.content_encoding, accept)
    if not isinstance(body, dict):
        raise DecodeError(f"a request is an object with a method, got a {type(body).__name__}")
    arguments = body.get("arguments")
    if arguments is None:
        arguments = {}
    if not isinstance(arguments, dict) or not all(isinstance(name, str) for name in arguments):
        raise DecodeError("a request's arguments are an object")
    clock = delivery.headers.get("clock")
    return Request(
        method=_text(body, "method", needed=True) or "",
        arguments=arguments,
        destination=_destination(body.get("destination")),
        pattern=_text(body, "pattern"),
        matcher=_text(body, "matcher"),
        ticket=_text(body, "ticket"),
        reply_to=_address(body.get("reply_to")),
        clock=clock if isinstance(clock, int) else 0,
        serializer=found.name,
    )


def render_reply(node: str, answer: Any, request: Request, clock: int) -> Message:
    """Write a node's answer to a request.

    Args:
        node: who answers.
        answer: plain values.
        request: what is answered.
        clock: the node's logical time.

    Raises:
        EncodeError: the answer cannot be written.
    """
    kind, encoding, data = serializers.dumps({node: answer}, request.serializer)
    return Message(data, {"ticket": request.ticket, "clock": clock}, kind, encoding, {"delivery_mode": 1, "priority": 0})


def parse_reply(delivery: Delivery, accept: frozenset[str]) -> dict[str, Any]:
    """Read a reply, ``{node: answer}``; nothing in it is trusted.

    Args:
        delivery: from the reply inbox.
        accept: content types that may be decoded.

    Raises:
        MessageError: it is none.
    """
    if delivery.flaw is not None:
        raise DecodeError(str(delivery.flaw))
    body = serializers.plain.loads(delivery.body, delivery.content_type, delivery.content_encoding, accept)
    if not isinstance(body, dict) or not all(isinstance(node, str) for node in body):
        raise DecodeError(f"a reply is an object with the node's name, got a {type(body).__name__}")
    return body


def _text(body: Mapping[str, Any], name: str, *, needed: bool = False) -> str | None:
    value = body.get(name)
    if value is None and not needed:
        return None
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise DecodeError(f"a request's {name} is a text of at most {_LONGEST} characters, got {value!a:.60}")
    return value


def _destination(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, (list, tuple)):
        raise DecodeError(f"a request's destination is a list of node names, got a {type(value).__name__}")
    return tuple(name for name in value if isinstance(name, str))


def _address(value: Any) -> ReplyAddress | None:
    if not value:
        return None
    if not isinstance(value, dict):
        raise DecodeError(f"a request's reply_to is an object with exchange and routing_key, got a {type(value).__name__}")
    return ReplyAddress(_text(value, "exchange", needed=True) or "", _text(value, "routing_key", needed=True) or "")
