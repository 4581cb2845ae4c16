"""Leases: the holders of unsettled messages, and for how long they have them. By the server's clock, which all machines share."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from umbel.brokers.mysql import topology
from umbel.brokers.mysql.tables import holders, messages, queues
from umbel.brokers.mysql.topology import NOW

#: Seconds of a server's life in which nobody is given up: nobody could renew before.
_HOLD_OFF: Final = 8


def register(connection: Connection, name: str, lease: float) -> int:
    """Make a holder; returns its number.

    Args:
        connection: in a transaction.
        name: for people.
        lease: seconds.
    """
    key = connection.execute(holders.insert().values(name=name[:255], lease=lease, until=NOW + lease)).inserted_primary_key
    assert key is not None
    return int(key[0])


def renew(connection: Connection, holder: int) -> bool:
    """Extend a lease; false when the ``holder`` was given up. ``connection`` is in a transaction."""
    found = connection.execute(sa.select(holders.c.id).where(holders.c.id == holder).with_for_update()).first()
    if found is None:
        return False
    connection.execute(holders.update().where(holders.c.id == holder).values(until=NOW + holders.c.lease))
    return True


def is_alive(connection: Connection, holder: int) -> bool:
    """Report whether a ``holder`` is there; nobody gives it up until the ``connection``'s transaction ends."""
    return connection.execute(sa.select(holders.c.id).where(holders.c.id == holder).with_for_update(read=True)).first() is not None


def restore_expired(connection: Connection, name: str | None = None) -> None:
    """Give up the holders whose lease is over, and put their messages back, counted if they were running.

    Args:
        connection: in a transaction.
        name: of holders; all of them when not given.
    """
    over = sa.select(holders.c.id).where(holders.c.until < NOW)
    if name is not None:
        over = over.where(holders.c.name == name)
    found = list(connection.scalars(over.with_for_update(skip_locked=True)))
    if not found or int(connection.execute(sa.text("SHOW GLOBAL STATUS LIKE 'Uptime'")).one()[1]) < _HOLD_OFF:
        return
    for holder in found:
        _end(connection, holder, attempts=messages.c.begun)


def release(connection: Connection, holder: int) -> None:
    """End a ``holder`` in good order: its messages go back, uncounted. ``connection`` is in a transaction."""
    _end(connection, holder, attempts=sa.literal(0))


def _end(connection: Connection, holder: int, attempts: sa.ColumnElement[int]) -> None:
    back = messages.update().where(messages.c.holder == holder)
    # MySQL assigns from left to right.
    connection.execute(
        back.ordered_values(
            (messages.c.attempts, messages.c.attempts + attempts),
            (messages.c.holder, 0),
            (messages.c.redelivered, 1),
            (messages.c.begun, 0),
        )
    )
    for queue in list(connection.scalars(sa.select(queues.c.name).where(queues.c.holder == holder))):
        topology.delete(connection, queue)
    connection.execute(holders.delete().where(holders.c.id == holder))
