"""Single operations on queues, for the command line."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from umbel.brokers.base import Delivery
from umbel.brokers.redis.claiming import RedisDelivery, read
from umbel.brokers.redis.topology import declare_queue
from umbel.brokers.topology import Queue
from umbel.clients.redis.addresses import Address
from umbel.clients.redis.connection_blocking import BlockingConnection, KeptConnection
from umbel.clients.redis.replies import translate
from umbel.wire.message import INSPECTION
from umbel.wire.redis import envelope, scripts
from umbel.wire.redis.keys import TAG_PREFIX, Keys
from umbel.wire.redis.resp import ReplyError

#: Seconds for which `RedisQueueClient.get` holds a message; nothing renews it.
_HOLD = 300
#: Delayed messages that are given back by one script.
_AT_ONCE = 500


class RedisQueueClient:
    """Fulfils `umbel.brokers.base.QueueClient`."""

    def __init__(self, candidates: Sequence[Address], keys: Keys) -> None:
        self._kept = KeptConnection(candidates)
        self._keys = keys
        self._prefix = f"{TAG_PREFIX}{_HOLD * 1000}-{os.urandom(6).hex()}-".encode()
        self._number = 0
        self._held: dict[bytes, RedisDelivery] = {}

    def _pipeline(self, *commands: tuple[Any, ...]) -> list[Any]:
        return self._answers(self._kept.use(lambda connection: connection.pipeline(commands)))

    @staticmethod
    def _answers(replies: list[Any]) -> list[Any]:
        for reply in replies:
            if isinstance(reply, ReplyError):
                raise translate(reply, "an operation on a queue")
        return replies

    def _once(self, work: Callable[[BlockingConnection], Any]) -> Any:
        return self._kept.use(work, attempts=1)

    def declare(self, queue: Queue) -> None:
        self._pipeline(*declare_queue(self._keys, queue))

    def delete(self, name: str) -> None:
        keys = self._keys
        tables = self._kept.use(lambda connection: _scan(connection, keys.binding("*")))
        commands: list[tuple[Any, ...]] = [("DEL", *keys.lists(name), keys.delayed(name)), ("SREM", keys.queues, name)]
        end = keys.separator + name
        for table in tables:
            exchange = table.decode()[len(keys.binding("")) :]
            (members,) = self._pipeline(("SMEMBERS", table))
            gone = [member for member in members if member.decode().endswith(end)]
            if gone:
                commands += ("SREM", table, *gone), ("SREM", keys.binding_permanent(exchange), *gone)
        self._pipeline(*commands)

    def length(self, name: str) -> int | None:
        lists = self._keys.lists(name)
        replies = self._pipeline(
            *(("LLEN", key) for key in lists),
            ("SISMEMBER", self._keys.queues, name),
            ("SISMEMBER", self._keys.binding(name), self._keys.member(name, "", name)),
        )
        total = sum(replies[: len(lists)])
        return total if total or any(replies[len(lists) :]) else None

    def delayed(self, name: str) -> int | None:
        count: int = self._pipeline(("ZCARD", self._keys.delayed(name)))[0]
        return count

    def release_delayed(self, name: str) -> int:
        keys = [self._keys.delayed(name), *self._keys.lists(name)]
        arguments = [_AT_ONCE, *self._keys.steps]
        count = 0
        while moved := self._kept.use(lambda connection: connection.run(scripts.load("release"), keys, arguments)):
            count += moved
        return count

    def purge(self, name: str) -> int:
        lists = self._keys.lists(name)
        count: int = self._kept.use(lambda connection: connection.run(scripts.load("purge"), lists))
        return count

    def peek(self, name: str, count: int) -> list[Delivery]:
        found: list[Delivery] = []
        for key in self._keys.lists(name):
            left = count - len(found)
            (entries,) = self._pipeline(("LRANGE", key, -left, -1)) if left > 0 else ([],)
            found += [read(raw, b"", name, INSPECTION) for raw in reversed(entries)]
        return found

    def pause(self, name: str) -> None:
        self._pipeline(("SADD", self._keys.paused, name))

    def resume(self, name: str) -> None:
        self._pipeline(("SREM", self._keys.paused, name))

    def paused(self, names: Iterable[str]) -> set[str]:
        (found,) = self._pipeline(("SMEMBERS", self._keys.paused))
        return {name.decode(errors="replace") for name in found}.intersection(names)

    def get(self, name: str) -> Delivery | None:
        keys = self._keys
        lists = keys.lists(name)
        tails = [envelope.unacked_tail(name)] * len(lists)
        number = self._number
        self._number += 1
        found = self._once(
            lambda connection: connection.run(
                scripts.load("claim"), [keys.unacked, keys.unacked_index, *lists], [1, self._prefix, number, *tails]
            )
        )
        if not found:
            return None
        delivery = read(found[1][0], self._prefix + b"%d" % (number + 1), name, INSPECTION)
        self._held[delivery.tag] = delivery
        return delivery

    def ack(self, delivery: Delivery) -> bool:
        if self._held.pop(delivery.tag, None) is None:
            return False
        commands = ("HDEL", self._keys.unacked, delivery.tag), ("ZREM", self._keys.unacked_index, delivery.tag)
        dropped, _ = self._answers(self._once(lambda connection: connection.pipeline(commands)))  # twice would say that it was not there
        return bool(dropped)

    def close(self) -> None:
        held = list(self._held.values())
        self._held.clear()
        try:
            if held:
                self._return(held)
        finally:
            self._kept.close()

    def _return(self, held: list[RedisDelivery]) -> None:
        """To the front, in the old order, as they were."""
        keys = self._keys
        names = [keys.list_for(delivery.queue, delivery.properties.get("priority")) for delivery in held]
        lists = {name: number for number, name in enumerate(dict.fromkeys(names), 1)}
        arguments: list[Any] = ["RPUSH"]
        for delivery, name in zip(reversed(held), reversed(names), strict=True):
            arguments += delivery.tag, lists[name], delivery.raw
        self._kept.use(lambda connection: connection.run(scripts.load("move"), [keys.unacked, keys.unacked_index, *lists], arguments))


def _scan(connection: BlockingConnection, pattern: str) -> list[bytes]:
    found: set[bytes] = set()
    cursor: Any = b"0"
    while True:
        cursor, page = connection.call("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
        found.update(page)
        if cursor == b"0":
            return sorted(found)
