from __future__ import annotations

import json
import time

import pytest

from umbel.testing.coroutines import on_loop
from unit.worker.remote.facade_bench import NODE, FacadeBench
from unit.worker.stand_ins import delivery

FIELDS = {"id", "name", "args", "kwargs", "type", "hostname", "time_start", "acknowledged", "delivery_info", "worker_pid"}


def call(task_id, *args, **headers):
    return delivery(task_id, body=json.dumps([args, {}, {}]).encode(), argsrepr=repr(args), kwargsrepr="{}", **headers)


def eta(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + seconds))


@on_loop
async def test_what_runs_is_active_and_what_waits_behind_it_is_reserved():
    bench = FacadeBench()
    bench.run_first(call("a", 60), call("b", 2, 3))
    (runs,) = await bench.ask("active")
    assert set(runs) == FIELDS
    assert (runs["id"], runs["name"], runs["type"], runs["hostname"], runs["args"], runs["kwargs"]) == ("a", "t", "t", NODE, [60], {})
    assert runs["worker_pid"] == 1001
    assert runs["time_start"] == pytest.approx(time.time() - time.monotonic(), abs=5)
    assert runs["delivery_info"] == {"exchange": "", "routing_key": "q", "priority": None, "redelivered": False}
    (waits,) = await bench.ask("dump_reserved")
    assert (waits["id"], waits["args"], waits["time_start"], waits["worker_pid"]) == ("b", [2, 3], None, None)
    assert (await bench.ask("active", safe=True))[0]["args"] == "(60,)"


@on_loop
async def test_what_waits_for_its_time_is_scheduled_in_the_order_of_it():
    bench = FacadeBench()
    bench.stage.intake.on_deliveries([call("later", eta=eta(4)), call("soon", 1, eta=eta(3))])
    soon, later = await bench.ask("scheduled")
    assert set(soon) == {"eta", "priority", "request"}
    assert (soon["request"]["id"], later["request"]["id"], soon["priority"]) == ("soon", "later", 6)
    assert soon["eta"].startswith(eta(3)[:19])
    assert await bench.ask("reserved") == []


@on_loop
async def test_what_waits_for_a_rate_limit_is_reserved():
    bench = FacadeBench()
    assert await bench.ask("rate_limit", task_name="t", rate_limit="30/m") == {"ok": "new rate limit set successfully"}
    bench.stage.intake.on_deliveries([call("a"), call("b")])
    assert [task["id"] for task in await bench.ask("reserved")] == ["a", "b"]
    assert await bench.ask("scheduled") == []


@on_loop
async def test_single_tasks_are_found_wherever_they_are():
    bench = FacadeBench()
    bench.run_first(call("runs"), call("waits"), call("due", eta=eta(4)))
    found = await bench.ask("query_task", ids=["runs", "waits", "due", "nope"])
    assert {task_id: (state, task["id"]) for task_id, (state, task) in found.items()} == {
        "runs": ("active", "runs"),
        "waits": ("reserved", "waits"),
        "due": ("scheduled", "due"),
    }
    assert list(await bench.ask("query_task", ids="runs")) == ["runs"]
    assert await bench.ask("query_task") == {}
    assert (await bench.ask("query_task", ids=[1]))["error"].startswith("ValueError(")
    assert (await bench.ask("query_task", ids={"a": 1}))["error"].startswith("TypeError(")
