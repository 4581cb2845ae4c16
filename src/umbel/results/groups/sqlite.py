"""Groups and chords in an SQLite file: one transaction for each step."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from umbel.clients.sqlite.database import Database
from umbel.messages.ids import uuid7
from umbel.results.base import StoreOptions
from umbel.results.group_store import CLAIM, CLOSED, ChordClaim, ChordPart, ClaimedElsewhere
from umbel.results.groups.codec import PartCodec
from umbel.runtime.clock import Clock
from umbel.wire import serializers

R = TypeVar("R")

#: Made when the first group is saved or counted: files of older versions have none.
_TABLES: Final = (
    """
    CREATE TABLE IF NOT EXISTS umbel_groups (
        group_id TEXT PRIMARY KEY,
        tree     BLOB NOT NULL,                     -- of its results, in the result serializer
        expires  REAL                               -- seconds since the epoch
    ) WITHOUT ROWID""",
    """
    CREATE TABLE IF NOT EXISTS umbel_chords (
        group_id      TEXT PRIMARY KEY,
        size          INTEGER,                      -- unknown until it is opened
        growth        INTEGER NOT NULL DEFAULT 0,
        counted       INTEGER NOT NULL DEFAULT 0,   -- rows of umbel_chord_parts
        token         TEXT NOT NULL DEFAULT '',
        claimed_until REAL NOT NULL DEFAULT 0,      -- seconds since the epoch
        closed        INTEGER NOT NULL DEFAULT 0,
        expires       REAL                          -- seconds since the epoch
    ) WITHOUT ROWID""",
    """
    CREATE TABLE IF NOT EXISTS umbel_chord_parts (
        group_id TEXT NOT NULL,
        task_id  TEXT NOT NULL,
        place    INTEGER NOT NULL,                  -- in the header; the largest integer where there is none
        part     BLOB NOT NULL,
        PRIMARY KEY (group_id, place, task_id)
    ) WITHOUT ROWID""",
    """
    CREATE TABLE IF NOT EXISTS umbel_chord_bodies (
        task_id TEXT PRIMARY KEY,
        token   TEXT NOT NULL,                      -- of the claim under which a body was sent; the group that a member was added to
        expires REAL                                -- seconds since the epoch
    ) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS umbel_groups_expires ON umbel_groups (expires) WHERE expires IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS umbel_chords_expires ON umbel_chords (expires) WHERE expires IS NOT NULL",
)
_NO_PLACE: Final = 2**62
_TOUCH: Final = "INSERT INTO umbel_chords (group_id, expires) VALUES (?, ?) ON CONFLICT (group_id) DO UPDATE SET expires = excluded.expires WHERE closed = 0"
_PARTS: Final = "SELECT place, part FROM umbel_chord_parts WHERE group_id = ? ORDER BY place, task_id"
_FIND: Final = (
    "SELECT size, growth, counted, claimed_until, closed FROM umbel_chords WHERE group_id = ? AND (expires IS NULL OR expires > ?)"
)
_DROP: Final = ("DELETE FROM umbel_chord_parts WHERE group_id = ?", "DELETE FROM umbel_chords WHERE group_id = ?")
_ADD: Final = "INSERT OR IGNORE INTO umbel_chord_bodies VALUES (?, ?, ?)"
_FORGET_BODY: Final = "DELETE FROM umbel_chord_bodies WHERE task_id = ?"
_BEGIN_BODY: Final = (
    "INSERT INTO umbel_chord_bodies VALUES (?, ?, ?) ON CONFLICT (task_id) DO UPDATE SET token = excluded.token, expires = excluded.expires "
    "WHERE umbel_chord_bodies.expires <= ?"
)
_CLEAN_BODIES: Final = "DELETE FROM umbel_chord_bodies WHERE task_id IN (SELECT task_id FROM umbel_chord_bodies WHERE expires <= ? LIMIT ?)"
_SAVE: Final = (
    "INSERT INTO umbel_groups VALUES (?, ?, ?) ON CONFLICT (group_id) DO UPDATE SET tree = excluded.tree, expires = excluded.expires"
)
_TREE: Final = "SELECT tree FROM umbel_groups WHERE group_id = ? AND (expires IS NULL OR expires > ?)"
_CLEAN_TREES: Final = "DELETE FROM umbel_groups WHERE group_id IN (SELECT group_id FROM umbel_groups WHERE expires <= ? LIMIT ?)"
#: Chords dropped in one transaction.
_CLEAN_COUNT: Final = 1000


def _exist(connection: sqlite3.Connection) -> bool:
    """Tell whether this file has the tables."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'umbel_chord_bodies'").fetchone() is not None


class SqliteGroups:
    """`GroupStore` of an SQLite store.

    Args:
        database: of the store.
        options: of the store.
        clock: tells the time.
    """

    def __init__(self, database: Database, options: StoreOptions, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._codec = PartCodec(options.serializer, serializers.content_types(options.accept))
        self._keep = options.chord_expires if options.chord_expires is not None else options.expires
        self._keep_tree = options.expires
        self._prepared = -1

    def save(self, group_id: str, tree: Any) -> None:
        row = self._row(group_id, tree)
        self._write(lambda connection: connection.execute(_SAVE, row))

    def _row(self, group_id: str, tree: Any) -> tuple[str, bytes, float | None]:
        return group_id, self._codec.dumps(tree), self._clock.now() + self._keep_tree if self._keep_tree else None

    def tree(self, group_id: str) -> Any:
        def find(connection: sqlite3.Connection) -> Any:
            return _exist(connection) and connection.execute(_TREE, (group_id, self._clock.now())).fetchone()

        found = self._database.read(find)
        return self._codec.loads(found[0]) if found else None

    def forget(self, group_id: str) -> None:
        self._write(lambda connection: connection.execute("DELETE FROM umbel_groups WHERE group_id = ?", (group_id,)))

    def open(self, group_id: str, size: int, header: Any = None, *, anew: bool = True) -> None:
        row = None if header is None else self._row(group_id, header)

        def work(connection: sqlite3.Connection) -> None:
            self._touch(connection, group_id)
            connection.execute(
                "UPDATE umbel_chords SET closed = 0, growth = 0, counted = 0, expires = ? WHERE group_id = ? AND closed = 1",
                (self._until(), group_id),
            )
            connection.execute("UPDATE umbel_chords SET size = ?, token = '', claimed_until = 0 WHERE group_id = ?", (size, group_id))
            if anew:
                connection.execute(_FORGET_BODY, (group_id,))
            if row is not None:
                connection.execute(_SAVE, row)

        self._write(work)

    def grow(self, group_id: str, task_id: str) -> None:
        def work(connection: sqlite3.Connection) -> None:
            self._touch(connection, group_id)
            if connection.execute(_ADD, (task_id, group_id, self._until())).rowcount:
                connection.execute("UPDATE umbel_chords SET growth = growth + 1 WHERE group_id = ?", (group_id,))

        self._write(work)

    def count(self, parts: Sequence[ChordPart]) -> list[ChordClaim | ClaimedElsewhere | None]:
        encoded = [(part, self._codec.encode(part)) for part in parts]
        return self._write(lambda connection: [self._count(connection, part, data) for part, data in encoded])

    def _count(self, connection: sqlite3.Connection, part: ChordPart, data: bytes) -> ChordClaim | ClaimedElsewhere | None:
        group_id, now = part.group_id, self._clock.now()
        self._touch(connection, group_id)
        size, growth, counted, claimed_until, closed = connection.execute(_FIND, (group_id, now)).fetchone()
        if closed:
            return None
        place = _NO_PLACE if part.place is None else part.place
        added = connection.execute(
            "INSERT OR IGNORE INTO umbel_chord_parts VALUES (?, ?, ?, ?)", (group_id, part.task_id, place, data)
        ).rowcount
        if added:
            connection.execute("UPDATE umbel_chords SET counted = counted + 1 WHERE group_id = ?", (group_id,))
        if size is None or counted + added < size + growth:
            return None
        if claimed_until > now:
            return ClaimedElsewhere(claimed_until - now)
        token = uuid7(now)
        connection.execute("UPDATE umbel_chords SET token = ?, claimed_until = ? WHERE group_id = ?", (token, now + CLAIM, group_id))
        rows = connection.execute(_PARTS, (group_id,)).fetchall()
        members = tuple(self._codec.decode(group_id, None if place == _NO_PLACE else place, text) for place, text in rows)
        tree = connection.execute(_TREE, (group_id, now)).fetchone()
        return ChordClaim(group_id, token, members, self._codec.loads(tree[0]) if tree else None)

    def extend(self, claim: ChordClaim, seconds: float) -> bool:
        now = self._clock.now()

        def work(connection: sqlite3.Connection) -> bool:
            changed = connection.execute(
                "UPDATE umbel_chords SET token = ?, claimed_until = ? WHERE group_id = ? AND closed = 0 AND size IS NOT NULL "
                "AND (token = ? OR claimed_until <= ?)",
                (claim.token, now + seconds, claim.group_id, claim.token, now),
            )
            return changed.rowcount > 0

        return self._write(work)

    def begin_body(self, group_id: str, token: str) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            connection.execute(_BEGIN_BODY, (group_id, token, self._until(), self._clock.now()))
            (held,) = connection.execute("SELECT token FROM umbel_chord_bodies WHERE task_id = ?", (group_id,)).fetchone()
            return bool(held == token)

        return self._write(work)

    def close(self, claim: ChordClaim) -> bool:
        def work(connection: sqlite3.Connection) -> bool:
            changed = connection.execute(
                "UPDATE umbel_chords SET closed = 1, expires = ? WHERE group_id = ? AND token = ? AND closed = 0",
                (self._clock.now() + CLOSED, claim.group_id, claim.token),
            )
            if changed.rowcount:
                connection.execute(_DROP[0], (claim.group_id,))
            return changed.rowcount > 0

        return self._write(work)

    def cleanup(self) -> None:
        """Drop chords whose time is over."""
        if not self._database.read(_exist):
            return

        def work(connection: sqlite3.Connection) -> None:
            found = connection.execute(
                "SELECT group_id FROM umbel_chords WHERE expires <= ? LIMIT ?", (self._clock.now(), _CLEAN_COUNT)
            ).fetchall()
            for statement in _DROP:
                connection.executemany(statement, found)
            connection.execute(_CLEAN_TREES, (self._clock.now(), _CLEAN_COUNT))
            connection.execute(_CLEAN_BODIES, (self._clock.now(), _CLEAN_COUNT))

        self._write(work)

    def _touch(self, connection: sqlite3.Connection, group_id: str) -> None:
        """See to it that there is a chord, and keep it for its time from now; one whose time was over begins anew."""
        if connection.execute("SELECT 1 FROM umbel_chords WHERE group_id = ? AND expires <= ?", (group_id, self._clock.now())).fetchone():
            for statement in _DROP:
                connection.execute(statement, (group_id,))
        connection.execute(_TOUCH, (group_id, self._until()))

    def _until(self) -> float | None:
        return self._clock.now() + self._keep if self._keep else None

    def _write(self, work: Callable[[sqlite3.Connection], R]) -> R:
        def prepared(connection: sqlite3.Connection) -> R:
            if self._prepared != self._database.generation:
                for statement in _TABLES:
                    connection.execute(statement)
            return work(connection)

        done = self._database.write(prepared)
        self._prepared = self._database.generation
        return done
