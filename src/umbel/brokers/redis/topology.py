"""Bindings as kombu keeps them, and which queues a message reaches by them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from umbel.brokers.exchanges import matches, rules_of
from umbel.brokers.topology import Queue
from umbel.clients.redis.connection_blocking import BlockingConnection
from umbel.wire.redis import scripts
from umbel.wire.redis.keys import Keys, topic_pattern


class Bound(NamedTuple):
    """One binding of a queue."""

    exchange: str
    #: Type of the exchange.
    kind: str
    #: As it stands in the sets.
    member: str


def bindings(keys: Keys, queue: Queue) -> Iterator[Bound]:
    """The bindings of a queue, as kombu keeps them.

    Args:
        keys: the names.
        queue: what is bound.
    """
    for exchange, kind, key, name in rules_of(queue):
        yield Bound(exchange, kind, keys.member(key, topic_pattern(key) if kind == "topic" else "", name))
        if kind == "fanout" and key:  # Celery's client declares no broadcast, takes its exchange for a direct one, and has a key or none
            yield Bound(exchange, kind, keys.member("", "", name))


def declare_queue(keys: Keys, queue: Queue) -> list[tuple[str, ...]]:
    """The commands that make a queue known: to kombu by its bindings, to us by its name and its exchanges' types."""
    if queue.no_declare:
        return []
    commands: list[tuple[str, ...]] = [("SADD", keys.queues, queue.name)]
    for exchange, _, member in bindings(keys, queue):
        commands.append(("SADD", keys.binding(exchange), member))
        commands.append(("SADD", keys.binding_permanent(exchange), member))
    return commands + _declare_exchanges(keys, queue)


def declare_address(keys: Keys, queue: Queue) -> list[tuple[str, ...]]:
    """The commands of a publisher before it sends to a queue: of a broadcast it makes the exchange known, for the queues are its workers'."""
    if queue.is_broadcast and not queue.no_declare:
        return _declare_exchanges(keys, queue)
    return declare_queue(keys, queue)


def _declare_exchanges(keys: Keys, queue: Queue) -> list[tuple[str, ...]]:
    kinds = {exchange: kind for exchange, kind, _ in bindings(keys, queue) if kind != "direct"}
    return [("HSET", keys.exchanges, exchange, kind) for exchange, kind in kinds.items()]


class Table:
    """The bindings of one exchange at one moment.

    Args:
        keys: the names.
        kind: type of the exchange, where that is known: direct and topic can be told by the bindings.
        members: the bindings.
        ours: the queues that Umbel has declared.
        gone: those of them that have lost their readers, and are to be removed.
    """

    def __init__(
        self, keys: Keys, kind: str | None, members: Iterable[str], ours: frozenset[str], gone: frozenset[str] = frozenset()
    ) -> None:
        #: (kind, key, queue), see `umbel.brokers.exchanges`.
        self._rules: list[tuple[str, str, str]] = []
        self.is_fanout: bool = kind == "fanout"
        for member in members:
            key, _, rest = member.partition(keys.separator)
            pattern, _, queue = rest.partition(keys.separator)
            # kombu's own queues on a fanout exchange listen to a channel and never empty their lists.
            if queue not in gone and (not self.is_fanout or queue in ours):
                known = kind if kind in ("fanout", "headers") else None
                self._rules.append((known or ("topic" if pattern else "direct"), key, queue))

    @classmethod
    def read(cls, connection: BlockingConnection, keys: Keys, exchange: str) -> Table:
        """The bindings there are now."""
        names = (keys.exchanges, keys.binding(exchange), keys.queues, keys.readers)
        kind, members, ours, gone = connection.run(scripts.load("bindings"), names, (exchange,))
        return cls(keys, kind.decode() if kind else None, sorted(_texts(members)), frozenset(_texts(ours)), frozenset(_texts(gone)))

    def route(self, routing_key: str, headers: Mapping[str, Any]) -> list[str]:
        """The queues that a message with this routing key and these headers reaches; each once."""
        return list(dict.fromkeys(queue for kind, key, queue in self._rules if matches(kind, key, routing_key, headers)))


def _texts(found: Iterable[bytes]) -> Iterator[str]:
    return (each.decode(errors="replace") for each in found)
