"""Single operations on queues, blocking, for the command line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pamqp import base, commands

from umbel.brokers.amqp import paused_queues
from umbel.brokers.amqp.topology import declare_queue
from umbel.brokers.base import ATTEMPTS, BrokerOptions, Delivery
from umbel.brokers.topology import Queue
from umbel.clients.amqp.addresses import Address
from umbel.clients.amqp.channels import ChannelError
from umbel.clients.amqp.connection_blocking import BlockingConnection, connect_any
from umbel.errors import OperationalError
from umbel.runtime.clock import SYSTEM
from umbel.wire.amqp import events
from umbel.wire.amqp.methods import method
from umbel.wire.amqp.rendering import render_ack
from umbel.wire.attempts import attempts_in
from umbel.wire.message import INSPECTION

_NOT_FOUND = 404
#: What `get` takes is held on one channel; every other operation has a channel of its own, which a refusal may close.
_HOLDING, _WORKING = 1, 2
#: Names in one round trip of `AmqpQueueClient.paused`.
_ASKED_AT_ONCE = 500


class AmqpQueueClient:
    """See `umbel.brokers.base.QueueClient`."""

    def __init__(self, nodes: Sequence[Address], options: BrokerOptions) -> None:
        self._nodes = tuple(nodes)
        self._options = options
        self._connection: BlockingConnection | None = None
        self._holding = False
        self._epoch = 0

    def declare(self, queue: Queue) -> None:
        refusal = self._connected().declare(declare_queue(queue), _WORKING, self._deadline())
        if refusal:
            raise OperationalError(f"queue {queue.name!r} exists with other arguments than {dict(queue.arguments)!r}: {refusal}")

    def delete(self, name: str) -> None:
        self._work(method(commands.Queue.Delete, queue=name))

    def length(self, name: str) -> int | None:
        answer = self._work(method(commands.Queue.Declare, queue=name, passive=True))
        return None if answer is None else int(answer.message_count)

    def delayed(self, name: str) -> int | None:  # noqa: ARG002 - the contract
        return None

    def release_delayed(self, name: str) -> int:  # noqa: ARG002 - the contract
        return 0

    def purge(self, name: str) -> int:
        answer = self._work(method(commands.Queue.Purge, queue=name))
        return 0 if answer is None else int(answer.message_count)

    def peek(self, name: str, count: int) -> list[Delivery]:
        found: list[Delivery] = []
        try:
            while len(found) < count and (delivery := self.get(name)) is not None:
                found.append(delivery)
        finally:
            if self._holding and self._connection is not None:
                closing = method(commands.Channel.Close, reply_code=200, reply_text="", class_id=0, method_id=0)
                self._connection.call(closing, _HOLDING, self._deadline())  # all goes back to where it was
                self._holding = False
                self._epoch += 1
        return found

    def pause(self, name: str) -> None:
        self._connected().declare([*paused_queues.declare(), paused_queues.bind(name)], _WORKING, self._deadline())

    def resume(self, name: str) -> None:
        self._connected().declare([*paused_queues.declare(), paused_queues.unbind(name)], _WORKING, self._deadline())

    def paused(self, names: Iterable[str]) -> set[str]:
        connection, deadline, asked = self._connected(), self._deadline(), list(names)
        returned: set[str] = set()

        def collect(event: events.Event) -> None:
            if isinstance(event, events.Returned):
                returned.add(event.routing_key)
            else:
                self._on_event(event)

        connection.open_channel(_WORKING, deadline)
        connection.call_all(paused_queues.declare(), _WORKING, deadline)
        connection.on_event = collect
        try:
            for first in range(0, len(asked), _ASKED_AT_ONCE):
                some = asked[first : first + _ASKED_AT_ONCE]
                connection.write(paused_queues.questions(some, _WORKING, connection.core.frame_max), self._options.publish_timeout)
                # What is returned comes before the answer to this.
                connection.call(method(commands.Basic.Qos, prefetch_count=0), _WORKING, deadline)
        finally:
            connection.on_event = self._on_event
        connection.call(method(commands.Channel.Close, reply_code=200, reply_text="", class_id=0, method_id=0), _WORKING, deadline)
        return set(asked) - returned

    def get(self, name: str) -> Delivery | None:
        if self.length(name) is None:
            return None
        connection = self._connected()
        if not self._holding:
            connection.open_channel(_HOLDING, self._deadline())
            self._holding = True
        answer = connection.call(method(commands.Basic.Get, queue=name), _HOLDING, self._deadline())
        if not isinstance(answer, events.Got):
            return None
        content_type, content_encoding, headers, properties, flaw = answer.content
        return Delivery(
            answer.body,
            headers,
            content_type,
            content_encoding,
            properties,
            answer.tag,
            self._epoch,
            name,
            answer.exchange,
            answer.routing_key,
            answer.redelivered,
            attempts_in(headers.get(ATTEMPTS)),
            flaw,
        )

    def ack(self, delivery: Delivery) -> bool:
        connection = self._connection
        if delivery.epoch != self._epoch or connection is None:
            return False
        try:
            connection.write(render_ack(_HOLDING, delivery.tag, multiple=False), self._options.publish_timeout)
            # An answer on the same channel means that the broker has the acknowledgement.
            connection.call(method(commands.Basic.Qos, prefetch_count=0), _HOLDING, self._deadline())
        except OperationalError:  # the channel or the connection is closed, and all that it held went back
            self._holding = False
            self._epoch += 1
            return False
        return True

    def close(self) -> None:
        connection, self._connection = self._connection, None
        self._holding = False
        self._epoch += 1
        if connection is not None:
            connection.close()

    def _deadline(self) -> float:
        return SYSTEM.monotonic() + self._options.publish_timeout

    def _connected(self) -> BlockingConnection:
        connection = self._connection
        if connection is None or connection.broken is not None:
            self._epoch += 1
            self._holding = False
            options = self._options
            timeout = options.connect_timeout * len(self._nodes)
            connection, _ = connect_any(self._nodes, INSPECTION, failover=options.failover, timeout=timeout)
            connection.on_event = self._on_event
            self._connection = connection
        return connection

    def _on_event(self, event: events.Event) -> None:
        """RabbitMQ closes a channel that holds messages for long (``consumer_timeout``), and hands them out again."""
        if isinstance(event, events.ChannelClosed) and event.channel == _HOLDING:
            self._holding = False
            self._epoch += 1

    def _work(self, frame: base.Frame) -> Any:
        """One operation on a queue; ``None`` when there is no such queue."""
        connection = self._connected()
        connection.open_channel(_WORKING, self._deadline())
        try:
            answer = connection.call(frame, _WORKING, self._deadline())
        except ChannelError as error:
            if error.code == _NOT_FOUND:
                return None
            raise
        close = method(commands.Channel.Close, reply_code=200, reply_text="", class_id=0, method_id=0)
        connection.call(close, _WORKING, self._deadline())
        return answer
