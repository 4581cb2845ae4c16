"""Statements, as each database gets them."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy.dialects import mysql, postgresql, sqlite

from umbel.results.sql.tables import tables_of
from umbel.results.sql.upsert import unless_ended

TASK = tables_of({}, {}).task


@pytest.mark.parametrize("dialect", [postgresql.dialect(), sqlite.dialect()], ids=lambda dialect: dialect.name)
def test_the_end_of_a_task_is_not_changed(dialect):
    text = str(unless_ended(dialect.name, TASK, ["task_id", "status", "result"], datetime(2030, 1, 1)).compile(dialect=dialect))
    assert "ON CONFLICT (task_id) DO UPDATE SET status = excluded.status, result = excluded.result WHERE NOT" in text


def test_on_mysql_the_state_is_assigned_last():
    text = str(
        unless_ended("mysql", TASK, ["id", "task_id", "status", "result", "queue"], datetime(2030, 1, 1)).compile(dialect=mysql.dialect())
    )
    assigned = text.partition("ON DUPLICATE KEY UPDATE ")[2]
    names = [part.split(" = ")[0] for part in assigned.split(", ") if " = if(" in part.lower()]
    assert names == ["result", "queue", "status"]


def test_other_databases_have_no_such_statement():
    assert unless_ended("oracle", TASK, ["task_id", "status"], datetime(2030, 1, 1)) is None
