"""Channels of kombu's fanout exchanges, read on the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from umbel.brokers.base import BrokerOptions, ConnectionState, Delivery, SubscriberSink
from umbel.brokers.exchanges import matches
from umbel.brokers.fanout.defaults import ended, hand_over
from umbel.brokers.redis.claiming import RedisDelivery
from umbel.brokers.topology import Queue
from umbel.clients.redis.addresses import Address
from umbel.clients.redis.connection_async import AsyncConnection, ConnectionLost
from umbel.clients.redis.link import Link
from umbel.errors import OperationalError
from umbel.wire.message import MessageLimits
from umbel.wire.redis import envelope
from umbel.wire.redis.channels import Channels, regex_of
from umbel.wire.redis.resp import Push, pack

#: Seconds between two signs of life that are asked of the server.
_PING_EVERY = 5.0


class RedisSubscriber:
    """See `umbel.brokers.fanout.base.Subscriber`. One that is slow to read Redis disconnects (``client-output-buffer-limit pubsub``).

    Args:
        options: of the broker.
        candidates: the servers, in order.
        queue: names the exchange and the patterns; on Redis there is no such queue.
    """

    def __init__(self, options: BrokerOptions, candidates: Sequence[Address], queue: Queue) -> None:
        queue = queue.resolved()
        assert queue.exchange is not None
        self._options = options
        self._filter = Filter(Channels.of(options.transport, candidates[0].db), queue, options.limits)
        self._link = Link(candidates, self._subscribe, self._on_push, self._on_change)
        self._sink: SubscriberSink | None = None
        self._got: list[Delivery] = []
        self._reopening: asyncio.Task[None] | None = None
        self._pinging: asyncio.Task[None] | None = None
        self._closed = False

    async def start(self, sink: SubscriberSink) -> None:
        self._sink = sink
        await self._link.open(self._options.max_retries)
        self._pinging = asyncio.create_task(self._ping())

    async def aclose(self) -> None:
        self._closed = True
        for task in (self._reopening, self._pinging):
            await ended(task)
        await self._link.aclose()

    async def _subscribe(self, connection: AsyncConnection) -> None:
        if not connection.pushes:
            raise OperationalError(
                f"{connection.address.public()} does not speak RESP3 (HELLO 3), which a subscriber needs", permanent=True
            )
        # Its answers are pushes, not replies; that to the ping says that it has been done, or comes behind a refusal.
        connection.send(pack("PSUBSCRIBE", *self._filter.globs), 0)
        await connection.call("PING")

    def _on_change(self, state: ConnectionState, detail: str) -> None:
        if self._sink is None or self._closed:
            return
        self._sink.on_connection(state, detail)
        if state is ConnectionState.LOST:
            self._reopening = asyncio.create_task(self._link.reopen())

    async def _ping(self) -> None:
        """Ask for signs of life: a subscriber says nothing by itself, and would not notice that the server is gone."""
        while True:
            await asyncio.sleep(_PING_EVERY)
            try:
                await self._link.call("PING")
            except (ConnectionLost, OperationalError):
                continue

    def _on_push(self, push: Push) -> None:
        if push[0] != b"pmessage" or self._closed:
            return
        delivery = self._filter.delivery(push[1], push[2], push[3])
        if delivery is not None:
            if not self._got:
                asyncio.get_running_loop().call_soon(self._hand_over)
            self._got.append(delivery)

    def _hand_over(self) -> None:
        got, self._got = self._got, []
        if self._sink is not None and not self._closed:
            hand_over(self._sink, got)


class Filter:
    """Decides which published messages a subscriber gets. Pure.

    Redis sends a message once for each of our patterns that its channel matches, and its patterns let more through than the routing keys'.

    Args:
        channels: the names of channels.
        queue: names the exchange and the patterns.
        limits: what a message may weigh.
    """

    def __init__(self, channels: Channels, queue: Queue, limits: MessageLimits) -> None:
        assert queue.exchange is not None
        self._exchange, self._kind = queue.exchange.name, queue.exchange.type
        self._keys = [queue.routing_key or "", *(binding.routing_key for binding in queue.bindings)]
        self._queue = queue.name
        self._limits = limits
        self._prefix = channels.name(self._exchange, "") + "/"
        #: The patterns to subscribe to.
        self.globs: list[str] = channels.patterns(self._exchange, self._kind, self._keys)
        self._patterns = [(glob.encode(), regex_of(glob)) for glob in self.globs]

    def delivery(self, glob: bytes, channel: bytes, raw: bytes) -> RedisDelivery | None:
        """The message, unless it comes a second time or its routing key was not asked for.

        Args:
            glob: which of our patterns it came for.
            channel: where it was published.
            raw: the envelope; what cannot be read becomes a delivery with a flaw.
        """
        name = channel.decode("utf-8", "replace")
        if len(self._patterns) > 1 and glob != next((mine for mine, regex in self._patterns if regex.fullmatch(name)), glob):
            return None
        limits = self._limits
        found = envelope.parse(
            raw, body_limit=limits.body, header_bytes=limits.header_bytes, header_count=limits.header_count, depth=limits.depth
        )
        routing_key = found.routing_key
        if not routing_key and name.startswith(self._prefix):  # an envelope that cannot be read
            routing_key = name[len(self._prefix) :]
        if not any(matches(self._kind, key, routing_key) for key in self._keys):
            return None
        delivery = RedisDelivery(
            found.body,
            found.headers,
            found.content_type,
            found.content_encoding,
            found.properties,
            None,
            0,
            self._queue,
            found.exchange or self._exchange,
            routing_key,
            found.redelivered,
            0,
            found.flaw,
        )
        delivery.raw = raw
        return delivery
