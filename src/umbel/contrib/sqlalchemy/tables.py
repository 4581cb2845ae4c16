"""The tables of an outbox in a database that SQLAlchemy knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql

_MYSQL: Final = ("mysql", "mariadb")
_TEXT: Final = sa.Text().with_variant(mysql.LONGTEXT(), *_MYSQL)
_BLOB: Final = sa.LargeBinary().with_variant(mysql.LONGBLOB(), *_MYSQL)
#: SQLite numbers its rows only by this type.
_NUMBER: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WIDTH: Final = 255


@dataclass(frozen=True, slots=True)
class Tables:
    """The tables of one outbox."""

    message: sa.Table
    shard: sa.Table


def tables_in(metadata: sa.MetaData, prefix: str, schema: str | None) -> Tables:
    """Describe the tables.

    Args:
        metadata: of the program; ``metadata.create_all``, or a migration, makes them.
        prefix: of their names.
        schema: in which they are; the database's own when ``None``.
    """
    options: dict[str, Any] = {"mysql_charset": "utf8mb4", "mariadb_charset": "utf8mb4", "schema": schema}
    message = sa.Table(
        f"{prefix}_message",
        metadata,
        sa.Column("id", _NUMBER, primary_key=True, autoincrement=True),
        sa.Column("shard", sa.SmallInteger, nullable=False),
        sa.Column("task_id", sa.String(WIDTH), nullable=False),
        sa.Column("task", sa.String(WIDTH), nullable=False),
        sa.Column("envelope", _TEXT, nullable=False),
        sa.Column("body", _BLOB, nullable=False),
        sa.Column("created", sa.Float(53), nullable=False),
        sa.Column("refused", _TEXT),
        sa.Index(f"{prefix}_message_order", "shard", "id"),
        **options,
    )
    shard = sa.Table(
        f"{prefix}_shard",
        metadata,
        sa.Column("number", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("token", sa.String(64), nullable=False, default=""),
        sa.Column("until", sa.Float(53), nullable=False, default=0.0),
        **options,
    )
    return Tables(message, shard)
