"""Holding queues: copies of messages that stand for them while a worker has them.

RabbitMQ cannot write to a message that it has handed out, does not say how often a classic queue has handed one out, and closes the channel
of who keeps one for longer than its ``consumer_timeout`` (30 minutes, if nobody has changed it). So a message is exchanged for a copy, which
is held in a queue of this consumer's own (*holding queue*), from which it is delivered to us alone:

- before a redelivered message runs, for a copy whose count is one higher;
- again and again, while a message is neither done nor handed back, for a copy that is new.

What then happens to the task happens to the copy:

- it ends: the copy is acknowledged, and nothing is left;
- this worker dies: the copy is ready again, has outlived its time (two seconds), and RabbitMQ dead-letters it to the queue it came from;
- it is handed back: a copy with the old count goes to the queue, then the held one is acknowledged.

At each moment the message is in one of the two queues; a crash between two steps may double it, never lose it.
"""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Awaitable, Callable

from pamqp import commands

from umbel.brokers.amqp.moves.mover import HELD, blamed, restored
from umbel.brokers.amqp.topology import declare_queue
from umbel.brokers.base import Delivery
from umbel.brokers.topology import Exchange, Queue
from umbel.clients.amqp.connection_async import AsyncConnection
from umbel.errors import EncodeError, OperationalError
from umbel.wire.amqp.methods import method
from umbel.wire.amqp.rendering import render_acks
from umbel.wire.message import Message

logger: logging.Logger = logging.getLogger("umbel.brokers.amqp")

#: Held copies are delivered on a channel of their own: the window of the other one may be full.
CHANNEL = 2
#: Seconds after which a copy that nobody holds goes back to its queue; and after which an unused holding queue goes.
_BACK, _UNUSED = 2.0, 60.0


class Holding:
    """The holding queues of one connection."""

    def __init__(self, connection: AsyncConnection, publish: Callable[[Message, str], Awaitable[None]]) -> None:
        self._connection = connection
        self._publish = publish
        #: Queue → its holding queue.
        self._names: dict[str, str] = {}
        #: Mark → who waits for the copy.
        self._arriving: dict[str, asyncio.Future[int]] = {}
        self._opening = asyncio.Lock()
        self._is_open = False
        #: Those whose start is recorded.
        self.begun: set[Delivery] = set()
        #: Those for which copies stand, or are about to: they do not count in the window of the delivery channel.
        self.apart: set[Delivery] = set()

    async def hold(self, delivery: Delivery) -> int | None:
        """Put a copy into a holding queue, with a higher count for one of `begun`; returns its delivery tag, or ``None`` when that failed.

        Once it has returned a tag, the original is to be acknowledged.
        """
        mark = uuid.uuid4().hex
        message = blamed(delivery) if delivery in self.begun else restored(delivery)
        message.headers[HELD] = mark
        message.properties.pop("expiration", None)
        arriving = self._arriving[mark] = asyncio.get_running_loop().create_future()
        try:
            name = await self._queue(delivery.queue)
            async with asyncio.timeout(_BACK * 2):
                await self._publish(message, name)
                tag: int = await arriving
                return tag
        except (OperationalError, EncodeError, TimeoutError) as error:
            if self._connection.lost is None:
                logger.warning(
                    "a message of queue %r could not be put into a holding queue: %s", delivery.queue, str(error) or "no answer in time"
                )
            return None
        finally:
            self._arriving.pop(mark, None)

    def takes(self, delivery: Delivery) -> bool:
        """Report whether a delivery is a held copy."""
        if delivery.queue not in self._names.values():
            return False
        arriving = self._arriving.get(str(delivery.headers.get(HELD)))
        if arriving is not None and not arriving.done():
            arriving.set_result(delivery.tag)
        else:  # too late: the original stands, so the copy must not
            self.release([delivery.tag])
        return True

    def release(self, tags: list[int]) -> None:
        """Acknowledge held copies."""
        self._connection.write(render_acks(CHANNEL, 0, tags))

    def forget(self, settled: list[Delivery]) -> None:
        """Messages that are settled."""
        self.begun.difference_update(settled)
        self.apart.difference_update(settled)

    async def _queue(self, queue: str) -> str:
        async with self._opening:
            if not self._is_open:
                await self._connection.open_channel(CHANNEL)
                self._is_open = True
            name = self._names.get(queue)
            if name is None:
                name = f"umbel.held.{uuid.uuid4()}"
                arguments = {
                    "x-message-ttl": int(_BACK * 1000),
                    "x-expires": int(_UNUSED * 1000),
                    "x-dead-letter-exchange": "",
                    "x-dead-letter-routing-key": queue,
                }
                await self._connection.declare(declare_queue(Queue(name, Exchange(""), arguments=arguments)))
                self._connection.core.receiver.queues[name.encode()] = name
                self._names[queue] = name
                await self._connection.ask(method(commands.Basic.Consume, queue=name, consumer_tag=name), CHANNEL)
            return name
