"""Queues that go with their last reader, which Redis does not know of: each reader says that it is alive, and removes the queues of dead ones."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from typing import Final

from umbel.brokers.redis.topology import bindings
from umbel.brokers.topology import Queue
from umbel.clients.redis.connection_async import AsyncConnection
from umbel.wire.redis import scripts
from umbel.wire.redis.keys import Keys

logger: logging.Logger = logging.getLogger("umbel.brokers.redis")

#: Seconds for which a reader counts as alive, at least.
_LEAST: Final = 60.0
#: Readers that are removed in one script call.
_AT_ONCE: Final = 100


class Readers:
    """The one reader that a consumer is.

    Args:
        keys: the names.
        name: of the reader, which no other has.
        lease: seconds. What a dead reader holds is put back before its queues are removed, so that it goes with them.
    """

    def __init__(self, keys: Keys, name: str, lease: float) -> None:
        self._keys = keys
        self._name = name
        self._alive = int(max(_LEAST, 2 * lease) * 1000)

    async def renew(self, connection: AsyncConnection, queues: Iterable[Queue], *, sweep: bool) -> None:
        """Say that this reader is alive.

        Args:
            connection: to the server.
            queues: that it reads.
            sweep: remove the queues of dead readers.
        """
        entries = self._entries(queues)
        if entries or sweep:
            await self._run(connection, self._alive, _AT_ONCE if sweep else 0, entries)

    async def leave(self, connection: AsyncConnection, queues: Iterable[Queue]) -> None:
        """Read these queues no more: those that have no other reader are removed.

        Args:
            connection: to the server.
            queues: that it reads.
        """
        entries = self._entries(queues)
        if entries:
            await self._run(connection, 0, _AT_ONCE, entries)

    async def _run(self, connection: AsyncConnection, alive: int, most: int, entries: list[str]) -> None:
        removed = await connection.run(scripts.load("readers"), [self._keys.readers, self._keys.queues], [alive, most, *entries])
        for name in removed:
            logger.info("queue %s was removed: it has no reader any more", name.decode(errors="replace"))

    def _entries(self, queues: Iterable[Queue]) -> list[str]:
        return [self._entry(queue) for queue in queues if (queue.auto_delete or queue.exclusive) and not queue.no_declare]

    def _entry(self, queue: Queue) -> str:
        keys = self._keys
        bound = [
            [table, member]
            for exchange, _, member in bindings(keys, queue)
            for table in (keys.binding(exchange), keys.binding_permanent(exchange))
        ]
        return json.dumps([queue.name, self._name, [*keys.lists(queue.name), keys.delayed(queue.name)], bound])
