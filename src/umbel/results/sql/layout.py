"""Making the tables, and the columns that an older table lacks; and finding what there is where that is not allowed."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.engine import Connection, Engine

from umbel.results.sql.tables import Tables

logger: logging.Logger = logging.getLogger("umbel.results")


@dataclass(frozen=True, slots=True)
class Layout:
    """The tables and columns that there are."""

    #: Of the table of tasks.
    columns: frozenset[str]
    has_extra: bool
    #: Adding a column has been refused.
    is_fixed: bool = False


def of(tables: Tables) -> Layout:
    """Return the layout of a database in which everything has been made.

    Args:
        tables: of the store.
    """
    return Layout(frozenset(column.name for column in tables.task.columns), has_extra=True)


def make(engine: Engine, tables: Tables) -> Layout:
    """Make the tables that are missing. Where that is refused and Celery's are there, they have to do.

    Args:
        engine: of the database.
        tables: of the store.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database cannot be reached, or there is no table of tasks and it may not be made.
    """
    before: list[sa.Table] | None = None
    refusal: exc.SQLAlchemyError | None = None
    while missing := _missing(engine, tables):
        if refusal is not None and missing == before:  # nobody else made them in between
            if tables.task in missing:
                raise refusal
            logger.warning(
                "The SQL result store has no %s and may not make them: chords, parents and groups of tasks are not kept there. "
                "Let its user create tables, or create them.",
                ", ".join(table.fullname for table in missing),
            )
            break
        before = missing
        try:
            with engine.begin() as connection:
                tables.metadata.create_all(connection, tables=missing)
        except exc.DBAPIError as error:  # refused, or somebody else makes the same tables at this moment
            if error.connection_invalidated:
                raise
            refusal = error
    with engine.connect() as connection:
        return Layout(_columns(connection, tables.task), has_extra=tables.extra not in missing)


def _missing(engine: Engine, tables: Tables) -> list[sa.Table]:
    with engine.connect() as connection:
        inspector = sa.inspect(connection)
        return [table for table in tables.metadata.sorted_tables if not inspector.has_table(table.name, schema=table.schema)]


def _columns(connection: Connection, table: sa.Table) -> frozenset[str]:
    return frozenset(column["name"] for column in sa.inspect(connection).get_columns(table.name, schema=table.schema))


def extend(connection: Connection, tables: Tables, wanted: Iterable[str], layout: Layout) -> Layout:
    """Add columns to a table that Celery has made without them, as Celery 5.7 does.

    Args:
        connection: inside a transaction that has done nothing yet.
        tables: of the store.
        wanted: the columns.
        layout: as it is.
    """
    task, preparer = tables.task, connection.dialect.identifier_preparer
    for name in sorted(set(wanted) - _columns(connection, task)):
        kind = task.c[name].type.compile(connection.dialect)
        statement = f"ALTER TABLE {preparer.format_table(task)} ADD COLUMN {preparer.quote(name)} {kind}"
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(statement)
        except exc.DBAPIError as error:
            if error.connection_invalidated:
                raise
            columns = _columns(connection, task)
            if name in columns:
                continue  # somebody else has added it
            logger.warning(
                "The table %s lacks the column %s and it may not be added: it is kept where Celery does not read it.", task.fullname, name
            )
            return Layout(columns, layout.has_extra, is_fixed=True)
    return Layout(_columns(connection, task), layout.has_extra)
