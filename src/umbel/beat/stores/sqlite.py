"""Schedules in an SQLite file: the broker's own, or one for them alone.

A lease in a file ends by the machine's monotonic clock, which no one can set. It begins anew when the machine does: a lease whose end is farther off than it may
be long is one of before.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from umbel.beat.entries import model
from umbel.beat.entries.model import Entry, Report, Run
from umbel.beat.stores.base import VERSION, Changes, Claim, NewerVersion
from umbel.beat.stores.packing import RUN_COLUMNS, pack, row_of, run_of, unpack
from umbel.clients.sqlite.database import Database
from umbel.runtime.clock import SYSTEM, Clock

R = TypeVar("R")

_TABLES: Final = (
    """
    CREATE TABLE IF NOT EXISTS umbel_schedule_meta (
        only_row  INTEGER PRIMARY KEY CHECK (only_row = 1),
        version   INTEGER NOT NULL,
        namespace TEXT NOT NULL,
        revision  INTEGER NOT NULL DEFAULT 0,
        token     TEXT NOT NULL DEFAULT '',     -- of the lease
        until     REAL NOT NULL DEFAULT 0,      -- by the machine's monotonic clock
        seconds   REAL NOT NULL DEFAULT 0
    )""",
    """
    CREATE TABLE IF NOT EXISTS umbel_schedule_entries (
        name       TEXT PRIMARY KEY,
        document   TEXT NOT NULL,               -- JSON
        status     TEXT NOT NULL,               -- active, paused, disabled, removed
        revision   INTEGER NOT NULL,
        after      REAL NOT NULL,               -- seconds since the epoch: the last slot that was claimed
        last_fired REAL,
        last_id    TEXT,
        total_runs INTEGER NOT NULL DEFAULT 0
    ) WITHOUT ROWID""",
    """
    CREATE TABLE IF NOT EXISTS umbel_schedule_runs (
        task_id TEXT PRIMARY KEY,
        entry   TEXT NOT NULL,
        slot    REAL NOT NULL,
        fired   REAL NOT NULL,
        state   TEXT NOT NULL,
        by_hand INTEGER NOT NULL,
        missed  INTEGER NOT NULL,
        worker  TEXT NOT NULL,
        runtime REAL,
        ended   REAL,
        detail  TEXT NOT NULL,
        holder  TEXT NOT NULL,
        state_rank INTEGER NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS umbel_schedule_entries_revision ON umbel_schedule_entries (revision)",
    "CREATE INDEX IF NOT EXISTS umbel_schedule_runs_entry ON umbel_schedule_runs (entry, fired)",
    "CREATE INDEX IF NOT EXISTS umbel_schedule_runs_fired ON umbel_schedule_runs (fired)",
    f"CREATE INDEX IF NOT EXISTS umbel_schedule_runs_open ON umbel_schedule_runs (fired) WHERE state_rank < {model.OVER}",
)
_ENTRIES: Final = (
    "SELECT name, document, status, revision, after, last_fired, last_id, total_runs FROM umbel_schedule_entries WHERE revision > ?"
)
_INSERT: Final = "INSERT INTO umbel_schedule_entries (name, document, status, revision, after) VALUES (?, ?, ?, ?, ?)"
_UPDATE: Final = "UPDATE umbel_schedule_entries SET document = ?, status = ?, revision = ?, after = {} WHERE name = ?"
_UPDATE_FORWARD: Final = _UPDATE.format("max(after, ?)")
_UPDATE_REWIND: Final = _UPDATE.format("?")
_COLUMNS: Final = ", ".join(RUN_COLUMNS)
_RUNS: Final = f"SELECT {_COLUMNS} FROM umbel_schedule_runs"  # noqa: S608 - names of columns
_RECORD: Final = """
    INSERT INTO umbel_schedule_runs (task_id, entry, slot, fired, state, by_hand, missed, worker, runtime, ended, detail, holder, state_rank)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (task_id) DO NOTHING"""
_REPORT: Final = (
    "UPDATE umbel_schedule_runs SET state = ?, worker = ?, runtime = ?, ended = ?, detail = ?, state_rank = ? WHERE task_id = ?"
)
_LONG: Final = "SELECT entry FROM umbel_schedule_runs GROUP BY entry HAVING count(*) > ?"
_TRIM: Final = """
    DELETE FROM umbel_schedule_runs WHERE task_id IN (
        SELECT task_id FROM umbel_schedule_runs WHERE entry = ? ORDER BY fired DESC, slot DESC, task_id DESC LIMIT -1 OFFSET ?)"""
_DROP_OLD: Final = """
    DELETE FROM umbel_schedule_runs WHERE task_id IN (SELECT task_id FROM umbel_schedule_runs WHERE fired < ? ORDER BY fired LIMIT 1000)"""


class SqliteScheduleStore:
    """`ScheduleStore` in one file.

    Args:
        path: absolute.
        clock: by which leases end.
        synchronous: NORMAL or FULL, see `umbel.clients.sqlite.database`.
    """

    shared = False

    def __init__(self, path: str, clock: Clock = SYSTEM, *, synchronous: str = "NORMAL") -> None:
        self.path = path
        self._clock = clock
        self._database = Database(path, synchronous=synchronous)
        self._ready_in = 0

    def namespace(self) -> str:
        return str(self._read(lambda connection: connection.execute("SELECT namespace FROM umbel_schedule_meta").fetchone()[0]))

    def revision(self) -> int:
        return int(self._read(lambda connection: connection.execute("SELECT revision FROM umbel_schedule_meta").fetchone()[0]))

    def changes(self, since: int = 0) -> Changes:
        def read(connection: sqlite3.Connection) -> Changes:
            (revision,) = connection.execute("SELECT revision FROM umbel_schedule_meta").fetchone()
            return Changes(revision, tuple(_entry(row) for row in connection.execute(_ENTRIES, (since,)).fetchall()))

        return self._read(read)

    def entry(self, name: str) -> Entry | None:
        row = self._read(lambda connection: connection.execute(f"{_ENTRIES} AND name = ?", (0, name)).fetchone())
        return None if row is None else _entry(row)

    def save(self, entries: Sequence[Entry], *, rewind: bool = False) -> list[bool]:
        def write(connection: sqlite3.Connection) -> list[bool]:
            (revision,) = connection.execute("SELECT revision FROM umbel_schedule_meta").fetchone()
            saved = []
            for entry in entries:
                row = connection.execute("SELECT revision FROM umbel_schedule_entries WHERE name = ?", (entry.name,)).fetchone()
                saved.append((0 if row is None else row[0]) == entry.revision)
                if not saved[-1]:
                    continue
                revision += 1
                if row is None:
                    connection.execute(_INSERT, (entry.name, pack(entry), entry.status, revision, entry.after))
                else:
                    update = _UPDATE_REWIND if rewind else _UPDATE_FORWARD
                    connection.execute(update, (pack(entry), entry.status, revision, entry.after, entry.name))
            connection.execute("UPDATE umbel_schedule_meta SET revision = ?", (revision,))
            return saved

        return self._write(write)

    def claim(self, token: str, claims: Sequence[Claim]) -> list[bool]:
        def write(connection: sqlite3.Connection) -> list[bool]:
            if self._holder(connection) != token:
                return [False] * len(claims)
            return [_claim(connection, token, claim) for claim in claims]

        return self._write(write)

    def record(self, runs: Sequence[Run]) -> None:
        rows = [(*row_of(run), model.rank_of(run.state)) for run in runs]
        self._write(lambda connection: connection.executemany(_RECORD, rows))

    def report(self, reports: Sequence[Report]) -> None:
        def write(connection: sqlite3.Connection) -> None:
            for report in reports:
                row = connection.execute(f"{_RUNS} WHERE task_id = ?", (report.task_id,)).fetchone()
                if row is not None:
                    run = model.reported(run_of(row), report)
                    connection.execute(
                        _REPORT, (run.state, run.worker, run.runtime, run.ended, run.detail, model.rank_of(run.state), run.task_id)
                    )

        self._write(write)

    def runs(self, name: str | None = None, limit: int = 100) -> list[Run]:
        where, values = ("", ()) if name is None else ("WHERE entry = ?", (name,))
        return self._list(f"{where} ORDER BY fired DESC, slot DESC, task_id DESC LIMIT ?", (*values, limit))

    def unfinished(self, since: float = 0.0, limit: int = 500) -> list[Run]:
        return self._list(f"WHERE state_rank < {model.OVER} AND fired > ? ORDER BY fired, task_id LIMIT ?", (since, limit))

    def trim(self, keep: int, before: float) -> int:
        dropped = 0
        while count := self._write(lambda connection: connection.execute(_DROP_OLD, (before,)).rowcount):
            dropped += count
        for (name,) in self._read(lambda connection: connection.execute(_LONG, (keep,)).fetchall()):
            dropped += self._write(lambda connection, name=name: connection.execute(_TRIM, (name, keep)).rowcount)  # type: ignore[misc]
        removed = self._read(lambda connection: connection.execute(f"{_ENTRIES} AND status = 'removed'", (0,)).fetchall())
        names = [(row[0],) for row in removed if row[4] < before and not _entry(row).code]
        if names:
            gone = "DELETE FROM umbel_schedule_entries WHERE name = ? AND status = 'removed'"
            self._write(lambda connection: connection.executemany(gone, names))
        return dropped

    def acquire(self, token: str, seconds: float) -> bool:
        def write(connection: sqlite3.Connection) -> bool:
            if self._holder(connection) not in (None, token):
                return False
            until = self._clock.monotonic() + seconds
            connection.execute("UPDATE umbel_schedule_meta SET token = ?, until = ?, seconds = ?", (token, until, seconds))
            return True

        return self._write(write)

    def release(self, token: str) -> None:
        self._write(lambda connection: connection.execute("UPDATE umbel_schedule_meta SET token = '' WHERE token = ?", (token,)))

    def holder(self) -> str | None:
        return self._read(self._holder)

    def public_url(self) -> str:
        return f"sqlite:///{self.path}"

    def close(self) -> None:
        self._ready_in = 0
        self._database.close()

    def _holder(self, connection: sqlite3.Connection) -> str | None:
        token, until, seconds = connection.execute("SELECT token, until, seconds FROM umbel_schedule_meta").fetchone()
        left = until - self._clock.monotonic()
        return token if token and 0 < left <= seconds + 1 else None

    def _list(self, rest: str, values: tuple[Any, ...]) -> list[Run]:
        return self._read(lambda connection: [run_of(row) for row in connection.execute(f"{_RUNS} {rest}", values).fetchall()])

    def _read(self, work: Callable[[sqlite3.Connection], R]) -> R:
        self._prepare()
        return self._database.read(work)

    def _write(self, work: Callable[[sqlite3.Connection], R]) -> R:
        self._prepare()
        return self._database.write(work, timeout=_PATIENCE)

    def _prepare(self) -> None:
        """Make the tables in a file that has none, also where another file has come to the path."""
        with self._database.lock:
            self._database.read(lambda _: None)
            if self._ready_in != self._database.opened:
                opened = self._database.opened
                self._database.write(self._make, timeout=_PATIENCE)
                self._ready_in = opened

    def _make(self, connection: sqlite3.Connection) -> None:
        for statement in _TABLES:
            connection.execute(statement)
        values = (1, VERSION, uuid.uuid4().hex)
        connection.execute("INSERT INTO umbel_schedule_meta (only_row, version, namespace) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", values)
        (version,) = connection.execute("SELECT version FROM umbel_schedule_meta").fetchone()
        if version != VERSION:
            raise NewerVersion(self.path, version)


#: Seconds that one step waits for other writers.
_PATIENCE: Final = 5.0


def _entry(row: tuple[Any, ...]) -> Entry:
    name, document, status, revision, after, last_fired, last_id, total_runs = row
    columns = {"revision": revision, "after": after, "last_fired": last_fired, "last_id": last_id, "total_runs": total_runs}
    return unpack(name, document, status, columns)


def _claim(connection: sqlite3.Connection, token: str, claim: Claim) -> bool:
    row = connection.execute("SELECT status, revision, after FROM umbel_schedule_entries WHERE name = ?", (claim.name,)).fetchone()
    if row is None or row[0] != model.ACTIVE or row[1] != claim.revision:
        return False
    if claim.slot <= row[2]:
        return bool(claim.runs) and all(_is_ours(connection, token, run) for run in claim.runs)
    fired = [run for run in claim.runs if run.state != model.SKIPPED]
    connection.execute("UPDATE umbel_schedule_entries SET after = ? WHERE name = ?", (claim.slot, claim.name))
    if fired:
        update = "UPDATE umbel_schedule_entries SET last_fired = ?, last_id = ?, total_runs = total_runs + 1 WHERE name = ?"
        connection.execute(update, (fired[0].fired, fired[0].task_id, claim.name))
    connection.executemany(_RECORD, [(*row_of(run), model.rank_of(run.state)) for run in claim.runs])
    return True


def _is_ours(connection: sqlite3.Connection, token: str, run: Run) -> bool:
    row = connection.execute("SELECT holder, state FROM umbel_schedule_runs WHERE task_id = ?", (run.task_id,)).fetchone()
    return row is not None and row[0] == token and row[1] == model.CLAIMED
