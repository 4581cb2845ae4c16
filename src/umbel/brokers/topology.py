"""Queues, exchanges and bindings as values. Nothing here talks to a broker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from umbel.wire.message import Call, Message, Stencil


@dataclass(frozen=True, slots=True)
class Exchange:
    """An address of messages.

    Args:
        name: ``""`` is the default exchange, which delivers to the queue named by the routing key.
        type: direct, topic, fanout or headers.
        durable: survives a restart of the broker.
        auto_delete: goes with its last queue.
        delivery_mode: 1 transient, 2 persistent; ``None`` leaves it to the message.
    """

    name: str = ""
    type: str = "direct"
    durable: bool = True
    auto_delete: bool = False
    delivery_mode: int | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Binding:
    """One rule by which an exchange fills a queue."""

    exchange: Exchange
    routing_key: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Queue:
    """A place where messages wait.

    Args:
        name: the queue's name.
        exchange: ``None`` means a direct exchange of the queue's own name.
        routing_key: ``None`` means the queue's name.
        bindings: more bindings than the first.
        arguments: AMQP queue arguments (``x-max-priority``, ``x-queue-type``, …).
        consumer_arguments: AMQP consumer arguments.
        no_declare: it exists already and may not be declared.
    """

    name: str
    exchange: Exchange | None = None
    routing_key: str | None = None
    durable: bool = True
    exclusive: bool = False
    auto_delete: bool = False
    bindings: tuple[Binding, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    consumer_arguments: Mapping[str, Any] = field(default_factory=dict)
    no_declare: bool = False

    def __hash__(self) -> int:
        return hash(self.name)

    def resolved(self) -> Queue:
        """The same queue with its exchange and routing key spelled out."""
        if self.exchange is not None and self.routing_key is not None:
            return self
        return replace(
            self,
            exchange=self.exchange or Exchange(self.name),
            routing_key=self.name if self.routing_key is None else self.routing_key,
        )


@dataclass(frozen=True, slots=True)
class Destination:
    """The destination of one message.

    Args:
        exchange: ``""`` for a queue by name.
        routing_key: on the default exchange, the queue's name.
        queue: declared before the first message to it, when given.
        mandatory: an unroutable message is an error (`MessageReturned`), not dropped.
    """

    exchange: str
    routing_key: str
    queue: Queue | None = None
    mandatory: bool = True

    @classmethod
    def of(cls, queue: Queue) -> Destination:
        """The address of a queue: by name on the default exchange when its exchange is direct, else its exchange and key."""
        queue = queue.resolved()
        assert queue.exchange is not None
        assert queue.routing_key is not None
        if queue.exchange.type == "direct":
            return cls("", queue.name, queue)
        return cls(queue.exchange.name, queue.routing_key, queue)


#: A message and its address, or a call and the stencil that makes both of it: what publishers are handed many of.
Outgoing = tuple[Message, Destination] | tuple[Call, Stencil]


def whole(outgoing: Outgoing) -> tuple[Message, Destination]:
    """Fill the stencil of what is ``outgoing``, for publishers that have no compiled form."""
    content, to = outgoing
    if isinstance(to, Stencil):
        assert isinstance(content, Call)
        return to.fill(content), Destination(to.exchange, to.routing_key)
    assert isinstance(content, Message)
    return content, to


class ReplyAddress(NamedTuple):
    """The place for a reply: the exchange ``""`` and the name of a queue, or an exchange and the routing key by which it knows one queue."""

    exchange: str
    routing_key: str

    @classmethod
    def of(cls, queue: Queue) -> ReplyAddress:
        """The address of a reply inbox.

        Args:
            queue: which it reads.
        """
        queue = queue.resolved()
        assert queue.exchange is not None
        assert queue.routing_key is not None
        return cls(queue.exchange.name, queue.routing_key if queue.exchange.name else queue.name)
