"""`umbel.testing.start_worker`."""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid

import pytest

from umbel import Service, Umbel
from umbel.errors import ImproperlyConfigured
from umbel.testing import WorkerFailed, start_worker


@pytest.fixture
def app():
    mark = uuid.uuid4().hex
    app = Umbel("proj", broker=f"memory:///{mark}", backend=f"memory:///{mark}", set_as_current=False)
    yield app
    app.close()


def test_tasks_run_within_the_block_and_see_what_is_patched(app):
    seen = []

    @app.task
    def note(x):
        seen.append((x, threading.current_thread().name))
        return x + 1

    with start_worker(app) as worker:
        assert note.delay(1).get(timeout=10) == 2
        assert worker.concurrency == 1
    ((x, thread),) = seen
    assert x == 1
    assert thread.startswith("umbel-worker test-")
    assert not [each.name for each in threading.enumerate() if each.name.startswith(("umbel-worker", "umbel-consumer"))]


def test_one_worker_after_another(app):
    @app.task
    def one():
        return 1

    for _ in range(2):
        with start_worker(app):
            assert one.delay().get(timeout=10) == 1


def test_only_the_queues_that_are_named(app):
    @app.task
    def one():
        return 1

    with start_worker(app, queues="a, b") as worker:
        assert [queue.name for queue in worker.queues()] == ["a", "b"]
        assert one.apply_async(queue="b").get(timeout=10) == 1


def test_a_running_task_may_end(app):
    begun, may_end = threading.Event(), threading.Event()

    @app.task
    def slow():
        begun.set()
        assert may_end.wait(10)
        return "done"

    with start_worker(app) as worker:
        result = slow.delay()
        assert begun.wait(10)
        threading.Timer(0.05, may_end.set).start()
        assert not worker.stopping.is_requested
    assert result.get(timeout=1) == "done"


def test_a_task_that_does_not_end_in_time_fails_the_test(app):
    begun, may_end = threading.Event(), threading.Event()

    @app.task
    def stuck():
        begun.set()
        may_end.wait(20)

    with pytest.raises(WorkerFailed, match=r"had not stopped after 0\.1 s"), start_worker(app, stop_timeout=0.1):
        stuck.delay()
        assert begun.wait(10)
    may_end.set()
    for thread in threading.enumerate():
        if thread.name.startswith("umbel"):
            thread.join(20)


def test_an_app_that_children_cannot_get_is_told_with_its_names(app):
    app.task(name="proj.inner")(lambda: None)
    with pytest.raises(WorkerFailed) as caught, start_worker(app, pool="prefork", queues="a,b"):
        pytest.fail("it has not started")
    text = str(caught.value)
    assert "children cannot find the app" in text
    assert "of proj (pool prefork)" in text
    assert "broker: memory://" in text
    assert "queues: a, b" in text
    assert isinstance(caught.value.__cause__, ImproperlyConfigured)


def test_a_start_that_takes_too_long_is_told(app):
    gate = threading.Event()

    @app.worker_services.append
    def late(worker):
        class Waits(Service):
            async def begin(self):
                await asyncio.to_thread(gate.wait, 20)

        return Waits()

    threading.Timer(0.3, gate.set).start()
    with pytest.raises(WorkerFailed, match=r"takes no tasks after 0\.1 s"), start_worker(app, timeout=0.1):
        pytest.fail("it has not started")
    gate.set()


def test_an_option_that_there_is_not(app):
    with pytest.raises(TypeError, match="queue"), start_worker(app, queue="a"):
        pass


def test_a_worker_that_dies_in_the_block_fails_the_test(app):
    with pytest.raises(WorkerFailed, match="ended with exit code 1"), start_worker(app) as worker:
        worker.services.services[0].die(RuntimeError("the disk is gone"))
        for thread in threading.enumerate():
            if thread.name.startswith("umbel-worker"):
                thread.join(20)


def test_a_failing_test_is_told_what_the_worker_has_warned_of(app):
    with pytest.raises(ZeroDivisionError) as caught, start_worker(app):
        logging.getLogger("umbel.worker").warning("the disk is nearly full")
        1 / 0
    (note,) = caught.value.__notes__
    assert "has warned" in note
    assert "log: WARNING the disk is nearly full" in note


def test_a_failing_test_without_warnings_is_left_alone(app):
    with pytest.raises(ZeroDivisionError) as caught, start_worker(app):
        1 / 0
    assert not hasattr(caught.value, "__notes__")
