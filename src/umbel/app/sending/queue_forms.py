"""The forms in which people write queues: `Queue`, objects of kombu, names with options. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from umbel.app.argument_check import warn_of_typing_errors
from umbel.brokers.topology import Binding, Exchange, Queue
from umbel.errors import ImproperlyConfigured

#: Words of `Queue`, which mean the same in a dict of options and at an object of kombu.
_SAME: Final = (
    "exclusive", "binding_arguments", "consumer_arguments", "no_ack", "no_declare", "alias", "expires", "message_ttl", "max_length", "max_length_bytes",
    "max_priority",
)  # fmt: skip
_OPTIONS: Final = (
    *_SAME, "arguments", "auto_delete", "binding_key", "bindings", "delivery_mode", "durable", "exchange", "exchange_arguments",
    "exchange_auto_delete", "exchange_durable", "exchange_type", "queue_arguments", "queue_auto_delete", "queue_durable", "routing_key",
)  # fmt: skip


def parse_queues(given: Any) -> list[Queue]:
    """Make a list of `Queue` of ``task_queues``, which is ``given``.

    Raises:
        ImproperlyConfigured: something in it is no queue, or two of one name differ.
    """
    if not given:
        return []
    if isinstance(given, Mapping):
        found = [parse_queue(name, options or {}) for name, options in given.items()]
    elif isinstance(given, Iterable):
        found = [parse_queue(queue, {}) for queue in (_names(given) if isinstance(given, str) else given)]
    else:
        raise ImproperlyConfigured(f"task_queues: expected a list of queues or a dict of name to options, got {type(given).__name__}")
    known: dict[str, Queue] = {}
    for queue in found:
        if known.setdefault(queue.name, queue) != queue:
            raise ImproperlyConfigured(
                f"task_queues has two queues {queue.name!r} that differ: give one queue several bindings by bindings=[binding(…), …]"
            )
    return list(known.values())


def parse_queue(given: Any, options: Any) -> Queue:
    """Make one queue of what is ``given``: a `Queue`, an object with kombu's attributes, or a name with Celery's ``options``.

    Raises:
        ImproperlyConfigured: it is none of these.
    """
    if isinstance(given, Queue):
        return given
    if isinstance(given, str):
        return _named(given, options)
    if isinstance(options, Queue):
        return options
    if getattr(given, "name", None) and hasattr(given, "routing_key"):
        return _from_object(given)
    raise ImproperlyConfigured(f"task_queues: expected a Queue, a name or a dict of options, got {type(given).__name__}")


def _named(name: str, options: Any) -> Queue:
    if isinstance(options, Queue):
        return options
    if hasattr(options, "routing_key") and not isinstance(options, Mapping):
        return _from_object(options)
    if not isinstance(options, Mapping):
        raise ImproperlyConfigured(f"task_queues[{name!r}]: expected a dict of options, got {type(options).__name__}")
    warn_of_typing_errors(f"task_queues[{name!r}]", options, _OPTIONS)
    return Queue(
        name,
        _exchange_in(name, options),
        options.get("binding_key") or options.get("routing_key"),
        durable=_first(options, "queue_durable", "durable", True),
        auto_delete=_first(options, "queue_auto_delete", "auto_delete", False),
        bindings=[_binding(each) for each in options.get("bindings") or ()],
        arguments=options.get("arguments"),
        queue_arguments=options.get("queue_arguments"),
        **{word: options[word] for word in _SAME if options.get(word) is not None},
    )


def _exchange_in(name: str, options: Mapping[str, Any]) -> Exchange | None:
    given = options.get("exchange")
    if given is not None and not isinstance(given, str):
        return Exchange.of(given)
    if given is None and not options.get("exchange_type"):
        return None
    return Exchange(
        name if given is None else given,
        options.get("exchange_type") or "direct",
        durable=_first(options, "exchange_durable", "durable", True),
        auto_delete=_first(options, "exchange_auto_delete", "auto_delete", False),
        delivery_mode=options.get("delivery_mode"),
        arguments=dict(options.get("exchange_arguments") or {}),
    )


def _first(options: Mapping[str, Any], own: str, common: str, default: bool) -> bool:
    for name in (own, common):
        if options.get(name) is not None:
            return bool(options[name])
    return default


def _binding(given: Any) -> Binding:
    if not isinstance(given, Mapping):
        return Binding.of(given)
    exchange = given.get("exchange")
    if isinstance(exchange, str):
        exchange = Exchange(exchange, given.get("exchange_type") or "direct")
    return Binding(Exchange.of(exchange), given.get("routing_key") or "", given.get("arguments") or {})


def _from_object(given: Any) -> Queue:
    exchange = given.exchange
    if isinstance(exchange, str):
        exchange = Exchange(exchange)
    return Queue(
        given.name,
        Exchange.of(exchange) if getattr(exchange, "name", None) else None,
        given.routing_key or None,
        durable=bool(given.durable),
        auto_delete=bool(given.auto_delete),
        bindings=getattr(given, "bindings", None),
        queue_arguments=getattr(given, "queue_arguments", None),
        is_broadcast=hasattr(given, "queue") and given.queue == given.name,  # only kombu's Broadcast says its name twice
        **{word: getattr(given, word) for word in _SAME if getattr(given, word, None) is not None},
    )


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
