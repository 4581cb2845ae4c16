"""Bindings as kombu keeps them, and which queues a message reaches by them."""

from __future__ import annotations

from collections.abc import Iterable

from umbel.brokers.exchanges import matches, rules_of
from umbel.brokers.topology import Queue
from umbel.clients.redis.connection_blocking import BlockingConnection
from umbel.wire.redis.keys import Keys, topic_pattern
from umbel.wire.redis.resp import Argument


def binding_commands(keys: Keys, queue: Queue) -> list[tuple[str, ...]]:
    """The commands that make a queue known: to kombu by its bindings, to us by its name and its exchanges' types."""
    commands: list[tuple[str, ...]] = [("SADD", keys.queues, queue.name)]
    for exchange, kind, key, name in rules_of(queue):
        member = keys.member(key, topic_pattern(key) if kind == "topic" else "", name)
        commands.append(("SADD", keys.binding(exchange), member))
        commands.append(("SADD", keys.binding_permanent(exchange), member))
        if kind != "direct":
            commands.append(("HSET", keys.exchanges, exchange, kind))
    return commands


class Table:
    """The bindings of one exchange at one moment."""

    def __init__(self, keys: Keys, kind: str | None, members: Iterable[str], ours: frozenset[str]) -> None:
        #: (kind, routing key, queue)
        self._rules: list[tuple[str, str, str]] = []
        self.is_fanout = kind == "fanout"
        for member in members:
            key, _, rest = member.partition(keys.separator)
            pattern, _, queue = rest.partition(keys.separator)
            # kombu's own queues on a fanout exchange listen to a channel and never empty their lists.
            if not self.is_fanout or queue in ours:
                self._rules.append(("fanout" if self.is_fanout else "topic" if pattern else "direct", key, queue))

    @classmethod
    def read(cls, connection: BlockingConnection, keys: Keys, exchange: str) -> Table:
        """The bindings there are now."""
        commands: list[tuple[Argument, ...]] = [
            ("HGET", keys.exchanges, exchange),
            ("SMEMBERS", keys.binding(exchange)),
            ("SMEMBERS", keys.queues),
        ]
        kind, members, ours = (connection.call(*command) for command in commands)
        return cls(
            keys,
            kind.decode() if kind else None,
            sorted(member.decode() for member in members),
            frozenset(name.decode() for name in ours),
        )

    def route(self, routing_key: str) -> list[str]:
        """The queues that a message reaches; each once."""
        return list(dict.fromkeys(queue for kind, key, queue in self._rules if matches(kind, key, routing_key)))
