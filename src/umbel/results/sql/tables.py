"""The tables. ``celery_taskmeta`` and ``celery_tasksetmeta`` are Celery's (5.7), column by column, so that its clients read our results and we theirs.

Celery keeps neither the parent nor the group of a task in SQL: those stand in ``umbel_task_extra``, a row for those tasks only that have any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

#: Characters that fit into a column.
WIDTH: Final = 155
#: Columns that Celery's own table has with ``result_extended`` only.
EXTENDED: Final = ("name", "args", "kwargs", "worker", "retries", "queue")

#: Large enough for a result of any size where the dialect asks for a size.
_BLOB = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
#: Ids compare byte by byte on MySQL too, where texts would compare without case.
_ID = sa.String(WIDTH).with_variant(mysql.VARCHAR(WIDTH, charset="utf8mb4", collation="utf8mb4_bin"), "mysql", "mariadb")
#: Wider than Celery's: each write takes a number, those that find their row too.
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_MYSQL: Final[Mapping[str, Any]] = {"mysql_charset": "utf8mb4", "mariadb_charset": "utf8mb4"}


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of one store."""

    metadata: sa.MetaData
    task: sa.Table
    extra: sa.Table
    group: sa.Table
    chord: sa.Table
    part: sa.Table
    body: sa.Table
    revoked: sa.Table


def tables_of(names: Mapping[str, Any], schemas: Mapping[str, Any]) -> Tables:
    """Describe the tables.

    Args:
        names: ``task`` and ``group`` → the names of Celery's tables (``database_table_names``).
        schemas: ``task`` and ``group`` → their schemas (``database_table_schemas``).
    """
    metadata = sa.MetaData()
    schema, group_schema = schemas.get("task"), schemas.get("group")
    task = sa.Table(
        names.get("task") or "celery_taskmeta",
        metadata,
        sa.Column("id", _NUMBER, sa.Sequence("task_id_sequence", schema=schema), primary_key=True, autoincrement=True),
        sa.Column("task_id", _ID, unique=True),
        sa.Column("status", sa.String(50)),
        sa.Column("result", _BLOB),
        sa.Column("date_done", sa.DateTime, index=True),
        sa.Column("traceback", _TEXT),
        sa.Column("children", _BLOB),
        sa.Column("name", sa.String(WIDTH)),
        sa.Column("args", _BLOB),
        sa.Column("kwargs", _BLOB),
        sa.Column("worker", sa.String(WIDTH)),
        sa.Column("retries", sa.Integer),
        sa.Column("queue", sa.String(WIDTH)),
        sa.Column("stamps", _BLOB),
        schema=schema,
        **_MYSQL,
    )
    extra = sa.Table(
        "umbel_task_extra",
        metadata,
        sa.Column("task_id", _ID, primary_key=True),
        sa.Column("data", _BLOB, nullable=False),
        schema=schema,
        **_MYSQL,
    )
    group = sa.Table(
        names.get("group") or "celery_tasksetmeta",
        metadata,
        sa.Column("id", _NUMBER, sa.Sequence("taskset_id_sequence", schema=group_schema), primary_key=True, autoincrement=True),
        sa.Column("taskset_id", _ID, unique=True),
        sa.Column("result", _BLOB),
        sa.Column("date_done", sa.DateTime, index=True),
        schema=group_schema,
        **_MYSQL,
    )
    revoked = sa.Table(
        "umbel_revoked",
        metadata,
        sa.Column("entry_key", _ID, primary_key=True),
        sa.Column("entry", _TEXT, nullable=False),
        sa.Column("revoked", sa.Float(53), nullable=False, index=True),
        schema=schema,
        **_MYSQL,
    )
    return Tables(metadata, task, extra, group, *_chord_tables(metadata, group_schema), revoked)


def _chord_tables(metadata: sa.MetaData, schema: str | None) -> tuple[sa.Table, sa.Table, sa.Table]:
    chord = sa.Table(
        "umbel_chords",
        metadata,
        sa.Column("group_id", _ID, primary_key=True),
        sa.Column("size", sa.Integer),
        sa.Column("growth", sa.Integer, nullable=False, default=0),
        sa.Column("counted", sa.Integer, nullable=False, default=0),
        sa.Column("token", sa.String(64), nullable=False, default=""),
        sa.Column("claimed_until", sa.Float(53), nullable=False, default=0.0),
        sa.Column("closed", sa.Boolean, nullable=False, default=False),
        sa.Column("expires", sa.Float(53), index=True),
        schema=schema,
        **_MYSQL,
    )
    part = sa.Table(
        "umbel_chord_parts",
        metadata,
        sa.Column("group_id", _ID, primary_key=True),
        sa.Column("place", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("task_id", _ID, primary_key=True),
        sa.Column("part", _BLOB, nullable=False),
        schema=schema,
        **_MYSQL,
    )
    body = sa.Table(
        "umbel_chord_bodies",
        metadata,
        sa.Column("task_id", _ID, primary_key=True),
        sa.Column("token", sa.String(64), nullable=False),
        sa.Column("expires", sa.Float(53), index=True),
        schema=schema,
        **_MYSQL,
    )
    return chord, part, body
