"""Records come back as they were written."""

from __future__ import annotations

import json
from typing import Any

import pytest

from umbel.errors import EncodeError
from umbel.testing.result_stores.kit import StoreKit


class TestRecords:
    @pytest.mark.parametrize(
        "result", [None, 0, 1.5, True, "☃ 𝄞", "", [1, [2, None]], {"a": {"b": [1]}}, "x" * 300_000, {}], ids=lambda value: repr(value)[:20]
    )
    def test_results_come_back(self, kit: StoreKit, result: Any) -> None:
        task_id = kit.new()
        kit.write(task_id, result=result)
        record = kit.reader.wait(task_id, 5)
        assert (record.task_id, record.status, record.result) == (task_id, "SUCCESS", result)

    def test_all_of_a_record_comes_back(self, kit: StoreKit) -> None:
        task_id = kit.new()
        failure = {"exc_type": "ValueError", "exc_message": ["bad"], "exc_module": "builtins"}
        kit.write(
            task_id,
            "FAILURE",
            failure,
            traceback="Traceback: ☃",
            children=[[["child", None], None]],
            date_done="2030-01-01T00:00:00+00:00",
            group_id="g",
            parent_id="p",
        )
        record = kit.reader.wait(task_id, 5)
        assert (record.status, record.result, record.traceback) == ("FAILURE", failure, "Traceback: ☃")
        assert json.loads(json.dumps(list(record.children or ()))) == [[["child", None], None]]
        assert (record.date_done, record.group_id, record.parent_id) == ("2030-01-01T00:00:00+00:00", "g", "p")

    def test_the_extended_fields(self, kit: StoreKit) -> None:
        task_id = kit.new()
        extended = {"name": "tasks.add", "args": [1, 2], "kwargs": {"x": 1}, "worker": "w@h", "retries": 2, "queue": "celery"}
        kit.write(task_id, extended=extended)
        found = kit.reader.wait(task_id, 5).extended
        assert {name: found.get(name) for name in extended} == extended

    def test_many_at_once(self, kit: StoreKit) -> None:
        ids = [kit.new() for _ in range(50)]
        kit.writer.store([kit.record(task_id, result=number) for number, task_id in enumerate(ids)])
        assert [kit.reader.wait(task_id, 5).result for task_id in ids] == list(range(50))
        kit.writer.store([])

    def test_what_cannot_be_serialized_names_the_task(self, kit: StoreKit) -> None:
        task_id = kit.new()
        with pytest.raises(EncodeError, match=task_id):
            kit.write(task_id, result=object())
        kit.write(task_id, result="fine")
        assert kit.reader.wait(task_id, 5).result == "fine"

    def test_a_public_url(self, kit: StoreKit) -> None:
        assert "guest:guest" not in kit.reader.public_url()
        assert ":" in kit.reader.public_url()

    def test_a_closed_store_opens_again(self, kit: StoreKit) -> None:
        kit.writer.close()
        task_id = kit.new()
        kit.write(task_id, result=1)
        assert kit.reader.wait(task_id, 5).result == 1
