"""A queue for replies, read by one thread."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from pamqp import commands

from umbel.brokers.amqp.fanout.declaring import declarations, is_tolerable, refused
from umbel.brokers.base import BrokerOptions, Delivery
from umbel.brokers.fanout.defaults import InboxDefaults
from umbel.brokers.topology import Queue
from umbel.clients.amqp.addresses import Address
from umbel.clients.amqp.channels import TOPOLOGY_CHANNEL, ChannelError
from umbel.clients.amqp.connection_blocking import BlockingConnection, connect_any
from umbel.errors import OperationalError
from umbel.runtime.clock import SYSTEM
from umbel.wire.amqp import events
from umbel.wire.amqp.methods import method
from umbel.wire.amqp.rendering import render_ack

_CHANNEL = 1
#: Seconds to write an acknowledgement; and to delete the queue.
_WRITE, _DELETE = 10.0, 1.0


class AmqpReplyInbox(InboxDefaults):
    """See `umbel.brokers.fanout.base.ReplyInbox`. Replies are acknowledged, so that those under way when a line broke come again.

    Args:
        nodes: the servers, in the order of the URL list.
        options: of the broker.
        queue: of its own.
    """

    def __init__(self, nodes: Sequence[Address], options: BrokerOptions, queue: Queue) -> None:
        super().__init__(queue)
        self._nodes = tuple(nodes)
        self._options = options
        self._connection: BlockingConnection | None = None
        #: The last message that `receive` returned.
        self._unacknowledged = 0

    def open(self) -> None:
        self._check()
        with self._lock:
            self._opened()

    def receive(self, timeout: float | None = None) -> list[Delivery]:
        if self._closed:
            return []
        self._check()
        deadline = None if timeout is None else SYSTEM.monotonic() + timeout
        with self._lock:
            while not self._closed:
                connection = self._opened()
                connection.drain()
                deliveries = connection.core.receiver.take_deliveries()
                if self._unacknowledged:
                    connection.write(render_ack(_CHANNEL, self._unacknowledged, multiple=True), _WRITE)
                    self._unacknowledged = 0
                if deliveries:
                    self._unacknowledged = deliveries[-1].tag
                    return deliveries
                left = None if deadline is None else deadline - SYSTEM.monotonic()
                if left is not None and left <= 0:
                    break
                self._interrupt.wait(connection, left)
        return []

    def close(self) -> None:
        if self._pid != os.getpid():
            if self._connection is not None:
                self._connection.drop("the connection belongs to the parent process")
            self._interrupt.close()
            return
        self._closed = True
        self._interrupt.set()
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                if connection.broken is None:
                    with contextlib.suppress(OperationalError):
                        connection.call(method(commands.Queue.Delete, queue=self._queue.name), _CHANNEL, SYSTEM.monotonic() + _DELETE)
                connection.close()
            self._interrupt.close()

    def _opened(self) -> BlockingConnection:
        """A connection that consumes from the queue."""
        connection = self._connection
        if connection is None or connection.broken is not None:
            options = self._options
            timeout = options.connect_timeout * len(self._nodes)
            deadline = SYSTEM.monotonic() + timeout
            connection, _ = connect_any(self._nodes, options.limits, failover=options.failover, timeout=timeout)
            try:
                self._begin(connection, deadline)
            except BaseException:
                connection.drop("the reply queue cannot be opened")
                raise
            self._connection, self._unacknowledged = connection, 0
        return connection

    def _begin(self, connection: BlockingConnection, deadline: float) -> None:
        def on_event(event: events.Event) -> None:
            if isinstance(event, (events.Cancelled, events.ChannelClosed)):
                connection.drop(f"RabbitMQ no longer has the reply queue {self._queue.name}")

        exchanges, queue = declarations(self._queue)
        for frame in exchanges:
            try:
                connection.declare([frame], TOPOLOGY_CHANNEL, deadline)
            except ChannelError as error:
                if not is_tolerable(error):
                    raise
        refusal = connection.declare(queue, TOPOLOGY_CHANNEL, deadline)
        if refusal is not None:
            raise refused(self._queue, refusal)
        connection.open_channel(_CHANNEL, deadline)
        connection.core.receiver.queues[b"umbel"] = self._queue.name
        connection.on_event = on_event
        connection.call(method(commands.Basic.Consume, queue=self._queue.name, consumer_tag="umbel"), _CHANNEL, deadline)
