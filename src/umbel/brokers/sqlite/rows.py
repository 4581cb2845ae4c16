"""The statements on the table ``umbel_messages``."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from umbel.brokers.base import Delivery
from umbel.brokers.envelope import decode
from umbel.wire.message import MessageLimits

#: queue, priority, attempts, envelope, body.
Row = tuple[str, int, int, str, bytes]

INSERT: Final = "INSERT INTO umbel_messages (queue, priority, attempts, envelope, body) VALUES (?, ?, ?, ?, ?)"

# Columns of an untrusted file may hold anything, and text that is not UTF-8 would fail the whole batch. A body over the limit is not read.
_COLUMNS: Final = """id, queue, CAST(priority AS INTEGER), CAST(redelivered AS INTEGER), CAST(attempts AS INTEGER),
    CAST(extra AS BLOB), CAST(envelope AS BLOB), typeof(body), length(body),
    CASE WHEN typeof(body) = 'blob' AND length(body) <= :limit THEN body END"""

CLAIM: Final = f"""
    UPDATE umbel_messages SET holder = :holder, begun = 0 WHERE id IN (
        SELECT id FROM umbel_messages WHERE holder = 0 AND queue = :queue ORDER BY priority DESC, id LIMIT :count
    ) RETURNING {_COLUMNS}"""  # noqa: S608 - a constant

#: Messages of a queue whose only reader settles nothing.
TAKE: Final = f"""
    DELETE FROM umbel_messages WHERE id IN (
        SELECT id FROM umbel_messages WHERE holder = 0 AND queue = :queue ORDER BY priority DESC, id LIMIT :count
    ) RETURNING {_COLUMNS}"""  # noqa: S608 - a constant

#: The first ready messages of a queue, and those that are due: they stay as they are.
PEEK: Final = f"""
    SELECT {_COLUMNS} FROM umbel_messages WHERE queue = :queue AND (holder = 0 OR (holder = -1 AND due <= :now))
    ORDER BY priority DESC, id LIMIT :count"""  # noqa: S608 - a constant

#: What the holder is done with; ids as a JSON list.
ACK: Final = "DELETE FROM umbel_messages WHERE id IN (SELECT value FROM json_each(?)) AND holder = ?"
#: Back to their queues as they were.
REQUEUE: Final = "UPDATE umbel_messages SET holder = 0, redelivered = 1 WHERE id IN (SELECT value FROM json_each(?)) AND holder = ?"
BEGIN: Final = "UPDATE umbel_messages SET begun = 1 WHERE id = ? AND holder = ?"
BLAME: Final = "UPDATE umbel_messages SET holder = 0, redelivered = 1, attempts = attempts + 1 WHERE id = ? AND holder = ?"
DELAY: Final = "UPDATE umbel_messages SET holder = -1, due = ? WHERE id = ? AND holder = ?"
DEAD_LETTER: Final = "UPDATE umbel_messages SET holder = 0, queue = ?, priority = 0, extra = ? WHERE id = ? AND holder = ?"
PROMOTE: Final = "UPDATE umbel_messages SET holder = 0, due = NULL WHERE holder = -1 AND due <= ?"
NEXT_DUE: Final = "SELECT min(due) FROM umbel_messages WHERE holder = -1"
#: Of queues (a JSON list) the first ones that have ready messages.
READY: Final = """SELECT value FROM json_each(?) WHERE EXISTS (SELECT 1 FROM umbel_messages WHERE holder = 0 AND queue = value) LIMIT ?"""


#: Queues without messages, one after the other, after which `claim` asks which of the others have some.
_EMPTY: Final = 3


def ready(connection: sqlite3.Connection, queues: Sequence[str], most: int) -> list[str]:
    """The first queues, at most so many, that have ready messages."""
    return [name for (name,) in connection.execute(READY, (json.dumps(queues), most))]


def claim(connection: sqlite3.Connection, holder: int, queues: Sequence[str], count: int, limits: MessageLimits) -> list[Delivery]:
    """Take up to ``count`` ready messages: from each queue in turn, the highest priority first, then the oldest."""
    found: list[Delivery] = []
    left, empty = list(reversed(queues)), 0
    while left and len(found) < count:
        if empty == _EMPTY:  # it costs much less to ask for them all at once
            left = list(reversed(ready(connection, left[::-1], count - len(found))))
            empty = 0
            continue
        arguments = {"holder": holder, "queue": left.pop(), "count": count - len(found), "limit": limits.body}
        rows = connection.execute(CLAIM, arguments).fetchall()
        rows.sort(key=_order)  # RETURNING promises none
        found += [decode(row, limits, holder) for row in rows]
        empty = 0 if rows else empty + 1
    return found


def take(connection: sqlite3.Connection, queue: str, count: int, limits: MessageLimits) -> list[Delivery]:
    """Remove up to ``count`` messages of a queue: the highest priority first, then the oldest."""
    found = connection.execute(TAKE, {"queue": queue, "count": count, "limit": limits.body}).fetchall()
    found.sort(key=_order)
    return [decode(row, limits, 0) for row in found]


def peek(connection: sqlite3.Connection, queue: str, count: int, now: float, limits: MessageLimits) -> list[Delivery]:
    """Look at the first messages of a queue, as `take` would take them.

    Args:
        connection: to the file.
        queue: its name.
        count: messages, at most.
        now: seconds since the epoch.
        limits: what a message may weigh.
    """
    found = connection.execute(PEEK, {"queue": queue, "now": now, "count": count, "limit": limits.body}).fetchall()
    return [decode(row, limits, 0) for row in found]


def _order(row: Sequence[Any]) -> tuple[int, int]:
    return -row[2], row[0]
