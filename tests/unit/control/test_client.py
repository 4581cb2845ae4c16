from __future__ import annotations

import asyncio
import inspect

import pytest

from umbel.control.calls import Calls
from umbel.control.client import Control
from umbel.control.inspection import Inspections
from umbel.errors import OperationalError
from umbel.testing.fakes import FakeApp


class FakeMailbox:
    """Remembers requests; replies what it is told."""

    def __init__(self, replies=()):
        self.asked, self.told, self.replies = [], [], list(replies)

    def tell(self, request, timeout):
        self.told.append((request.method, dict(request.arguments), timeout))

    def ask(self, request, *, timeout, limit, callback):
        self.asked.append((request.method, dict(request.arguments), request.destination, request.pattern, request.matcher, timeout, limit))
        return self.replies


class Bench:
    def __init__(self, replies=()):
        self.mailbox, self.kept = FakeMailbox(replies), []
        self.control = Control(self.mailbox, dict, lambda: None, self.kept.append)


def test_without_reply_a_command_is_told_and_nothing_comes_back():
    bench = Bench()
    assert bench.control.pool_grow(2) is None
    assert bench.control.shutdown(timeout=None) is None
    assert bench.mailbox.told == [("pool_grow", {"n": 2}, 1.0), ("shutdown", {}, None)]


def test_with_reply_as_many_are_waited_for_as_are_meant():
    bench = Bench([{"w": {"ok": 1}}])
    assert bench.control.broadcast("x", {"a": 1}, ["w1", "w2"], reply=True, timeout=3, b=2) == [{"w": {"ok": 1}}]
    bench.control.ping("w1")
    bench.control.ping(pattern="w*")
    bench.control.ping(["w1", "w2"], limit=1, matcher="pcre", pattern="w")
    assert bench.mailbox.asked == [
        ("x", {"a": 1, "b": 2}, ["w1", "w2"], None, None, 3, 2),
        ("ping", {}, ["w1"], None, None, 1.0, 1),
        ("ping", {}, None, "w*", "glob", 1.0, None),
        ("ping", {}, ["w1", "w2"], "w", "pcre", 1.0, 1),
    ]


def test_an_empty_list_of_names_is_nobody():
    """Celery's workers take it for everybody, who would shut down."""
    bench = Bench()
    assert bench.control.shutdown(destination=[]) is None
    assert bench.control.ping(destination=()) == []
    assert bench.mailbox.told == bench.mailbox.asked == []


@pytest.mark.parametrize("wrong", [3, None, [3], ["a", None]])
def test_what_is_revoked_has_ids_that_are_text(wrong):
    bench = Bench()
    with pytest.raises(TypeError):
        bench.control.revoke(wrong)
    assert bench.mailbox.told == []


def test_what_all_are_told_to_revoke_is_kept_and_what_some_are_told_is_not():
    bench = Bench()
    bench.control.revoke("a")
    bench.control.terminate(["b", "c"], signal="KILL")
    bench.control.revoke_by_stamped_headers({"tenant": ["acme"], "run": 7})
    bench.control.broadcast("revoke", {"task_id": "d"})
    bench.control.revoke("e", destination=["w1"])
    bench.control.revoke("f", pattern="w*")
    bench.control.revoke([])
    bench.control.rate_limit("t", 1)
    assert bench.kept == [["a"], ["b", "c"], ['\x1f["tenant", "acme"]', '\x1f["run", 7]'], ["d"]]
    assert bench.mailbox.told[1][1] == {"task_id": ["b", "c"], "terminate": True, "signal": "KILL"}


def test_a_store_that_is_away_keeps_no_worker_from_being_told(caplog):
    bench = Bench()

    def away(entries):
        raise OperationalError("no answer")

    bench.control._keep_revoked = away
    bench.control.revoke("a")
    assert [told[0] for told in bench.mailbox.told] == ["revoke"]
    assert "is not kept, so a worker that is started later may run it: no answer" in caplog.text


def test_questions_are_put_together_by_node():
    bench = Bench([{"w1@h": {"ok": "pong"}}, {"w2@h": 2}])
    assert bench.control.inspect().ping() == {"w1@h": {"ok": "pong"}, "w2@h": 2}
    assert bench.control.inspect("w1@h").ping() == {"ok": "pong"}
    assert bench.control.inspect("nobody").ping() is None
    assert bench.control.inspect(["w1@h"]).ping() == {"w1@h": {"ok": "pong"}, "w2@h": 2}
    assert bench.control.inspect(pattern="w2*").ping() == {"w2@h": 2}
    assert bench.control.inspect().ping(destination=["w9@h"]) is not None
    assert bench.mailbox.asked[-1][2] == ["w9@h"]
    assert Bench().control.inspect().ping() is None


def test_questions_have_celerys_names_and_arguments():
    bench = Bench()
    ask = bench.control.inspect(timeout=2.0, limit=3)
    ask.query_task("a", "b")
    ask.query_task(["a", "b"])
    ask.query_task("a")
    ask.registered("rate_limit")
    ask.objgraph()
    assert [asked[:2] for asked in bench.mailbox.asked] == [
        ("query_task", {"ids": ["a", "b"]}),
        ("query_task", {"ids": ["a", "b"]}),
        ("query_task", {"ids": ["a"]}),
        ("registered", {"taskinfoitems": ["rate_limit"]}),
        ("objgraph", {"num": 200, "max_depth": 10, "type": "Request"}),
    ]
    assert {asked[5:] for asked in bench.mailbox.asked} == {(2.0, 3)}


def test_coroutines_do_the_same():
    bench = Bench([{"w1@h": 1}])

    async def main():
        aio = bench.control.aio
        assert await aio.ping() == [{"w1@h": 1}]
        assert await aio.revoke("a") is None
        assert await aio.inspect("w1@h").active() == 1
        assert await aio.inspect(pattern="x*").active() == {}

    asyncio.run(main())
    assert bench.kept == [["a"]]
    assert bench.mailbox.told == [("revoke", {"task_id": "a", "terminate": False, "signal": "SIGTERM"}, 1.0)]


def test_every_method_of_celerys_is_there():
    """Celery 5.7's `app.control` and `app.control.inspect()`."""
    control = {
        "add_consumer", "autoscale", "broadcast", "cancel_consumer", "disable_events", "discard_all", "election", "enable_events", "heartbeat",
        "inspect", "mailbox", "ping", "pool_grow", "pool_restart", "pool_shrink", "purge", "rate_limit", "revoke", "revoke_by_stamped_headers",
        "shutdown", "terminate", "time_limit",
    }  # fmt: skip
    inspection = {
        "active", "active_queues", "clock", "conf", "hello", "memdump", "memsample", "objgraph", "ping", "query_task", "registered",
        "registered_tasks", "report", "reserved", "revoked", "scheduled", "stats",
    }  # fmt: skip
    made = Bench().control
    assert not {name for name in control if not hasattr(made, name)}
    assert not {name for name in inspection if not hasattr(made.inspect(), name)}
    assert all(inspect.getdoc(getattr(kind, name)) for kind in (Calls, Inspections) for name in vars(kind) if not name.startswith("_"))


def test_a_result_revokes_its_task():
    with FakeApp() as app:
        told = []
        app.control.__class__.broadcast, before = lambda self, *given, **more: told.append((given, more)), app.control.__class__.broadcast
        try:
            app.AsyncResult("a").revoke(terminate=True, signal="SIGKILL", wait=True, timeout=3)
            asyncio.run(app.AsyncResult("b").arevoke())
            app.AsyncResult("c").revoke_by_stamped_headers({"x": "y"})
            app.ResultSet([app.AsyncResult("d"), app.GroupResult("g", [app.AsyncResult("e")])]).revoke()
            app.ResultSet([]).revoke()
        finally:
            app.control.__class__.broadcast = before
    assert [(command, arguments.get("task_id")) for (command, arguments), _ in told] == [
        ("revoke", "a"), ("revoke", "b"), ("revoke_by_stamped_headers", None), ("revoke", ["d", "e"]),
    ]  # fmt: skip
    assert told[0] == (
        ("revoke", {"task_id": "a", "terminate": True, "signal": "SIGKILL"}),
        {"destination": None, "reply": True, "timeout": 3},
    )
    assert told[1][0][1]["signal"] is None
