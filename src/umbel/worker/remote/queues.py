"""Commands for the queues that a worker consumes from."""

from __future__ import annotations

from typing import Any, Final

from umbel.brokers.topology import Exchange, Queue
from umbel.control.commands import control_command, inspect_command
from umbel.worker.remote.arguments import text
from umbel.worker.remote.facade import WorkerFacade

#: Queues of one worker.
_MOST: Final = 1000
_TYPES: Final = ("direct", "topic", "fanout", "headers")


@control_command(
    args=[("queue", str), ("exchange", str), ("exchange_type", str), ("routing_key", str)],
    signature="QUEUE [EXCHANGE [TYPE [KEY]]]",
)
async def add_consumer(
    state: WorkerFacade, queue: Any, exchange: Any = None, exchange_type: Any = None, routing_key: Any = None, **options: Any
) -> dict[str, str]:
    """Consume from one more queue."""
    state.check_running()
    name = text("queue", queue)
    pausing = state.parts.pausing
    if len(pausing.queues) >= _MOST:
        raise ValueError(f"a worker consumes from {_MOST:,} queues at most")
    wanted = _queue(state, name, exchange, exchange_type, routing_key, options)
    async with pausing.changing:
        if all(known.name != name for known in pausing.queues):
            await pausing.add(wanted)
    return {"ok": f"add consumer {name}"}


@control_command(args=[("queue", str)], signature="QUEUE")
async def cancel_consumer(state: WorkerFacade, queue: Any, **_: Any) -> dict[str, str]:
    """Consume from one queue less."""
    name = text("queue", queue)
    async with state.parts.pausing.changing:
        await state.parts.pausing.cancel(name)
    return {"ok": f"no longer consuming from {name}"}


@control_command(visible=False)
async def check_paused_queues(state: WorkerFacade, **_: Any) -> dict[str, str]:
    """Look at once which queues are paused; `umbel queues pause` has changed that."""
    state.parts.pausing.look_soon()
    return {"ok": "looking"}


@inspect_command
async def active_queues(state: WorkerFacade, **_: Any) -> list[dict[str, Any]]:
    """List the queues that are consumed from."""
    return [described(queue) for queue in state.parts.consumer.queues]


def _queue(state: WorkerFacade, name: str, exchange: Any, exchange_type: Any, routing_key: Any, options: dict[str, Any]) -> Queue:
    """The app's queue of this name, or one as it was asked for."""
    if name in state.app.queues and exchange is None and routing_key is None:
        found: Queue = state.app.queues[name]
        return found
    kind = exchange_type or "direct"
    if kind not in _TYPES:
        raise ValueError(f"exchange_type is {', '.join(_TYPES)}, got {kind!a:.60}")
    arguments = options.get("queue_arguments") or {}
    if not isinstance(arguments, dict):
        raise TypeError(f"queue_arguments is an object, got a {type(arguments).__name__}")
    return Queue(
        name,
        Exchange(name if exchange is None else text("exchange", exchange), kind),
        name if routing_key is None else text("routing_key", routing_key),
        durable=bool(options.get("durable", True)),
        auto_delete=bool(options.get("auto_delete", False)),
        arguments=arguments,
    )


def described(queue: Queue) -> dict[str, Any]:
    """A queue in Celery's fields (5.7).

    Args:
        queue: that a worker consumes from.
    """
    queue = queue.resolved()
    assert queue.exchange is not None
    exchange = queue.exchange
    return {
        "name": queue.name,
        "exchange": {
            "name": exchange.name,
            "type": exchange.type,
            "arguments": dict(exchange.arguments) or None,
            "durable": exchange.durable,
            "passive": False,
            "auto_delete": exchange.auto_delete,
            "delivery_mode": exchange.delivery_mode,
            "no_declare": False,
        },
        "routing_key": queue.routing_key,
        "queue_arguments": dict(queue.arguments) or None,
        "binding_arguments": None,
        "consumer_arguments": dict(queue.consumer_arguments) or None,
        "durable": queue.durable,
        "exclusive": queue.exclusive,
        "auto_delete": queue.auto_delete,
        "no_ack": False,
        "alias": None,
        "bindings": [
            {"exchange": binding.exchange.name, "routing_key": binding.routing_key, "arguments": dict(binding.arguments) or None}
            for binding in queue.bindings
        ],
        "no_declare": queue.no_declare or None,
        "expires": None,
        "message_ttl": None,
        "max_length": None,
        "max_length_bytes": None,
        "max_priority": queue.arguments.get("x-max-priority"),
    }
