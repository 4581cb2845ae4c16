from __future__ import annotations

import pytest

from umbel.testing.coroutines import on_loop
from unit.worker.remote.facade_bench import NODE, FacadeBench
from unit.worker.stand_ins import delivery


@on_loop
async def test_ids_are_revoked_one_or_several():
    bench = FacadeBench()
    assert await bench.ask("revoke", task_id="a", terminate=False, signal=None) == {"ok": "tasks {'a'} flagged as revoked"}
    assert (await bench.ask("revoke", task_id=["b", "c"]))["ok"] in {
        f"tasks {{{pair}}} flagged as revoked" for pair in ("'b', 'c'", "'c', 'b'")
    }
    assert sorted(await bench.ask("revoked")) == ["a", "b", "c"]
    assert await bench.ask("revoke", task_id=[]) == {"ok": "tasks set() flagged as revoked"}
    assert await bench.ask("revoke", task_id=[f"t{number}" for number in range(1000)]) == {"ok": "tasks 1000 flagged as revoked"}


@pytest.mark.parametrize(
    "given", [{"task_id": 5}, {"task_id": {"a": 1}}, {}, {"task_id": ["a", None]}, {"task_id": "a", "terminate": True, "signal": "SIGSTOP"}]
)
@on_loop
async def test_what_is_no_id_or_no_signal_revokes_nothing(given):
    bench = FacadeBench()
    assert "error" in await bench.ask("revoke", **given)
    assert await bench.ask("revoked") == []


@on_loop
async def test_what_runs_is_terminated_and_named():
    bench = FacadeBench()
    bench.run_first(delivery("runs"), delivery("waits"))
    assert await bench.ask("terminate", signal="KILL", task_id=["gone"]) == {"ok": "terminate: tasks unknown"}
    assert await bench.ask("revoke", task_id=["runs", "waits", "gone"], terminate=True, signal="SIGTERM") == {
        "ok": "terminate: runs, waits"
    }
    assert bench.stage.child.killed


@on_loop
async def test_where_it_cannot_be_terminated_the_reply_says_so():
    bench = FacadeBench(kills=False)
    bench.run_first(delivery("runs"))
    answer = await bench.ask("revoke", task_id="runs", terminate=True)
    assert answer["error"].startswith("CannotTerminate('task runs runs and cannot be ended in this pool")
    assert await bench.ask("revoked") == ["runs"]


@on_loop
async def test_stamps_are_revoked_by_an_object_or_by_words():
    bench = FacadeBench()
    headers = {"tenant": ["acme", "other"], "run": 7}
    answer = await bench.ask("revoke_by_stamped_headers", headers=headers, terminate=False, signal="SIGTERM")
    assert answer == {"ok": f"headers {headers} flagged as revoked, but not terminated"}
    assert await bench.ask("revoke_by_stamped_headers", headers=["a=b"]) == {
        "ok": "headers {'a': 'b'} flagged as revoked, but not terminated"
    }
    assert set(bench.stage.revoked.stamps) == {("tenant", "acme"), ("tenant", "other"), ("run", 7), ("a", "b")}
    bench.run_first(delivery("runs", stamped_headers=["x"], stamps={"x": "y"}))
    assert await bench.ask("revoke_by_stamped_headers", headers={"x": "y"}, terminate=True) == {"ok": "headers {'x': 'y'} revoked"}
    assert bench.stage.child.killed
    assert await bench.ask("revoke_by_stamped_headers", headers={"x": "z"}, terminate=True) == {
        "ok": "headers {'x': 'z'} were not terminated"
    }


@pytest.mark.parametrize(
    "headers", ["tenant=acme", None, 3, ["word"], {"a": {"b": 1}}, {"a": None}, {"a": [["b"]]}, {"a": "x" * 300}, {"": "x"}]
)
@on_loop
async def test_what_are_no_stamps_is_refused(headers):
    bench = FacadeBench()
    assert "error" in await bench.ask("revoke_by_stamped_headers", headers=headers)
    assert list(bench.stage.revoked.stamps) == []


@on_loop
async def test_workers_tell_each_other_what_is_revoked():
    bench = FacadeBench()
    bench.app.clock.adjust(100)
    assert await bench.ask("hello", from_node=NODE, revoked=["a"]) is None
    first = await bench.ask("hello", from_node="w2@golden", revoked=["a", 5, "", "x" * 300, None])
    assert first == {"revoked": ["a"], "clock": 102}
    await bench.ask("hello", from_node="w3@golden", revoked={"b": 12345.0, "c": [1.0, "c"]})
    assert sorted(await bench.ask("revoked")) == ["a", "b", "c"]
    for nothing in (None, 3, "text", []):
        assert sorted((await bench.ask("hello", from_node="w4@golden", revoked=nothing))["revoked"]) == ["a", "b", "c"]
