"""``app.amqp``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any

from umbel.app.sending.options import PublishOptions
from umbel.brokers.topology import Exchange, Queue
from umbel.compat.subsystems.connection import Connection, Producer


class Queues(MutableMapping[str, Queue]):
    """The queues of an app, by name.

    Args:
        app: the app.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    def __getitem__(self, name: str) -> Queue:
        found: Queue = self._app.queues[name]
        return found

    def __setitem__(self, name: str, queue: Any) -> None:
        self._app.queues.add(queue)

    def __delitem__(self, name: str) -> None:
        raise TypeError("queues are taken out of the setting task_queues, or of the worker's (-X)")

    def __iter__(self) -> Iterator[str]:
        return iter(self._app.queues)

    def __len__(self) -> int:
        return len(self._app.queues)

    def __contains__(self, name: object) -> bool:
        return name in self._app.queues

    def add(self, queue: Any, **kwargs: Any) -> Queue:
        """Know one more queue.

        Args:
            queue: a queue, or its name.
            kwargs: options of a queue that is given by name.
        """
        added: Queue = self._app.queues.add(queue, **kwargs)
        return added

    @property
    def consume_from(self) -> dict[str, Queue]:
        """The queues that workers read, by name."""
        return {queue.name: queue for queue in self._app.queues.consume_from}

    def format(self, indent: int = 0, indent_first: bool = True) -> str:
        """List the queues, a line for each.

        Args:
            indent: spaces before a line.
            indent_first: before the first line, too.
        """
        lines = []
        for name, queue in sorted(self.consume_from.items()):
            whole = queue.resolved()
            exchange = whole.exchange or Exchange(name)
            lines.append(f".> {name:<16} exchange={exchange.name}({exchange.type}) key={whole.routing_key}")
        text = f"\n{' ' * indent}".join(lines)
        return " " * indent + text if indent_first else text


class Router:
    """Looks up where tasks go.

    Args:
        app: the app.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    def route(
        self,
        options: Mapping[str, Any],
        name: str,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        task_type: Any = None,
    ) -> dict[str, Any]:
        """Return calling options with the queue, exchange and routing key that a task goes to.

        Args:
            options: calling options.
            name: of the task.
            args: its positional arguments.
            kwargs: its keyword arguments.
            task_type: the task.
        """
        router = self._app.router
        found = dict(router.lookup(name, tuple(args), dict(kwargs or {}), dict(options), task_type) or {})
        merged = {**found, **{key: value for key, value in options.items() if value is not None}}
        chosen = PublishOptions.parse({key: merged[key] for key in ("queue", "exchange", "routing_key") if key in merged}, lenient=True)
        to = router.destination(chosen)
        merged.update(queue=to.queue, exchange=to.exchange, routing_key=to.routing_key)
        return merged


class AMQP:
    """Queues, routes and producers of an app.

    Args:
        app: the app.
    """

    argsrepr_maxsize = kwargsrepr_maxsize = 1024

    def __init__(self, app: Any) -> None:
        self.app = app
        self.queues: Queues = Queues(app)
        self.router: Router = Router(app)

    @property
    def routes(self) -> Any:
        """The setting ``task_routes``."""
        return self.app.conf.task_routes

    @property
    def default_queue(self) -> Queue:
        """The queue of tasks that no route sends elsewhere."""
        found: Queue = self.app.queues.default
        return found

    @property
    def default_exchange(self) -> Exchange | None:
        """Its exchange."""
        return self.default_queue.resolved().exchange

    @property
    def producer_pool(self) -> Any:
        """The app's producers."""
        return self.app.producer_pool

    publisher_pool = producer_pool

    def Producer(self, connection: Any = None, *_: Any, **__: Any) -> Producer:  # noqa: N802 - kombu's name
        """Return a producer.

        Args:
            connection: Celery's; the app's own is used.
        """
        return Producer(connection if isinstance(connection, Connection) else Connection(self.app))

    def flush_routes(self) -> None:
        """Read ``task_routes`` again."""
        self.app.conf.version += 1
