"""The queues of an app: those of the settings, the default one, and those made on demand."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from umbel.brokers.topology import Binding, Exchange, Queue
from umbel.errors import ImproperlyConfigured, QueueNotFound

_TRANSIENT = {1, "1", "transient"}


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDefaults:
    """The settings that queues follow where they do not say it themselves."""

    name: str = "celery"
    exchange: str | None = None
    exchange_type: str = "direct"
    routing_key: str | None = None
    #: classic or quorum.
    queue_type: str = "classic"
    max_priority: int | None = None
    create_missing: bool = True
    missing_queue_type: str = "classic"
    missing_exchange_type: str | None = None

    def default_queue(self) -> Queue:
        """The queue of tasks that no route sends elsewhere."""
        return Queue(
            self.name,
            Exchange(self.exchange or self.name, self.exchange_type),
            self.routing_key or self.name,
            arguments=self._arguments({}, self.queue_type),
        )

    def missing_queue(self, name: str) -> Queue:
        """Make the queue ``name`` because somebody named it."""
        return Queue(
            name, Exchange(name, self.missing_exchange_type or "direct"), name, arguments=self._arguments({}, self.missing_queue_type)
        )

    def complete(self, queue: Queue) -> Queue:
        """Fill in what a ``queue`` of the settings leaves out."""
        if queue.exchange is None:
            queue = replace(queue, exchange=Exchange(self.exchange or queue.name, self.exchange_type))
        if queue.routing_key is None:
            queue = replace(queue, routing_key=self.routing_key or queue.name)
        arguments = self._arguments(queue.arguments, "classic")
        return queue if arguments == queue.arguments else replace(queue, arguments=arguments)

    def _arguments(self, given: Mapping[str, Any], queue_type: str) -> dict[str, Any]:
        arguments = dict(given)
        if queue_type == "quorum":
            arguments.setdefault("x-queue-type", "quorum")
        if self.max_priority is not None and arguments.get("x-queue-type") != "quorum":
            arguments.setdefault("x-max-priority", self.max_priority)
        return arguments


def queue_defaults(conf: Any) -> QueueDefaults:
    """Read what the settings ``conf`` say of queues."""
    return QueueDefaults(
        name=conf.task_default_queue,
        exchange=conf.task_default_exchange,
        exchange_type=conf.task_default_exchange_type,
        routing_key=conf.task_default_routing_key,
        queue_type=conf.task_default_queue_type,
        max_priority=conf.task_queue_max_priority,
        create_missing=conf.task_create_missing_queues,
        missing_queue_type=conf.task_create_missing_queue_type,
        missing_exchange_type=conf.task_create_missing_queue_exchange_type,
    )


class Queues(Mapping[str, Queue]):
    """Queues by name.

    Args:
        given: ``task_queues``: an iterable of `Queue` (or kombu's), or a dict of name to options.
        defaults: for what they leave out, and for the default queue.
    """

    def __init__(self, given: Any, defaults: QueueDefaults) -> None:
        self.defaults = defaults
        self._queues: dict[str, Queue] = {}
        for queue in parse_queues(given):
            self.add(queue)
        if not given:
            self.add(defaults.default_queue())

    def __getitem__(self, name: str) -> Queue:
        """A queue; one that is unknown is made when `create_missing` is on.

        Raises:
            QueueNotFound: it is unknown and may not be made.
        """
        try:
            return self._queues[name]
        except KeyError:
            pass
        if name == self.defaults.name:
            return self.add(self.defaults.default_queue())
        if not self.defaults.create_missing:
            raise QueueNotFound(f"there is no queue {name!r} in task_queues, and task_create_missing_queues is off{self._hint(name)}")
        return self.add(self.defaults.missing_queue(name))

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._queues))

    def __len__(self) -> int:
        return len(self._queues)

    def __contains__(self, name: object) -> bool:
        return name in self._queues

    def add(self, queue: Any, **options: Any) -> Queue:
        """Know one more ``queue``, given as a `Queue`, as kombu's, or by name and ``options``."""
        added = self.defaults.complete(parse_queue(queue, options))
        self._queues[added.name] = added
        return added

    @property
    def default(self) -> Queue:
        """The queue of tasks that no route sends elsewhere."""
        return self[self.defaults.name]

    @property
    def consume_from(self) -> list[Queue]:
        """The queues that a worker reads when it is not told otherwise: every queue known."""
        return list(self._queues.values())

    def select(self, names: str | Iterable[str] | None = None, exclude: str | Iterable[str] | None = None) -> list[Queue]:
        """The queues that a worker reads.

        Args:
            names: these (``-Q``); all when there are none.
            exclude: but not these (``-X``).

        Raises:
            QueueNotFound: one is unknown and may not be made.
        """
        left_out = set(_split(exclude or ()))
        chosen = [self[name] for name in _split(names)] if names else self.consume_from
        return [queue for queue in chosen if queue.name not in left_out]

    def _hint(self, name: str) -> str:
        close = difflib.get_close_matches(name, self._queues, n=1)
        return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(sorted(self._queues))}"


def worker_direct(hostname: str) -> Queue:
    """The queue of one worker's own (``worker_direct``), under Celery's names.

    Args:
        hostname: the worker's name, e.g. ``celery@host``.
    """
    return Queue(f"{hostname}.dq2", Exchange("C.dq2"), hostname)


def parse_queues(given: Any) -> list[Queue]:
    """Make a list of `Queue` of ``task_queues``, which is ``given``."""
    if not given:
        return []
    if isinstance(given, Mapping):
        return [parse_queue(name, options or {}) for name, options in given.items()]
    if isinstance(given, str):
        return [parse_queue(name, {}) for name in _split(given)]
    return [parse_queue(queue, {}) for queue in given]


def parse_queue(given: Any, options: Mapping[str, Any]) -> Queue:
    """Make one queue of what is ``given``: a `Queue`, an object with kombu's attributes, or a name with Celery's ``options``.

    Raises:
        ImproperlyConfigured: it is none of these.
    """
    if isinstance(given, Queue):
        return given
    if isinstance(given, str):
        return _from_options(given, options)
    if isinstance(options, Queue):
        return options
    if getattr(given, "name", None) and hasattr(given, "routing_key"):
        return _from_object(given)
    raise ImproperlyConfigured(f"task_queues: expected a Queue, a name or a dict of options, got {type(given).__name__}")


def _from_options(name: str, options: Any) -> Queue:
    if isinstance(options, Queue):
        return options
    if hasattr(options, "routing_key") and not isinstance(options, Mapping):
        return _from_object(options)
    if not isinstance(options, Mapping):
        raise ImproperlyConfigured(f"task_queues[{name!r}]: expected a dict of options, got {type(options).__name__}")
    exchange = options.get("exchange")
    if isinstance(exchange, str) or options.get("exchange_type"):
        exchange = Exchange(
            exchange if isinstance(exchange, str) else name,
            options.get("exchange_type") or "direct",
            delivery_mode=_mode(options.get("delivery_mode")),
        )
    elif exchange is not None and not isinstance(exchange, Exchange):
        exchange = _exchange(exchange)
    arguments = dict(options.get("queue_arguments") or options.get("arguments") or {})
    if options.get("max_priority") is not None:
        arguments["x-max-priority"] = options["max_priority"]
    return Queue(
        name,
        exchange,
        options.get("routing_key") or options.get("binding_key"),
        durable=options.get("durable", True),
        exclusive=options.get("exclusive", False),
        auto_delete=options.get("auto_delete", False),
        arguments=arguments,
        consumer_arguments=dict(options.get("consumer_arguments") or {}),
        no_declare=bool(options.get("no_declare", False)),
    )


def _from_object(given: Any) -> Queue:
    arguments = dict(getattr(given, "queue_arguments", None) or {})
    for attribute, argument in (
        ("max_priority", "x-max-priority"),
        ("max_length", "x-max-length"),
        ("max_length_bytes", "x-max-length-bytes"),
    ):
        if getattr(given, attribute, None) is not None:
            arguments[argument] = getattr(given, attribute)
    for attribute, argument in (("expires", "x-expires"), ("message_ttl", "x-message-ttl")):  # seconds there, milliseconds on the wire
        if getattr(given, attribute, None) is not None:
            arguments[argument] = int(getattr(given, attribute) * 1000)
    return Queue(
        given.name,
        _exchange(given.exchange) if getattr(given.exchange, "name", None) else None,
        given.routing_key or None,
        durable=bool(given.durable),
        exclusive=bool(given.exclusive),
        auto_delete=bool(given.auto_delete),
        bindings=tuple(
            Binding(_exchange(each.exchange), each.routing_key or "", dict(each.arguments or {}))
            for each in (getattr(given, "bindings", None) or ())
        ),
        arguments=arguments,
        consumer_arguments=dict(getattr(given, "consumer_arguments", None) or {}),
        no_declare=bool(getattr(given, "no_declare", False)),
    )


def _exchange(given: Any) -> Exchange:
    return Exchange(
        given.name or "",
        given.type or "direct",
        durable=bool(getattr(given, "durable", True)),
        auto_delete=bool(getattr(given, "auto_delete", False)),
        delivery_mode=_mode(getattr(given, "delivery_mode", None)),
        arguments=dict(getattr(given, "arguments", None) or {}),
    )


def _mode(value: Any) -> int | None:
    return None if value is None else 1 if value in _TRANSIENT else 2


def _split(names: str | Iterable[str]) -> list[str]:
    return [name.strip() for name in (names.split(",") if isinstance(names, str) else names) if name.strip()]
