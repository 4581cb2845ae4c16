"""`SqlStore`: results in Celery's table of an SQL database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from umbel import states
from umbel.brokers.base import Publisher
from umbel.clients.finding import Finding
from umbel.clients.sql.addresses import public, url_of
from umbel.clients.sql.checkup import check
from umbel.clients.sql.engine import Database
from umbel.errors import ImproperlyConfigured
from umbel.results.base import StoreOptions
from umbel.results.model import Record, sent
from umbel.results.polling import PollingWatch
from umbel.results.sql import layout, rows, upsert
from umbel.results.sql.groups import SqlGroups
from umbel.results.sql.revocations import SqlRevocations
from umbel.results.sql.tables import tables_of
from umbel.results.sql.values import ValueCodec, key_of, moment
from umbel.results.waiting import Waiting
from umbel.runtime import plugins
from umbel.runtime.clock import SYSTEM

#: Seconds for which an ended task's result is kept trying; for reads.
_STORE_PATIENCE, _READ_PATIENCE = 30.0, 5.0
#: Ids in one statement.
_BATCH: Final = 500
_ENGINE_OPTIONS: Final = {"pool_pre_ping": True, "pool_recycle": 3600}


class SqlStore:
    """`ResultStore` in an SQL database.

    Args:
        options: how to reach it; ``transport["database"]`` holds the ``database_*`` settings by the rest of their names.

    Raises:
        ImproperlyConfigured: the URL or an option cannot be used.
    """

    shared = True
    #: What has expired goes when `cleanup` is called, and not by itself.
    needs_cleanup = True
    reply_to: str | None = None

    def __init__(self, options: StoreOptions) -> None:
        self.options = options
        settings: Mapping[str, Any] = options.transport.get("database") or {}
        self._tables = tables_of(
            _names("database_table_names", settings.get("table_names")), _names("database_table_schemas", settings.get("table_schemas"))
        )
        self._layout = layout.of(self._tables)
        self._codec = ValueCodec(options)
        engine_options = settings.get("engine_options")
        self._database = Database(
            url_of(options.url),
            _ENGINE_OPTIONS if engine_options is None else engine_options,
            _callback(settings.get("engine_callback")),
            self._prepare,
        )
        self.groups: SqlGroups = SqlGroups(self._database, self._tables, options, self._codec)
        self.revocations: SqlRevocations = SqlRevocations(self._database, self._tables.revoked)
        self._watch = PollingWatch(self.fetch)
        self._waiting: Waiting[Record] = Waiting(self._watch, lambda record: record)
        #: Held by the one thread that looks for a result itself before it waits, so that many that wait use one connection.
        self._looking = threading.Lock()

    def _prepare(self, engine: Engine) -> None:
        self._layout = layout.make(engine, self._tables)

    def checkup(self, subject: str) -> list[Finding]:
        """Look the server over (`umbel.clients.finding.HasCheckup`).

        Args:
            subject: of the findings.
        """
        return self._database.run(lambda connection: list(check(connection, subject)), _READ_PATIENCE, reads=True)

    def expect(self, task_id: str) -> None:
        """Do nothing: everybody reads the same table.

        Args:
            task_id: of the task.
        """

    def announce(self, task_ids: Sequence[str], publisher: Publisher) -> None:  # noqa: ARG002 - two servers, two writes
        self.store([sent(task_id) for task_id in task_ids])

    # writing

    def store(self, records: Sequence[Record]) -> None:
        found: dict[str, rows.Rendered] = {}
        for record in records:
            known = found.get(record.task_id)
            if known is None or known.row["status"] not in states.READY_STATES:
                found[record.task_id] = rows.render(record, self._codec)
        if not found:
            return
        # By id: two bursts with the same tasks must not wait for each other.
        ordered = sorted(found.values(), key=lambda each: str(each.row["task_id"]))
        self._make_room(ordered)
        for first in range(0, len(ordered), _BATCH):
            self._database.run(partial(self._write, ordered[first : first + _BATCH]), _STORE_PATIENCE)

    def _make_room(self, rendered: Sequence[rows.Rendered]) -> None:
        self._database.prepare(_STORE_PATIENCE)
        wanted = {name for each in rendered for name in each.optional}
        if not wanted <= self._layout.columns and not self._layout.is_fixed:
            add = partial(layout.extend, tables=self._tables, wanted=wanted, layout=self._layout)
            self._layout = self._database.run(add, _STORE_PATIENCE)

    def _write(self, batch: Sequence[rows.Rendered], connection: Connection) -> None:
        task, dialect, expired = self._tables.task, connection.dialect.name, self._expired_before()
        fitting = [rows.fit(each, self._layout, self._codec) for each in batch]
        written = [row for row, _ in fitting]
        if dialect in upsert.MYSQL and self.options.expires:
            self._drop_expired(connection, [row["task_id"] for row in written], expired)
        statement = upsert.unless_ended(dialect, task, written[0], expired)
        if statement is not None:
            connection.execute(statement, written)
        else:
            for row in written:
                upsert.put_unless_ended(connection, task, row, expired)
        beside = [{"task_id": row["task_id"], "data": data} for row, data in fitting if data is not None]
        if beside:
            upsert.put(connection, self._tables.extra, "task_id", beside)

    def _drop_expired(self, connection: Connection, keys: Sequence[str], expired: datetime) -> None:
        """Make room for ids that are used again. Asks first, because a delete locks also what it does not find."""
        task = self._tables.task
        found = connection.execute(sa.select(task.c.id).where(task.c.task_id.in_(keys), task.c.date_done < expired)).scalars().all()
        if found:
            connection.execute(task.delete().where(task.c.id.in_(found)))

    # reading

    def fetch(self, task_ids: Sequence[str]) -> dict[str, Record]:
        found: dict[str, Record] = {}
        for first in range(0, len(task_ids), _BATCH):
            ids = {key_of(task_id): task_id for task_id in task_ids[first : first + _BATCH]}
            for row in self._database.run(partial(self._read, list(ids)), _READ_PATIENCE, reads=True):
                task_id = ids.get(row["task_id"])
                if task_id is not None:  # a database may take different ids for the same
                    found[task_id] = rows.read(task_id, row, row.get("beside"), self._codec)
        return found

    def _read(self, keys: Sequence[str], connection: Connection) -> list[Mapping[str, Any]]:
        task, extra, there = self._tables.task, self._tables.extra, self._layout
        columns: list[Any] = [column for column in task.columns if column.name in there.columns]
        source: Any = task
        if there.has_extra:
            columns.append(extra.c.data.label("beside"))
            source = task.outerjoin(extra, extra.c.task_id == task.c.task_id)
        statement = sa.select(*columns).select_from(source).where(task.c.task_id.in_(keys))
        if self.options.expires:
            statement = statement.where(sa.or_(task.c.date_done.is_(None), task.c.date_done >= self._expired_before()))
        return [dict(row) for row in connection.execute(statement).mappings()]

    def wait(self, task_id: str, timeout: float | None = None, on_record: Callable[[Record], None] | None = None) -> Record:
        at_once = timeout is not None and timeout <= 0
        if self._looking.acquire(blocking=at_once):
            try:
                record = self.fetch([task_id]).get(task_id)
            finally:
                self._looking.release()
            if record is not None and record.status in states.READY_STATES:
                return record
        return self._waiting.wait(task_id, timeout, on_record)

    async def wait_async(self, task_id: str, timeout: float | None = None) -> Record:
        return await self._waiting.wait_async(task_id, timeout)

    # dropping

    def forget(self, task_ids: Sequence[str]) -> None:
        for first in range(0, len(task_ids), _BATCH):
            keys = sorted(key_of(task_id) for task_id in task_ids[first : first + _BATCH])
            self._database.run(partial(self._delete, keys), _READ_PATIENCE)

    def _delete(self, keys: Sequence[str], connection: Connection) -> None:
        for table in (self._tables.task, *((self._tables.extra,) if self._layout.has_extra else ())):
            connection.execute(table.delete().where(table.c.task_id.in_(keys)))

    def cleanup(self) -> int:
        if not self.options.expires:
            return 0
        self.groups.cleanup()
        count = 0
        while dropped := self._database.run(self._drop_some, _STORE_PATIENCE):
            count += dropped
        return count

    def _drop_some(self, connection: Connection) -> int:
        """Drop a number of expired results that nobody has to wait for long."""
        task = self._tables.task
        expired = sa.select(task.c.task_id).where(task.c.date_done < self._expired_before()).order_by(task.c.task_id).limit(_BATCH)
        keys = connection.execute(expired).scalars().all()
        if keys:
            mine = task.delete().where(task.c.task_id.in_(keys), task.c.date_done < self._expired_before())
            connection.execute(mine)
            if self._layout.has_extra:
                extra = self._tables.extra
                there = sa.select(task.c.task_id).where(task.c.task_id.in_(keys))
                connection.execute(extra.delete().where(extra.c.task_id.in_(keys), extra.c.task_id.not_in(there)))
        return len(keys)

    def _expired_before(self) -> datetime:
        return moment(SYSTEM.now() - self.options.expires) if self.options.expires else datetime.min  # noqa: DTZ901 - as stored

    def public_url(self) -> str:
        return f"db+{public(self._database.url)}"

    def close(self) -> None:
        self._watch.close()
        self._database.close()


def _names(setting: str, given: Any) -> Mapping[str, str]:
    """Check a setting that maps ``task`` and ``group``."""
    found: Mapping[str, str] = given or {}
    unknown = sorted(str(name) for name in found if name not in ("task", "group"))
    if unknown:
        raise ImproperlyConfigured(f"{setting} has {', '.join(unknown)}: expected a mapping with task, group or both")
    return found


def _callback(given: Any) -> Callable[[Engine], object] | None:
    if given is None:
        return None
    if isinstance(given, str):
        module, _, name = given.replace(":", ".").rpartition(".")
        if not module:
            raise ImproperlyConfigured(f"database_engine_callback is {given!r}: expected a function or its path, module:name")
        given = plugins.load(f"{module}:{name}", "database_engine_callback")
    if not callable(given):
        raise ImproperlyConfigured(f"database_engine_callback is a {type(given).__name__}: expected a function that takes the engine")
    found: Callable[[Engine], object] = given
    return found


def connect(options: StoreOptions) -> SqlStore:
    """Make the store for a ``db+…://`` URL; connects when first used.

    Args:
        options: of the store.

    Raises:
        ImproperlyConfigured: the URL or an option cannot be used.
    """
    return SqlStore(options)
