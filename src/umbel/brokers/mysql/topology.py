"""Queues and bindings: declaring, routing, deleting. Each function runs inside a caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects.mysql import insert
from sqlalchemy.engine import Connection

from umbel.brokers.exchanges import matching, rules_of
from umbel.brokers.mysql.tables import bindings, holders, messages, queues
from umbel.brokers.topology import Queue

#: The server's clock, seconds since the epoch.
NOW: Final = sa.literal_column("UNIX_TIMESTAMP(SYSDATE(6))", sa.Double)


def declare(connection: Connection, queue: Queue, holder: int | None = None) -> None:
    """See to it that a queue and its bindings exist.

    Args:
        connection: in a transaction.
        queue: what to declare.
        holder: with whom it goes, if it is exclusive or auto-delete.
    """
    connection.execute(insert(queues).values(name=queue.name).prefix_with("IGNORE"))
    if holder is not None and (queue.exclusive or queue.auto_delete):
        connection.execute(queues.update().where(queues.c.name == queue.name).values(holder=holder))
    known = {(row.exchange, row.routing_key): row for row in connection.execute(sa.select(bindings).where(bindings.c.queue == queue.name))}
    for exchange, kind, key, name in rules_of(queue):
        row = known.get((exchange, key))
        if row is None:
            connection.execute(bindings.insert().values(exchange=exchange, type=kind, routing_key=key, queue=name))
        elif row.type != kind:
            connection.execute(bindings.update().where(bindings.c.id == row.id).values(type=kind))


def existing(connection: Connection, names: Iterable[str]) -> set[str]:
    """Return those of some queues, by their ``names``, that are declared; ``connection`` is in a transaction."""
    return set(connection.scalars(sa.select(queues.c.name).where(queues.c.name.in_(list(names)))))


def route(connection: Connection, exchange: str, routing_key: str, headers: Mapping[str, Any]) -> list[str]:
    """Find the queues that a message reaches.

    Args:
        connection: in a transaction.
        exchange: of the message.
        routing_key: of the message.
        headers: of the message.
    """
    if not exchange:
        return [routing_key] if existing(connection, [routing_key]) else []
    # Nobody may be left who removes the queue of a holder that has been dead for a while.
    dead = (
        sa.select(queues.c.name)
        .join(holders, holders.c.id == queues.c.holder)
        .where(queues.c.name == bindings.c.queue, holders.c.until + holders.c.lease < NOW)
    )
    rules = sa.select(bindings.c.exchange, bindings.c.type, bindings.c.routing_key, bindings.c.queue).where(
        bindings.c.exchange == exchange, ~dead.exists()
    )
    return matching([tuple(row) for row in connection.execute(rules)], routing_key, headers)


def delete(connection: Connection, name: str) -> None:
    """Remove a queue, its bindings and every message in it.

    Args:
        connection: in a transaction.
        name: of the queue.
    """
    connection.execute(messages.delete().where(messages.c.queue == name))
    connection.execute(bindings.delete().where(bindings.c.queue == name))
    connection.execute(queues.delete().where(queues.c.name == name))
