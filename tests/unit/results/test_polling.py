"""Waiting by looking again and again, over a fetch that the test answers."""

from __future__ import annotations

import queue
import threading

import pytest

from umbel.errors import OperationalError
from umbel.results.model import Record
from umbel.results.polling import Pace, PollingWatch
from umbel.testing.clock import FakeClock


class Store:
    """Answers one look after the other with what the test puts there."""

    def __init__(self):
        self.asked = queue.Queue()
        self.answers = queue.Queue()

    def fetch(self, ids):
        self.asked.put(sorted(ids))
        answer = self.answers.get(timeout=10)
        if isinstance(answer, BaseException):
            raise answer
        return {record.task_id: record for record in answer}

    def look(self, *records):
        """Let one look end; returns what it asked for."""
        asked = self.asked.get(timeout=10)
        self.answers.put(records)
        return asked

    def fail(self, error):
        self.asked.get(timeout=10)
        self.answers.put(error)


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def watch(store, clock):
    watch = PollingWatch(store.fetch, clock)
    yield watch
    store.answers.put(())  # a look that waits for its answer
    watch.close()


def record(status, task_id="a"):
    return Record(task_id=task_id, status=status)


def test_pauses_grow_and_begin_anew():
    pace = Pace()
    pauses = [pace.after(is_new=False, took=0.0) for _ in range(30)]
    assert pauses == sorted(pauses)
    assert 0.005 < pauses[0] < 0.01
    assert pauses[-1] == 0.5
    assert pace.after(is_new=True, took=0.0) == 0.005
    assert pace.after(is_new=False, took=2.0) == 2.0
    pace.after(is_new=False, took=0.0)
    pace.hurry()
    assert pace.after(is_new=False, took=0.0) == pauses[0]


def test_each_change_is_told_once(watch, store):
    told = queue.Queue()
    watch.add("a", told.put)
    assert store.look() == ["a"]
    store.look(record("STARTED"))
    store.look(record("STARTED"))
    store.look(record("SUCCESS"))
    assert [told.get(timeout=10).status for _ in range(2)] == ["STARTED", "SUCCESS"]
    assert told.empty()


def test_one_look_for_all_that_wait(watch, store):
    first, second, third = queue.Queue(), queue.Queue(), queue.Queue()
    watch.add("a", first.put)
    store.asked.get(timeout=10)  # the first look is under way, for the first one alone
    watch.add("b", second.put)
    watch.add("b", third.put)
    store.answers.put(())
    assert store.look(record("SUCCESS", "a"), record("SUCCESS", "b")) == ["a", "b"]
    assert [each.get(timeout=10).task_id for each in (first, second, third)] == ["a", "b", "b"]


def test_the_thread_ends_when_nobody_waits_and_another_begins(watch, store):
    told = queue.Queue()
    for _ in range(2):
        watch.add("a", told.put)
        thread = watch._thread
        store.asked.get(timeout=10)
        watch.remove("a", told.put)
        store.answers.put(())
        thread.join(10)
        assert not thread.is_alive()
    watch.remove("a", told.put)


def test_a_store_that_is_away_for_a_while_is_waited_for(watch, store, clock):
    told = queue.Queue()
    watch.add("a", told.put)
    for other in ("b", "c", "d"):
        store.fail(OperationalError("away"))
        clock.advance(9)
        watch.add(other, told.put)  # the next look is at once
    store.look(record("SUCCESS"))
    assert told.get(timeout=10).status == "SUCCESS"


def test_a_store_that_stays_away_is_told(watch, store, clock):
    told = queue.Queue()
    watch.add("a", told.put)
    store.fail(OperationalError("away"))
    store.asked.get(timeout=10)
    clock.advance(31)
    store.answers.put(OperationalError("still away"))
    assert "still away" in str(told.get(timeout=10))


@pytest.mark.parametrize("error", [OperationalError("no", permanent=True), ValueError("no record")])
def test_what_waiting_does_not_cure_is_told_at_once(watch, store, error):
    told = queue.Queue()
    watch.add("a", told.put)
    store.fail(error)
    assert told.get(timeout=10) is error


def test_closing_tells_who_waits(store, clock):
    watch, told = PollingWatch(store.fetch, clock), queue.Queue()
    watch.add("a", told.put)
    store.asked.get(timeout=10)
    closing = threading.Thread(target=watch.close)
    closing.start()
    assert "closed" in str(told.get(timeout=10))
    store.answers.put(())
    closing.join(10)
    assert not closing.is_alive()
    watch.close()
