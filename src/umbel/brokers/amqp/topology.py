"""Topology, as methods to send: queues as Celery declares them, dead letters, and the delayed-delivery exchanges. Pure.

Brokers compare declarations, so every argument below is Celery's own: a different one would be refused with 406 in a mixed fleet.
"""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from pamqp import base, commands

from umbel.brokers.base import DEAD_SUFFIX
from umbel.brokers.topology import Exchange, Queue
from umbel.wire.amqp.methods import method

#: Levels of the delayed-delivery exchanges: 28 bits of seconds, eight and a half years.
LEVELS: Final = 28
LONGEST_DELAY: Final = (1 << LEVELS) - 1
DELIVERY_EXCHANGE: Final = "celery_delayed_delivery"
#: The first version of RabbitMQ whose quorum queues have a delivery limit unless told otherwise, and the limit.
_LIMITS_BY_DEFAULT: Final = 4
_DEFAULT_LIMIT: Final = 20
#: What is said of a queue that RabbitMQ will not have declared as it is here (406).
AS_IT_IS: Final = "or its exchange exists with other arguments than here, and is used as it is"
#: Longest routing key (a short string) without the bits.
_LONGEST_NAME: Final = 255 - 2 * LEVELS


def declare_queue(queue: Queue) -> list[base.Frame]:
    """A queue, its exchange and its bindings, as Celery declares them."""
    if queue.no_declare:
        return []
    declared = method(
        commands.Queue.Declare,
        queue=queue.name,
        durable=queue.durable,
        exclusive=queue.exclusive,
        auto_delete=queue.auto_delete,
        arguments=dict(queue.arguments),
    )
    return [*_declare_exchanges(queue), declared, *bind_all(queue)]


def bind_all(queue: Queue) -> list[base.Frame]:
    """All bindings of a queue."""
    return [bind_queue(queue.name, each.exchange.name, each.routing_key, each.arguments) for each in queue.all_bindings()]


def declare_address(queue: Queue) -> list[base.Frame]:
    """A queue, for a publisher that sends to it: of a broadcast the exchange alone, for the queues are its workers'."""
    if queue.is_broadcast and not queue.no_declare:
        return _declare_exchanges(queue)
    return declare_queue(queue)


def _declare_exchanges(queue: Queue) -> list[base.Frame]:
    exchanges = {each.exchange.name: each.exchange for each in queue.all_bindings()}
    return [declare_exchange(exchange) for exchange in exchanges.values() if not exchange.no_declare]


def declare_exchange(exchange: Exchange) -> base.Frame:
    """An exchange."""
    return method(
        commands.Exchange.Declare,
        exchange=exchange.name,
        exchange_type=exchange.type,
        durable=exchange.durable,
        auto_delete=exchange.auto_delete,
        arguments=dict(exchange.arguments),
    )


def bind_queue(queue: str, exchange: str, routing_key: str, arguments: Mapping[str, Any] | None = None) -> base.Frame:
    """A binding of a queue to an exchange."""
    return method(commands.Queue.Bind, queue=queue, exchange=exchange, routing_key=routing_key, arguments=dict(arguments or {}))


def look_at_queue(queue: Queue) -> base.Frame:
    """Make the method that fails if a queue is not there."""
    return method(commands.Queue.Declare, queue=queue.name, passive=True)


def dead_queue(name: str) -> Queue:
    """Make the queue where another one's dead letters rest: durable, classic, without arguments, bound to nothing."""
    return Queue(name + DEAD_SUFFIX, Exchange(""))


def counts_deliveries(queue: Queue, *, some_do: bool) -> bool:
    """Report whether a queue may count what comes back to it, and drop a message that did so too often.

    Args:
        some_do: one of the queues does so, though its arguments do not say so; then any may.
    """
    kind = queue.arguments.get("x-queue-type")
    return kind == "quorum" or (kind is None and (some_do or "x-delivery-limit" in queue.arguments))


def limit_advice(queue: Queue, server_version: str, vhost: str) -> str | None:
    """Write the advice for a queue that counts deliveries, drops messages beyond a limit, and does not say where to.

    An argument cannot be added: RabbitMQ refuses to declare a queue with arguments other than it has, to Celery's workers, too. A policy can.
    """
    if "x-dead-letter-exchange" in queue.arguments:
        return None
    limit = queue.arguments.get("x-delivery-limit")
    if type(limit) is not int:
        major = server_version.partition(".")[0]
        limit = _DEFAULT_LIMIT if major.isdecimal() and int(major) >= _LIMITS_BY_DEFAULT else -1
    if limit < 0:
        return None
    name, dead = queue.name, queue.name + DEAD_SUFFIX
    definition = json.dumps({"dead-letter-exchange": "", "dead-letter-routing-key": dead})
    place = [] if vhost == "/" else ["-p", vhost]
    command = shlex.join(["rabbitmqctl", "set_policy", *place, dead, f"^{re.escape(name)}$", definition, "--apply-to", "queues"])
    return (
        f"RabbitMQ may drop messages of queue {name!r} that came back more than {limit} times (workers killed, connections lost). "
        f"This moves them to {dead!r} instead; whether it was done cannot be seen from here: {command}"
    )


def declare_delayed(queue_type: str) -> Iterator[list[base.Frame]]:
    """The delayed-delivery exchanges and queues, level by level: Celery's native delayed delivery (kombu 5.5 and later).

    Level n holds a message for 2ⁿ seconds if bit n of its routing key is set, else passes it on to level n - 1.
    """
    for level in range(LEVELS - 1, -1, -1):
        name = level_name(level)
        arguments = {
            "x-queue-type": queue_type,
            "x-overflow": "reject-publish",
            "x-message-ttl": (1 << level) * 1000,
            "x-dead-letter-exchange": level_name(level - 1),
        }
        if queue_type == "quorum":
            arguments["x-dead-letter-strategy"] = "at-least-once"
        yield [
            declare_exchange(Exchange(name, "topic")),
            method(commands.Queue.Declare, queue=name, durable=True, arguments=arguments),
            bind_queue(name, name, "*." * (LEVELS - 1 - level) + "1.#"),
        ]
    yield [declare_exchange(Exchange(DELIVERY_EXCHANGE, "topic"))]
    yield [
        method(
            commands.Exchange.Bind,
            destination=level_name(level - 1),
            source=level_name(level),
            routing_key="*." * (LEVELS - 1 - level) + "0.#",
        )
        for level in range(LEVELS - 1, -1, -1)
    ]


def level_name(level: int) -> str:
    """The exchange and queue of one level; below the lowest is the delivery exchange."""
    return f"celery_delayed_{level}" if level >= 0 else DELIVERY_EXCHANGE


def bind_delayed(queue: str) -> base.Frame:
    """From the delivery exchange to a queue.

    The 28 bits are matched one by one and not by ``#``, which would also match the key of a queue whose name ends in ``.`` and this name.
    """
    return bind_queue(queue, DELIVERY_EXCHANGE, "*." * LEVELS + _delayed_name(queue))


def delayed_key(queue: str, seconds: float) -> str:
    """The routing key on the highest level: the bits of whole seconds, rounded down, and the queue."""
    return _delayed_key(queue, min(LONGEST_DELAY, max(0, int(seconds))))


@lru_cache(maxsize=1024)
def _delayed_key(queue: str, whole: int) -> str:
    return ".".join(f"{whole:0{LEVELS}b}") + "." + _delayed_name(queue)


def entry_level(seconds: float) -> int:
    """The highest level that holds a message with such a key.

    Levels above it would only pass it on, and each costs the broker a topic match: from the top, an hour's delay came to 2 ms a message.
    """
    return max(1, min(LONGEST_DELAY, int(seconds))).bit_length() - 1


def _delayed_name(queue: str) -> str:
    if len(queue.encode()) <= _LONGEST_NAME:
        return queue
    return "umbel-" + hashlib.sha256(queue.encode()).hexdigest()[:40]
