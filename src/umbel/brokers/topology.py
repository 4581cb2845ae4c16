"""Queues, exchanges and bindings as values. Nothing here talks to a broker."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, NamedTuple

from umbel.errors import ImproperlyConfigured
from umbel.wire.message import Call, Message, Stencil

_MODES: Final = {1: 1, 2: 2, "1": 1, "2": 2, "transient": 1, "persistent": 2}
#: Words for queue arguments, as kombu has them, and whether they are seconds, which are milliseconds in the argument.
_ARGUMENTS: Final = {
    "max_priority": ("x-max-priority", False),
    "max_length": ("x-max-length", False),
    "max_length_bytes": ("x-max-length-bytes", False),
    "expires": ("x-expires", True),
    "message_ttl": ("x-message-ttl", True),
}
#: The end of a name that was made up for one worker.
_MADE_UP: Final = re.compile(r"\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")


@dataclass(frozen=True, slots=True)
class Exchange:
    """An address of messages.

    Args:
        name: ``""`` is the default exchange, which delivers to the queue named by the routing key.
        type: direct, topic, fanout or headers.
        durable: survives a restart of the broker.
        auto_delete: goes with its last queue.
        delivery_mode: 1 or transient, 2 or persistent; ``None`` leaves it to the message.
        arguments: AMQP exchange arguments (``alternate-exchange``, …).
        no_declare: it exists already and may not be declared.

    Raises:
        ImproperlyConfigured: the delivery mode is none.
    """

    name: str = ""
    type: str = "direct"
    durable: bool = True
    auto_delete: bool = False
    delivery_mode: int | str | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    no_declare: bool = False

    def __post_init__(self) -> None:
        put = object.__setattr__
        if self.delivery_mode is not None:
            if self.delivery_mode not in _MODES:
                raise ImproperlyConfigured(
                    f"exchange {self.name!r}: delivery_mode is 'transient' (1) or 'persistent' (2), got {self.delivery_mode!r}"
                )
            put(self, "delivery_mode", _MODES[self.delivery_mode])
        if not self.type:
            put(self, "type", "direct")

    @classmethod
    def of(cls, given: Any) -> Exchange:
        """Make an exchange of what is ``given``: one, its name, or an object with kombu's attributes.

        Raises:
            ImproperlyConfigured: it is none of these.
        """
        if isinstance(given, Exchange):
            return given
        if isinstance(given, str):
            return cls(given)
        if not hasattr(given, "name") or not hasattr(given, "type"):
            raise ImproperlyConfigured(f"expected an Exchange or its name, got {type(given).__name__}")
        return cls(
            given.name or "",
            given.type or "direct",
            durable=bool(getattr(given, "durable", True)),
            auto_delete=bool(getattr(given, "auto_delete", False)),
            delivery_mode=getattr(given, "delivery_mode", None),
            arguments=dict(getattr(given, "arguments", None) or {}),
            no_declare=bool(getattr(given, "no_declare", False) or getattr(given, "passive", False)),
        )


@dataclass(frozen=True, slots=True)
class Binding:
    """One rule by which an exchange fills a queue; ``binding`` is the same.

    Args:
        exchange: where messages are sent.
        routing_key: that they must have; for a topic a pattern, in which ``*`` is one word and ``#`` any number of them.
        arguments: for an exchange of headers, the headers that they must have, and how many of them (``x-match``: all, any, all-with-x,
            any-with-x).
    """

    exchange: Exchange
    routing_key: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "exchange", Exchange.of(self.exchange))
        put(self, "routing_key", self.routing_key or "")
        put(self, "arguments", dict(self.arguments or {}))

    @classmethod
    def of(cls, given: Any) -> Binding:
        """Make a binding of what is ``given``: one, or an object with kombu's attributes.

        Raises:
            ImproperlyConfigured: it is none of these.
        """
        if isinstance(given, Binding):
            return given
        if not hasattr(given, "exchange") or not hasattr(given, "routing_key"):
            raise ImproperlyConfigured(f"bindings: expected a binding, got {type(given).__name__}")
        return cls(given.exchange, given.routing_key, getattr(given, "arguments", None) or {})


@dataclass(frozen=True, slots=True, init=False)
class Queue:
    """A place where messages wait.

    Args:
        name: the queue's name.
        exchange: an `Exchange`, or the name of a direct one; ``None`` means a direct exchange of the queue's own name, or none where there are
            ``bindings``.
        routing_key: ``None`` means the queue's name.
        durable: survives a restart of the broker.
        exclusive: only the connection that declared it may use it.
        auto_delete: goes with its last consumer.
        bindings: more bindings than the first.
        arguments: AMQP queue arguments (``x-max-priority``, ``x-queue-type``, …); ``queue_arguments`` is the same.
        binding_arguments: of the first binding; see `Binding`.
        consumer_arguments: AMQP consumer arguments (``x-priority``, ``x-stream-offset``, …).
        no_ack: its messages may be lost: each is acknowledged before it runs, whatever its task says.
        no_declare: it exists already and may not be declared.
        alias: another name, by which routes, calls and ``-Q`` may name it.
        is_broadcast: workers alone declare it, see `Broadcast`.
        max_priority: the highest priority that it tells apart (RabbitMQ).
        max_length: messages that it keeps, at most (RabbitMQ).
        max_length_bytes: bytes of messages that it keeps, at most (RabbitMQ).
        expires: seconds without use after which it goes (RabbitMQ).
        message_ttl: seconds after which a message goes (RabbitMQ).

    Raises:
        ImproperlyConfigured: an argument makes no sense.
    """

    name: str
    exchange: Exchange | None
    routing_key: str | None
    durable: bool
    exclusive: bool
    auto_delete: bool
    bindings: tuple[Binding, ...]
    arguments: Mapping[str, Any]
    binding_arguments: Mapping[str, Any]
    consumer_arguments: Mapping[str, Any]
    no_ack: bool
    no_declare: bool
    alias: str | None
    is_broadcast: bool

    def __init__(  # noqa: PLR0913 - kombu's words
        self,
        name: str,
        exchange: Exchange | str | None = None,
        routing_key: str | None = None,
        *,
        durable: bool = True,
        exclusive: bool = False,
        auto_delete: bool = False,
        bindings: Iterable[Any] | None = (),
        arguments: Mapping[str, Any] | None = None,
        queue_arguments: Mapping[str, Any] | None = None,
        binding_arguments: Mapping[str, Any] | None = None,
        consumer_arguments: Mapping[str, Any] | None = None,
        no_ack: bool | None = False,
        no_declare: bool | None = False,
        alias: str | None = None,
        is_broadcast: bool = False,
        max_priority: int | None = None,
        max_length: int | None = None,
        max_length_bytes: int | None = None,
        expires: float | timedelta | None = None,
        message_ttl: float | timedelta | None = None,
    ) -> None:
        if not name or not _is_text(name):
            raise ImproperlyConfigured(f"a queue's name must be text, got {name!r}")
        if not _is_text(routing_key or ""):
            raise ImproperlyConfigured(f"queue {name!r}: routing_key must be text, got {routing_key!r}")
        given = {
            "max_priority": max_priority,
            "max_length": max_length,
            "max_length_bytes": max_length_bytes,
            "expires": expires,
            "message_ttl": message_ttl,
        }
        put = object.__setattr__
        put(self, "name", name)
        put(self, "exchange", None if exchange is None else Exchange.of(exchange))
        put(self, "routing_key", routing_key)
        put(self, "durable", bool(durable))
        put(self, "exclusive", bool(exclusive))
        put(self, "auto_delete", bool(auto_delete))
        put(self, "bindings", tuple(Binding.of(each) for each in bindings or ()))
        put(self, "arguments", {**(arguments or {}), **(queue_arguments or {}), **_arguments(name, given)})
        put(self, "binding_arguments", dict(binding_arguments or {}))
        put(self, "consumer_arguments", dict(consumer_arguments or {}))
        put(self, "no_ack", bool(no_ack))
        put(self, "no_declare", bool(no_declare))
        put(self, "alias", alias)
        put(self, "is_broadcast", is_broadcast)

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def queue_arguments(self) -> Mapping[str, Any]:
        """The same as ``arguments``."""
        return self.arguments

    @property
    def public_name(self) -> str:
        """The name by which people know it: of a broadcast its alias, which all its queues have in common."""
        return self.alias if self.is_broadcast and self.alias else self.name

    def resolved(self) -> Queue:
        """The same queue with its exchange and routing key spelled out."""
        if self.exchange is not None and self.routing_key is not None:
            return self
        return replace(
            self,
            exchange=self.exchange or Exchange("" if self.bindings else self.name),
            routing_key=self.name if self.routing_key is None else self.routing_key,
        )

    def all_bindings(self) -> list[Binding]:
        """All bindings, that to the default exchange left out."""
        queue = self.resolved()
        assert queue.exchange is not None
        first = Binding(queue.exchange, queue.routing_key or "", queue.binding_arguments)
        return [each for each in (first, *queue.bindings) if each.exchange.name]

    def for_one_worker(self) -> Queue:
        """The same, with a new name where that was made up for one worker."""
        found = _MADE_UP.search(self.name) if self.is_broadcast else None
        return self if found is None else replace(self, name=f"{self.name[: found.start()]}.{uuid.uuid4()}")


def Broadcast(  # noqa: N802 - kombu's class
    name: str | None = None,
    queue: str | None = None,
    unique: bool = False,
    auto_delete: bool = True,
    exchange: Exchange | str | None = None,
    alias: str | None = None,
    **options: Any,
) -> Queue:
    """Make a queue that each worker has one of, so that every worker runs each message sent there.

    Args:
        name: of the fanout exchange, and of the queue in routes, calls and ``-Q``.
        queue: name of the queue of each worker; ``None`` makes it up. Workers that have the same name share the messages.
        unique: make a name up even so, which begins with that of ``queue``.
        auto_delete: it goes with its worker.
        exchange: in place of a fanout exchange of that name.
        alias: in place of ``name`` in routes, calls and ``-Q``.
        options: more of `Queue`.

    Raises:
        ImproperlyConfigured: it has no name, or an option makes no sense.
    """
    if not name and exchange is None:
        raise ImproperlyConfigured("Broadcast needs a name: that of its exchange")
    return Queue(
        f"{queue or 'bcast'}.{uuid.uuid4()}" if unique or not queue else queue,
        Exchange(name or "", "fanout") if exchange is None else exchange,
        auto_delete=auto_delete,
        alias=alias or name,
        is_broadcast=True,
        **options,
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _arguments(queue: str, given: Mapping[str, Any]) -> dict[str, int]:
    """Queue arguments by the words that kombu has for them."""
    found = {}
    for word, value in given.items():
        if value is None:
            continue
        argument, in_seconds = _ARGUMENTS[word]
        number = value.total_seconds() if isinstance(value, timedelta) else value
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 <= number < 1 << 53:
            expected = "a number of seconds" if in_seconds else "a whole number"
            raise ImproperlyConfigured(f"queue {queue!r}: {word} must be {expected}, 0 or more, got {value!r}")
        found[argument] = int(number * 1000 if in_seconds else number)
    return found


@dataclass(frozen=True, slots=True)
class Destination:
    """The destination of one message.

    Args:
        exchange: ``""`` for a queue by name.
        routing_key: on the default exchange, the queue's name.
        queue: declared before the first message to it, when given; of a broadcast only the exchange.
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
        return cls(queue.exchange.name, queue.routing_key, queue, not queue.is_broadcast)


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
