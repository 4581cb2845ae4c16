"""How many slots there are to be, without children."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from umbel.errors import ImproperlyConfigured
from umbel.testing.coroutines import on_loop
from umbel.worker.slots import autoscaling
from umbel.worker.slots.autoscaling import Autoscaler, autoscalers_of, parse_bounds


class Bench:
    """A pool of plain numbers: so many slots, so many of them busy, so many tasks that wait."""

    def __init__(self, most=10, least=1, keepalive=4.0, scaler=Autoscaler):
        self.sizes = []
        self.is_open, self.ready, self._busy = True, [], 0
        dispatcher = self
        self.app = SimpleNamespace(conf=SimpleNamespace(worker_autoscaler="celery.worker.autoscale:Autoscaler"))
        self.parts = SimpleNamespace(dispatcher=dispatcher, pool=SimpleNamespace(slots=least, resize=self._resize))
        self.settings = SimpleNamespace(autoscale=(most, least))
        self.scaler = scaler(self.parts.pool, most, least, worker=SimpleNamespace(parts=self.parts), keepalive=keepalive)
        self.scaler._half_began = 100.0

    def _resize(self, slots):
        self.parts.pool.slots = slots
        self.sizes.append(slots)

    def slots(self):
        return [SimpleNamespace(given={1: 1})] * self._busy + [SimpleNamespace(given={})] * (self.parts.pool.slots - self._busy)

    def at(self, seconds, busy, waiting=0):
        """Look, when so many are busy; returns the number of slots after it."""
        self.ready = [object()] * waiting
        self._busy = busy
        self.scaler.look(100.0 + seconds)
        return self.parts.pool.slots


def test_it_grows_faster_each_time_while_every_slot_is_busy():
    bench = Bench(most=100)
    assert [bench.at(0.1 * step, bench.parts.pool.slots) for step in range(4)] == [2, 8, 64, 100]


def test_it_grows_slowly_where_growth_was_enough_for_a_while():
    bench = Bench(most=100)
    assert bench.at(0.0, 1) == 2
    assert bench.at(0.1, 1) == 2
    assert bench.at(2.0, 2) == 4


def test_what_waits_here_gets_slots_at_once():
    assert Bench().at(0.0, 1, waiting=5) == 6


def test_one_slot_is_kept_free_and_a_gap_ends_nothing():
    bench = Bench(keepalive=4.0)
    for seconds in (0.0, 0.1, 0.2):
        bench.at(seconds, bench.parts.pool.slots)
    assert bench.parts.pool.slots == 10
    assert bench.at(1.0, 3) == 10
    assert bench.at(2.1, 3) == 10
    assert bench.at(4.2, 3) == 4
    assert [bench.at(4.2 + 0.1 * step, 3) for step in range(60)] == [4] * 60
    assert [bench.at(15.0 + step, 0) for step in range(5)][-1] == 1


def test_it_is_back_at_its_least_within_its_keepalive_and_a_half():
    bench = Bench(keepalive=4.0)
    for step in range(20):
        bench.at(0.1 * step, bench.parts.pool.slots)
    assert next(step for step in range(200) if bench.at(2.0 + 0.05 * step, 0) == 1) * 0.05 <= 4.1


def test_bounds_can_be_moved():
    bench = Bench()
    assert bench.scaler.update(4, 3) == (4, 3)
    assert bench.sizes == [3]
    assert bench.scaler.update(min=0) == (4, 1)
    with pytest.raises(ValueError, match="max must be at least min"):
        bench.scaler.update(2, 3)
    bench.scaler.force_scale_up(5)
    assert bench.scaler.info() == {"max": 8, "min": 1, "current": 8, "qty": 0}
    bench.scaler.force_scale_down(7)
    assert bench.scaler.info()["current"] == 1


def test_a_worker_that_stops_keeps_its_slots():
    bench = Bench()
    bench.is_open = False
    assert bench.at(0.0, 1) == 1


@on_loop
async def test_a_class_of_ones_own_decides_in_a_thread():
    class Own(Autoscaler):
        def _maybe_scale(self, req=None):
            if self.qty:
                raise RuntimeError("asks nobody twice")
            self.scale_up(30)

    bench = Bench(scaler=Own)
    await bench.scaler.start()
    bench.at(0.0, 0)
    while not bench.sizes:
        await asyncio.sleep(0.001)
    assert bench.sizes == [10]
    bench.scaler.scale_down(30)
    await asyncio.sleep(0)
    assert bench.sizes == [10, 1]
    bench.at(0.1, 1)  # its error ends nothing
    while not bench.scaler._deciding.done():
        await asyncio.sleep(0.001)
    await bench.scaler.stop()


def test_the_class_is_found_by_its_path():
    bench = Bench()
    state = SimpleNamespace()
    (made,) = autoscalers_of(bench, state)
    assert type(made) is Autoscaler
    assert state.autoscaler is made
    bench.app.conf.worker_autoscaler = f"{autoscaling.__name__}.Autoscaler"
    assert len(autoscalers_of(bench, state)) == 1
    for wrong in ("json:dumps", "nowhere:Nothing", "json:Nothing", "word", 3):
        bench.app.conf.worker_autoscaler = wrong
        with pytest.raises(ImproperlyConfigured, match="worker_autoscaler"):
            autoscalers_of(bench, state)
    bench.settings.autoscale = None
    assert autoscalers_of(bench, state) == []


def test_how_long_slots_stay_may_be_told_by_the_environment(monkeypatch):
    monkeypatch.setenv("AUTOSCALE_KEEPALIVE", "7.5")
    assert Bench(keepalive=None).scaler.keepalive == 7.5
    for wrong in ("soon", "-1", "nan", "inf"):
        monkeypatch.setenv("AUTOSCALE_KEEPALIVE", wrong)
        with pytest.raises(ImproperlyConfigured, match="AUTOSCALE_KEEPALIVE"):
            Bench(keepalive=None)


@pytest.mark.parametrize(
    ("given", "bounds"),
    [("10,3", (10, 3)), (" 10 , 0", (10, 1)), ("4", (4, 1)), ((5, 2), (5, 2)), ([5, 2], (5, 2)), (6, (6, 1)), (None, None), ("", None)],
)
def test_bounds_are_read(given, bounds):
    assert parse_bounds(given) == bounds


@pytest.mark.parametrize("given", ["3,9", "0,0", "-3,1", "3,-1", "a,b", "1,2,3", "10001,1", ",", object()])
def test_bounds_that_make_no_sense(given):
    with pytest.raises(ImproperlyConfigured, match="expected MAX,MIN"):
        parse_bounds(given)
