"""The pool's start and its stops, without a broker and without children."""

from __future__ import annotations

import asyncio

import pytest

from umbel.worker import pool_service
from umbel.worker.pool_service import NoChildStarts, PoolService
from umbel.worker.slots.supervisor import Supervisor
from unit.worker.stand_ins import FakeChild, delivery, outcome
from unit.worker.test_intake import Bench


class FakePool:
    """Children that start at once, and end when they are told to, unless they are stubborn."""

    def __init__(self, *, fails="", is_stubborn=False, slots=1):
        self.fails, self.is_stubborn, self.slots = fails, is_stubborn, slots
        self.children, self.is_closing, self.killed = [], False, False

    def open(self, listener):
        self.listener = listener
        if self.fails:
            for _ in range(3):
                listener.on_death(FakeChild(), self.fails)
            return
        self.children = [FakeChild(index) for index in range(1, self.slots + 1)]
        for child in list(self.children):
            listener.on_ready(child)

    def recycle(self, child): ...

    def replace(self, child):
        self.children = [each for each in self.children if each is not child]

    def close(self):
        self.is_closing = True
        if not self.is_stubborn:
            self._end_all()

    def kill(self):
        self.killed = self.is_closing = True
        self._end_all()

    def _end_all(self):
        for child in list(self.children):
            self.listener.on_death(child, "it was told to")

    @property
    def is_empty(self):
        return not self.children


class Limits:
    def forget(self, child): ...


class Stage(Bench):
    """A pool service with everything around it."""

    def __init__(self, pool=None, *, grace=None, stop=None):
        super().__init__()
        self.pool = pool or FakePool()
        self.supervisor = Supervisor(self.dispatcher, self.acknowledger, Limits(), self.acknowledger._events, (), self.pool, 5)
        self.service = PoolService(self, stop, grace)

    def receive(self, *ids):
        self.intake.on_deliveries([delivery(task_id) for task_id in ids])

    def ran(self, child, number):
        self.supervisor.on_outcomes(child, [outcome(number)])


@pytest.fixture
def stop():
    from umbel.worker.stopping import StopRequest

    return StopRequest()


def on_loop(story):
    asyncio.run(asyncio.wait_for(story, 20))


def test_it_has_started_when_a_child_takes_jobs(stop):
    async def story():
        stage = Stage(stop=stop)
        await stage.service.start()
        assert len(stage.dispatcher.children) == 1

    on_loop(story())


def test_it_cannot_start_when_no_child_can(stop):
    async def story():
        stage = Stage(FakePool(fails="ImportError: no module"), stop=stop)
        with pytest.raises(NoChildStarts, match="no module"):
            await stage.service.start()
        await stage.service.stop()

    on_loop(story())


def test_a_warm_stop_hands_back_what_waits_and_waits_for_what_runs(stop):
    async def story():
        stage = Stage(stop=stop)
        await stage.service.start()
        stage.receive("runs", "waits")
        (child,) = stage.pool.children
        child.begin(1)
        stop.listen()
        stopping = asyncio.ensure_future(stage.service.stop())
        while stage.consumer.requeued != ["waits"]:
            await asyncio.sleep(0)
        assert not stopping.done()
        assert stage.consumer.windows == [0]
        stage.ran(child, 1)
        await stopping
        assert (stage.consumer.acked, stage.consumer.requeued, stage.service.handed_back) == (["runs"], ["waits"], 1)
        assert stage.pool.is_empty
        assert not stage.pool.killed

    on_loop(story())


def test_a_cold_stop_hands_back_what_runs_and_ends_the_children(stop):
    async def story():
        stage = Stage(stop=stop)
        await stage.service.start()
        stage.receive("runs", "waits")
        stage.pool.children[0].begin(1)
        stop.request(warm=False)
        await stage.service.stop()
        assert sorted(stage.consumer.requeued) == ["runs", "waits"]
        assert stage.consumer.acked == []
        assert stage.pool.killed

    on_loop(story())


def test_a_second_request_makes_a_warm_stop_cold(stop):
    async def story():
        stage = Stage(stop=stop)
        await stage.service.start()
        stage.receive("runs")
        stage.pool.children[0].begin(1)
        stop.listen()
        stop.request()
        stopping = asyncio.ensure_future(stage.service.stop())
        await asyncio.sleep(0.01)
        assert not stopping.done()
        stop.request()
        await stopping
        assert stage.consumer.requeued == ["runs"]

    on_loop(story())


def test_a_warm_stop_becomes_cold_after_its_grace(stop):
    async def story():
        stage = Stage(grace=0.02, stop=stop)
        await stage.service.start()
        stage.receive("runs")
        stage.pool.children[0].begin(1)
        await stage.service.stop()
        assert stop.is_cold
        assert stage.consumer.requeued == ["runs"]

    on_loop(story())


def test_a_warm_stop_does_not_wait_for_a_store_that_stays_away(stop, monkeypatch, caplog):
    """Tasks that run are waited for; what has ended, and whose result cannot be stored, goes back."""
    monkeypatch.setattr(pool_service, "_COMMIT_TIMEOUT", 0.1)

    async def story():
        stage = Stage(stop=stop)
        await stage.service.start()
        stage.receive("ended")
        stage.pool.children[0].rows[0].started = 1  # it has begun and ended; its outcome does not come
        await stage.service.stop()
        assert stage.consumer.requeued == ["ended"]

    on_loop(story())
    assert "1 tasks have ended" in caplog.text


def test_children_that_do_not_leave_are_killed(stop, monkeypatch):
    monkeypatch.setattr(pool_service, "_LEAVE_TIMEOUT", 0.02)

    async def story():
        stage = Stage(FakePool(is_stubborn=True), stop=stop)
        await stage.service.start()
        await stage.service.stop()
        assert stage.pool.killed
        assert stage.pool.is_empty

    on_loop(story())
