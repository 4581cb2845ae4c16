"""Exchanges: the queues that they fill, by the rules of AMQP 0-9-1 (section 3.1.3), for brokers that have no exchanges of their own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from umbel.brokers.topology import Binding, Queue
from umbel.errors import DecodeError, EncodeError, ImproperlyConfigured
from umbel.wire import kombu_json

#: exchange, type, key, queue. The key is the binding's routing key; for an exchange of headers, its arguments as JSON.
Rule = tuple[str, str, str, str]

_NONE: Final[Mapping[str, Any]] = {}
_TYPES: Final = ("direct", "topic", "fanout", "headers")
#: ``x-match`` of a binding → whether all of its headers must match, and whether those that begin with ``x-`` count (RabbitMQ 3.10).
_MATCH: Final = {"all": (True, False), "any": (False, False), "all-with-x": (True, True), "any-with-x": (False, True)}


def rules_of(queue: Queue) -> Iterator[Rule]:
    """The bindings of a queue, that to the default exchange left out.

    Raises:
        ImproperlyConfigured: an exchange is of a type that only RabbitMQ has, or a binding's arguments make no sense.
    """
    for binding in queue.all_bindings():
        kind = binding.exchange.type
        if kind not in _TYPES:
            raise ImproperlyConfigured(
                f"exchange {binding.exchange.name!r} is of type {kind!r}: this broker knows direct, topic, fanout and headers"
            )
        yield binding.exchange.name, kind, _pattern(queue, binding) if kind == "headers" else binding.routing_key, queue.name


def check(queue: Queue) -> None:
    """Raise `ImproperlyConfigured` where a queue that is to be declared needs an exchange of a type that only RabbitMQ has."""
    if not queue.no_declare:
        for _ in rules_of(queue):
            pass


def _pattern(queue: Queue, binding: Binding) -> str:
    how = binding.arguments.get("x-match", "all")
    if how not in _MATCH:
        raise ImproperlyConfigured(f"queue {queue.name!r}: x-match of a binding is one of {', '.join(_MATCH)}, got {how!r}")
    try:
        return kombu_json.dumps(dict(sorted(binding.arguments.items())))
    except (EncodeError, TypeError) as error:
        raise ImproperlyConfigured(f"queue {queue.name!r}: a binding's arguments cannot be kept: {error}") from error


def matching(rules: Iterable[Rule], routing_key: str, headers: Mapping[str, Any] = _NONE) -> list[str]:
    """The queues that a message reaches, given the rules of its exchange; each once."""
    return list(dict.fromkeys(queue for _, kind, key, queue in rules if matches(kind, key, routing_key, headers)))


def matches(kind: str, key: str, routing_key: str, headers: Mapping[str, Any] = _NONE) -> bool:
    """Report whether one binding lets a message through.

    Args:
        kind: type of the exchange.
        key: of the binding, see `Rule`; in a topic, ``*`` is one word and ``#`` any number of words.
        routing_key: of the message.
        headers: of the message.
    """
    if kind == "fanout":
        return True
    if kind == "topic":
        return _topic(key).fullmatch("." + routing_key) is not None
    if kind == "headers":
        return _headers_match(key, headers)
    return key == routing_key


def _headers_match(key: str, headers: Mapping[str, Any]) -> bool:
    """Report whether a message has the headers of a binding: of the same type and value, or any value for one that is ``None``."""
    need_all, wanted = _wanted(key)
    found = (name in headers and (value is None or _is_same(value, headers[name])) for name, value in wanted)
    return all(found) if need_all else any(found)


def _is_same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and one == other


@lru_cache(maxsize=1024)
def _wanted(key: str) -> tuple[bool, tuple[tuple[str, Any], ...]]:
    try:
        arguments = kombu_json.loads(key)
        need_all, with_x = _MATCH[arguments.get("x-match", "all")]
    except (DecodeError, ValueError, AttributeError, KeyError, TypeError):  # nobody who declares through us writes such a thing
        return False, ()
    return need_all, tuple((name, value) for name, value in arguments.items() if with_x or not name.startswith("x-"))


def topic_expression(pattern: str) -> str:
    """Write the ``pattern`` of a topic's binding as a regular expression, which a dot and a routing key match as a whole."""
    return _topic(pattern).pattern


@lru_cache(maxsize=1024)
def _topic(pattern: str) -> re.Pattern[str]:
    words = {"*": r"\.[^.]*", "#": r"(?:\.[^.]*)*"}
    return re.compile("".join(words.get(word, re.escape("." + word)) for word in re.sub(r"#(\.#)+", "#", pattern).split(".")))
