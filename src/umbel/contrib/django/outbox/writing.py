"""Rows of the outbox in the transaction that is open on one of the project's databases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from django.db import connections, router

from umbel.contrib.django.models import OutboxMessage
from umbel.contrib.outbox.base import Row, Writer, shard_of_process
from umbel.runtime.clock import SYSTEM

_COLUMNS = ("shard", "task_id", "task", "envelope", "body", "created", "refused")
_LONGEST = 255


def writer(aliases: Sequence[str]) -> Callable[[], Writer | None]:
    """Make what finds the writer for the transaction that is open in this thread.

    Args:
        aliases: of databases; the first of them that has a transaction counts.
    """

    def find() -> Writer | None:
        for alias in aliases:
            if is_open(connections[alias]):
                return partial(write, alias)
        return None

    return find


def is_open(connection: Any) -> bool:
    """Report whether a connection is inside a transaction.

    Args:
        connection: of Django.
    """
    return bool(connection.in_atomic_block or (connection.connection is not None and not connection.autocommit))


def write(alias: str, rows: Sequence[Row]) -> None:
    """Write rows. Not by the model: this is in the way of requests.

    Args:
        alias: of the database.
        rows: of messages.
    """
    connection = connections[alias]
    quote = connection.ops.quote_name
    columns = ", ".join(map(quote, _COLUMNS))
    holes = ", ".join(["%s"] * len(_COLUMNS))
    statement = f"INSERT INTO {quote(OutboxMessage._meta.db_table)} ({columns}) VALUES ({holes})"  # noqa: S608, SLF001 - names of columns
    shard, now, binary = shard_of_process(), SYSTEM.now(), connection.Database.Binary
    values = [(shard, row.task_id[:_LONGEST], row.task[:_LONGEST], row.envelope, binary(row.body), now, "") for row in rows]
    with connection.cursor() as cursor:
        if len(values) == 1:
            cursor.execute(statement, values[0])
        else:
            cursor.executemany(statement, values)


def covers(aliases: Sequence[str], using: str | None) -> bool:
    """Report whether calls inside the transaction that is open on a database are written there.

    Args:
        aliases: of databases with an outbox.
        using: of the transaction; the default one when not given.
    """
    alias = using or router.db_for_write(OutboxMessage) or "default"
    return alias in aliases and is_open(connections[alias])
