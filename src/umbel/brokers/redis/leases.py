"""Duties of a consumer by the clock: renew its leases, restore expired ones, move due messages, look after the connection."""

from __future__ import annotations

import asyncio
import logging
import random
import re
from collections.abc import Iterable
from typing import Any, Protocol

from umbel.brokers.redis.topology import Table
from umbel.clients.redis.connection_async import AsyncConnection, ConnectionLost
from umbel.clients.redis.link import Link
from umbel.clients.redis.replies import is_refusing_writes, is_transient
from umbel.runtime.clock import SYSTEM
from umbel.wire.redis import envelope, scripts
from umbel.wire.redis.keys import TAG_PREFIX, Keys
from umbel.wire.redis.resp import Argument, ReplyError

logger: logging.Logger = logging.getLogger("umbel.brokers.redis")

#: Leases are renewed at least this often (seconds): a Celery worker whose visibility timeout we do not know may be as impatient as 5 s.
_RENEW_MOST = 1.6
#: Expired leases are looked for at least this often, seconds.
_SWEEP_MOST = 3.0
#: Seconds without restoring after the server could not be reached, or took no writes: others could not renew their leases either, and try
#: again within three seconds.
_HOLD_OFF = 5.0
#: Delayed messages are looked at at least this often, seconds: another worker may have put some there.
_DUE_MOST = 1.0
#: Queues whose delayed messages one script call moves.
_DUE_AT_ONCE = 4
#: Messages that other programs hold are restored no earlier than this many seconds, kombu's default visibility timeout.
_FOREIGN_LEAST = 3600.0
#: Moved or restored in one script call.
_BATCH = 200
#: Seconds between two declarations of the queues.
_DECLARE_EVERY = 10.0
_NUMBER = re.compile(rb"(\d+)$")


class Leaseholder(Protocol):
    """The consumer whose leases are looked after; see `umbel.brokers.redis.consumer.RedisConsumer`."""

    keys: Keys
    link: Link
    #: Seconds.
    lease: float
    visibility_timeout: float

    @property
    def queue_names(self) -> list[str]: ...
    def held_tags(self) -> list[bytes]: ...
    def lose(self, tags: Iterable[bytes]) -> None: ...
    def wake(self) -> None: ...
    async def declare_again(self) -> None: ...


class Housekeeping:
    """The clockwork of one consumer."""

    def __init__(self, consumer: Leaseholder) -> None:
        self._consumer = consumer
        self._wake = asyncio.Event()
        self._renew_every = min(consumer.lease / 3, _RENEW_MOST)
        self._sweep_every = min(consumer.lease / 3, _SWEEP_MOST)
        self._foreign_after = max(consumer.visibility_timeout, _FOREIGN_LEAST)
        self._next_renewal = self._next_due = self._next_sweep = self._next_declaration = 0.0

    def expect(self, until: float) -> None:
        """A message was delayed until a time, seconds since the epoch."""
        due = asyncio.get_running_loop().time() + max(0.0, until - SYSTEM.now())
        if due < self._next_due:
            self._next_due = due
            self._wake.set()

    def hurry(self) -> None:
        """The database was emptied: look at everything now."""
        self._next_renewal = self._next_declaration = 0.0
        self._wake.set()

    async def keep(self) -> None:
        """Do each thing when its time has come, for ever."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._next_renewal = now + self._renew_every
        self._next_sweep = now + self._sweep_every * random.random()  # noqa: S311 - spreads a fleet's sweeps
        self._next_declaration = now + _DECLARE_EVERY
        while True:
            try:
                await self._round()
            except ConnectionLost:
                self._hold_off()
            except ReplyError as error:
                if is_refusing_writes(error):
                    self._hold_off()
                logger.warning("Redis refused a lease to be renewed or restored: %s", error)
            except Exception:
                logger.exception("Looking after the leases failed and goes on")
            soonest = min(self._next_renewal, self._next_due, self._next_sweep, self._next_declaration)
            timer = loop.call_later(max(0.005, soonest - loop.time()), self._wake.set)
            try:
                await self._wake.wait()
            finally:
                timer.cancel()
            self._wake.clear()

    def _hold_off(self) -> None:
        self._next_sweep = max(self._next_sweep, asyncio.get_running_loop().time() + _HOLD_OFF)

    async def _round(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() >= self._next_renewal:
            self._next_renewal = loop.time() + self._renew_every
            await self.renew()
        if loop.time() >= self._next_due:
            self._next_due = loop.time() + _DUE_MOST
            await self._move_due()
        if loop.time() >= self._next_sweep:
            self._next_sweep = loop.time() + self._sweep_every * random.uniform(0.8, 1.2)  # noqa: S311
            await self._restore_expired()
        if loop.time() >= self._next_declaration:
            self._next_declaration = loop.time() + _DECLARE_EVERY
            await self._consumer.declare_again()

    async def renew(self, connection: AsyncConnection | None = None) -> None:
        """Renew all leases; those that are gone are lost."""
        tags = self._consumer.held_tags()
        if not tags:
            return
        keys: list[Argument] = [self._consumer.keys.unacked_index]
        script = scripts.load("renew")
        for first in range(0, len(tags), 5000):
            some = tags[first : first + 5000]
            gone = await (connection.run(script, keys, some) if connection is not None else self._consumer.link.run(script, keys, some))
            # A tag that was settled while the script ran is no loss: `lose` knows which are still held.
            if gone:
                self._consumer.lose(gone)

    async def _move_due(self) -> None:
        queues = self._consumer.queue_names
        if len(queues) > _DUE_AT_ONCE:
            queues = await self._due_soon(queues)
        own, now = self._consumer.keys, asyncio.get_running_loop().time()
        for first in range(0, len(queues), _DUE_AT_ONCE):
            keys: list[Argument] = []
            for queue in queues[first : first + _DUE_AT_ONCE]:
                keys += own.delayed(queue), *own.lists(queue)
            moved, left = await self._consumer.link.run(scripts.load("due"), keys, [_BATCH, *own.steps])
            if moved:
                self._consumer.wake()
            if left:
                self._next_due = min(self._next_due, now + max(0.0, float(left)))

    async def _due_soon(self, queues: list[str]) -> list[str]:
        """Those that have a message which is due before the next look.

        They are asked one by one: of a script Redis remembers, for the tracking of clients, all keys at each of its reads.
        """
        looks = [("ZRANGE", self._consumer.keys.delayed(queue), 0, 0, "WITHSCORES") for queue in queues]
        (seconds, microseconds), *found = await self._consumer.link.call_all([("TIME",), *looks])
        until = int(seconds) + int(microseconds) / 1e6 + _DUE_MOST
        return [
            queue
            for queue, first in zip(queues, found, strict=True)
            if first and not isinstance(first, ReplyError) and _score(first) <= until
        ]

    async def _restore_expired(self) -> None:
        keys = self._consumer.keys
        while True:
            found = await self._consumer.link.run(
                scripts.load("expired"), [keys.unacked, keys.unacked_index], [self._consumer.lease, self._foreign_after, TAG_PREFIX, _BATCH]
            )
            entries = [(found[i], found[i + 1], found[i + 2]) for i in range(0, len(found), 3)]
            # Those with the highest numbers go first: the last one put to the front is the first one out.
            entries.sort(key=_order, reverse=True)
            restored = 0
            for tag, score, data in entries:
                restored += await self._restore(tag, score, data)
            if restored:
                logger.warning("%d messages of workers that show no sign of life were put back", restored)
                self._consumer.wake()
            if len(entries) < _BATCH or not restored:
                return

    async def _restore(self, tag: bytes, score: bytes, data: bytes) -> int:
        held = envelope.parse_unacked(data)
        if held is None:
            logger.error("the entry %r of %s cannot be read and stays there", tag, self._consumer.keys.unacked)
            return 0
        keys = self._consumer.keys
        queues = await self._queues_of(held)
        raw = envelope.marked(held.raw) or held.raw
        lists = [keys.list_for(queue, held.priority) for queue in queues]
        try:
            return int(
                await self._consumer.link.run(scripts.load("restore"), [keys.unacked, keys.unacked_index, *lists], [tag, score, raw])
            )
        except ReplyError as error:
            if is_transient(error) or is_refusing_writes(error):
                raise
            logger.error("a message that was held by %r cannot be put back: %s", tag, error)
            return 0

    async def _queues_of(self, held: envelope.UnackedEntry) -> list[str]:
        if not held.exchange:
            return [held.routing_key]
        keys = self._consumer.keys
        members = await self._consumer.link.call("SMEMBERS", keys.binding(held.exchange))
        table = Table(keys, None, sorted(member.decode() for member in members), frozenset())
        return table.route(held.routing_key, {}) or [held.routing_key]


def _score(first: list[Any]) -> float:
    """The score of a sorted set's first member, which protocol 3 sends in a list of its own."""
    return float(first[0][1] if isinstance(first[0], list) else first[1])


def _order(entry: tuple[bytes, bytes, bytes]) -> tuple[float, int]:
    number = _NUMBER.search(entry[0])
    return float(entry[1]), int(number[1]) if number else 0
