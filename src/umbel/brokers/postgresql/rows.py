"""The statements on messages, and deliveries out of their answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from psycopg.pq.abc import PGresult

from umbel.brokers.base import Delivery
from umbel.brokers.envelope import decode
from umbel.clients.postgresql.values import BYTEA, FLOAT8, INT2, INT4, Statement, array, integer, number, numbers, text, texts, truth
from umbel.wire.message import MessageLimits

#: Columns of the type umbel_delivery.
_DELIVERY: Final = "id, queue, priority, redelivered, attempts, extra, envelope, length, body"
_TURN: Final = f"SELECT {_DELIVERY} FROM umbel_turn($1, $2, $3, $4, $5, $6, $7)".encode()  # noqa: S608 - a constant
_TAKE: Final = f"SELECT {_DELIVERY} FROM umbel_take($1, $2, $3)".encode()  # noqa: S608 - a constant
_PEEK: Final = b"""
    SELECT id, queue, priority, redelivered, attempts, extra, envelope, octet_length(body), CASE WHEN octet_length(body) <= $3 THEN body END
    FROM umbel_messages WHERE queue = $1 AND (holder = 0 OR (holder = -1 AND due <= umbel_now())) ORDER BY priority DESC, id LIMIT $2"""
_PUBLISH: Final = b"CALL umbel_publish($1, $2, $3, $4, $5, $6, NULL)"
#: In a transaction of somebody else's, with the columns of `Row`.
ENQUEUE: Final = "SELECT umbel_enqueue(%s, %s, %s, %s, %s)"

#: queue, priority, attempts, envelope, body: one message on its way into a queue.
Row = tuple[str, int, int, str, bytes]


def turn(
    holder: int, acked: Sequence[int], returned: Sequence[int], queues: Sequence[str], *, count: int, limit: int, is_awake: bool
) -> Statement:
    """Settle, and claim more.

    Args:
        holder: whose messages they are.
        acked: ids of what it is done with.
        returned: ids of what it hands back.
        queues: names, in the order in which they are looked at.
        count: messages to claim, at most; 0 claims none.
        limit: bytes of body that are read.
        is_awake: it need not be told of messages any more.
    """
    values = (
        number(holder), numbers(acked), numbers(returned), texts(queues), number(count, INT4), number(limit, INT4), truth(is_awake)
    )  # fmt: skip
    return Statement(_TURN, values)


def take(queue: str, count: int, limit: int) -> Statement:
    """Claim messages that nobody settles.

    Args:
        queue: its name.
        count: at most.
        limit: bytes of body that are read.
    """
    return Statement(_TAKE, (text(queue), number(count, INT4), number(limit, INT4)))


def peek(queue: str, count: int, limit: int) -> Statement:
    """Look at the first messages of a queue.

    Args:
        queue: its name.
        count: at most.
        limit: bytes of body that are read.
    """
    return Statement(_PEEK, (text(queue), number(count), number(limit, INT4)))


def publish(rows: Sequence[Row]) -> Statement:
    """Take in messages, in order.

    Args:
        rows: not none.
    """
    queues = [row[0].encode() for row in rows]
    return Statement(
        _PUBLISH,
        (
            array(list(set(queues))),
            array(queues),
            numbers([row[1] for row in rows], INT2),
            numbers([row[2] for row in rows], INT4),
            array([row[3].encode() for row in rows]),
            array([row[4] for row in rows], BYTEA),
        ),
    )


def broadcast(exchange: str, messages: Sequence[tuple[str, str, bytes]]) -> Statement:
    """Take in what may be lost; the answer names the queues that it has reached.

    Args:
        exchange: its name.
        messages: not none; routing key, envelope and body of each.
    """
    keys, envelopes = texts([message[0] for message in messages]), array([message[1].encode() for message in messages])
    values = (text(exchange), keys, envelopes, array([message[2] for message in messages], BYTEA))
    return Statement(b"SELECT umbel_broadcast($1, $2, $3, $4)", values)


def delay(holder: int, moves: Sequence[tuple[int, float]]) -> Statement:
    """Have messages wait for their time.

    Args:
        holder: whose they are.
        moves: ids, and seconds since the epoch.
    """
    ids, until = numbers([each for each, _ in moves]), numbers([float(due) for _, due in moves], FLOAT8)
    return Statement(b"SELECT umbel_delay($1, $2, $3)", (number(holder), ids, until))


def dead_letter(holder: int, tag: int, queue: str, extra: str) -> Statement:
    """Put a message to the dead letters.

    Args:
        holder: whose it is.
        tag: its id.
        queue: of dead letters.
        extra: headers that it gets, as JSON.
    """
    return Statement(b"SELECT umbel_dead_letter($1, $2, $3, $4)", (number(holder), number(tag), text(queue), text(extra)))


def of_one(function: str, holder: int, tag: int) -> Statement:
    """Call ``umbel_begin`` or ``umbel_blame`` for one message.

    Args:
        function: its name.
        holder: whose it is.
        tag: its id.
    """
    return Statement(f"SELECT {function}($1, $2)".encode(), (number(holder), number(tag)))


def deliveries(result: PGresult, limits: MessageLimits, holder: int) -> list[Delivery]:
    """Make deliveries of an answer: as the queues were asked, in each the highest priority first, then the oldest.

    Args:
        result: with the columns of umbel_delivery.
        limits: of a message.
        holder: whose they are now.
    """
    get = result.get_value
    found = []
    for row in range(result.ntuples):
        queue = get(row, 1) or b""
        stored: tuple[Any, ...] = (
            integer(get(row, 0)),
            queue.decode(),
            integer(get(row, 2)),
            get(row, 3) == b"\x01",
            integer(get(row, 4)),
            get(row, 5),
            get(row, 6),
            "blob",
            integer(get(row, 7)),
            get(row, 8),
        )
        found.append(stored)
    order = {name: place for place, name in enumerate(dict.fromkeys(stored[1] for stored in found))}
    found.sort(key=lambda stored: (order[stored[1]], -stored[2], stored[0]))
    return [decode(stored, limits, holder) for stored in found]


def one_value(result: PGresult) -> bytes | None:
    """Return the first value of an answer.

    Args:
        result: of one row, perhaps.
    """
    return result.get_value(0, 0) if result.ntuples else None
