"""Queues and bindings in the file: declaring, routing, deleting. Each function runs inside a caller's transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from umbel.brokers.exchanges import matching, rules_of
from umbel.brokers.topology import Queue
from umbel.runtime.clock import SYSTEM

#: The bindings of an exchange, without those of queues whose holder has been dead for a while: nobody may be left who removes them.
_RULES: Final = """
    SELECT exchange, type, routing_key, queue FROM umbel_bindings WHERE exchange = ?1 AND NOT EXISTS (
        SELECT 1 FROM umbel_queues JOIN umbel_holders ON umbel_holders.id = umbel_queues.holder
        WHERE umbel_queues.name = umbel_bindings.queue AND (until + lease < ?2 OR until - lease > ?2 + 1)
    )"""


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


def route(connection: sqlite3.Connection, exchange: str, routing_key: str, headers: Mapping[str, Any]) -> list[str]:
    """The queues that a message reaches.

    Args:
        connection: to the file.
        exchange: of the message.
        routing_key: of the message.
        headers: of the message.
    """
    if not exchange:
        return [routing_key] if exists(connection, routing_key) else []
    return matching(connection.execute(_RULES, (exchange, SYSTEM.monotonic())).fetchall(), routing_key, headers)


def delete(connection: sqlite3.Connection, name: str) -> None:
    """Remove a queue, its bindings and every message in it."""
    connection.execute("DELETE FROM umbel_messages WHERE queue = ?", (name,))
    connection.execute("DELETE FROM umbel_bindings WHERE queue = ?", (name,))
    connection.execute("DELETE FROM umbel_queues WHERE name = ?", (name,))
