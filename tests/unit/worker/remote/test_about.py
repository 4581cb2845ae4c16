from __future__ import annotations

import json
import os

import pytest

from umbel.testing.coroutines import on_loop
from unit.worker.remote.facade_bench import FacadeBench
from unit.worker.stand_ins import FakeChild, delivery, outcome


@on_loop
async def test_figures():
    bench = FacadeBench(broker="redis://user:secret@localhost:6390/5;redis://:secret@other/5")
    bench.stage.dispatcher.add_child(bench.stage.child)
    bench.stage.dispatcher.add_child(FakeChild(2))
    bench.stage.intake.on_deliveries([delivery("a"), delivery("b"), delivery("c")])
    bench.stage.acknowledger.settle(bench.stage.dispatcher.finished(bench.stage.child, [outcome(1)]))
    found = await bench.ask("stats")
    json.dumps(found)
    assert "secret" not in json.dumps(found)
    assert (found["total"], found["pid"], found["clock"], found["prefetch_count"]) == ({"t": 1}, os.getpid(), "0", 10)
    assert found["pool"] == {
        "implementation": "umbel.pools.prefork:PreforkPool",
        "max-concurrency": 2,
        "processes": [1001, 1002],
        "max-tasks-per-child": "N/A",
        "put-guarded-by-semaphore": False,
        "timeouts": [0, 0],
        "writes": {
            "total": 2,
            "avg": "0.50",
            "all": "0.50, 0.50",
            "raw": "1, 1",
            "strategy": "fair",
            "inqueues": {"total": 2, "active": 1},
        },
    }
    broker = found["broker"]
    assert (broker["hostname"], broker["userid"], broker["virtual_host"], broker["port"]) == ("localhost", "user", "5", 6390)
    assert broker["alternates"] == ["redis://:**@other/5"]
    assert found["rusage"]["maxrss"] > 0


@on_loop
async def test_settings_have_no_secrets_and_fit_into_json():
    bench = FacadeBench(broker="amqp://guest:secret@localhost//", task_routes=[("t", object())], result_expires=3600)
    found = await bench.ask("conf")
    assert json.loads(json.dumps(found)) == found
    assert "secret" not in json.dumps(found)
    assert found["result_expires"] == 3600
    assert found["task_routes"][0][1].startswith("<object object")
    assert "accept_content" not in found
    assert found["deprecated_settings"] == []
    assert (await bench.ask("dump_conf", with_defaults=True))["accept_content"] == ["json"]


@on_loop
async def test_tasks_and_their_attributes():
    bench = FacadeBench()
    assert bench.own(await bench.ask("registered")) == ["other", "t"]
    shown = await bench.ask("dump_tasks", taskinfoitems=["rate_limit", "max_retries"])
    assert bench.own(shown) == ["other [rate_limit=5/s]", "t [max_retries=3]"]
    assert bench.own(await bench.ask("registered_tasks", taskinfoitems=["__class__", "_app", "apply", "nothing"])) == ["other", "t"]
    assert "celery.map" in await bench.ask("registered", builtins=True)
    assert "error" in await bench.ask("registered", taskinfoitems=[3])


@on_loop
async def test_a_report_for_a_bug_has_no_secrets():
    bench = FacadeBench(broker="amqp://guest:secret@localhost//")
    text = (await bench.ask("report"))["ok"]
    assert "umbel" in text and "platform" in text and "amqp://guest:**@localhost" in text
    assert "secret" not in text


@on_loop
async def test_time_and_presence():
    bench = FacadeBench()
    assert await bench.ask("ping") == {"ok": "pong"}
    assert await bench.ask("ping", whatever=1) == {"ok": "pong"}
    bench.app.clock.adjust(229)
    assert await bench.ask("clock") == {"clock": 230}


@pytest.mark.parametrize("name", ["ping", "clock", "report", "conf", "registered", "stats"])
def test_they_are_listed(name):
    from umbel.control.commands import COMMANDS

    command = COMMANDS.find(name)
    assert (command.kind, command.visible) == ("inspect", True)
    assert command.help
