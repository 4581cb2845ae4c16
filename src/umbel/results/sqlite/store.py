"""Results in an SQLite file; in the broker's own, when the URLs agree.

What a commit promises, and how the file is opened, is told in `umbel.clients.sqlite.database`. Who waits is woken by the doorbell.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

from umbel import states
from umbel.brokers.base import Publisher
from umbel.brokers.sqlite.publisher import SqlitePublisher
from umbel.clients.finding import Finding
from umbel.clients.sqlite.checkup import check
from umbel.clients.sqlite.database import Database, locate, synchronous_of
from umbel.clients.sqlite.doorbell import RESULTS, Bell
from umbel.results.base import StoreOptions
from umbel.results.groups.sqlite import SqliteGroups
from umbel.results.model import Record, sent
from umbel.results.packing import Packed, pack, unpack
from umbel.results.revocations.sqlite import SqliteRevocations
from umbel.results.sqlite.watch import Watch, select
from umbel.results.waiting import Waiting
from umbel.runtime.clock import SYSTEM, Clock
from umbel.wire import serializers

_UPSERT: Final = """
    INSERT INTO umbel_results (task_id, status, final, content_type, content_encoding, compression, record, expires)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (task_id) DO UPDATE SET
        status = excluded.status, final = excluded.final, content_type = excluded.content_type,
        content_encoding = excluded.content_encoding, compression = excluded.compression, record = excluded.record,
        expires = excluded.expires
    WHERE umbel_results.final = 0 OR umbel_results.expires <= ?"""
_FORGET: Final = "DELETE FROM umbel_results WHERE task_id IN (SELECT value FROM json_each(?))"
_CLEAN: Final = "DELETE FROM umbel_results WHERE rowid IN (SELECT rowid FROM umbel_results WHERE expires <= ? LIMIT ?)"
#: Expired records dropped in one transaction (other writers wait for it, a few milliseconds), and seconds between the looks for such that
#: the store takes by itself; where there are more, every next call drops as many until none are left.
_CLEAN_COUNT: Final = 1000
_CLEAN_EVERY: Final = 60.0


class SqliteStore:
    """`ResultStore` in one file."""

    shared = True

    def __init__(self, options: StoreOptions, clock: Clock = SYSTEM) -> None:
        self.options = options
        self.path: str = locate(options.url)
        self._clock = clock
        self._accept = serializers.content_types(options.accept)
        self._database = Database(self.path, synchronous=synchronous_of(options.url, options.transport))
        self.groups: SqliteGroups = SqliteGroups(self._database, options, clock)
        self.revocations: SqliteRevocations = SqliteRevocations(self._database)
        self._bell = Bell(self.path, RESULTS)
        self._watch = Watch(self.path, clock)
        self._waiting: Waiting[Packed] = Waiting(self._watch, lambda packed: unpack(packed, self._accept), clock)
        self._clean_at = clock.monotonic()  # at once: many processes do not live for long

    @property
    def reply_to(self) -> str | None:
        return None

    def checkup(self, subject: str) -> list[Finding]:
        """Look the file over (`umbel.clients.finding.HasCheckup`)."""
        return list(check(self.path, subject))

    def expect(self, task_id: str) -> None:
        """Everybody reads the same file."""

    def announce(self, task_ids: Sequence[str], publisher: Publisher) -> None:
        records = [sent(task_id) for task_id in task_ids]
        if isinstance(publisher, SqlitePublisher) and publisher.path == self.path:
            rows = self._rows(records)
            publisher.carry(lambda connection: connection.executemany(_UPSERT, rows))
            self._clean_when_due()
        else:
            self.store(records)

    def store(self, records: Sequence[Record]) -> None:
        rows = self._rows(records)
        self._database.write(lambda connection: connection.executemany(_UPSERT, rows))
        self._bell.ring()
        self._clean_when_due()

    def fetch(self, task_ids: Sequence[str]) -> dict[str, Record]:
        found = self._database.read(lambda connection: select(connection, task_ids, self._clock.now()))
        return {packed.task_id: unpack(packed, self._accept) for packed in found}

    def wait(self, task_id: str, timeout: float | None = None, on_record: Callable[[Record], None] | None = None) -> Record:
        record = self.fetch([task_id]).get(task_id)
        if record is not None and record.status in states.READY_STATES:
            return record
        return self._waiting.wait(task_id, timeout, on_record)

    async def wait_async(self, task_id: str, timeout: float | None = None) -> Record:
        return await self._waiting.wait_async(task_id, timeout)

    def forget(self, task_ids: Sequence[str]) -> None:
        ids = json.dumps(list(task_ids))
        self._database.write(lambda connection: connection.execute(_FORGET, (ids,)))

    def cleanup(self) -> int:
        self.groups.cleanup()
        dropped = 0
        while count := self._clean():
            dropped += count
        return dropped

    def public_url(self) -> str:
        return f"sqlite:///{self.path}"

    def close(self) -> None:
        self._watch.close()
        self._database.close()
        self._bell.close()

    def _rows(self, records: Sequence[Record]) -> list[tuple[Any, ...]]:
        now = self._clock.now()
        expires = now + self.options.expires if self.options.expires else None
        rows: list[tuple[Any, ...]] = []
        for record in records:
            task_id, status, content_type, content_encoding, compression, data = pack(record, self.options)
            rows.append((task_id, status, status in states.READY_STATES, content_type, content_encoding, compression, data, expires, now))
        return rows

    def _clean_when_due(self) -> None:
        if self._clock.monotonic() >= self._clean_at and self._clean() < _CLEAN_COUNT:
            self.groups.cleanup()
            self._clean_at = self._clock.monotonic() + _CLEAN_EVERY

    def _clean(self) -> int:
        def drop(connection: sqlite3.Connection) -> int:
            return connection.execute(_CLEAN, (self._clock.now(), _CLEAN_COUNT)).rowcount

        return self._database.write(drop)


def connect(options: StoreOptions) -> SqliteStore:
    """Make the store; the file is opened, and made, when it is first used.

    Raises:
        ImproperlyConfigured: the URL names no file, or has an unknown option.
    """
    return SqliteStore(options)
