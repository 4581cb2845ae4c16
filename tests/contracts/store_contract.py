"""What every result store does, by the contract in `umbel.results.base`. ``test_stores.py`` runs these classes on each store.

``reader`` is the store of the client who waits, ``writer`` that of a worker elsewhere; for rpc:// they are not interchangeable. A class
attribute ``needs`` leaves stores out for which the question does not arise: ``shared`` (read by anybody, more than once), ``processes``.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import pytest

from contracts.kit import on_loop
from fakes.publishing import FakePublisher
from umbel import errors
from umbel.errors import EncodeError
from umbel.messages.ids import uuid7
from umbel.results.base import ResultStore
from umbel.results.model import Record

ACTORS = Path(__file__).with_name("actors.py")


class StoreKit:
    """A store as a client and as a worker have it."""

    def __init__(self, make, name, url, options):
        self.name = name
        self.url = url
        self.options = options
        self._make = make
        self._made = []
        self.reader: ResultStore = self.make()
        self.writer: ResultStore = self.make()

    def make(self, **options) -> ResultStore:
        store = self._make(self.url, {**self.options, **options})
        self._made.append(store)
        return store

    def expect(self, *ids: str) -> tuple[str, ...]:
        for task_id in ids:
            self.reader.expect(task_id)
        return ids

    def new(self) -> str:
        task_id = uuid7(time.time())
        self.reader.expect(task_id)
        return task_id

    def record(self, task_id: str, status: str = "SUCCESS", result=None, **fields) -> Record:
        return Record(task_id=task_id, status=status, result=result, reply_to=self.reader.reply_to, **fields)

    def write(self, task_id: str, status: str = "SUCCESS", result=None, **fields) -> None:
        self.writer.store([self.record(task_id, status, result, **fields)])

    def later(self, seconds: float, work):
        timer = threading.Timer(seconds, work)
        timer.start()
        return timer

    def close(self):
        for store in self._made:
            store.close()


class TestRecords:
    @pytest.mark.parametrize(
        "result", [None, 0, 1.5, True, "☃ 𝄞", "", [1, [2, None]], {"a": {"b": [1]}}, "x" * 300_000, {}], ids=lambda value: repr(value)[:20]
    )
    def test_results_come_back(self, kit: StoreKit, result):
        task_id = kit.new()
        kit.write(task_id, result=result)
        record = kit.reader.wait(task_id, 5)
        assert (record.task_id, record.status, record.result) == (task_id, "SUCCESS", result)

    def test_all_of_a_record_comes_back(self, kit: StoreKit):
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

    def test_the_extended_fields(self, kit: StoreKit):
        task_id = kit.new()
        extended = {"name": "tasks.add", "args": [1, 2], "kwargs": {"x": 1}, "worker": "w@h", "retries": 2, "queue": "celery"}
        kit.write(task_id, extended=extended)
        found = kit.reader.wait(task_id, 5).extended
        assert {name: found.get(name) for name in extended} == extended

    def test_many_at_once(self, kit: StoreKit):
        ids = [kit.new() for _ in range(50)]
        kit.writer.store([kit.record(task_id, result=number) for number, task_id in enumerate(ids)])
        assert [kit.reader.wait(task_id, 5).result for task_id in ids] == list(range(50))
        kit.writer.store([])

    def test_what_cannot_be_serialized_names_the_task(self, kit: StoreKit):
        task_id = kit.new()
        with pytest.raises(EncodeError, match=task_id):
            kit.write(task_id, result=object())
        kit.write(task_id, result="fine")
        assert kit.reader.wait(task_id, 5).result == "fine"

    def test_a_public_url(self, kit: StoreKit):
        assert "guest:guest" not in kit.reader.public_url()
        assert ":" in kit.reader.public_url()

    def test_a_closed_store_opens_again(self, kit: StoreKit):
        kit.writer.close()
        task_id = kit.new()
        kit.write(task_id, result=1)
        assert kit.reader.wait(task_id, 5).result == 1


class TestWaiting:
    def test_a_result_is_pushed(self, kit: StoreKit):
        kit.write(kit.new())
        waits = []
        for _ in range(7):
            task_id, stored = kit.new(), []

            def work(task_id=task_id, stored=stored):
                kit.write(task_id, result=1)
                stored.append(time.perf_counter())

            timer = kit.later(0.05, work)
            assert kit.reader.wait(task_id, 5).result == 1
            done = time.perf_counter()
            timer.join()
            waits.append(done - stored[0])
        assert sorted(waits)[3] < 0.02

    def test_time_runs_out(self, kit: StoreKit):
        task_id, started = kit.new(), time.monotonic()
        with pytest.raises(errors.TimeoutError, match=task_id):
            kit.reader.wait(task_id, 0.2)
        assert 0.15 < time.monotonic() - started < 2
        with pytest.raises(TimeoutError):
            kit.reader.wait(task_id, 0)

    def test_zero_seconds_suffice_for_what_is_there(self, kit: StoreKit):
        task_id = kit.new()
        kit.write(task_id, result=1)
        kit.reader.wait(task_id, 5)
        if kit.reader.shared:
            assert kit.reader.wait(task_id, 0).result == 1

    def test_states_on_the_way(self, kit: StoreKit):
        task_id, seen = kit.new(), []

        def work():
            for step in range(3):
                kit.write(task_id, "PROGRESS", {"step": step})
                time.sleep(0.05)
            kit.write(task_id, result="done")

        timer = kit.later(0.05, work)
        record = kit.reader.wait(task_id, 5, lambda record: seen.append((record.status, record.result)))
        timer.join()
        assert record.result == "done"
        assert seen == [("PROGRESS", {"step": step}) for step in range(3)]

    def test_a_state_from_before_is_seen(self, kit: StoreKit):
        task_id, seen = kit.new(), []
        kit.write(task_id, "STARTED", {"pid": 1})
        timer = kit.later(0.1, lambda: kit.write(task_id, result=1))
        kit.reader.wait(task_id, 5, lambda record: seen.append(record.status))
        timer.join()
        assert seen == ["STARTED"]

    def test_many_threads_wait(self, kit: StoreKit):
        ids, found = [kit.new() for _ in range(8)], {}

        def wait(task_id):
            found[task_id] = kit.reader.wait(task_id, 10).result

        threads = [threading.Thread(target=wait, args=(task_id,)) for task_id in ids]
        for thread in threads:
            thread.start()
        time.sleep(0.1)
        for number, task_id in enumerate(ids):
            kit.write(task_id, result=number)
        for thread in threads:
            thread.join(10)
        assert found == {task_id: number for number, task_id in enumerate(ids)}

    @on_loop
    async def test_coroutines_wait(self, kit: StoreKit):
        ids = [await asyncio.to_thread(kit.new) for _ in range(20)]
        waiting = [asyncio.create_task(kit.reader.wait_async(task_id, 10)) for task_id in ids]
        slowest, stop = 0.0, asyncio.Event()

        async def watch_the_loop():
            nonlocal slowest
            while not stop.is_set():
                before = time.perf_counter()
                await asyncio.sleep(0.005)
                slowest = max(slowest, time.perf_counter() - before)

        watcher = asyncio.create_task(watch_the_loop())
        await asyncio.sleep(0.1)
        await asyncio.to_thread(kit.writer.store, [kit.record(task_id, result=number) for number, task_id in enumerate(ids)])
        assert [record.result for record in await asyncio.gather(*waiting)] == list(range(20))
        stop.set()
        await watcher
        assert slowest < 0.5

    @on_loop
    async def test_a_coroutines_time_runs_out(self, kit: StoreKit):
        task_id = await asyncio.to_thread(kit.new)
        with pytest.raises(errors.TimeoutError, match=task_id):
            await kit.reader.wait_async(task_id, 0.2)

    @on_loop
    async def test_a_coroutine_that_gives_up(self, kit: StoreKit):
        task_id = await asyncio.to_thread(kit.new)
        waiting = asyncio.create_task(kit.reader.wait_async(task_id, 10))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.to_thread(kit.write, task_id, result=1)
        assert (await kit.reader.wait_async(task_id, 5)).result == 1


class TestShared:
    needs = "shared"

    def test_an_announced_task_has_a_record_and_its_end_stays(self, kit: StoreKit):
        first, second = kit.new(), kit.new()
        kit.write(second, result=1)
        kit.reader.announce([first, second], FakePublisher())
        found = kit.reader.fetch([first, second])
        assert [found[task_id].status for task_id in (first, second)] == ["PENDING", "SUCCESS"]

    def test_the_first_end_counts(self, kit: StoreKit):
        task_id = kit.new()
        kit.write(task_id, "STARTED")
        kit.write(task_id, "RETRY", {"exc_type": "ValueError", "exc_message": [], "exc_module": "builtins"})
        kit.write(task_id, "FAILURE", {"exc_type": "ValueError", "exc_message": [], "exc_module": "builtins"})
        for late in ("SUCCESS", "STARTED", "REVOKED", "PROGRESS"):
            kit.write(task_id, late, 1)
        assert kit.reader.fetch([task_id])[task_id].status == "FAILURE"

    def test_an_end_among_new_records_is_left_out(self, kit: StoreKit):
        old, new = kit.new(), kit.new()
        kit.write(old, result="first")
        kit.writer.store([kit.record(old, result="second"), kit.record(new, result="new")])
        found = kit.reader.fetch([old, new])
        assert (found[old].result, found[new].result) == ("first", "new")

    def test_of_two_ends_in_one_call_the_first_counts(self, kit: StoreKit):
        task_id = kit.new()
        kit.writer.store([kit.record(task_id, result="first"), kit.record(task_id, result="second")])
        assert kit.reader.fetch([task_id])[task_id].result == "first"

    def test_fetching_many(self, kit: StoreKit):
        ids = [kit.new() for _ in range(120)]
        kit.writer.store([kit.record(task_id, result=number) for number, task_id in enumerate(ids)])
        absent = [str(uuid.uuid4()) for _ in range(3)]
        found = kit.reader.fetch([*ids, *absent])
        assert {task_id: record.result for task_id, record in found.items()} == {task_id: number for number, task_id in enumerate(ids)}
        assert kit.reader.fetch([]) == {}
        assert kit.reader.fetch(absent) == {}

    def test_no_children_and_unknown_children_differ(self, kit: StoreKit):
        none, unknown = kit.new(), kit.new()
        kit.write(none)
        kit.write(unknown, "REVOKED", children=None)
        found = kit.reader.fetch([none, unknown])
        assert list(found[none].children or ()) == []
        assert found[none].children is not None
        assert found[unknown].children is None

    def test_forgetting(self, kit: StoreKit):
        ids = [kit.new() for _ in range(3)]
        for task_id in ids:
            kit.write(task_id, result="old")
        kit.reader.forget(ids[:2])
        assert set(kit.reader.fetch(ids)) == {ids[2]}
        kit.write(ids[0], result="new")
        assert kit.reader.fetch(ids)[ids[0]].result == "new"
        kit.reader.forget([])
        kit.reader.forget([str(uuid.uuid4())])

    def test_records_expire(self, kit: StoreKit):
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

    def test_two_wait_for_one(self, kit: StoreKit):
        task_id, other = kit.new(), kit.make()
        timer = kit.later(0.1, lambda: kit.write(task_id, result=1))
        found = []
        thread = threading.Thread(target=lambda: found.append(other.wait(task_id, 5).result))
        thread.start()
        found.append(kit.reader.wait(task_id, 5).result)
        thread.join(10)
        timer.join()
        assert found == [1, 1]

    def test_strange_ids(self, kit: StoreKit):
        for task_id in ("my own id", "id-☃", "a'b\"c", "x" * 200):
            kit.write(task_id, result=task_id)
            assert kit.reader.fetch([task_id])[task_id].result == task_id
        kit.reader.forget(["my own id", "id-☃", "a'b\"c", "x" * 200])


class TestProcesses:
    needs = "processes"

    def test_after_a_fork(self, kit: StoreKit):
        ids = [kit.new() for _ in range(3)]
        setup = json.dumps({"url": kit.url, "options": kit.options, "ids": ids})
        done = subprocess.run(
            [sys.executable, str(ACTORS), "store_fork", setup], stdout=subprocess.PIPE, text=True, timeout=30, check=False
        )
        assert done.returncode == 0
        assert json.loads(done.stdout) == {"child": 0, "found": dict(zip(ids, ("before", "child", "parent"), strict=True))}
        assert [kit.reader.wait(task_id, 5).result for task_id in ids] == ["before", "child", "parent"]
