"""Waiting for results, in threads and in coroutines."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from umbel import errors
from umbel.results.model import Record
from umbel.testing.coroutines import on_loop
from umbel.testing.result_stores.kit import StoreKit


class TestWaiting:
    def test_time_runs_out(self, kit: StoreKit) -> None:
        task_id, started = kit.new(), time.monotonic()
        with pytest.raises(errors.TimeoutError, match=task_id):
            kit.reader.wait(task_id, 0.2)
        assert 0.15 < time.monotonic() - started < 10
        with pytest.raises(TimeoutError):
            kit.reader.wait(task_id, 0)

    def test_zero_seconds_suffice_for_what_is_there(self, kit: StoreKit) -> None:
        task_id = kit.new()
        kit.write(task_id, result=1)
        kit.reader.wait(task_id, 5)
        if kit.reader.shared:
            assert kit.reader.wait(task_id, 0).result == 1

    def test_states_on_the_way(self, kit: StoreKit) -> None:
        """Each is written when the one before has been seen: of two in one moment the later may hide the earlier."""
        task_id, told = kit.new(), threading.Event()
        seen: list[tuple[str, Any]] = []

        def note(record: Record) -> None:
            seen.append((record.status, record.result))
            told.set()

        def work() -> None:
            for step in range(3):
                told.clear()
                kit.write(task_id, "PROGRESS", {"step": step})
                told.wait(5)
            kit.write(task_id, result="done")

        timer = kit.later(0.05, work)
        record = kit.reader.wait(task_id, 20, note)
        timer.join()
        assert record.result == "done"
        assert seen == [("PROGRESS", {"step": step}) for step in range(3)]

    def test_a_state_from_before_is_seen(self, kit: StoreKit) -> None:
        task_id, seen = kit.new(), []
        kit.write(task_id, "STARTED", {"pid": 1})

        def note(record: Record) -> None:
            seen.append(record.status)
            kit.write(task_id, result=1)

        assert kit.reader.wait(task_id, 20, note).result == 1
        assert seen == ["STARTED"]

    def test_many_threads_wait(self, kit: StoreKit) -> None:
        ids, found = [kit.new() for _ in range(8)], {}

        def wait(task_id: str) -> None:
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
    async def test_coroutines_wait(self, kit: StoreKit) -> None:
        ids = [await asyncio.to_thread(kit.new) for _ in range(20)]
        waiting = [asyncio.create_task(kit.reader.wait_async(task_id, 10)) for task_id in ids]
        slowest, stop = 0.0, asyncio.Event()

        async def watch_the_loop() -> None:
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
    async def test_a_coroutines_time_runs_out(self, kit: StoreKit) -> None:
        task_id = await asyncio.to_thread(kit.new)
        with pytest.raises(errors.TimeoutError, match=task_id):
            await kit.reader.wait_async(task_id, 0.2)

    @on_loop
    async def test_a_coroutine_that_gives_up(self, kit: StoreKit) -> None:
        task_id = await asyncio.to_thread(kit.new)
        waiting = asyncio.create_task(kit.reader.wait_async(task_id, 10))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await asyncio.to_thread(kit.write, task_id, result=1)
        assert (await kit.reader.wait_async(task_id, 5)).result == 1


class TestPushing:
    """A result is there as soon as it is stored: not where a store is asked again and again."""

    needs = "push"

    def test_a_result_is_pushed(self, kit: StoreKit) -> None:
        kit.write(kit.new())
        waits = []
        for _ in range(7):
            task_id = kit.new()
            stored: list[float] = []

            def work(task_id: str = task_id, stored: list[float] = stored) -> None:
                kit.write(task_id, result=1)
                stored.append(time.perf_counter())

            timer = kit.later(0.05, work)
            assert kit.reader.wait(task_id, 5).result == 1
            done = time.perf_counter()
            timer.join()
            waits.append(done - stored[0])
        assert sorted(waits)[3] < 0.02
