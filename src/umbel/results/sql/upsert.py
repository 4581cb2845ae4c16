"""Statements that insert a row or change the one that is there, in one step, where a dialect has such a thing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import Connection

from umbel import states

MYSQL = frozenset({"mysql", "mariadb"})


def has_ended(task: sa.Table) -> Any:
    """Write the condition that a row's task has ended.

    Args:
        task: the table.
    """
    return sa.or_(*(task.c.status == state for state in sorted(states.READY_STATES)))  # in_() is for single rows only


def unless_ended(dialect: str, task: sa.Table, columns: Iterable[str], expired_before: datetime) -> Any:
    """Insert a task's row, or change it unless the task has ended: its first end stays. ``None`` where the dialect has no such statement.

    Args:
        dialect: name of the database's kind.
        task: the table.
        columns: that it has.
        expired_before: an end before this time does not count. On MySQL such rows must have been deleted.
    """
    replaced = [name for name in columns if name not in ("id", "task_id")]
    if dialect in ("postgresql", "sqlite"):
        insert = postgresql.insert(task) if dialect == "postgresql" else sqlite.insert(task)
        return insert.on_conflict_do_update(
            index_elements=[task.c.task_id],
            set_={name: insert.excluded[name] for name in replaced},
            where=sa.or_(sa.not_(has_ended(task)), task.c.date_done < expired_before),
        )
    if dialect in MYSQL:
        new = mysql.insert(task)
        ended = has_ended(task)
        # Assigned in this order, and each sees those before it: the state, which all of them ask for, comes last.
        ordered = [*(name for name in replaced if name != "status"), "status"]
        return new.on_duplicate_key_update([(name, sa.func.if_(ended, task.c[name], new.inserted[name])) for name in ordered])
    return None


def put(connection: Connection, table: sa.Table, key: str, rows: list[dict[str, Any]]) -> None:
    """Write rows, in place of those with the same keys.

    Args:
        connection: inside a transaction.
        table: that they go to.
        key: name of a unique column.
        rows: each with its key.
    """
    dialect = connection.dialect.name
    changed = [name for name in rows[0] if name != key]
    if dialect in ("postgresql", "sqlite"):
        insert = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
        connection.execute(insert.on_conflict_do_update(index_elements=[key], set_={name: insert.excluded[name] for name in changed}), rows)
    elif dialect in MYSQL:
        new = mysql.insert(table)
        connection.execute(new.on_duplicate_key_update({name: new.inserted[name] for name in changed}), rows)
    else:
        connection.execute(table.delete().where(table.c[key].in_([row[key] for row in rows])))
        connection.execute(table.insert(), rows)


def put_unless_ended(connection: Connection, task: sa.Table, row: Mapping[str, Any], expired_before: datetime) -> None:
    """Write a task's row where the dialect has no statement for it.

    Args:
        connection: inside a transaction.
        task: the table.
        row: with its key.
        expired_before: an end before this time does not count.
    """
    mine = task.c.task_id == row["task_id"]
    known = connection.execute(sa.select(task.c.status, task.c.date_done).where(mine).with_for_update()).first()
    if known is None:
        connection.execute(task.insert(), [dict(row)])
    elif known.status not in states.READY_STATES or (known.date_done is not None and known.date_done < expired_before):
        connection.execute(task.update().where(mine).values(**row))
