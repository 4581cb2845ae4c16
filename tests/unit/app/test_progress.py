"""`Task.progress`: what is told, and how often."""

from __future__ import annotations

import itertools
import logging

import pytest

from umbel import Umbel
from umbel.app.task.progress import ProgressTracker
from umbel.errors import OperationalError
from umbel.results.progress import Progress
from umbel.testing import FakeClock


class Told(list[tuple[float, float | None]]):
    def __call__(self, progress: Progress) -> None:
        self.append((progress.current, progress.total))


class TestTracker:
    def test_the_first_and_the_last_are_told_and_between_a_few_in_a_second(self):
        clock, told = FakeClock(), Told()
        seen = []
        for item in ProgressTracker(told, clock).track(range(100), 100):
            seen.append(item)
            clock.advance(0.01)
        assert seen == list(range(100))
        assert told == [(0, 100), (25, 100), (50, 100), (75, 100), (100, 100)]

    def test_quick_items_are_not_told(self):
        told = Told()
        assert sum(1 for _ in ProgressTracker(told, FakeClock()).track(range(100_000), None)) == 100_000
        assert told == [(0, None), (100_000, 100_000)]

    def test_slow_items_are_told_each(self):
        clock, told = FakeClock(), Told()
        for _ in ProgressTracker(told, clock, interval=1.0).track("ab", 2):
            clock.advance(60)
        assert told == [(0, 2), (1, 2), (2, 2)]

    def test_an_item_is_done_when_the_next_is_asked_for(self):
        clock, told = FakeClock(), Told()
        items = ProgressTracker(told, clock).track("abc", 3)
        next(items)
        clock.advance(10)
        assert told == [(0, 3)]
        next(items)
        assert told == [(0, 3), (1, 3)]
        items.close()
        assert told == [(0, 3), (1, 3)]

    def test_nothing_to_do(self):
        told = Told()
        assert list(ProgressTracker(told, FakeClock()).track([], 0)) == []
        assert told == [(0, 0)]


@pytest.fixture
def app(tmp_path):
    with Umbel("steps", broker="memory://", backend=f"memory:///{tmp_path.name}", set_as_current=False) as app:
        yield app


@pytest.fixture
def count(app):
    @app.task(bind=True)
    def count(self, items, total=None):
        return list(self.progress(items, total))

    return count


def running(task, **request):
    task.push_request(**{"id": "t1", "is_eager": False, **request})
    try:
        return list(task.progress([1, 2, 3]))
    finally:
        task.pop_request()


def test_it_is_read_back(app, count):
    assert running(count, parent_id="p", group="g") == [1, 2, 3]
    result = app.AsyncResult("t1")
    assert (result.state, result.progress, result.info) == ("PROGRESS", Progress(3, 3), {"current": 3, "total": 3})
    record = app.store.fetch(["t1"])["t1"]
    assert (record.parent_id, record.group_id) == ("p", "g")


def test_the_total_is_found_where_there_is_one(app, count):
    count.push_request(id="t1")
    items = count.progress(iter([1, 2]))
    next(items)
    assert app.AsyncResult("t1").progress == Progress(0, None)
    items = count.progress(itertools.repeat(1), total=10)
    next(items)
    assert app.AsyncResult("t1").progress == Progress(0, 10)
    items = count.progress([1, 2])
    next(items)
    assert app.AsyncResult("t1").progress == Progress(0, 2)
    count.pop_request()


def test_nobody_to_tell(app, count):
    assert count([1, 2]) == [1, 2]
    assert count.apply(([1, 2],), task_id="t1").get() == [1, 2]
    assert not app.AsyncResult("t1").exists()
    count.ignore_result = True
    assert running(count) == [1, 2, 3]
    assert not app.AsyncResult("t1").exists()


def test_a_store_that_is_away_does_not_fail_the_task(app, count, monkeypatch, caplog):
    def away(records):
        raise OperationalError("the store is away")

    monkeypatch.setattr(app.store, "store", away)
    with caplog.at_level(logging.WARNING, "umbel.task"):
        assert running(count) == [1, 2, 3]
    assert "count[t1] could not be stored: the store is away. The task goes on." in caplog.text
