from __future__ import annotations

import asyncio
import json

import pytest

from umbel.errors import WorkerLostError
from umbel.events.model import BY_NAME
from umbel.events.rendering import EventRenderer, rest_text
from umbel.runtime.clock import SYSTEM
from umbel.runtime.logical_clock import LogicalClock
from umbel.testing.coroutines import on_loop
from umbel.worker.events.emitting import TaskEventEmitter
from umbel.worker.tasks.events import TaskEvents
from umbel.worker.tasks.reserved import ReservedTask
from unit.worker.stand_ins import delivery, entry, outcome, task_policy


class Bench:
    """An emitter, and what it has sent."""

    def __init__(self, **policies):
        self.events, self.messages = TaskEvents(), []
        self.emitter = TaskEventEmitter(
            self.events, policies, EventRenderer("w1@host", LogicalClock(), pid=1, offset=0.0), self.messages.extend
        )
        self.emitter.listen()

    def sent(self):
        return [event for message, _ in self.messages for event in json.loads(message.body)]

    def told(self):
        """Type and id of each event that was sent."""
        self.emitter.flush()
        return [(event["type"], event["uuid"]) for event in self.sent()]


def reserved(**headers):
    found = delivery(**headers)
    return ReservedTask(found, "t", found.headers["id"], task_policy(), None, None)


@on_loop
async def test_the_life_of_a_task():
    bench, before = Bench(), SYSTEM.now()
    task = reserved(
        argsrepr="(2, 3)", kwargsrepr="{}", root_id="r", parent_id="p", eta="2030-01-01T00:00:00+00:00", expires=None, shadow="shown"
    )
    bench.events.received(task)
    bench.events.started(task, SYSTEM.monotonic() - 5)
    bench.events.succeeded(task, outcome(1, runtime=0.25)._replace(detail="5"))
    bench.emitter.flush()
    ((_, key),) = bench.messages
    received, started, succeeded = bench.sent()
    assert key == "task.multi"
    common = {"hostname": "w1@host", "utcoffset": 0.0, "pid": 1}
    assert received == {
        **common, "clock": 1, "uuid": "i", "name": "shown", "args": "(2, 3)", "kwargs": "{}", "root_id": "r", "parent_id": "p", "retries": 0,
        "eta": "2030-01-01T00:00:00+00:00", "expires": None, "timestamp": received["timestamp"], "type": "task-received",
    }  # fmt: skip
    assert started == {**common, "clock": 2, "uuid": "i", "timestamp": started["timestamp"], "type": "task-started"}
    assert (succeeded["clock"], succeeded["result"], succeeded["runtime"]) == (3, "5", 0.25)
    assert before - 5.5 < started["timestamp"] < before - 4.5
    assert before <= received["timestamp"] <= succeeded["timestamp"] <= SYSTEM.now()


@on_loop
async def test_the_ends_of_tasks():
    bench = Bench()
    for state, end in [
        ("FAILURE", {"detail": "ValueError('x')", "traceback": "Traceback"}),
        ("RETRY", {"detail": "Retry in 1.0s: KeyError('not: yet')", "traceback": "Traceback"}),
        ("RETRY", {"detail": "later"}),
        ("REJECTED", {"verdict": 1}),
        ("REJECTED", {"verdict": 2}),
        ("IGNORED", {}),
    ]:
        bench.events.endings[state](entry(), outcome(1, state=state)._replace(**end))
    bench.events.expired(delivery("e"))
    bench.events.revoked(delivery("r"), None)
    bench.events.revoked(delivery("k"), 9)
    bench.events.failed_unreported(delivery("l"), WorkerLostError("gone"))
    bench.emitter.flush()
    assert [{name: event[name] for name in ("type", *BY_NAME[event["type"]].fields)} for event in bench.sent()] == [
        {"type": "task-failed", "uuid": "i", "exception": "ValueError('x')", "traceback": "Traceback"},
        {"type": "task-retried", "uuid": "i", "exception": "KeyError('not: yet')", "traceback": "Traceback"},
        {"type": "task-retried", "uuid": "i", "exception": "later", "traceback": None},
        {"type": "task-rejected", "uuid": "i", "requeue": True},
        {"type": "task-rejected", "uuid": "i", "requeue": False},
        {"type": "task-revoked", "uuid": "e", "terminated": False, "signum": None, "expired": True},
        {"type": "task-revoked", "uuid": "r", "terminated": False, "signum": None, "expired": False},
        {"type": "task-revoked", "uuid": "k", "terminated": True, "signum": 9, "expired": False},
        {"type": "task-failed", "uuid": "l", "exception": "WorkerLostError('gone')", "traceback": None},
    ]


@pytest.mark.parametrize("odd", ["", 'a"b', "漢字\x00", "x" * 5000, None, 5])
@on_loop
async def test_each_is_written_as_the_table_says(odd):
    bench = Bench()
    headers = {"argsrepr": odd, "kwargsrepr": odd, "root_id": odd, "parent_id": odd, "eta": odd, "expires": odd}
    task, text = reserved(**headers), str(odd)
    bench.events.received(task)
    bench.events.started(task, 0.0)
    bench.events.succeeded(task, outcome(1)._replace(detail=text))
    for event in (bench.events.failed, bench.events.retried):
        event(task, outcome(1)._replace(detail=text, traceback=None if odd is None else text))
    bench.emitter.flush()
    ((message, _),) = bench.messages
    again = []
    for event in bench.sent():
        kind = BY_NAME[event["type"]]
        again.append(rest_text(kind, [event[name] for name in kind.fields], event["timestamp"]))
    ((expected, _),) = EventRenderer("w1@host", LogicalClock(), pid=1, offset=0.0).groups(again)
    if not isinstance(odd, str) or len(odd) < 5000:
        assert message.body == expected.body
    assert [event["type"] for event in bench.sent()] == [
        "task-received", "task-started", "task-succeeded", "task-failed", "task-retried",
    ]  # fmt: skip


@on_loop
async def test_events_wait_for_company_and_leave_by_themselves():
    bench = Bench()
    for name in "abc":
        bench.events.received(entry(name))
    assert bench.messages == []
    while not bench.messages:
        await asyncio.sleep(0.01)
    assert [event["uuid"] for event in bench.sent()] == ["a", "b", "c"]
    bench.events.received(entry("d"))
    while len(bench.messages) < 2:
        await asyncio.sleep(0.01)


@on_loop
async def test_very_many_are_written_in_several_turns_of_the_loop():
    bench = Bench()
    for number in range(12_000):
        bench.events.received(entry(str(number)))
    bench.emitter.flush()
    first = len(bench.sent())
    await asyncio.sleep(0)
    second = len(bench.sent())
    await asyncio.sleep(0)
    assert (first, second) == (5000, 10_000)
    assert [event["uuid"] for event in bench.sent()] == [str(number) for number in range(12_000)]
    assert [event["clock"] for event in bench.sent()] == list(range(1, 12_001))


@on_loop
async def test_a_task_that_sends_no_events_is_silent():
    bench = Bench(quiet=task_policy("quiet", send_events=False), loud=task_policy("loud"))
    for name in ("quiet", "loud", "unknown"):
        bench.events.received(entry(name, name, send_events=name != "quiet"))
        bench.events.failed_unreported(delivery(name, name), ValueError())
    assert bench.told() == [(kind, name) for name in ("loud", "unknown") for kind in ("task-received", "task-failed")]


@on_loop
async def test_it_can_be_told_to_stop_and_to_go_on():
    bench = Bench()
    bench.emitter.listen()
    bench.events.received(entry("a"))
    bench.emitter.stop()
    assert bench.told() == [("task-received", "a")], "what was written is sent"
    assert all(getattr(bench.events, name).tell is None for name in ("received", "started", "succeeded", "failed", "revoked"))
    bench.events.received(entry("b"))
    bench.emitter.stop()
    bench.emitter.listen()
    bench.events.received(entry("c"))
    assert bench.told() == [("task-received", "a"), ("task-received", "c")]


@pytest.mark.parametrize("wrong", [None, 5, "", "x" * 300, "a\x00", ["i"], {}])
@on_loop
async def test_a_message_whose_id_is_none_tells_nothing(wrong):
    bench = Bench()
    bench.events.failed_unreported(delivery(wrong, name=["odd"]), ValueError())
    bench.events.expired(delivery(wrong))
    assert bench.told() == []


@on_loop
async def test_headers_may_hold_anything():
    bench = Bench()
    odd = {"argsrepr": ["x"], "kwargsrepr": b"\xff", "root_id": {}, "retries": 10**400, "eta": float("nan"), "expires": "x" * 100_000}
    bench.events.received(reserved(**odd))
    ((event),) = (bench.emitter.flush(), bench.sent())[1]
    assert (event["args"], event["retries"], event["eta"], len(event["expires"])) == ("['x']", None, None, 4096)
