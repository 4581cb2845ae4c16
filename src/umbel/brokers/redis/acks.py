"""Acknowledgements and hand-backs: buffered, sent together with one turn of the event loop, sent again after a lost connection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from umbel.brokers.redis.claiming import RedisDelivery
from umbel.clients.redis.connection_async import AsyncConnection, ConnectionLost
from umbel.clients.redis.link import Link
from umbel.clients.redis.replies import is_refusing_writes, is_transient
from umbel.wire.redis import envelope, scripts
from umbel.wire.redis.keys import Keys
from umbel.wire.redis.resp import Argument, ReplyError

logger: logging.Logger = logging.getLogger("umbel.brokers.redis")


class Acks:
    """Decisions on deliveries that are on their way to the server.

    Args:
        link: over which it goes.
        keys: the names.
        on_sent: called when something has left, so that there may be room.
        on_returned: called when messages are in their lists again.
    """

    def __init__(self, link: Link, keys: Keys, on_sent: Callable[[], None], on_returned: Callable[[], None]) -> None:
        self._link = link
        self._keys = keys
        self._on_sent = on_sent
        self._on_returned = on_returned
        self._unacked, self._index = (_bulk(name.encode()) for name in (keys.unacked, keys.unacked_index))
        self._acks: list[bytes] = []
        self._returns: list[RedisDelivery] = []
        self._planned = False
        self._in_flight: set[asyncio.Task[None]] = set()

    def ack(self, tags: list[bytes]) -> None:
        """These are done with."""
        self._acks += tags
        self._plan()

    def give_back(self, deliveries: Sequence[RedisDelivery]) -> None:
        """These go to the front of their lists."""
        self._returns += deliveries
        self._plan()

    def _plan(self) -> None:
        if not self._planned and (self._acks or self._returns):
            self._planned = True
            asyncio.get_running_loop().call_soon(self.send)

    def send(self) -> None:
        """Send what is buffered; what does not arrive is buffered again."""
        self._planned = False
        connection = self._link.connection
        if connection is None:
            return  # a new connection begins with this
        if self._acks:
            tags, self._acks = self._acks, []
            self._follow(self._finish_acks(tags, self._send_acks(connection, tags)))
        if self._returns:
            returned, self._returns = self._returns, []
            self._follow(self._finish_returns(connection, returned))
        self._on_sent()

    def _send_acks(self, connection: AsyncConnection, tags: list[bytes]) -> list[asyncio.Future[Any]]:
        """HDEL and ZREM: the tags are packed once for both, which is most of the work."""
        packed = b"".join([_bulk(tag) for tag in tags])
        head = b"*%d\r\n" % (len(tags) + 2)
        return connection.send(b"%b$4\r\nHDEL\r\n%b%b%b$4\r\nZREM\r\n%b%b" % (head, self._unacked, packed, head, self._index, packed), 2)

    def _follow(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)

    async def _finish_acks(self, tags: list[bytes], futures: list[asyncio.Future[Any]]) -> None:
        try:
            for future in futures:
                await future
        except (ConnectionLost, ReplyError) as error:
            if self._is_final(error, f"to acknowledge {len(tags)} messages"):
                return
            self._acks = tags + self._acks
            self._plan()

    async def _finish_returns(self, connection: AsyncConnection, returned: list[RedisDelivery]) -> None:
        try:
            await self._put_back(connection, returned)
        except (ConnectionLost, ReplyError) as error:
            if self._is_final(error, f"to take back {len(returned)} messages (their leases will expire)"):
                return
            self._returns = returned + self._returns
            self._plan()

    def _is_final(self, error: ConnectionLost | ReplyError, doing: str) -> bool:
        """Report whether trying again is of no use."""
        if isinstance(error, ReplyError):
            if not is_transient(error) and not is_refusing_writes(error):
                logger.error("Redis refused %s: %s", doing, error)
                return True
            self._link.drop(f"Redis refused {doing}: {error}")
        return False

    async def _put_back(self, connection: AsyncConnection, returned: Sequence[RedisDelivery]) -> None:
        """To the front of their lists, in their old order."""
        names = [self._keys.list_for(delivery.queue, delivery.properties.get("priority")) for delivery in returned]
        lists = {name: number for number, name in enumerate(dict.fromkeys(names), 1)}
        arguments: list[Argument] = ["RPUSH"]
        for delivery, name in zip(reversed(returned), reversed(names), strict=True):
            arguments += delivery.tag, lists[name], envelope.marked(delivery.raw) or delivery.raw
        await connection.run(scripts.load("move"), [self._keys.unacked, self._keys.unacked_index, *lists], arguments)
        self._on_returned()

    async def flush(self) -> None:
        """Return when everything has arrived."""
        self.send()
        while self._in_flight or self._acks or self._returns:
            if self._in_flight:
                await asyncio.wait(list(self._in_flight))
            else:
                await self._link.connected.wait()
                self.send()
                await asyncio.sleep(0)

    def abandon(self) -> None:
        """Stop caring: the leases will expire."""
        for task in list(self._in_flight):
            task.cancel()
        self._acks, self._returns = [], []


def _bulk(data: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(data), data)
