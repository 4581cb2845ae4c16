from __future__ import annotations

import pytest

from umbel.testing.coroutines import on_loop
from unit.worker.remote.facade_bench import FacadeBench


@on_loop
async def test_the_pool_grows_and_shrinks():
    bench = FacadeBench()
    assert await bench.ask("pool_grow") == {"ok": "pool will grow"}
    assert await bench.ask("pool_grow", n=3) == {"ok": "pool will grow"}
    assert bench.pool.slots == 6
    assert await bench.ask("pool_shrink", n=5) == {"ok": "pool will shrink"}
    assert bench.pool.slots == 1


@pytest.mark.parametrize(
    ("method", "n"),
    [
        ("pool_grow", 10**9),
        ("pool_grow", 9_999),
        ("pool_grow", 0),
        ("pool_grow", -1),
        ("pool_grow", "2"),
        ("pool_grow", True),
        ("pool_shrink", 2),
    ],
)
@on_loop
async def test_it_stays_within_its_bounds(method, n):
    bench = FacadeBench()
    assert (await bench.ask(method, n=n))["error"].startswith("ValueError(")
    assert bench.pool.slots == 2


@on_loop
async def test_a_restart_must_be_allowed_and_loads_what_the_app_includes():
    bench = FacadeBench()
    assert await bench.ask("pool_restart") == {"error": "ValueError('Pool restarts not enabled')"}
    bench = FacadeBench(worker_pool_restarts=True, include=("json",))
    bench.stage.dispatcher.add_child(bench.stage.child)
    recycled = []
    bench.stage.dispatcher._recycle = recycled.append
    assert await bench.ask("pool_restart", modules=["json"], reload=True) == {"ok": "reload started"}
    assert (bench.pool.restarts, recycled) == (1, [bench.stage.child])
    assert "antigravity is not among the modules" in (await bench.ask("pool_restart", modules=["antigravity"]))["error"]
    assert bench.pool.restarts == 1


@on_loop
async def test_autoscaling():
    bench = FacadeBench()
    assert await bench.ask("autoscale", max=4, min=1) == {"error": "ValueError('Autoscale not enabled')"}

    forced = []

    class Scaler:
        def update(self, max, min):
            return max or 10, min or 2

        def force_scale_up(self, n):
            forced.append(n)

        def force_scale_down(self, n):
            forced.append(-n)

    bench.state.autoscaler = Scaler()
    assert await bench.ask("pool_grow", n=3) == {"ok": "pool will grow"}
    assert await bench.ask("pool_shrink") == {"ok": "pool will shrink"}
    assert (forced, bench.pool.slots) == ([3, -1], 2)
    assert await bench.ask("autoscale", max=4, min=1) == {"ok": "autoscale now max=4 min=1"}
    assert await bench.ask("autoscale") == {"ok": "autoscale now max=10 min=2"}
    assert (await bench.ask("autoscale", max=10**9))["error"].startswith("ValueError(")


@on_loop
async def test_a_second_shutdown_does_not_make_the_stop_cold():
    bench = FacadeBench()
    assert await bench.ask("shutdown") == {"ok": "shutting down"}
    bench.stopping.request()
    assert await bench.ask("shutdown") == {"ok": "shutting down"}
    assert bench.stops == [1]


@pytest.mark.parametrize(
    ("method", "arguments"),
    [("pool_grow", {}), ("pool_shrink", {}), ("add_consumer", {"queue": "q"}), ("pool_restart", {})],
)
@on_loop
async def test_a_worker_that_stops_begins_nothing_new(method, arguments):
    bench = FacadeBench(worker_pool_restarts=True)
    bench.stopping.request()
    assert await bench.ask(method, **arguments) == {"error": "ValueError('the worker is stopping')"}
    assert await bench.ask("ping") == {"ok": "pong"}
