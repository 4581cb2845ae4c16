"""One queue of our own, read on the event loop without acknowledgements."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pamqp import commands

from umbel.brokers.amqp.fanout.declaring import declarations, is_tolerable, refused
from umbel.brokers.base import BrokerOptions, ConnectionState, Delivery, SubscriberSink
from umbel.brokers.fanout.defaults import ended, hand_over
from umbel.brokers.topology import Queue
from umbel.clients.amqp.addresses import Address, in_order
from umbel.clients.amqp.channels import ChannelError
from umbel.clients.amqp.connection_async import AsyncConnection
from umbel.errors import AccessRefused, OperationalError
from umbel.runtime.backoff import delays
from umbel.wire.amqp import events
from umbel.wire.amqp.methods import method

_CHANNEL = 1


class AmqpSubscriber:
    """See `umbel.brokers.fanout.base.Subscriber`.

    The queue is exclusive: after a lost connection it may be locked until RabbitMQ has noticed the loss, and is asked for again until then.

    Args:
        nodes: the servers, in the order of the URL list.
        options: of the broker.
        queue: exclusive, of its own.
    """

    def __init__(self, nodes: Sequence[Address], options: BrokerOptions, queue: Queue) -> None:
        self._nodes = tuple(nodes)
        self._options = options
        self._queue = queue
        self._sink: SubscriberSink | None = None
        self._session: AsyncConnection | None = None
        self._reconnecting: asyncio.Task[None] | None = None
        self._closed = False

    async def start(self, sink: SubscriberSink) -> None:
        self._sink = sink
        most = self._options.max_retries
        for attempt, pause in enumerate(delays(0.2, most=10.0), 1):
            if self._closed:
                return
            try:
                await self._connect(sink)
                return
            except OperationalError as error:
                if isinstance(error, AccessRefused) or error.is_permanent or (most is not None and attempt > most):
                    raise
                sink.on_connection(ConnectionState.RETRYING, f"{error}; trying again in {pause:.1f} s")
            await asyncio.sleep(pause)

    async def aclose(self) -> None:
        self._closed = True
        task, self._reconnecting = self._reconnecting, None
        await ended(task)
        session, self._session = self._session, None
        if session is not None:
            session.on_lost = lambda _reason: None
            await session.aclose()

    async def _connect(self, sink: SubscriberSink) -> None:
        """Connect to a node, declare the queue, consume."""
        problem: OperationalError | None = None
        for node in in_order(self._nodes, self._options.failover):
            try:
                session = await AsyncConnection.open(node, self._options.limits)
            except OperationalError as error:
                problem = error
                continue
            try:
                await self._begin(session)
            except BaseException:
                session.on_lost = lambda _reason: None
                await session.aclose()
                raise
            sink.on_connection(ConnectionState.CONNECTED, f"connected to {node}")
            return
        raise problem or OperationalError("there is no broker URL")

    async def _begin(self, session: AsyncConnection) -> None:
        exchanges, queue = declarations(self._queue)
        for frame in exchanges:
            try:
                await session.declare([frame])
            except ChannelError as error:
                if not is_tolerable(error):
                    raise
        refusal = await session.declare(queue)
        if refusal is not None:
            raise refused(self._queue, refusal)
        await session.open_channel(_CHANNEL)
        session.core.receiver.queues[b"umbel"] = self._queue.name
        session.on_deliveries = self._on_deliveries
        session.on_event = self._on_event
        session.on_lost = self._on_lost
        await session.ask(method(commands.Basic.Consume, queue=self._queue.name, consumer_tag="umbel", no_ack=True), _CHANNEL)
        if session.lost is not None:
            raise OperationalError(session.lost)
        self._session = session

    def _on_deliveries(self, deliveries: list[Delivery]) -> None:
        if self._sink is not None and not self._closed:
            hand_over(self._sink, deliveries)

    def _on_event(self, event: events.Event) -> None:
        """Without its channel or its queue a connection is of no use."""
        session = self._session
        if session is None:
            return
        if isinstance(event, events.Cancelled):
            session.drop(f"RabbitMQ deleted the queue {self._queue.name!r}")
        elif isinstance(event, events.ChannelClosed) and event.channel == _CHANNEL:
            session.drop(f"RabbitMQ closed the channel: {event.code} {event.text}")

    def _on_lost(self, reason: str) -> None:
        if self._session is None or self._closed or self._sink is None:
            return
        self._session = None
        if self._reconnecting is None or self._reconnecting.done():
            self._sink.on_connection(ConnectionState.LOST, reason)
            self._reconnecting = asyncio.get_running_loop().create_task(self._reconnect(self._sink))

    async def _reconnect(self, sink: SubscriberSink) -> None:
        """Try for ever: a subscriber outlives its broker."""
        for pause in delays(0.1, most=3.0):
            await asyncio.sleep(pause)
            try:
                await self._connect(sink)
                return
            except Exception as error:  # a task that ends by one would be missed by nobody
                sink.on_connection(ConnectionState.RETRYING, f"{error}; trying again in {pause:.1f} s")
