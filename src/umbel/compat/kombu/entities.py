"""``kombu.Queue`` and ``kombu.Exchange``: Umbel's, made with kombu's arguments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from umbel.brokers import topology

_ARGUMENTS: Final = {"max_priority": "x-max-priority", "max_length": "x-max-length", "max_length_bytes": "x-max-length-bytes"}
#: Seconds here, milliseconds on the wire.
_TIMES: Final = {"expires": "x-expires", "message_ttl": "x-message-ttl"}
_MODES: Final = {"transient": 1, "persistent": 2, None: None}


def Exchange(  # noqa: N802 - kombu's name
    name: str = "",
    type: str = "direct",
    channel: Any = None,  # noqa: ARG001
    *,
    durable: bool = True,
    auto_delete: bool = False,
    delivery_mode: Any = None,
    arguments: Mapping[str, Any] | None = None,
    **_: Any,
) -> topology.Exchange:
    """Make an exchange.

    Args:
        name: its name.
        type: direct, topic, fanout or headers.
        channel: kombu's; without effect.
        durable: survives a restart of the broker.
        auto_delete: goes with its last queue.
        delivery_mode: 1 or transient, 2 or persistent.
        arguments: AMQP's.
    """
    mode = _MODES.get(delivery_mode, delivery_mode)
    return topology.Exchange(name, type, durable=durable, auto_delete=auto_delete, delivery_mode=mode, arguments=dict(arguments or {}))


def binding(
    exchange: Any = None,
    routing_key: str = "",
    arguments: Mapping[str, Any] | None = None,
    unbind_arguments: Any = None,  # noqa: ARG001
) -> topology.Binding:
    """Make a binding of a queue.

    Args:
        exchange: that fills it.
        routing_key: by which.
        arguments: AMQP's.
        unbind_arguments: kombu's; without effect.
    """
    return topology.Binding(exchange if exchange is not None else topology.Exchange(), routing_key, dict(arguments or {}))


def Queue(  # noqa: N802 - kombu's name
    name: str = "",
    exchange: Any = None,
    routing_key: str = "",
    channel: Any = None,  # noqa: ARG001
    bindings: Iterable[Any] | None = None,
    on_declared: Any = None,  # noqa: ARG001
    *,
    durable: bool = True,
    exclusive: bool = False,
    auto_delete: bool = False,
    no_declare: bool | None = None,
    queue_arguments: Mapping[str, Any] | None = None,
    consumer_arguments: Mapping[str, Any] | None = None,
    **more: Any,
) -> topology.Queue:
    """Make a queue.

    Args:
        name: its name.
        exchange: that fills it: an exchange or its name; a direct one of the queue's own name when not given.
        routing_key: by which.
        channel: kombu's; without effect.
        bindings: more rules by which it is filled.
        on_declared: kombu's; without effect.
        durable: survives a restart of the broker.
        exclusive: for one connection only.
        auto_delete: goes with its last consumer.
        no_declare: it exists already.
        queue_arguments: AMQP's ``x-…``.
        consumer_arguments: AMQP's, of its consumers.
        more: ``max_priority``, ``max_length``, ``max_length_bytes``; ``expires`` and ``message_ttl``, seconds. What else kombu has is without effect.
    """
    arguments = dict(queue_arguments or {})
    arguments.update({argument: more[key] for key, argument in _ARGUMENTS.items() if more.get(key) is not None})
    arguments.update({argument: int(more[key] * 1000) for key, argument in _TIMES.items() if more.get(key) is not None})
    bound = tuple(bindings or ())
    if isinstance(exchange, str):
        exchange = topology.Exchange(exchange) if exchange else None
    if exchange is None and bound:  # kombu binds such a queue by its bindings alone
        first, *rest = bound
        exchange, routing_key, bound = first.exchange, first.routing_key, tuple(rest)
    return topology.Queue(
        name,
        exchange if getattr(exchange, "name", None) else None,
        routing_key or None,
        durable=durable,
        exclusive=exclusive,
        auto_delete=auto_delete,
        bindings=bound,
        arguments=arguments,
        consumer_arguments=dict(consumer_arguments or {}),
        no_declare=bool(no_declare),
    )
