"""Leases: the holders of unsettled messages, and for how long they have them.

A consumer registers one holder and claims messages in its name; the lease is the holder's, so that renewing it is one row however many
messages it holds. What a holder does to a message has ``AND holder = ?`` in it: once the holder is given up, it changes nothing any more.

Leases are measured by the monotonic clock, which all processes of one machine share and which neither a set clock nor a suspended machine moves
(WAL files cannot be shared by machines anyway). It starts again at boot: a lease that ends further in the future than it is long was
made before, and is over.
"""

from __future__ import annotations

import sqlite3

from umbel.brokers.sqlite import topology

_RESTORE = "UPDATE umbel_messages SET holder = 0, redelivered = 1, attempts = attempts + begun, begun = 0 WHERE holder = ?"
_HAND_BACK = "UPDATE umbel_messages SET holder = 0, redelivered = 1, begun = 0 WHERE holder = ?"


def register(connection: sqlite3.Connection, name: str, lease: float, now: float) -> int:
    """A new holder; ``now`` by the monotonic clock, ``lease`` in seconds."""
    cursor = connection.execute("INSERT INTO umbel_holders (name, lease, until) VALUES (?, ?, ?)", (name, lease, now + lease))
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def renew(connection: sqlite3.Connection, holder: int, now: float) -> bool:
    """Extend the lease; false when the holder was given up."""
    return connection.execute("UPDATE umbel_holders SET until = ? + lease WHERE id = ?", (now, holder)).rowcount == 1


def restore_expired(connection: sqlite3.Connection, now: float) -> None:
    """Give up the holders whose lease is over, and put their messages back."""
    over = connection.execute("SELECT id FROM umbel_holders WHERE until < ? OR until - lease > ? + 1", (now, now)).fetchall()
    for (holder,) in over:
        connection.execute(_RESTORE, (holder,))
        _forget(connection, holder)


def release(connection: sqlite3.Connection, holder: int) -> int:
    """End a holder in good order: its messages go back uncounted; returns how many."""
    count = connection.execute(_HAND_BACK, (holder,)).rowcount
    _forget(connection, holder)
    return count


def _forget(connection: sqlite3.Connection, holder: int) -> None:
    for (queue,) in connection.execute("SELECT name FROM umbel_queues WHERE holder = ?", (holder,)).fetchall():
        topology.delete(connection, queue)
    connection.execute("DELETE FROM umbel_holders WHERE id = ?", (holder,))
