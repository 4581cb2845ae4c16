"""The tables are Celery's, column by column."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.schema import CreateTable

from umbel.results.sql.tables import tables_of


def test_celerys_columns():
    tables = tables_of({}, {})
    assert (tables.task.name, tables.group.name) == ("celery_taskmeta", "celery_tasksetmeta")
    assert [column.name for column in tables.task.columns] == [
        "id", "task_id", "status", "result", "date_done", "traceback", "children", "name", "args", "kwargs", "worker", "retries", "queue",
        "stamps",
    ]  # fmt: skip
    assert [column.name for column in tables.group.columns] == ["id", "taskset_id", "result", "date_done"]
    assert [table.c.id.default.name for table in (tables.task, tables.group)] == ["task_id_sequence", "taskset_id_sequence"]


def test_names_and_schemas():
    tables = tables_of({"task": "mine", "group": "ours"}, {"task": "one", "group": "two"})
    assert [table.fullname for table in (tables.task, tables.extra)] == ["one.mine", "one.umbel_task_extra"]
    assert [table.fullname for table in (tables.group, tables.chord, tables.part)] == [
        "two.ours",
        "two.umbel_chords",
        "two.umbel_chord_parts",
    ]
    assert (tables.task.c.id.default.schema, tables.group.c.id.default.schema) == ("one", "two")


@pytest.mark.parametrize(
    ("dialect", "words"),
    [
        (postgresql.dialect(), ["BYTEA", "id BIGINT", "task_id VARCHAR(155)", "TIMESTAMP"]),
        (mysql.dialect(), ["LONGBLOB", "LONGTEXT", "utf8mb4_bin", "id BIGINT"]),
        (sqlite.dialect(), ["BLOB", "id INTEGER"]),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_types_that_hold_any_result(dialect, words):
    text = str(CreateTable(tables_of({}, {}).task).compile(dialect=dialect))
    assert not [word for word in words if word not in text], text
    assert isinstance(tables_of({}, {}).task.c.id, sa.Column)
