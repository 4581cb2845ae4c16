from __future__ import annotations

import pytest

from umbel.errors import DecodeError, EncodeError
from umbel.results.base import StoreOptions
from umbel.results.model import Record
from umbel.results.sql import layout, rows
from umbel.results.sql.layout import Layout
from umbel.results.sql.tables import tables_of
from umbel.results.sql.values import ValueCodec

CODEC = ValueCodec(StoreOptions(url="db+sqlite:///x"))
FULL = layout.of(tables_of({}, {}))
#: A table of a Celery before 5.7, without ``result_extended``.
OLD = Layout(frozenset({"id", "task_id", "status", "result", "date_done", "traceback"}), has_extra=True)
EXTENDED = {
    "name": "t",
    "args": [1],
    "kwargs": {"x": 1},
    "worker": "w@h",
    "retries": 2,
    "queue": "celery",
    "stamped_headers": ["s"],
    "s": [5],
}
RECORD = Record(
    task_id="a",
    status="FAILURE",
    result={"exc_type": "E"},
    traceback="T",
    children=[[["b", None], None]],
    date_done="2030-01-01T00:00:00+00:00",
    group_id="g",
    parent_id="p",
    extended=EXTENDED,
)


def through(record, there=FULL):
    row, beside = rows.fit(rows.render(record, CODEC), there, CODEC)
    assert set(row) <= there.columns
    return rows.read(record.task_id, row, beside, CODEC)


@pytest.mark.parametrize("there", [FULL, OLD], ids=["full", "old"])
def test_a_record_comes_back(there):
    assert through(RECORD, there) == RECORD


def test_celerys_form():
    row, beside = rows.fit(rows.render(RECORD, CODEC), FULL, CODEC)
    assert (row["result"], row["children"]) == (b'{"exc_type": "E"}', b'[[["b", null], null]]')
    assert (row["args"], row["kwargs"], row["name"], row["retries"]) == (b"[1]", b'{"x": 1}', "t", 2)
    assert row["stamps"] == b'{"stamped_headers": ["s"], "stamps": {"s": [5]}}'
    assert row["date_done"].isoformat() == "2030-01-01T00:00:00"
    assert beside == b'{"group_id": "g", "parent_id": "p"}'


@pytest.mark.parametrize(("children", "data"), [((), None), (None, b"null")])
def test_no_children_and_unknown_ones(children, data):
    record = Record(task_id="a", status="SUCCESS", children=children, date_done="2030-01-01T00:00:00+00:00")
    row, beside = rows.fit(rows.render(record, CODEC), FULL, CODEC)
    assert (row["children"], beside) == (data, None)
    assert through(record) == record


def test_nothing_stands_beside_where_there_is_no_place():
    assert rows.fit(rows.render(RECORD, CODEC), Layout(OLD.columns, has_extra=False), CODEC)[1] is None


def test_texts_that_no_column_takes():
    record = Record(task_id="a", status="FAILURE", traceback="a\0\ud800", extended={"name": "n" * 200, "worker": "w\0"})
    row = rows.render(record, CODEC).row
    assert (row["traceback"], row["name"], row["worker"]) == ("a\\x00\\ud800", "n" * 155, "w\\x00")


@pytest.mark.parametrize("fields", [{"result": object()}, {"extended": {"args": [object()]}}, {"extended": {"own": object()}}])
def test_what_cannot_be_written_names_the_task(fields):
    with pytest.raises(EncodeError, match="result of task a "):
        rows.render(Record(task_id="a", status="SUCCESS", **fields), CODEC)


@pytest.mark.parametrize("beside", [b"[]", b'{"moved": 5}'])
def test_what_stands_beside_and_is_no_mapping(beside):
    row, _ = rows.fit(rows.render(RECORD, CODEC), FULL, CODEC)
    with pytest.raises(DecodeError, match="task a"):
        rows.read("a", row, beside, CODEC)


def test_a_row_of_a_state_that_celery_wrote():
    row = {"task_id": "a", "status": None, "result": None, "date_done": None, "traceback": None}
    assert rows.read("a", row, None, CODEC) == Record(task_id="a", status="PENDING")
