"""The queues of an app: those of the settings, the default one, and those made on demand."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from umbel.brokers.topology import Exchange, Queue
from umbel.errors import QueueNotFound

#: Of the queues that have a name of their own for one worker (``worker_direct``).
_DIRECT = Exchange("C.dq2")


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
            own = Exchange("") if queue.bindings else Exchange(self.exchange or queue.name, self.exchange_type)
            queue = replace(queue, exchange=own)
        if queue.routing_key is None:
            # On Redis Celery's workers listen to the channel of this key, which is the same for all queues of a fanout exchange.
            is_fanout = queue.exchange is not None and queue.exchange.type == "fanout"
            queue = replace(queue, routing_key=self.routing_key or (self.name if is_fanout else queue.name))
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
        #: Alias → name.
        self._aliases: dict[str, str] = {}
        if given:
            from umbel.app.sending.queue_forms import parse_queues  # most apps have the default queue alone

            for queue in parse_queues(given):
                self.add(queue)
        else:
            self.add(defaults.default_queue())

    def __getitem__(self, name: str) -> Queue:
        """A queue, by its name or its alias; one that is unknown is made when `create_missing` is on.

        Raises:
            QueueNotFound: it is unknown and may not be made.
        """
        try:
            return self._queues[self._aliases.get(name, name)]
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
        return name in self._queues or name in self._aliases

    def add(self, queue: Any, **options: Any) -> Queue:
        """Know one more ``queue``, given as a `Queue`, as kombu's, or by name and ``options``."""
        if not isinstance(queue, Queue):
            from umbel.app.sending.queue_forms import parse_queue

            queue = parse_queue(queue, options)
        added = self.defaults.complete(queue)
        self._queues[added.name] = added
        if added.alias:
            self._aliases[added.alias] = added.name
        return added

    def broadcast_to(self, exchange: str) -> Queue | None:
        """The broadcast that is sent to this ``exchange``, if there is one."""
        return next(
            (queue for queue in self._queues.values() if queue.is_broadcast and queue.exchange and queue.exchange.name == exchange), None
        )

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
        left_out = {self._aliases.get(name, name) for name in _split(exclude or ())}
        chosen = [self[name] for name in _split(names)] if names else self.consume_from
        return [queue for queue in chosen if queue.name not in left_out]

    def _hint(self, name: str) -> str:
        known = sorted({queue.public_name for queue in self._queues.values()} | self._aliases.keys())
        close = difflib.get_close_matches(name, known, n=1)
        return f"; did you mean {close[0]!r}?" if close else f"; there are {', '.join(known)}"


def _split(names: str | Iterable[str]) -> list[str]:
    return [name.strip() for name in (names.split(",") if isinstance(names, str) else names) if name.strip()]


def worker_direct(hostname: str | Queue) -> Queue:
    """The queue that one worker alone reads (setting ``worker_direct``), under Celery's names.

    Args:
        hostname: the worker's name, such as ``celery@host``; a queue is returned as it is.
    """
    return hostname if isinstance(hostname, Queue) else Queue(f"{hostname}.dq2", _DIRECT, hostname)
