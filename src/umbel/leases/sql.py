"""Leases in an SQL database: a row for each name, locked while it is decided on. The time is the server's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Connection, Engine

from umbel.clients.sql.addresses import public, url_of
from umbel.clients.sql.engine import Database
from umbel.leases.base import MOST_CHARACTERS, LeaseOptions
from umbel.leases.deciding import Row
from umbel.leases.rows import RowLeases, Rows, dump, load
from umbel.runtime.clock import SYSTEM, Clock

R = TypeVar("R")

_ENGINE_OPTIONS: Final = {"pool_pre_ping": True, "pool_recycle": 3600}
#: Seconds since the epoch, by the server's clock at this moment, in no zone of summer times.
_NOW: Final[Mapping[str, str]] = {
    "postgresql": "SELECT EXTRACT(EPOCH FROM clock_timestamp())",
    **dict.fromkeys(("mysql", "mariadb"), "SELECT TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6)) / 1000000.0"),
}
#: Names that compare byte by byte on MySQL too.
_NAME: Final = sa.String(MOST_CHARACTERS).with_variant(
    mysql.VARCHAR(MOST_CHARACTERS, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb"
)
#: Times with all their digits; a plain FLOAT of MySQL has seven.
_TIME: Final[sa.Double[float]] = sa.Double()
#: Rows dropped in one transaction, and seconds between two looks for such that nobody has released.
_CLEAN_COUNT: Final = 1000
_CLEAN_EVERY: Final = 60.0


def table_of(schema: str | None) -> sa.Table:
    """Describe the table.

    Args:
        schema: that it is in; ``None`` is the connection's own.
    """
    return sa.Table(
        "umbel_leases",
        sa.MetaData(),
        sa.Column("name", _NAME, primary_key=True),
        sa.Column("holders", sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb"), nullable=False),
        sa.Column("turn", _TIME, nullable=False),
        sa.Column("until", _TIME, nullable=False, index=True),
        schema=schema,
        mysql_charset="utf8mb4",
        mariadb_charset="utf8mb4",
    )


class SqlLeases(RowLeases):
    """`LeaseStore` in an SQL database.

    Args:
        options: of the store; ``transport["database"]`` holds the ``database_*`` settings by the rest of their names.
        clock: tells when to look for rows that are over; and the time of leases in SQLite, whose processes share a machine.
    """

    def __init__(self, options: LeaseOptions, clock: Clock = SYSTEM) -> None:
        super().__init__(options)
        settings: Mapping[str, Any] = options.transport.get("database") or {}
        self._table = table_of((settings.get("table_schemas") or {}).get("task"))
        self._clock = clock
        self._clean_at = 0.0
        engine_options = settings.get("engine_options")
        self._database = Database(
            url_of(options.url), _ENGINE_OPTIONS if engine_options is None else engine_options, None, self._make_table
        )

    def _make_table(self, engine: Engine) -> None:
        """Make the table, unless somebody has made it, or does so at this moment."""

        def is_there() -> bool:
            with engine.connect() as connection:
                return sa.inspect(connection).has_table(self._table.name, schema=self._table.schema)

        if is_there():
            return
        try:
            with engine.begin() as connection:
                self._table.create(connection)
        except exc.DBAPIError:
            if not is_there():
                raise

    def change(self, names: Sequence[str], work: Callable[[Rows, float], R]) -> R:
        def transaction(connection: Connection) -> R:
            before = {
                name: self._locked(connection, name) for name in names
            }  # in the order of names: two such must not wait for each other
            rows = dict(before)
            now = self._now(connection)
            done = work(rows, now)
            for name, row in rows.items():
                if row.until <= now:
                    connection.execute(self._table.delete().where(self._table.c.name == name))
                elif row != before[name]:
                    values = {"holders": dump(row), "turn": row.turn, "until": row.until}
                    connection.execute(self._table.update().where(self._table.c.name == name).values(values))
            return done

        done = self._database.run(transaction, self.options.patience)
        self._clean_when_due()
        return done

    def _locked(self, connection: Connection, name: str) -> Row:
        """Read a row for change; it is made where there is none."""
        find = sa.select(self._table.c.holders, self._table.c.turn).where(self._table.c.name == name).with_for_update()
        while True:
            found = connection.execute(find).first()
            if found is not None:
                return load(found.holders, found.turn)
            try:
                with connection.begin_nested():
                    connection.execute(self._table.insert().values(name=name, holders="{}", turn=0.0, until=0.0))
            except exc.IntegrityError:
                continue  # somebody else has made it; it may be gone again when we look
            return Row()

    def _now(self, connection: Connection) -> float:
        statement = _NOW.get(connection.dialect.name)
        if statement is not None:
            return float(connection.execute(sa.text(statement)).scalar_one())
        return self._clock.monotonic() if connection.dialect.name == "sqlite" else self._clock.now()

    def _clean_when_due(self) -> None:
        """Drop some rows that are over and that nobody has released."""
        if self._clock.monotonic() < self._clean_at:
            return
        self._clean_at = self._clock.monotonic() + _CLEAN_EVERY
        table = self._table

        def clean(connection: Connection) -> None:
            now = self._now(connection)
            over = sa.select(table.c.name).where(table.c.until <= now).order_by(table.c.name).limit(_CLEAN_COUNT)
            names = connection.execute(over).scalars().all()
            if names:  # with the condition again: what somebody has taken since is not over
                connection.execute(table.delete().where(table.c.name.in_(names), table.c.until <= now))

        self._database.run(clean, self.options.patience)

    def read(self, names: Sequence[str]) -> tuple[Rows, float]:
        find = sa.select(self._table.c.name, self._table.c.holders, self._table.c.turn).where(self._table.c.name.in_(names))

        def look(connection: Connection) -> tuple[Rows, float]:
            found = {row.name: load(row.holders, row.turn) for row in connection.execute(find)}
            return {name: found.get(name, Row()) for name in names}, self._now(connection)

        return self._database.run(look, self.options.patience, reads=True)

    def public_url(self) -> str:
        return f"db+{public(self._database.url)}"

    def close(self) -> None:
        self._database.close()


def connect(options: LeaseOptions) -> SqlLeases:
    """Make the store for a ``db+…://`` URL; connects when first used.

    Args:
        options: of the store.

    Raises:
        ImproperlyConfigured: the URL or an option cannot be used.
    """
    return SqlLeases(options)
