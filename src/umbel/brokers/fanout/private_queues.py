"""The queues that one process alone reads, as Celery declares them: for remote control, for events, and for replies. Pure.

RabbitMQ compares declarations, so every value below is Celery's own (5.7): a different one would be refused in a mixed fleet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from umbel.brokers.topology import Binding, Exchange, Queue


def control_exchange(namespace: str = "celery") -> Exchange:
    """The exchange for requests to all workers.

    Args:
        namespace: Celery's ``control_exchange``.
    """
    return Exchange(f"{namespace}.pidbox", "fanout", durable=False)


def control_queue(
    node: str,
    namespace: str = "celery",
    *,
    expires: float = 10.0,
    message_ttl: float = 300.0,
    exclusive: bool = True,
    durable: bool = False,
) -> Queue:
    """The queue from which one worker reads requests.

    Args:
        node: the worker's name.
        namespace: Celery's ``control_exchange``.
        expires: seconds without a reader after which it is deleted.
        message_ttl: seconds after which a request is dropped.
        exclusive: it belongs to one connection.
        durable: it survives a restart of the broker; then it does not go with its reader, but after ``expires``.
    """
    queue = _private(f"{node}.{namespace}.pidbox", control_exchange(namespace), [""], expires, message_ttl)
    return replace(queue, exclusive=exclusive, durable=durable, auto_delete=not durable)


def control_reply_exchange(namespace: str = "celery") -> Exchange:
    """The exchange for the answers of workers.

    Args:
        namespace: Celery's ``control_exchange``.
    """
    return Exchange(f"reply.{namespace}.pidbox", durable=False)


def control_reply_queue(ident: str, namespace: str = "celery", *, expires: float = 10.0, message_ttl: float = 300.0) -> Queue:
    """The queue from which one client reads answers.

    Args:
        ident: a UUID of the client, which is the routing key too.
        namespace: Celery's ``control_exchange``.
        expires: seconds without a reader after which it is deleted.
        message_ttl: seconds after which an answer is dropped.
    """
    exchange = control_reply_exchange(namespace)
    return _private(f"{ident}.{exchange.name}", exchange, [ident], expires, message_ttl)


def event_exchange(name: str = "celeryev") -> Exchange:
    """The exchange for events; their routing keys are their types with dots (``worker.online``), or ``task.multi`` for a list of them.

    Args:
        name: Celery's ``event_exchange``.
    """
    return Exchange(name, "topic")


def event_queue(
    ident: str,
    patterns: Sequence[str] = ("#",),
    *,
    exchange: str = "celeryev",
    prefix: str = "celeryev",
    expires: float | None = 60.0,
    message_ttl: float | None = 5.0,
    exclusive: bool = True,
    durable: bool = False,
) -> Queue:
    """The queue from which one watcher reads events.

    Args:
        ident: a UUID of the watcher.
        patterns: of routing keys, such as ``task.#``.
        exchange: Celery's ``event_exchange``.
        prefix: Celery's ``event_queue_prefix``.
        expires: seconds without a reader after which it is deleted; ``None`` is never.
        message_ttl: seconds after which an event is dropped; ``None`` is never.
        exclusive: the queue is that of one connection.
        durable: the queue survives a restart of the broker.
    """
    queue = _private(f"{prefix}.{ident}", event_exchange(exchange), patterns, expires, message_ttl)
    return replace(queue, exclusive=exclusive, durable=durable, auto_delete=not durable)


def result_queue(ident: str, expires: float | None) -> Queue:
    """The queue from which one client of ``rpc://`` reads results, by name.

    Unlike Celery's it stays when its reader goes, so that a lost connection loses no results.

    Args:
        ident: a UUID of the client, which is the queue's name.
        expires: seconds without a reader after which it is deleted; ``None`` is never.
    """
    return Queue(ident, Exchange(""), arguments={} if expires is None else {"x-expires": _milliseconds(expires)})


def expires_of(queue: Queue, default: float) -> float:
    """Seconds after which a queue without a reader is deleted.

    Args:
        queue: one of the above.
        default: seconds, for a queue that says nothing of it.
    """
    value = queue.arguments.get("x-expires")
    return value / 1000 if isinstance(value, int) else default


def _private(name: str, exchange: Exchange, keys: Sequence[str], expires: float | None, message_ttl: float | None) -> Queue:
    given = {"x-expires": expires, "x-message-ttl": message_ttl}
    queue = Queue(
        name,
        exchange,
        keys[0],
        durable=False,
        exclusive=True,
        auto_delete=True,
        arguments={key: _milliseconds(value) for key, value in given.items() if value is not None},
    )
    return replace(queue, bindings=tuple(Binding(exchange, key) for key in keys[1:]))


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))
