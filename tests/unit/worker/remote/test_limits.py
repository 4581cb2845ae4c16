from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from umbel.testing.coroutines import on_loop
from unit.worker.remote.facade_bench import FacadeBench
from unit.worker.stand_ins import delivery


@on_loop
async def test_a_rate_limit_is_set_shown_and_taken_away():
    bench = FacadeBench()
    assert await bench.ask("rate_limit", task_name="t", rate_limit="100/m") == {"ok": "new rate limit set successfully"}
    assert bench.state.policies["t"].rate_limit == pytest.approx(100 / 60)
    assert not bench.state.policies["t"].is_plain
    shown = await bench.ask("registered", taskinfoitems=["rate_limit"])
    assert bench.own(shown) == ["other [rate_limit=5/s]", "t [rate_limit=100/m]"]
    for none in (0, None, "0/s", ""):
        assert await bench.ask("rate_limit", task_name="t", rate_limit=none) == {"ok": "rate limit disabled successfully"}
        assert bench.state.policies["t"].is_plain


@on_loop
async def test_what_waits_for_a_limit_goes_on_when_it_is_taken_away():
    bench = FacadeBench()
    await bench.ask("rate_limit", task_name="t", rate_limit="30/m")
    bench.stage.intake.on_deliveries([delivery("a"), delivery("b"), delivery("c")])
    bench.stage.rate_limits.started(bench.stage.dispatcher.ready[0], asyncio.get_running_loop().time())
    assert [task.id for task in bench.stage.dispatcher.ready] == ["a"]
    await bench.ask("rate_limit", task_name="t", rate_limit=None)
    while len(bench.stage.dispatcher.ready) < 3:
        await asyncio.sleep(0.01)
    assert [task.id for task in bench.stage.dispatcher.ready] == ["a", "b", "c"]


@on_loop
async def test_a_rate_of_all_workers_is_changed_too():
    bench = FacadeBench()
    bench.state.policies["t"] = replace(bench.state.policies["t"], is_rate_shared=True)
    await bench.ask("rate_limit", task_name="t", rate_limit="30/m")
    bench.stage.intake.on_deliveries([delivery("a"), delivery("b")])
    assert [turn.interval for turns, _ in bench.stage.asked_turns for turn in turns] == [2.0]
    await bench.ask("rate_limit", task_name="t", rate_limit="10/s")
    while len(bench.stage.asked_turns) < 2:
        await asyncio.sleep(0.01)
    assert bench.stage.asked_turns[1][0][0].interval == pytest.approx(0.1)
    await bench.ask("rate_limit", task_name="t", rate_limit=None)
    while len(bench.stage.dispatcher.ready) < 2:
        await asyncio.sleep(0.01)


@on_loop
async def test_a_rate_that_is_none_is_told_before_a_task_that_is_none():
    bench = FacadeBench()
    error = (await bench.ask("rate_limit", task_name="no.task", rate_limit="abc"))["error"]
    assert error.startswith("Invalid rate limit string: ValueError(")
    assert await bench.ask("rate_limit", task_name="no.task", rate_limit="1/m") == {"error": "unknown task"}
    assert (await bench.ask("rate_limit", task_name=["t"], rate_limit=1))["error"].startswith("ValueError(")


@on_loop
async def test_time_limits_hold_for_what_comes_from_now_on():
    bench = FacadeBench()
    assert await bench.ask("time_limit", task_name="t", hard=20, soft=10) == {"ok": "time limits set successfully"}
    bench.stage.intake.on_deliveries([delivery("a")])
    (task,) = bench.stage.dispatcher.ready
    assert (task.hard, task.soft) == (20.0, 10.0)
    assert await bench.ask("time_limit", task_name="t") == {"ok": "time limits set successfully"}
    assert bench.state.policies["t"].is_plain
    assert await bench.ask("time_limit", task_name="no.task", hard=1) == {"error": "unknown task"}
    assert "hard is a number of seconds" in (await bench.ask("time_limit", task_name="t", hard="1"))["error"]
