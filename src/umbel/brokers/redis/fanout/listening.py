"""Fanout exchanges as kombu sends to them: what comes over their channels is put into the lists of the queues that are bound there.

So it is claimed, leased and acknowledged as all other messages are. What Umbel's own publishers send is in the lists already.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from umbel.brokers.base import BrokerOptions, ConnectionState, Delivery
from umbel.brokers.fanout.defaults import MOST_WAITING, ended
from umbel.brokers.redis.claiming import RedisDelivery
from umbel.brokers.redis.fanout.subscriber import RedisSubscriber
from umbel.brokers.topology import Exchange, Queue
from umbel.clients.redis.addresses import Address
from umbel.clients.redis.link import Link
from umbel.errors import OperationalError
from umbel.wire.redis import scripts
from umbel.wire.redis.envelope import LISTED
from umbel.wire.redis.keys import Keys

logger: logging.Logger = logging.getLogger("umbel.brokers.redis")

#: Seconds in which all readers of a queue have heard of a message.
_HEARD: Final = 60


class Listening:
    """The channels that one consumer listens to.

    Args:
        options: of the broker.
        candidates: the servers, in order.
        keys: the names.
        link: over which messages are put into their lists.
        wake: called when they are there.
    """

    def __init__(self, options: BrokerOptions, candidates: Sequence[Address], keys: Keys, link: Link, wake: Callable[[], None]) -> None:
        self._options = options
        self._candidates = candidates
        self._keys = keys
        self._link = link
        self._wake = wake
        self._listeners: dict[str, list[_Listener]] = {}

    async def begin(self, queues: Sequence[Queue]) -> None:
        """Listen for queues, where they are bound to fanout exchanges.

        Args:
            queues: that are consumed from now on.
        """
        for queue in queues:
            exchanges = {each.exchange.name: each.exchange for each in queue.all_bindings() if each.exchange.type == "fanout"}
            if exchanges and queue.name not in self._listeners:
                found = self._listeners[queue.name] = [self._listener(queue, exchange) for exchange in exchanges.values()]
                for listener in found:
                    await listener.start()

    async def end(self, name: str) -> None:
        """Listen no more for the queue of this ``name``."""
        for listener in self._listeners.pop(name, ()):
            await listener.aclose()

    async def aclose(self) -> None:
        """Listen no more."""
        for name in list(self._listeners):
            await self.end(name)

    def _listener(self, queue: Queue, exchange: Exchange) -> _Listener:
        subscriber = RedisSubscriber(self._options, self._candidates, Queue(queue.name, exchange, ""))
        return _Listener(subscriber, self._keys, self._link, self._wake, queue.name)


class _Listener:
    """The sink of one subscriber.

    Args:
        subscriber: to the channels of one exchange.
        keys: the names.
        link: over which messages are put into their lists.
        wake: called when they are there.
        queue: the queue's name.
    """

    def __init__(self, subscriber: RedisSubscriber, keys: Keys, link: Link, wake: Callable[[], None], queue: str) -> None:
        self._subscriber = subscriber
        self._keys = keys
        self._link = link
        self._wake = wake
        self._queue = queue
        self._heard: deque[RedisDelivery] = deque(maxlen=MOST_WAITING)
        self._rung = asyncio.Event()
        self._storing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Subscribe. Where that cannot be done, only what Umbel sends comes to the queue."""
        self._storing = asyncio.create_task(self._store())
        try:
            await self._subscriber.start(self)
        except OperationalError as error:
            logger.warning("what Celery's clients send to all workers does not come to queue %r: %s", self._queue, error)

    async def aclose(self) -> None:
        """Unsubscribe."""
        await self._subscriber.aclose()
        await ended(self._storing)

    def on_messages(self, messages: list[Delivery]) -> None:
        self._heard += [each for each in messages if isinstance(each, RedisDelivery) and not each.properties.get(LISTED)]
        self._rung.set()

    def on_connection(self, state: ConnectionState, detail: str) -> None:
        logger.debug("queue %r listens to its exchange: %s (%s)", self._queue, state.name.lower(), detail)

    async def _store(self) -> None:
        while True:
            await self._rung.wait()
            self._rung.clear()
            while self._heard:
                message = self._heard.popleft()
                name = self._keys.list_for(self._queue, message.properties.get("priority"))
                mark = self._keys.heard(self._queue, str(message.properties.get("delivery_tag")))
                try:
                    await self._link.until_done(scripts.load("hear"), [name, mark], [message.raw, _HEARD])
                except OperationalError as error:
                    logger.error("a message that was sent to all workers is lost, queue %r: %s", self._queue, error)
            self._wake()
