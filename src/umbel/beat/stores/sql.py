"""Schedules in an SQL database: PostgreSQL, MySQL and MariaDB, SQLite, and what else SQLAlchemy knows. Leases end by the server's clock.

Each step is one transaction. Those that change entries or claim slots lock the one row of ``umbel_schedule_meta`` first, so they come one after the other. A process that is stopped, or
cut off, in the middle of one would keep that lock, and with it everybody: so the server is told to end a transaction in which nothing happens for some seconds.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.engine import Connection, Engine

from umbel.beat.entries import model
from umbel.beat.entries.model import Entry, Report, Run
from umbel.beat.stores.base import VERSION, Changes, Claim, NewerVersion
from umbel.beat.stores.packing import RUN_COLUMNS, pack, row_of, run_of, unpack
from umbel.beat.stores.sql_tables import clock_of, ignoring, tables_of
from umbel.clients.sql.addresses import public, url_of
from umbel.clients.sql.engine import Database
from umbel.runtime.clock import SYSTEM, Clock

R = TypeVar("R")

_WHAT: Final = "schedule store"
#: Seconds for which one step is tried.
_PATIENCE: Final = 4.0
#: Rows in one statement.
_BATCH: Final = 500
#: Kind of database → what each connection begins with: seconds that a transaction may rest, and that a lock is waited for.
_BEGINNINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "postgresql": ("SET idle_in_transaction_session_timeout = '3s'", "SET lock_timeout = '3s'"),
    "mariadb": ("SET SESSION idle_transaction_timeout = 3", "SET SESSION innodb_lock_wait_timeout = 3"),
    "mysql": ("SET SESSION wait_timeout = 10", "SET SESSION innodb_lock_wait_timeout = 3"),
}
_ENGINE_OPTIONS: Final = {"pool_pre_ping": True, "pool_recycle": 3600, "pool_size": 2}


class SqlScheduleStore:
    """`ScheduleStore` in an SQL database.

    Args:
        url: ``db+postgresql://…``, or without ``db+``.
        schema: of the tables.
        engine_options: of SQLAlchemy (``database_engine_options``).
        clock: the time, where the database is of a kind whose clock is not known.

    Raises:
        ImproperlyConfigured: the URL cannot be used.
    """

    shared = True

    def __init__(
        self, url: str, *, schema: str | None = None, engine_options: Mapping[str, Any] | None = None, clock: Clock = SYSTEM
    ) -> None:
        self._clock = clock
        self._tables = tables_of(schema)
        self._database = Database(url_of(url, _WHAT), engine_options or _ENGINE_OPTIONS, _begin_connections, self._prepare, _WHAT)

    def _prepare(self, engine: Engine) -> None:
        """Make the tables and the one row, beside others who may do so at this moment."""
        meta = self._tables.meta
        for attempt in (1, 2, 3):
            try:
                with engine.begin() as connection:
                    self._tables.metadata.create_all(connection)
                    if connection.execute(sa.select(meta.c.only_row)).first() is None:
                        connection.execute(meta.insert().values(only_row=1, version=VERSION, namespace=uuid.uuid4().hex))
                break
            except exc.DBAPIError as error:
                if error.connection_invalidated or attempt == 3:
                    raise
        with engine.connect() as connection:
            version = connection.execute(sa.select(meta.c.version)).scalar()
        if version != VERSION:
            raise NewerVersion(self.public_url(), version)

    def namespace(self) -> str:
        return str(self._read(lambda connection: connection.execute(sa.select(self._tables.meta.c.namespace)).scalar()))

    # entries

    def revision(self) -> int:
        return int(self._read(lambda connection: connection.execute(sa.select(self._tables.meta.c.revision)).scalar()) or 0)

    def changes(self, since: int = 0) -> Changes:
        entry = self._tables.entry

        def read(connection: Connection) -> tuple[int, Sequence[Any]]:
            # The revision first: what is changed in between is found again by the next question.
            revision = connection.execute(sa.select(self._tables.meta.c.revision)).scalar() or 0
            return revision, connection.execute(sa.select(entry).where(entry.c.revision > since)).all()

        revision, rows = self._read(read)
        return Changes(revision, tuple(_entry(row) for row in rows))  # outside of the transaction: of many, it takes a while

    def entry(self, name: str) -> Entry | None:
        entry = self._tables.entry
        row = self._read(lambda connection: connection.execute(sa.select(entry).where(entry.c.name == name)).first())
        return None if row is None else _entry(row)

    def save(self, entries: Sequence[Entry], *, rewind: bool = False) -> list[bool]:
        saved: list[bool] = []
        for some in _batches(entries):
            packed = [pack(each) for each in some]
            saved += self._save(some, packed, rewind=rewind)
        return saved

    def _save(self, entries: Sequence[Entry], packed: Sequence[str], *, rewind: bool) -> list[bool]:
        def write(connection: Connection) -> list[bool]:
            revision = self._lock(connection).revision
            known = self._known(connection, [each.name for each in entries])
            saved, added, changed = [], [], []
            for each, document in zip(entries, packed, strict=True):
                row = known.get(each.name)
                saved.append((0 if row is None else row.revision) == each.revision)
                if not saved[-1]:
                    continue
                revision += 1
                values = {"document": document, "status": each.status, "revision": revision}
                if row is None:
                    added.append({**values, "name": each.name, "after": each.after})
                else:
                    changed.append({**values, "of": each.name, "after": each.after if rewind else max(each.after, row.after)})
            self._write_entries(connection, added, changed)
            connection.execute(self._tables.meta.update().values(revision=revision))
            return saved

        return self._write(write)

    def _write_entries(self, connection: Connection, added: list[dict[str, Any]], changed: list[dict[str, Any]]) -> None:
        entry = self._tables.entry
        if added:
            connection.execute(entry.insert(), [{**row, "total_runs": 0} for row in added])
        if changed:
            names = [name for name in changed[0] if name != "of"]
            update = entry.update().where(entry.c.name == sa.bindparam("of")).values({name: sa.bindparam(f"new_{name}") for name in names})
            connection.execute(update, [{"of": row["of"], **{f"new_{name}": row[name] for name in names}} for row in changed])

    # claims

    def claim(self, token: str, claims: Sequence[Claim]) -> list[bool]:
        def write(connection: Connection) -> list[bool]:
            if not self._holds(connection, token):
                return [False] * len(claims)
            known = self._known(connection, {claim.name for claim in claims})
            last = {name: row.after for name, row in known.items()}
            granted: list[bool] = []
            recorded: list[Run] = []
            moved: dict[str, dict[str, Any]] = {}
            for claim in claims:
                row = known.get(claim.name)
                if row is None or row.status != model.ACTIVE or row.revision != claim.revision:
                    granted.append(False)
                elif claim.slot <= last[claim.name]:
                    granted.append(self._is_ours(connection, token, claim))
                else:
                    granted.append(True)
                    last[claim.name] = claim.slot
                    recorded += claim.runs
                    moved[claim.name] = _after_claim(moved.get(claim.name) or _counters(row), claim)
            self._record(connection, recorded)
            self._write_entries(connection, [], [{"of": name, **values} for name, values in moved.items()])
            return granted

        return self._write(write)

    def _holds(self, connection: Connection, token: str) -> bool:
        row = self._lock(connection)
        return bool(row.token == token and row.until > row.now)

    def _is_ours(self, connection: Connection, token: str, claim: Claim) -> bool:
        run = self._tables.run
        ids = [each.task_id for each in claim.runs]
        mine = sa.and_(run.c.holder == token, run.c.state == model.CLAIMED)
        count = connection.execute(sa.select(sa.func.count()).select_from(run).where(run.c.task_id.in_(ids), mine)).scalar()
        return bool(ids) and count == len(ids)

    # runs

    def record(self, runs: Sequence[Run]) -> None:
        self._write(lambda connection: self._record(connection, runs))

    def _record(self, connection: Connection, runs: Sequence[Run]) -> None:
        run = self._tables.run
        insert = ignoring(connection.dialect.name, run)
        for some in _batches(runs):
            if insert is not None:
                connection.execute(insert, [_row(each) for each in some])
                continue
            known = set(connection.execute(sa.select(run.c.task_id).where(run.c.task_id.in_([each.task_id for each in some]))).scalars())
            rows = [_row(each) for each in some if each.task_id not in known]
            if rows:
                connection.execute(run.insert(), rows)

    def report(self, reports: Sequence[Report]) -> None:
        for some in _batches(reports):
            self._write(lambda connection, some=some: self._report(connection, some))  # type: ignore[misc]

    def _report(self, connection: Connection, reports: Sequence[Report]) -> None:
        run = self._tables.run
        ids = sorted({each.task_id for each in reports})
        found = connection.execute(_columns(run).where(run.c.task_id.in_(ids)).order_by(run.c.task_id).with_for_update()).all()
        known = {row.task_id: run_of(tuple(row)) for row in found}
        before = dict(known)
        for report in reports:
            if report.task_id in known:
                known[report.task_id] = model.reported(known[report.task_id], report)
        names = ("state", "worker", "runtime", "ended", "detail", "state_rank")
        rows = [_row(known[task_id]) for task_id in ids if task_id in known and known[task_id] != before[task_id]]
        if rows:
            update = run.update().where(run.c.task_id == sa.bindparam("of")).values({name: sa.bindparam(f"new_{name}") for name in names})
            connection.execute(update, [{"of": row["task_id"], **{f"new_{name}": row[name] for name in names}} for row in rows])

    def runs(self, name: str | None = None, limit: int = 100) -> list[Run]:
        run = self._tables.run
        found = _columns(run).order_by(run.c.fired.desc(), run.c.slot.desc(), run.c.task_id.desc()).limit(limit)
        return self._list(found if name is None else found.where(run.c.entry == name))

    def unfinished(self, since: float = 0.0, limit: int = 500) -> list[Run]:
        run = self._tables.run
        found = _columns(run).where(run.c.state_rank < model.OVER, run.c.fired > since)
        return self._list(found.order_by(run.c.fired, run.c.task_id).limit(limit))

    def trim(self, keep: int, before: float) -> int:
        run, entry = self._tables.run, self._tables.entry
        dropped = 0
        while ids := self._ids(sa.select(run.c.task_id).where(run.c.fired < before).order_by(run.c.fired).limit(_BATCH)):
            dropped += self._drop(ids)
        long = sa.select(run.c.entry).group_by(run.c.entry).having(sa.func.count() > keep)
        for name in self._ids(long):
            latest = (run.c.fired.desc(), run.c.slot.desc(), run.c.task_id.desc())
            older = sa.select(run.c.task_id).where(run.c.entry == name).order_by(*latest).offset(keep).limit(_BATCH)
            while ids := self._ids(older):
                dropped += self._drop(ids)
        removed = sa.select(entry).where(entry.c.status == model.REMOVED, entry.c.after < before)
        gone = [row.name for row in self._read(lambda connection: connection.execute(removed).all()) if not _entry(row).code]
        for some in _batches(gone):
            statement = entry.delete().where(entry.c.name.in_(some), entry.c.status == model.REMOVED)
            self._write(lambda connection, statement=statement: connection.execute(statement))  # type: ignore[misc]
        return dropped

    def _ids(self, statement: Any) -> Sequence[str]:
        return self._read(lambda connection: connection.execute(statement).scalars().all())

    def _drop(self, ids: Sequence[str]) -> int:
        run = self._tables.run
        return self._write(lambda connection: connection.execute(run.delete().where(run.c.task_id.in_(ids))).rowcount)

    # lease

    def acquire(self, token: str, seconds: float) -> bool:
        def write(connection: Connection) -> bool:
            row = self._lock(connection)
            if row.token not in ("", token) and row.until > row.now:
                return False
            connection.execute(self._tables.meta.update().values(token=token, until=float(row.now) + seconds))
            return True

        return self._write(write)

    def release(self, token: str) -> None:
        meta = self._tables.meta
        self._write(lambda connection: connection.execute(meta.update().where(meta.c.token == token).values(token="")))

    def holder(self) -> str | None:
        def read(connection: Connection) -> str | None:
            row = connection.execute(self._meta(connection)).one()
            return str(row.token) if row.token and row.until > row.now else None

        return self._read(read)

    def public_url(self) -> str:
        return f"db+{public(self._database.url)}"

    def close(self) -> None:
        self._database.close()

    def _meta(self, connection: Connection) -> Any:
        """Select the one row, and the server's time as ``now``."""
        expression = clock_of(connection.dialect.name)
        now = sa.literal(self._clock.now()) if expression is None else expression
        return sa.select(self._tables.meta, now.label("now"))

    def _lock(self, connection: Connection) -> Any:
        """Lock the one row. Its ``now`` is that before a wait for the lock, and after the request was made: no lease ends before its holder's trust in it does."""
        return connection.execute(self._meta(connection).with_for_update()).one()

    def _known(self, connection: Connection, names: Iterable[str]) -> dict[str, Any]:
        entry = self._tables.entry
        found: dict[str, Any] = {}
        for some in _batches(sorted(names)):
            rows = connection.execute(sa.select(entry).where(entry.c.name.in_(some)).order_by(entry.c.name).with_for_update()).all()
            found.update({row.name: row for row in rows})
        return found

    def _list(self, statement: Any) -> list[Run]:
        return self._read(lambda connection: [run_of(tuple(row)) for row in connection.execute(statement).all()])

    def _read(self, work: Callable[[Connection], R]) -> R:
        return self._database.run(work, _PATIENCE, reads=True)

    def _write(self, work: Callable[[Connection], R]) -> R:
        return self._database.run(work, _PATIENCE)


def _begin_connections(engine: Engine) -> None:
    """Have each new connection begin with what its kind of database needs."""

    def begin(connection: Any, _record: object) -> None:
        kind = "mariadb" if getattr(engine.dialect, "is_mariadb", False) else engine.dialect.name
        statements = _BEGINNINGS.get(kind, ())
        if statements:
            with contextlib.closing(connection.cursor()) as cursor:
                for statement in statements:
                    with contextlib.suppress(Exception):  # an older server does without
                        cursor.execute(statement)
            connection.commit()

    event.listen(engine, "connect", begin)


def _columns(run: sa.Table) -> Any:
    return sa.select(*(run.c[name] for name in RUN_COLUMNS))


def _entry(row: Any) -> Entry:
    return unpack(row.name, row.document, row.status, {"revision": row.revision, **_counters(row)})


def _counters(row: Any) -> dict[str, Any]:
    return {"after": row.after, "last_fired": row.last_fired, "last_id": row.last_id, "total_runs": row.total_runs}


def _after_claim(values: Mapping[str, Any], claim: Claim) -> dict[str, Any]:
    fired = [run for run in claim.runs if run.state != model.SKIPPED]
    found = {**values, "after": claim.slot}
    if fired:
        found |= {"last_fired": fired[0].fired, "last_id": fired[0].task_id, "total_runs": values["total_runs"] + 1}
    return found


def _row(run: Run) -> dict[str, Any]:
    return {**dict(zip(RUN_COLUMNS, row_of(run), strict=True)), "state_rank": model.rank_of(run.state)}


def _batches(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (items[first : first + _BATCH] for first in range(0, len(items), _BATCH))
