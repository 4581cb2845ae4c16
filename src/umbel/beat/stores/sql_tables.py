"""The tables of schedules in an SQL database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite

from umbel.beat.entries.reading import LONGEST_NAME

#: Texts compare byte by byte on MySQL too, where they would compare without case.
_MYSQL: Final = ("mysql", "mariadb")


def _text(length: int) -> Any:
    return sa.String(length).with_variant(mysql.VARCHAR(length, charset="utf8mb4", collation="utf8mb4_bin"), *_MYSQL)


_NAME, _ID = _text(LONGEST_NAME), _text(155)
_LONG = sa.Text().with_variant(mysql.LONGTEXT(charset="utf8mb4", collation="utf8mb4_bin"), *_MYSQL)
_TIME = sa.Float(53)
_OPTIONS: Final = {"mysql_charset": "utf8mb4", "mariadb_charset": "utf8mb4"}


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of one store."""

    metadata: sa.MetaData
    #: One row: version, revision, lease.
    meta: sa.Table
    entry: sa.Table
    run: sa.Table


def tables_of(schema: str | None) -> Tables:
    """Describe the tables.

    Args:
        schema: in which they are; the database's own when ``None``.
    """
    metadata = sa.MetaData()
    options: dict[str, Any] = {"schema": schema, **_OPTIONS}
    meta = sa.Table(
        "umbel_schedule_meta",
        metadata,
        sa.Column("only_row", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("namespace", sa.String(32), nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False, default=0),
        sa.Column("token", sa.String(64), nullable=False, default=""),
        sa.Column("until", _TIME, nullable=False, default=0.0),
        **options,
    )
    entry = sa.Table(
        "umbel_schedule_entries",
        metadata,
        sa.Column("name", _NAME, primary_key=True),
        sa.Column("document", _LONG, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False, index=True),
        sa.Column("after", _TIME, nullable=False),
        sa.Column("last_fired", _TIME),
        sa.Column("last_id", _ID),
        sa.Column("total_runs", sa.BigInteger, nullable=False, default=0),
        **options,
    )
    run = sa.Table(
        "umbel_schedule_runs",
        metadata,
        sa.Column("task_id", _ID, primary_key=True),
        sa.Column("entry", _NAME, nullable=False),
        sa.Column("slot", _TIME, nullable=False),
        sa.Column("fired", _TIME, nullable=False, index=True),
        sa.Column("state", sa.String(64), nullable=False),
        sa.Column("by_hand", sa.Boolean, nullable=False),
        sa.Column("missed", sa.Integer, nullable=False),
        sa.Column("worker", sa.String(255), nullable=False),
        sa.Column("runtime", _TIME),
        sa.Column("ended", _TIME),
        sa.Column("detail", _LONG, nullable=False),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("state_rank", sa.Integer, nullable=False),
        sa.Index("umbel_schedule_runs_entry", "entry", "fired"),
        sa.Index("umbel_schedule_runs_open", "state_rank", "fired"),
        **options,
    )
    return Tables(metadata, meta, entry, run)


def clock_of(dialect: str) -> Any:
    """Write the expression for the server's time, seconds since the epoch, read when it is evaluated.

    Args:
        dialect: name of the database's kind.
    """
    if dialect == "postgresql":
        return sa.extract("epoch", sa.func.clock_timestamp())
    if dialect in _MYSQL:
        return sa.literal_column("TIMESTAMPDIFF(MICROSECOND, '1970-01-01 00:00:00', UTC_TIMESTAMP(6)) / 1000000.0")
    if dialect == "sqlite":
        return sa.literal_column("(julianday('now') - 2440587.5) * 86400.0")
    return None


def ignoring(dialect: str, table: sa.Table) -> Any:
    """Write the statement that inserts rows and passes over those that are there; ``None`` where the dialect has none.

    Args:
        dialect: name of the database's kind.
        table: that they go to.
    """
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    if dialect == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return mysql.insert(table).prefix_with("IGNORE") if dialect in _MYSQL else None
