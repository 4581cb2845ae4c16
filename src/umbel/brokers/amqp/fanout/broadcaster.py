"""Broadcasts and replies over one connection, each batch confirmed before the next."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from umbel.brokers.amqp.fanout.declaring import is_tolerable
from umbel.brokers.amqp.topology import declare_exchange
from umbel.brokers.base import REPLY_TTL, BrokerOptions
from umbel.brokers.fanout.defaults import BroadcastDefaults
from umbel.brokers.topology import Exchange
from umbel.clients.amqp.addresses import Address
from umbel.clients.amqp.channels import TOPOLOGY_CHANNEL, ChannelError
from umbel.clients.amqp.connection_blocking import BlockingConnection, connect_any
from umbel.errors import BrokerBlocked, OperationalError, PublishError
from umbel.runtime import process_hooks
from umbel.runtime.clock import SYSTEM
from umbel.wire.amqp import events
from umbel.wire.amqp.refusals import NOT_FOUND, is_permanent
from umbel.wire.amqp.rendering import render_message, render_publish
from umbel.wire.message import Message

_CHANNEL = 1


class AmqpBroadcaster(BroadcastDefaults):
    """See `umbel.brokers.fanout.base.Broadcaster`.

    Args:
        nodes: the servers, in the order of the URL list.
        options: of the broker.
    """

    def __init__(self, nodes: Sequence[Address], options: BrokerOptions) -> None:
        self._nodes = tuple(nodes)
        self._options = options
        self._connection: BlockingConnection | None = None
        self._reset()
        process_hooks.attach(after_fork=self._reset)

    def _reset(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.drop("the connection belongs to the parent process")
        self._lock = threading.RLock()
        self._declared: set[str] = set()
        #: Messages published over this connection; and why one of them was not taken.
        self._sent = 0
        self._problem: PublishError | None = None
        self._gone = False
        #: Why the broker reads nothing now.
        self._blocked: str | None = None

    def connect(self) -> None:
        with self._lock:
            self._connected()

    def broadcast_many(self, exchange: Exchange, messages: Sequence[tuple[Message, str]], *, keep: float = REPLY_TTL) -> None:  # noqa: ARG002
        with self._lock:
            connection = self._connected()
            deadline = SYSTEM.monotonic() + self._options.publish_timeout
            frame_max = connection.core.receiver.frame_max
            frames = [
                render_message(_CHANNEL, render_publish(_CHANNEL, exchange.name, routing_key, mandatory=False), message, frame_max)
                for message, routing_key in messages
            ]
            try:
                self._declare(connection, exchange, deadline)
                connection.write(b"".join(frames), self._options.publish_timeout)
                self._wait_for_confirms(connection, len(frames), deadline)
            except BaseException as error:  # it is not known what the broker has of these, or will say of them
                self.close()
                if not (self._gone and error is self._problem):
                    raise
                # Somebody deleted the exchange since it was declared, so nobody listens to it.

    def close(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                connection.close()

    def _connected(self) -> BlockingConnection:
        connection = self._connection
        if connection is not None:
            try:
                connection.drain()
            except OperationalError:
                connection = None
        if connection is None or connection.broken is not None or self._problem is not None:
            self.close()
            options = self._options
            timeout = options.connect_timeout * len(self._nodes)
            connection, _ = connect_any(self._nodes, options.limits, failover=options.failover, timeout=timeout)
            connection.open_channel(_CHANNEL, SYSTEM.monotonic() + timeout, confirm=True)
            connection.on_event = self._on_event
            self._connection, self._sent, self._problem, self._gone, self._blocked = connection, 0, None, False, None
            self._declared.clear()
        return connection

    def _declare(self, connection: BlockingConnection, exchange: Exchange, deadline: float) -> None:
        """See to it that an exchange exists; it may have other properties, and who may not declare it may publish to it."""
        if exchange.name and exchange.name not in self._declared:
            try:
                connection.declare([declare_exchange(exchange)], TOPOLOGY_CHANNEL, deadline)
            except ChannelError as error:
                if not is_tolerable(error):
                    raise
            self._declared.add(exchange.name)

    def _wait_for_confirms(self, connection: BlockingConnection, count: int, deadline: float) -> None:
        confirms = connection.core.receiver.confirms
        open_tags = set(range(self._sent + 1, self._sent + count + 1))
        self._sent += count
        while True:
            for _, tag, multiple in confirms:
                if multiple:
                    open_tags = {other for other in open_tags if other > tag}
                else:
                    open_tags.discard(tag)
            confirms.clear()
            if self._problem is not None:
                raise self._problem
            left = deadline - SYSTEM.monotonic()
            if not open_tags:
                return
            if left <= 0:
                if self._blocked is not None:
                    raise BrokerBlocked(f"RabbitMQ takes no messages now ({self._blocked})")
                raise OperationalError(f"{connection.address} has not taken {len(open_tags)} of {count} messages in time")
            connection.receive_some(left)

    def _on_event(self, event: events.Event) -> None:
        if isinstance(event, events.ChannelClosed) and event.channel == _CHANNEL:
            self._gone = event.code == NOT_FOUND
            self._problem = PublishError(f"RabbitMQ refused a message: {event.code} {event.text}", permanent=is_permanent(event.code))
        elif isinstance(event, events.Refused):
            self._problem = PublishError("RabbitMQ refused a message (basic.nack): its queue is full or failed")
        elif isinstance(event, events.Blocked):
            self._blocked = event.reason
        elif isinstance(event, events.Unblocked):
            self._blocked = None
