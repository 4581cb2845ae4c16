"""Exchanges: the queues that they fill, by the rules of AMQP 0-9-1 (section 3.1.3), for brokers that have no exchanges of their own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from umbel.brokers.topology import Exchange, Queue
from umbel.errors import ImproperlyConfigured

#: exchange, type, routing key, queue.
Rule = tuple[str, str, str, str]


def rules_of(queue: Queue) -> Iterator[Rule]:
    """The bindings of a queue, that to the default exchange left out.

    Raises:
        ImproperlyConfigured: an exchange is of a type that only RabbitMQ has.
    """
    queue = queue.resolved()
    assert queue.exchange is not None
    assert queue.routing_key is not None
    for exchange, key in ((queue.exchange, queue.routing_key), *((binding.exchange, binding.routing_key) for binding in queue.bindings)):
        if exchange.name:
            yield exchange.name, _checked(exchange), key, queue.name


def check(queue: Queue) -> None:
    """Raise `ImproperlyConfigured` where a queue that is to be declared needs an exchange of a type that only RabbitMQ has."""
    if not queue.no_declare:
        for _ in rules_of(queue):
            pass


def _checked(exchange: Exchange) -> str:
    if exchange.type not in ("direct", "topic", "fanout"):
        raise ImproperlyConfigured(f"exchange {exchange.name!r} is of type {exchange.type!r}: this broker knows direct, topic and fanout")
    return exchange.type


def matching(rules: Iterable[Rule], routing_key: str) -> list[str]:
    """The queues that a message reaches, given the rules of its exchange; each once."""
    return list(dict.fromkeys(queue for _, kind, key, queue in rules if matches(kind, key, routing_key)))


def matches(kind: str, pattern: str, routing_key: str) -> bool:
    """Report whether one binding lets a routing key through; in a topic, ``*`` is one word and ``#`` any number of words."""
    if kind == "fanout":
        return True
    if kind == "topic":
        return _topic(pattern).fullmatch("." + routing_key) is not None
    return pattern == routing_key


@lru_cache(maxsize=1024)
def _topic(pattern: str) -> re.Pattern[str]:
    words = {"*": r"\.[^.]*", "#": r"(?:\.[^.]*)*"}
    return re.compile("".join(words.get(word, re.escape("." + word)) for word in re.sub(r"#(\.#)+", "#", pattern).split(".")))
