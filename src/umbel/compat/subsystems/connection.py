"""``app.connection()``, ``app.pool``, ``app.producer_pool``: the app's own connection, as objects of kombu's look.

Each app has one connection to its broker, which is kept, shared and renewed for it. What is made here holds none; closing it closes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

from umbel.app.connections import broker_options
from umbel.brokers import registry
from umbel.brokers.topology import Destination, Queue
from umbel.errors import OperationalError, PublishError
from umbel.wire import compression as compressions
from umbel.wire import serializers
from umbel.wire.message import Message


class QueueDeclared(NamedTuple):
    """The broker's answer to the declaration of a queue."""

    queue: str
    message_count: int
    consumer_count: int


class Connection:
    """Stands for an app's connection to its broker.

    Args:
        app: the app.
        url: of another broker.
        options: kombu's; without effect.
    """

    recoverable_connection_errors = connection_errors = (OperationalError, ConnectionError, OSError)
    recoverable_channel_errors = channel_errors = (PublishError,)
    connected = True
    heartbeat = 0

    def __init__(self, app: Any, url: str | None = None, **options: Any) -> None:  # noqa: ARG002
        self.app = app
        self._url = url

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    @property
    def broker(self) -> Any:
        """The broker."""
        return self.app.connections.broker if not self._url else registry.connect(broker_options(self.app.conf, url=self._url))

    def ensure_connection(self, errback: Any = None, max_retries: int | None = None, **_: Any) -> Self:  # noqa: ARG002
        """Reach the broker.

        Args:
            errback: kombu's; without effect.
            max_retries: kombu's; without effect.

        Raises:
            OperationalError: it cannot be reached.
        """
        self.connect()
        return self

    def connect(self) -> Self:
        """Reach the broker.

        Raises:
            OperationalError: it cannot be reached.
        """
        client = self.broker.queue_client()
        try:
            client.length(self.app.conf.task_default_queue)
        finally:
            client.close()
        return self

    def as_uri(self, include_password: bool = False, **_: Any) -> str:
        """Return the broker's URL.

        Args:
            include_password: as it stands in the settings.
        """
        url: str = self.broker.options.urls[0] if include_password else self.broker.public_url()
        return url

    def release(self) -> None:
        """Nothing is open."""

    close = release

    def channel(self) -> Channel:
        """Return an object of a channel's look."""
        return Channel(self)

    default_channel: property = property(channel)

    def clone(self, **_: Any) -> Connection:
        """Return another object like this one."""
        return type(self)(self.app, self._url)

    def Producer(self, *_: Any, **__: Any) -> Producer:  # noqa: N802 - kombu's name
        """Return a producer."""
        return Producer(self)


class Channel:
    """Single operations on queues.

    Args:
        connection: to the broker.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def close(self) -> None:
        """Nothing is open."""

    def queue_declare(self, queue: str, passive: bool = False, **_: Any) -> QueueDeclared:
        """Declare a queue.

        Args:
            queue: its name.
            passive: only ask; an error where there is none.

        Raises:
            OperationalError: there is none.
        """
        with self._client() as client:
            if not passive:
                client.declare(self.connection.app.queues[queue] if queue in self.connection.app.queues else Queue(queue))
            length = client.length(queue)
        if length is None and passive:
            raise OperationalError(f"there is no queue {queue!r}")
        return QueueDeclared(queue, length or 0, 0)

    def queue_purge(self, queue: str, **_: Any) -> int:
        """Drop the messages that wait in a queue; returns how many.

        Args:
            queue: its name.
        """
        with self._client() as client:
            dropped: int = client.purge(queue)
            return dropped

    def queue_delete(self, queue: str, **_: Any) -> None:
        """Remove a queue.

        Args:
            queue: its name.
        """
        with self._client() as client:
            client.delete(queue)

    @contextmanager
    def _client(self) -> Iterator[Any]:
        client = self.connection.broker.queue_client()
        try:
            yield client
        finally:
            client.close()


class Producer:
    """Publishes through an app's publisher.

    Args:
        connection: to the broker.
        args: kombu's; without effect.
        kwargs: kombu's; without effect.
    """

    def __init__(self, connection: Connection, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002
        self.connection = connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def release(self) -> None:
        """Nothing is open."""

    close = release

    def publish(
        self,
        body: Any,
        routing_key: str = "",
        exchange: Any = "",
        *,
        headers: dict[str, Any] | None = None,
        serializer: str = "json",
        content_type: str | None = None,
        content_encoding: str = "utf-8",
        compression: str | None = None,
        declare: Any = (),
        mandatory: bool = False,
        expiration: float | None = None,
        delivery_mode: int | None = None,
        retry: bool = False,  # noqa: ARG002 - the publisher's own business
        retry_policy: Any = None,  # noqa: ARG002 - the publisher's own business
        **properties: Any,
    ) -> None:
        """Publish a message that is no task's.

        Args:
            body: any value that the serializer can write; text and bytes go as they are where ``content_type`` is given.
            routing_key: of the message.
            exchange: its name, or the exchange.
            headers: of the message.
            serializer: for the body.
            content_type: of a body that is serialized already.
            content_encoding: the same.
            compression: for the body.
            declare: queues that are declared before.
            mandatory: it is an error if no queue takes it.
            expiration: seconds until the broker may drop it.
            delivery_mode: 1 transient, 2 persistent.
            retry: kombu's; without effect.
            retry_policy: kombu's; without effect.
            properties: of the message.

        Raises:
            OperationalError: the broker cannot be reached, or did not take it.
        """
        app = self.connection.app
        if content_type is None:
            content_type, content_encoding, data = serializers.dumps(body, serializer)
        else:
            data = body.encode() if isinstance(body, str) else bytes(body)
        fields = dict(headers or {})
        if compression:
            fields["compression"], data = compressions.compress(data, compression)
        named = {**properties, "delivery_mode": delivery_mode or 2}
        if expiration is not None:
            named["expiration"] = str(int(expiration * 1000))
        publisher = app.publisher
        for queue in declare or ():
            publisher.declare(app.queues.add(queue))
        message = Message(data, fields, content_type, content_encoding, {key: value for key, value in named.items() if value is not None})
        publisher.publish(message, Destination(getattr(exchange, "name", exchange) or "", routing_key, mandatory=mandatory))


class Pool:
    """Hands out connections.

    Args:
        app: whose.
    """

    def __init__(self, app: Any) -> None:
        self._app = app

    def acquire(self, block: bool = False, timeout: float | None = None) -> Connection:  # noqa: ARG002
        """Return a connection; nobody waits for one.

        Args:
            block: kombu's; without effect.
            timeout: kombu's; without effect.
        """
        return Connection(self._app)

    def force_close_all(self, *_: Any) -> None:
        """Close the app's connections; they are made again when they are needed."""
        self._app.connections.close()


class ProducerPool(Pool):
    """Hands out producers."""

    def acquire(self, block: bool = False, timeout: float | None = None) -> Any:  # noqa: ARG002
        """Return a producer; nobody waits for one.

        Args:
            block: kombu's; without effect.
            timeout: kombu's; without effect.
        """
        return Producer(Connection(self._app))
