"""Queues and bindings in the database: declaring, routing, deleting. Statements alone; whoever has a connection runs them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from psycopg.pq.abc import PGresult

from umbel.brokers.exchanges import Rule, rules_of, topic_expression
from umbel.brokers.topology import Queue
from umbel.clients.postgresql.values import FLOAT8, Statement, Value, number, text, texts

_DECLARE: Final = b"SELECT umbel_declare($1, $2, $3, $4, $5, $6)"
_OPEN_PRIVATE: Final = b"SELECT umbel_open_private($1, $2, $3, $4, $5, $6, $7)"
#: The bindings of an exchange, without those of queues whose holder has been dead for a while: nobody may be left who removes them.
_RULES: Final = b"""
    SELECT exchange, type, routing_key, queue FROM umbel_bindings b WHERE exchange = $1 AND NOT EXISTS (
        SELECT 1 FROM umbel_queues q JOIN umbel_holders h ON h.id = q.holder WHERE q.name = b.queue AND h.until + h.lease < umbel_now())"""


def declare(queue: Queue, holder: int | None = None) -> Statement:
    """See to it that a queue and its bindings exist.

    Args:
        queue: what to declare.
        holder: with whom it goes, if it is exclusive or auto-delete.

    Raises:
        ImproperlyConfigured: an exchange is of a type that only RabbitMQ has.
    """
    owner = holder if queue.exclusive or queue.auto_delete else None
    return Statement(_DECLARE, (text(queue.name), number(owner), *_columns(queue)))


def open_private(queue: Queue, name: str, lease: float) -> Statement:
    """Make a holder, and a queue that goes with it; the answer is the holder.

    Args:
        queue: what to declare.
        name: of the holder.
        lease: seconds.
    """
    return Statement(_OPEN_PRIVATE, (text(name), number(float(lease), FLOAT8), text(queue.name), *_columns(queue)))


def _columns(queue: Queue) -> list[Value]:
    """Exchanges, types, keys and patterns of its bindings."""
    rules = list(rules_of(queue))
    patterns = texts(f"^(?:{topic_expression(rule[2])})$" if rule[1] == "topic" else "" for rule in rules)
    return [*(texts(rule[column] for rule in rules) for column in range(3)), patterns]


def rules(exchange: str) -> Statement:
    """Ask for the bindings of an exchange.

    Args:
        exchange: its name.
    """
    return Statement(_RULES, (text(exchange),))


def rules_in(result: PGresult) -> list[Rule]:
    """Read the bindings of an exchange.

    Args:
        result: the answer to `rules`.
    """

    def each() -> Iterable[Rule]:
        for row in range(result.ntuples):
            exchange, kind, key, queue = ((result.get_value(row, column) or b"").decode() for column in range(4))
            yield exchange, kind, key, queue

    return list(each())


def delete(name: str) -> Statement:
    """Remove a queue, its bindings and every message in it.

    Args:
        name: of the queue.
    """
    return Statement(b"SELECT umbel_delete_queue($1)", (text(name),))
