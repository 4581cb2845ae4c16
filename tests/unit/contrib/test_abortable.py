from __future__ import annotations

import asyncio

import pytest

from umbel import AsyncResult, Umbel
from umbel.contrib.abortable import ABORTED, AbortableAsyncResult, AbortableTask
from umbel.errors import ImproperlyConfigured
from umbel.results.model import Record
from umbel.testing.fakes import FakeApp


@pytest.fixture
def app():
    with FakeApp() as app:
        yield app


@pytest.fixture
def task(app):
    @app.task(base=AbortableTask, bind=True, name="work")
    def work(self, steps=3):
        for step in range(steps):
            if self.is_aborted():
                return f"aborted at {step}"
        return "done"

    return work


def test_a_call_returns_a_handle_by_which_it_is_aborted(app, task):
    for handle in (task.delay(), task.apply_async((2,), countdown=3), asyncio.run(task.adelay())):
        assert type(handle) is AbortableAsyncResult
    assert not handle.is_aborted()
    handle.abort()
    assert (handle.state, handle.is_aborted()) == (ABORTED, True)
    assert task.is_aborted(task_id=handle.id)
    other = task.AsyncResult("other")
    asyncio.run(other.aabort())
    assert other.is_aborted()
    assert app.records.records[-1] == Record(task_id="other", status=ABORTED)


def test_the_task_sees_it_and_ends_as_it_likes(app, task):
    handle = task.delay()
    assert app.run().state == "SUCCESS"
    assert handle.get() == "done"
    handle = task.delay()
    handle.abort()
    app.run()
    assert handle.get() == "aborted at 0"
    assert not handle.is_aborted()


def test_called_as_a_function_it_is_not_aborted(task):
    assert task() == "done"
    assert task.apply().get() == "done"


def test_an_eager_call_has_run(app, task):
    app.conf.task_always_eager = True
    assert task.delay().get() == "done"


def test_a_store_that_only_the_caller_reads_is_refused():
    with Umbel("proj", broker="memory://", backend="rpc://", set_as_current=False) as app, pytest.raises(ImproperlyConfigured, match="rpc"):
        AbortableAsyncResult("a", app=app).abort()


def test_a_handle_made_elsewhere_does_it_too(app):
    """As Flower does: ``AbortableAsyncResult(id, app=app).abort()``."""
    AbortableAsyncResult("a", app=app).abort()
    assert AsyncResult("a", app=app).state == ABORTED
