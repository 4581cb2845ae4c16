"""Queues and bindings in the file: declaring, routing, deleting. Each function runs inside a caller's transaction."""

from __future__ import annotations

import sqlite3

from umbel.brokers.exchanges import matching, rules_of
from umbel.brokers.topology import Queue


def declare(connection: sqlite3.Connection, queue: Queue, holder: int | None = None) -> None:
    """See to it that a queue and its bindings exist.

    Args:
        connection: in a transaction.
        queue: what to declare.
        holder: with whom it goes, if it is exclusive or auto-delete.
    """
    connection.execute("INSERT INTO umbel_queues (name) VALUES (?) ON CONFLICT DO NOTHING", (queue.name,))
    if holder is not None and (queue.exclusive or queue.auto_delete):
        connection.execute("UPDATE umbel_queues SET holder = ? WHERE name = ?", (holder, queue.name))
    for rule in rules_of(queue):
        connection.execute(
            "INSERT INTO umbel_bindings (exchange, type, routing_key, queue) VALUES (?, ?, ?, ?)"
            " ON CONFLICT DO UPDATE SET type = excluded.type WHERE type != excluded.type",
            rule,
        )


def exists(connection: sqlite3.Connection, name: str) -> bool:
    """Report whether a queue is declared."""
    return connection.execute("SELECT 1 FROM umbel_queues WHERE name = ?", (name,)).fetchone() is not None


def route(connection: sqlite3.Connection, exchange: str, routing_key: str) -> list[str]:
    """The queues that a message to this address reaches."""
    if not exchange:
        return [routing_key] if exists(connection, routing_key) else []
    rules = connection.execute("SELECT exchange, type, routing_key, queue FROM umbel_bindings WHERE exchange = ?", (exchange,))
    return matching(rules.fetchall(), routing_key)


def delete(connection: sqlite3.Connection, name: str) -> None:
    """Remove a queue, its bindings and every message in it."""
    connection.execute("DELETE FROM umbel_messages WHERE queue = ?", (name,))
    connection.execute("DELETE FROM umbel_bindings WHERE queue = ?", (name,))
    connection.execute("DELETE FROM umbel_queues WHERE name = ?", (name,))
