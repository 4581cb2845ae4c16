"""A worker inside this process, with real children: where they get the app, how many there are, and when they are replaced."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import contextmanager

import pytest

from system.factory import make_app
from system.processes import eventually, open_gate
from umbel import Service


class Embedded(Service):
    """A worker in a thread; the service of it that runs calls on its loop."""

    def __init__(self, app, **options):
        super().__init__()
        app.worker_services.append(lambda _worker: self)
        self.worker = app.Worker(hostname="embedded", **options)
        self.codes = []
        self.thread = threading.Thread(target=lambda: self.codes.append(self.worker.run()))

    async def begin(self):
        self.loop = asyncio.get_running_loop()

    def call(self, function, *arguments):
        async def called():
            return function(*arguments)

        return asyncio.run_coroutine_threadsafe(called(), self.loop).result(20)

    def children(self):
        """Process ids by number."""
        return self.call(lambda: {child.index: child.pid for child in self.worker.parts.dispatcher.children})


@pytest.fixture
def app(tmp_path):
    app = make_app(f"sqlite:///{tmp_path}/umbel.db")
    yield app
    app.close()


@pytest.fixture
def gates(tmp_path):
    made = [str(tmp_path / name) for name in "abc"]
    for gate in made:
        os.mkfifo(gate)
    return made


@contextmanager
def running(app, **options):
    one = Embedded(app, **options)
    one.thread.start()
    try:
        assert one.worker.is_ready.wait(20)
        yield one
    finally:
        one.worker.request_stop()
        one.thread.join(20)
        assert not one.thread.is_alive()
    assert one.codes == [0]


def test_an_app_without_a_name_runs_its_tasks_in_children(app):
    assert app.import_path == ""
    with running(app, concurrency=1) as one:
        pid = app.tasks["factory.whoami"].delay().get(timeout=30)
        assert one.children() == {1: pid}
    assert pid != os.getpid()


def test_two_apps_have_children_of_their_own(tmp_path):
    apps = [make_app(f"sqlite:///{tmp_path}/{name}.db") for name in "ab"]
    with running(apps[0], concurrency=1) as first, running(apps[1], concurrency=1) as second:
        pids = [app.tasks["factory.whoami"].delay().get(timeout=30) for app in apps]
        assert [list(one.children().values()) for one in (first, second)] == [[pid] for pid in pids]
    for app in apps:
        app.close()


def test_a_pool_grows_at_once_and_shrinks_as_jobs_end(app, gates):
    wait_for = app.tasks["factory.wait_for"]
    with running(app, concurrency=1, prefetch_multiplier=4) as one:
        results = [wait_for.delay(gate) for gate in gates]
        one.call(one.worker.parts.pool.resize, 3)
        pids = {}

        def all_run():
            pids.update(one.children())
            return len(pids) == 3 and one.call(lambda: one.worker.parts.dispatcher.outstanding) == 3

        eventually(all_run, 20, "three tasks in three children")
        one.call(one.worker.parts.pool.resize, 1)
        assert len(one.children()) == 3
        for gate in gates:
            open_gate(gate)
        assert {result.get(timeout=30) for result in results} == set(pids.values())
        eventually(lambda: list(one.children()) == [1], 30, "one child that stays")
        assert app.tasks["factory.whoami"].delay().get(timeout=30) == pids[1]


def test_a_recycled_child_ends_its_job_first(app, gates):
    with running(app, concurrency=1) as one:
        result = app.tasks["factory.wait_for"].delay(gates[0])
        eventually(lambda: one.call(lambda: one.worker.parts.dispatcher.is_running), 30, "the task runs")
        (child,) = one.call(lambda: list(one.worker.parts.dispatcher.children))
        before = one.children()
        one.call(one.worker.parts.pool.recycle, child)
        after = app.tasks["factory.whoami"].delay()
        assert one.children() == before
        open_gate(gates[0])
        assert result.get(timeout=30) == before[1]
        assert after.get(timeout=30) not in before.values()
        assert list(one.children()) == [1]


@pytest.mark.parametrize("slots", [1, 4])
def test_a_pool_may_be_resized_while_it_stops(app, gates, slots):
    with running(app, concurrency=2) as one:
        result = app.tasks["factory.wait_for"].delay(gates[0])
        eventually(lambda: one.call(lambda: one.worker.parts.dispatcher.is_running), 30, "the task runs")
        one.worker.request_stop()
        one.call(one.worker.parts.pool.resize, slots)
        open_gate(gates[0])
        assert result.get(timeout=30)


def test_autoscaling_follows_the_work_and_loses_nothing_in_many_cycles(app, monkeypatch):
    monkeypatch.setenv("AUTOSCALE_KEEPALIVE", "0.02")
    nap, slots = app.tasks["factory.nap"], []
    with running(app, autoscale="4,1") as one:
        pool = one.worker.parts.pool
        for _ in range(12):
            results = [nap.delay(0.03) for _ in range(8)]
            assert len({result.get(timeout=30) for result in results}) >= 1
            slots.append(pool.slots)
            eventually(lambda: pool.slots == 1, 30, "one slot")
        eventually(lambda: len(one.children()) == 1, 30, "one child")
        assert one.worker.options.autoscale == "4,1"
    assert max(slots) > 1
