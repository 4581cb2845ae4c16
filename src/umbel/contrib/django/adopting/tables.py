"""Tables that another package has made, read as they are: the package need not be installed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from django.db import connections


def exists(alias: str, table: str) -> bool:
    """Report whether a database has a table.

    Args:
        alias: of the database.
        table: its name.
    """
    connection = connections[alias]
    with connection.cursor() as cursor:
        return table in connection.introspection.table_names(cursor)


def rows_of(alias: str, table: str, most: int = 1000) -> Iterator[dict[str, Any]]:
    """Read the rows of a table by their numbers, some at a time; none where there is no such table.

    Args:
        alias: of the database.
        table: with a column ``id``.
        most: rows that are read at once.
    """
    if not exists(alias, table):
        return
    connection = connections[alias]
    last = -1
    while True:
        with connection.cursor() as cursor:
            statement = f"SELECT * FROM {connection.ops.quote_name(table)} WHERE id > %s ORDER BY id LIMIT {most:d}"  # noqa: S608 - names of ours
            cursor.execute(statement, [last])
            names = [column[0] for column in cursor.description]
            found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        if not found:
            return
        yield from found
        last = found[-1]["id"]


def moment(value: Any) -> datetime | None:
    """Read a time of a row: a text where the database has no type for it, without a zone where it keeps none.

    Args:
        value: as the database returned it.
    """
    if value is None:
        return None
    found = datetime.fromisoformat(value) if isinstance(value, str) else value
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
