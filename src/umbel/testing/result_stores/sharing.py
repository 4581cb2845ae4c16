"""Stores that anybody may read, more than once; and forks."""

from __future__ import annotations

import json
import threading
import time
import uuid

from umbel.testing.fakes import FakePublisher
from umbel.testing.result_stores.kit import StoreKit


class TestShared:
    needs = "shared"

    def test_an_announced_task_has_a_record_and_its_end_stays(self, kit: StoreKit) -> None:
        first, second = kit.new(), kit.new()
        kit.write(second, result=1)
        kit.reader.announce([first, second], FakePublisher())
        found = kit.reader.fetch([first, second])
        assert [found[task_id].status for task_id in (first, second)] == ["PENDING", "SUCCESS"]

    def test_the_first_end_counts(self, kit: StoreKit) -> None:
        task_id = kit.new()
        kit.write(task_id, "STARTED")
        kit.write(task_id, "RETRY", {"exc_type": "ValueError", "exc_message": [], "exc_module": "builtins"})
        kit.write(task_id, "FAILURE", {"exc_type": "ValueError", "exc_message": [], "exc_module": "builtins"})
        for late in ("SUCCESS", "STARTED", "REVOKED", "PROGRESS"):
            kit.write(task_id, late, 1)
        assert kit.reader.fetch([task_id])[task_id].status == "FAILURE"

    def test_an_end_among_new_records_is_left_out(self, kit: StoreKit) -> None:
        old, new = kit.new(), kit.new()
        kit.write(old, result="first")
        kit.writer.store([kit.record(old, result="second"), kit.record(new, result="new")])
        found = kit.reader.fetch([old, new])
        assert (found[old].result, found[new].result) == ("first", "new")

    def test_of_two_ends_in_one_call_the_first_counts(self, kit: StoreKit) -> None:
        task_id = kit.new()
        kit.writer.store([kit.record(task_id, result="first"), kit.record(task_id, result="second")])
        assert kit.reader.fetch([task_id])[task_id].result == "first"

    def test_fetching_many(self, kit: StoreKit) -> None:
        ids = [kit.new() for _ in range(120)]
        kit.writer.store([kit.record(task_id, result=number) for number, task_id in enumerate(ids)])
        absent = [str(uuid.uuid4()) for _ in range(3)]
        found = kit.reader.fetch([*ids, *absent])
        assert {task_id: record.result for task_id, record in found.items()} == {task_id: number for number, task_id in enumerate(ids)}
        assert kit.reader.fetch([]) == {}
        assert kit.reader.fetch(absent) == {}

    def test_no_children_and_unknown_children_differ(self, kit: StoreKit) -> None:
        none, unknown = kit.new(), kit.new()
        kit.write(none)
        kit.write(unknown, "REVOKED", children=None)
        found = kit.reader.fetch([none, unknown])
        assert list(found[none].children or ()) == []
        assert found[none].children is not None
        assert found[unknown].children is None

    def test_forgetting(self, kit: StoreKit) -> None:
        ids = [kit.new() for _ in range(3)]
        for task_id in ids:
            kit.write(task_id, result="old")
        kit.reader.forget(ids[:2])
        assert set(kit.reader.fetch(ids)) == {ids[2]}
        kit.write(ids[0], result="new")
        assert kit.reader.fetch(ids)[ids[0]].result == "new"
        kit.reader.forget([])
        kit.reader.forget([str(uuid.uuid4())])

    def test_two_wait_for_one(self, kit: StoreKit) -> None:
        task_id, other = kit.new(), kit.make()
        timer = kit.later(0.1, lambda: kit.write(task_id, result=1))
        found = []
        thread = threading.Thread(target=lambda: found.append(other.wait(task_id, 5).result))
        thread.start()
        found.append(kit.reader.wait(task_id, 5).result)
        thread.join(10)
        timer.join()
        assert found == [1, 1]

    def test_strange_ids(self, kit: StoreKit) -> None:
        for task_id in ("my own id", "id-☃", "a'b\"c", "x" * 200):
            kit.write(task_id, result=task_id)
            assert kit.reader.fetch([task_id])[task_id].result == task_id
        kit.reader.forget(["my own id", "id-☃", "a'b\"c", "x" * 200])


class TestExpiry:
    """The writer says how long a record is kept: not where each reader goes by the record's age."""

    needs = "expiry"

    def test_records_expire(self, kit: StoreKit) -> None:
        brief = kit.make(expires=1)
        task_id, kept = kit.new(), kit.new()
        brief.store([kit.record(task_id, result=1)])
        kit.write(kept, result=2)
        assert task_id in kit.reader.fetch([task_id])
        time.sleep(1.3)
        assert set(kit.reader.fetch([task_id, kept])) == {kept}
        assert kit.reader.cleanup() in (0, 1)
        brief.store([kit.record(task_id, result="again")])
        assert kit.reader.fetch([task_id])[task_id].result == "again"


class TestProcesses:
    needs = "processes"

    def test_after_a_fork(self, kit: StoreKit) -> None:
        ids = [kit.new() for _ in range(3)]
        process = kit.program("store_fork", ids=ids)
        said, _ = process.communicate(timeout=30)
        assert process.returncode == 0
        assert json.loads(said) == {"child": 0, "found": dict(zip(ids, ("before", "child", "parent"), strict=True))}
        assert [kit.reader.wait(task_id, 5).result for task_id in ids] == ["before", "child", "parent"]
