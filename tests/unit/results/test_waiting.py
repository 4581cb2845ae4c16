"""Waiting, over a source that is told what to call back with."""

from __future__ import annotations

import asyncio
import threading

import pytest

from umbel.errors import OperationalError, TimeoutError
from umbel.results.model import Record
from umbel.results.waiting import Waiting


class Source:
    """Calls everybody back with what `say` is given."""

    def __init__(self, *first):
        self.first = first
        self.watchers = []
        self.watched = threading.Event()

    def add(self, task_id, tell):
        self.watchers.append(tell)
        for found in self.first:
            tell(found)
        self.watched.set()

    def remove(self, task_id, tell):
        self.watchers.remove(tell)

    def say(self, found):
        for tell in [*self.watchers]:
            tell(found)


def record(status):
    return Record(task_id="a", status=status)


def later(source, *found):
    """Say it from another thread as soon as somebody waits."""

    def run():
        source.watched.wait(10)
        for each in found:
            source.say(each)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def waiting(source):
    return Waiting(source, lambda found: found)


@pytest.mark.parametrize("first", [True, False])
def test_the_end_and_what_comes_before(first):
    states = [record("STARTED"), record("PROGRESS"), record("SUCCESS")]
    source = Source(*states) if first else Source()
    thread = later(source, *states)
    seen = []
    assert waiting(source).wait("a", 10, seen.append) is states[-1]
    thread.join()
    assert [each.status for each in seen] == ["STARTED", "PROGRESS"]
    assert not source.watchers


@pytest.mark.parametrize("first", [True, False])
def test_the_end_on_a_loop(first):
    states = [record("STARTED"), record("SUCCESS")]
    source = Source(*states) if first else Source()
    thread = later(source, *states, *states)
    assert asyncio.run(waiting(source).wait_async("a", 10)) is states[-1]
    thread.join()
    assert not source.watchers


def test_too_late():
    source = Source(record("STARTED"))
    with pytest.raises(TimeoutError, match=r"^task a has not ended within 0\.01 s$"):
        waiting(source).wait("a", 0.01, None)
    with pytest.raises(TimeoutError, match=r"^task a has not ended within 0\.01 s$"):
        asyncio.run(waiting(source).wait_async("a", 0.01))
    assert not source.watchers


@pytest.mark.parametrize("error", [OperationalError("gone"), TimeoutError("its own")])
def test_what_goes_wrong_is_raised_as_it_is(error):
    source = Source(error)
    with pytest.raises(type(error)) as one:
        waiting(source).wait("a", 10, None)
    with pytest.raises(type(error)) as two:
        asyncio.run(waiting(source).wait_async("a", 10))
    assert one.value is two.value is error
    assert not source.watchers


def test_a_loop_that_is_closed_is_no_error_of_who_tells():
    source = Source()

    async def go_away():
        task = asyncio.ensure_future(waiting(source).wait_async("a", None))
        await asyncio.sleep(0)
        (tell,) = source.watchers
        task.cancel()
        return tell

    tell = asyncio.run(go_away())
    tell(record("SUCCESS"))
