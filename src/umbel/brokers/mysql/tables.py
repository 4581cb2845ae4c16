"""The tables. A message's state is its holder: 0 is ready, -1 waits for its time, more is held by that row of ``umbel_holders``."""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Engine

metadata: Final = sa.MetaData()
_ENGINE: Final[dict[str, Any]] = {
    "mysql_engine": "InnoDB",
    "mariadb_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mariadb_charset": "utf8mb4",
}


def _name() -> sa.String:
    """The type of names: compared letter by letter; as long as AMQP allows."""
    return sa.String(255, collation="utf8mb4_bin")


messages: Final = sa.Table(
    "umbel_messages",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=True),
    sa.Column("holder", sa.BigInteger, nullable=False, server_default="0"),
    sa.Column("queue", _name(), nullable=False),
    # The priority with its sign changed: an index of MariaDB 10.6 is read in one direction.
    sa.Column("place", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("due", mysql.DOUBLE),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("redelivered", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("begun", sa.SmallInteger, nullable=False, server_default="0"),
    sa.Column("extra", mysql.LONGTEXT),
    sa.Column("envelope", mysql.LONGTEXT, nullable=False),
    sa.Column("body", mysql.LONGBLOB, nullable=False),
    sa.Index("umbel_messages_ready", "holder", "queue", "place", "id"),
    sa.Index("umbel_messages_delayed", "holder", "due"),
    **_ENGINE,
)
holders: Final = sa.Table(
    "umbel_holders",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=True),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("lease", mysql.DOUBLE, nullable=False),
    # Seconds since the epoch by the server's clock, after which others may give its messages back.
    sa.Column("until", mysql.DOUBLE, nullable=False),
    **_ENGINE,
)
queues: Final = sa.Table(
    "umbel_queues",
    metadata,
    sa.Column("name", _name(), primary_key=True),
    # With whom it goes, if it is exclusive or auto-delete.
    sa.Column("holder", sa.BigInteger, index=True),
    **_ENGINE,
)
bindings: Final = sa.Table(
    "umbel_bindings",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=True),
    sa.Column("exchange", _name(), nullable=False, index=True),
    sa.Column("type", sa.String(32), nullable=False),
    # Or, of an exchange of headers, the arguments as JSON.
    sa.Column("routing_key", sa.Text, nullable=False),
    sa.Column("queue", _name(), nullable=False, index=True),
    **_ENGINE,
)
paused: Final = sa.Table("umbel_paused_queues", metadata, sa.Column("name", _name(), primary_key=True), **_ENGINE)


def make(engine: Engine) -> None:
    """Make the tables that are not there.

    Args:
        engine: of the database.
    """
    with engine.begin() as connection:
        # Two that look at once would both make them.
        connection.execute(sa.text("SELECT GET_LOCK('umbel_tables', 30)"))
        try:
            metadata.create_all(connection)
        finally:
            connection.execute(sa.text("SELECT RELEASE_LOCK('umbel_tables')"))
