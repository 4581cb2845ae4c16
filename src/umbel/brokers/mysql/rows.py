"""Statements on ``umbel_messages``. Each function runs inside a caller's transaction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from umbel.brokers.base import Delivery
from umbel.brokers.envelope import Encoded, decode
from umbel.brokers.mysql.tables import messages
from umbel.brokers.mysql.topology import NOW
from umbel.wire.message import MessageLimits

READY: Final = 0
DELAYED: Final = -1
_C: Final = messages.c
#: Messages that are promoted in one transaction.
_CHUNK: Final = 1000


def insert(connection: Connection, found: Sequence[tuple[str, Encoded]]) -> None:
    """Put messages into queues.

    Args:
        connection: in a transaction.
        found: names of queues, and messages; not none.
    """
    values = [
        {"queue": queue, "place": -priority, "attempts": attempts, "envelope": envelope, "body": body}
        for queue, (priority, attempts, envelope, body) in found
    ]
    connection.execute(messages.insert(), values)


def claim(connection: Connection, holder: int, names: Iterable[str], count: int, limits: MessageLimits) -> list[Delivery]:
    """Take ready messages: from each queue in turn, the highest priority first, then the oldest.

    Args:
        connection: in a transaction.
        holder: in whose name.
        names: of queues.
        count: messages, at most.
        limits: of a message.
    """
    found: list[Delivery] = []
    for name in names:
        if len(found) >= count:
            break
        rows = _first(connection, name, count - len(found), limits, lock=True)
        found += [decode(row, limits, holder) for row in rows]
    if found:
        taken = messages.update().where(_C.id.in_([delivery.tag for delivery in found]))
        connection.execute(taken.values(holder=holder, begun=0))
    return found


def take(connection: Connection, name: str, count: int, limits: MessageLimits) -> list[Delivery]:
    """Remove the first messages of a queue; see `claim`.

    Args:
        connection: in a transaction.
        name: of the queue.
        count: messages, at most.
        limits: of a message.
    """
    found = [decode(row, limits, 0) for row in _first(connection, name, count, limits, lock=True)]
    if found:
        connection.execute(messages.delete().where(_C.id.in_([delivery.tag for delivery in found])))
    return found


def peek(connection: Connection, name: str, count: int, limits: MessageLimits) -> list[Delivery]:
    """Look at the first messages of a queue, due ones included; see `claim`.

    Args:
        connection: in a transaction.
        name: of the queue.
        count: messages, at most.
        limits: of a message.
    """
    promote(connection)
    return [decode(row, limits, 0) for row in _first(connection, name, count, limits, lock=False)]


def _first(connection: Connection, name: str, count: int, limits: MessageLimits, *, lock: bool) -> list[tuple[Any, ...]]:
    length = sa.func.octet_length(_C.body)
    body = sa.case((length <= limits.body, _C.body), else_=None)
    columns = (_C.id, _C.queue, -_C.place, _C.redelivered, _C.attempts, _C.extra, _C.envelope, sa.literal("blob"), length, body)
    query = sa.select(*columns).where(_C.holder == READY, _C.queue == name).order_by(_C.place, _C.id).limit(count)
    if lock:
        query = query.with_for_update(skip_locked=True)
    return [_stored(row) for row in connection.execute(query)]


def _stored(row: Sequence[Any]) -> tuple[Any, ...]:
    number, queue, priority, redelivered, attempts, extra, envelope, *body = row
    return number, queue, priority, redelivered, attempts, None if extra is None else extra.encode(), envelope.encode(), *body


def settle(connection: Connection, holder: int, ids: Sequence[int]) -> int:
    """Drop messages that a ``holder`` has, by their ``ids``; returns how many. ``connection`` is in a transaction."""
    return connection.execute(messages.delete().where(_C.id.in_(ids), _C.holder == holder)).rowcount


def put_back(connection: Connection, holder: int, ids: Sequence[int], attempts: int) -> None:
    """Put messages back to their places.

    Args:
        connection: in a transaction.
        holder: who has them.
        ids: of them.
        attempts: added to the count of each.
    """
    back = messages.update().where(_C.id.in_(ids), _C.holder == holder)
    connection.execute(back.values(holder=READY, redelivered=1, begun=0, attempts=_C.attempts + attempts))


def begin(connection: Connection, holder: int, message: int) -> None:
    """Note that a ``message`` of a ``holder`` is about to run. ``connection`` is in a transaction."""
    connection.execute(messages.update().where(_C.id == message, _C.holder == holder).values(begun=1))


def delay(connection: Connection, holder: int, moves: Sequence[tuple[int, float]]) -> None:
    """Have messages wait for their time.

    Args:
        connection: in a transaction.
        holder: who has them.
        moves: ids, and seconds since the epoch.
    """
    wait = messages.update().where(_C.id == sa.bindparam("message"), _C.holder == holder)
    connection.execute(wait.values(holder=DELAYED, due=sa.bindparam("until")), [{"message": each, "until": until} for each, until in moves])


def put_dead(connection: Connection, holder: int, message: int, queue: str, extra: str) -> None:
    """Put a message to the dead letters.

    Args:
        connection: in a transaction.
        holder: who has it.
        message: its id.
        queue: of dead letters; it exists.
        extra: headers that it gets, as JSON.
    """
    move = messages.update().where(_C.id == message, _C.holder == holder)
    connection.execute(move.values(holder=READY, queue=queue, place=0, extra=extra))


def promote(connection: Connection) -> None:
    """Have messages be ready whose time has come. ``connection`` is in a transaction."""
    due = sa.select(_C.id).where(_C.holder == DELAYED, _C.due <= NOW).order_by(_C.due).limit(_CHUNK)
    while ids := list(connection.scalars(due.with_for_update(skip_locked=True))):
        connection.execute(messages.update().where(_C.id.in_(ids)).values(holder=READY, due=None))


def next_due(connection: Connection) -> float | None:
    """Seconds until the first delayed message is due; ``None`` where there is none. ``connection`` is in a transaction."""
    found = connection.scalar(sa.select(sa.func.min(_C.due) - NOW).where(_C.holder == DELAYED))
    return None if found is None else float(found)


def count(connection: Connection, name: str, *, delayed: bool = False) -> int:
    """Count the ready messages of a queue, due ones included, or the others.

    Args:
        connection: in a transaction.
        name: of the queue.
        delayed: count those that are not due.
    """
    waiting = sa.select(sa.func.count()).where(_C.queue == name, _C.holder == DELAYED)
    if delayed:
        return int(connection.scalar(waiting.where(_C.due > NOW)) or 0)
    ready = sa.select(sa.func.count()).where(_C.queue == name, _C.holder == READY)
    return int(connection.scalar(ready) or 0) + int(connection.scalar(waiting.where(_C.due <= NOW)) or 0)
