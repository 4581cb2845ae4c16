"""How messages end whose tasks did not run."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from umbel import hooks
from umbel.brokers.base import Delivery
from umbel.errors import OperationalError, PublishError, WorkerLostError
from umbel.runtime.signal_thread import SignalThread
from umbel.testing.coroutines import on_loop
from umbel.worker.tasks.events import TaskEvents
from unit.worker.stand_ins import FakeConsumer, FakeStore, delivery, entry
from unit.worker.stand_ins import acknowledger as make_acknowledger


def dead_letter(headers, properties=None):
    """DeadLetter a message; returns the records that were stored."""

    async def story():
        consumer, store, chores = FakeConsumer(), FakeStore(), []
        acknowledger = make_acknowledger(consumer, store, lambda chore: chores.append(asyncio.ensure_future(chore)))
        delivery = Delivery(b"", headers, "", "", properties or {}, 1, 0, "q", "", "q", False, 0)
        acknowledger.dead_letter(delivery, "too_many_deliveries", "", WorkerLostError("signal 9"))
        await asyncio.gather(*chores)
        assert len(consumer.dead) == 1
        return store.records

    return asyncio.run(story())


def test_a_failure_is_stored_with_what_the_message_says():
    (record,) = dead_letter({"id": "a", "group": "g", "parent_id": "p"}, {"reply_to": "r", "correlation_id": "other"})
    assert (record.task_id, record.status, record.group_id, record.parent_id, record.reply_to) == ("a", "FAILURE", "g", "p", "r")
    assert record.result == {"exc_type": "WorkerLostError", "exc_message": ["signal 9"], "exc_module": "billiard.exceptions"}


def test_a_message_of_protocol_1_has_its_id_among_the_properties():
    (record,) = dead_letter({}, {"correlation_id": "a"})
    assert (record.task_id, record.status) == ("a", "FAILURE")


@pytest.mark.parametrize("task_id", ["", None, 3, ["a"], "x" * 256])
def test_without_a_usable_id_nothing_is_stored(task_id):
    assert not dead_letter({"id": task_id}, {"correlation_id": task_id})


def test_fields_that_are_no_text_are_left_out():
    (record,) = dead_letter({"id": "a", "group": 3, "parent_id": ["p"]}, {"reply_to": {}})
    assert (record.group_id, record.parent_id, record.reply_to) == (None, None, None)


def test_what_cannot_be_moved_goes_back_to_its_queue(monkeypatch, caplog):
    class Refusing(FakeConsumer):
        back: asyncio.Event

        def requeue(self, deliveries):
            super().requeue(deliveries)
            self.back.set()

        async def dead_letter(self, delivery, reason, detail):
            raise PublishError("the queue q.dead is full")

    async def story():
        consumer, chores = Refusing(), []
        consumer.back = asyncio.Event()
        acknowledger = make_acknowledger(consumer, None, lambda chore: chores.append(asyncio.ensure_future(chore)))
        acknowledger.dead_letter(Delivery(b"", {"id": "a"}, "", "", {}, 1, 0, "q", "", "q", False, 0), "unregistered", "")
        await asyncio.gather(*chores)
        assert consumer.requeued == []
        await asyncio.wait_for(consumer.back.wait(), 10)
        assert consumer.requeued == ["a"]

    monkeypatch.setattr("umbel.worker.tasks.acknowledging._PAUSE", 0.01)
    asyncio.run(story())
    assert "cannot be moved" in caplog.text
    assert "the queue q.dead is full" in caplog.text


def test_what_is_refused_for_good_waits_beside_the_window_and_is_told_of_once(caplog):
    class Refusing(FakeConsumer):
        async def dead_letter(self, delivery, reason, detail):
            raise OperationalError("403 no permission", permanent=True)

    async def story():
        consumer, chores = Refusing(), []
        acknowledger = make_acknowledger(consumer, None, lambda chore: chores.append(asyncio.ensure_future(chore)))
        letters = [Delivery(b"", {"id": str(number)}, "", "", {}, 1, 0, "q", "", "q", False, 0) for number in range(3)]
        for letter in letters[:2]:
            acknowledger.dead_letter(letter, "unregistered", "")
        await asyncio.gather(*chores)
        assert acknowledger.aside.room == 2
        assert acknowledger.aside.let_go() == letters[:2]
        assert acknowledger.aside.room == 0
        acknowledger.dead_letter(letters[2], "unregistered", "")
        await asyncio.gather(*chores)
        assert consumer.requeued == ["2"], "a stop does not wait for it"

    asyncio.run(story())
    assert caplog.text.count("403 no permission") == 1


_HANGING = """
import asyncio, threading
from umbel import hooks
from umbel.brokers.base import Delivery
from umbel.errors import WorkerLostError
from unit.worker.stand_ins import FakeConsumer
from unit.worker.stand_ins import acknowledger as make_acknowledger

hangs = threading.Event()

def listen(**_named):
    hangs.set()
    threading.Event().wait()

async def story():
    acknowledger = make_acknowledger(FakeConsumer(), None, asyncio.ensure_future)
    acknowledger.dead_letter(Delivery(b"", {"id": "a"}, "", "", {}, 1, 0, "q", "", "q", False, 0), "worker_lost", "", WorkerLostError(""))
    while not hangs.is_set():
        await asyncio.sleep(0.001)

hooks.task_failure.connect(listen)
asyncio.run(story())
print("ended")
"""


def test_a_listener_that_hangs_does_not_hang_the_exit():
    tests = Path(__file__).parents[3]
    ended = subprocess.run(
        [sys.executable, "-c", _HANGING],
        env={**os.environ, "PYTHONPATH": str(tests)},
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    assert ended.stdout == "ended\n"


def test_the_thread_of_listeners_ends_with_its_settlement():
    async def story():
        threads = []
        signals = SignalThread()
        await signals.start()
        await signals.call(lambda: threads.append(threading.current_thread()))
        await signals.stop()
        await asyncio.to_thread(threads[0].join, 10)
        assert not threads[0].is_alive()

    asyncio.run(story())


def test_a_listener_that_takes_long_holds_neither_its_message_nor_others():
    heard, may_end = [], threading.Event()

    def listen(task_id, **_named):
        heard.append(task_id)
        assert may_end.wait(20)

    async def story():
        consumer, store, chores = FakeConsumer(), FakeStore(), []
        acknowledger = make_acknowledger(consumer, store, lambda chore: chores.append(asyncio.ensure_future(chore)))
        try:
            for number in range(50):  # more than there are threads in the loop's pool
                delivery = Delivery(b"", {"id": str(number)}, "", "", {}, 1, 0, "q", "", "q", False, 0)
                acknowledger.dead_letter(delivery, "too_many_deliveries", "", WorkerLostError("signal 9"))
            async with asyncio.timeout(20):
                while len(consumer.dead) < 50:
                    await asyncio.sleep(0)
            assert not any(chore.done() for chore in chores)
        finally:
            may_end.set()
            await asyncio.gather(*chores)
        assert len(store.records) == 50

    hooks.task_failure.connect(listen)
    try:
        asyncio.run(story())
    finally:
        hooks.task_failure.disconnect(listen)
    assert sorted(heard, key=int) == [str(number) for number in range(50)]


@on_loop
async def test_a_failure_that_no_child_reports_is_told_of_after_it_is_stored():
    events, chores, store = TaskEvents(), [], FakeStore()
    told = []
    events.failed_unreported.listen(lambda delivery, error: told.append((delivery.headers["id"], str(error), len(store.records))))
    acknowledger = make_acknowledger(FakeConsumer(), store, lambda chore: chores.append(asyncio.ensure_future(chore)), events=events)
    acknowledger.fail(entry("a"), WorkerLostError("signal 9"))
    acknowledger.dead_letter(delivery("b"), "unregistered", "", WorkerLostError("nobody knows it"))
    acknowledger.expire(delivery("c"), ignore_result=True)
    await asyncio.gather(*chores)
    assert sorted((task_id, text) for task_id, text, _ in told) == [("a", "signal 9"), ("b", "nobody knows it")]
    assert all(stored for *_, stored in told)


@on_loop
async def test_the_start_of_a_task_is_recorded_only_where_it_was_out_before():
    consumer = FakeConsumer()
    acknowledger = make_acknowledger(consumer, None, None)
    for task_id, redelivered in (("new", False), ("again", True)):
        task = entry(task_id)
        task.delivery.redelivered = redelivered
        await acknowledger.before_run(task)
    assert consumer.begun == ["again"]
