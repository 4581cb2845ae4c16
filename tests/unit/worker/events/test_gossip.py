from __future__ import annotations

import asyncio
import json
import logging
import os

import pytest

from umbel.brokers.base import ConnectionState, Delivery
from umbel.errors import AccessRefused
from umbel.runtime.logical_clock import LogicalClock
from umbel.testing.clock import FakeClock
from umbel.testing.coroutines import on_loop
from umbel.worker.events.gossip import Gossip


class Subscriber:
    def __init__(self, error=None):
        self.calls, self.error = [], error

    async def start(self, sink):
        self.calls.append("start")
        if self.error:
            raise self.error

    async def aclose(self):
        self.calls.append("aclose")


class Bench:
    def __init__(self, **options):
        self.subscriber, self.clock, self.time = Subscriber(options.pop("error", None)), LogicalClock(), FakeClock()
        self.sent, self.acts = [], []
        self.gossip = Gossip(
            self.subscriber,
            "me@host",
            self.clock,
            frozenset({"application/json"}),
            lambda kind, fields: self.sent.append((kind, dict(fields))),
            lambda topic, action: self.acts.append((topic, action)),
            time=self.time,
            **options,
        )

    def hear(self, kind, hostname="other@host", pid=7, clock=1, drift=0.0, **fields):
        event = {"type": kind, "hostname": hostname, "pid": pid, "clock": clock, "timestamp": self.time.wall - drift, "freq": 2.0, **fields}
        self.hear_raw(json.dumps(event).encode())

    def hear_raw(self, body):
        self.gossip.on_messages([Delivery(body, {}, "application/json", "utf-8", {}, None, 0, "q", "celeryev", "worker.x")])


@pytest.fixture(autouse=True)
def logs(caplog):
    caplog.set_level(logging.INFO, "umbel.worker")
    return caplog


def lines(caplog):
    return [(record.levelname, record.message) for record in caplog.records]


def test_workers_come_and_go(caplog):
    bench = Bench()
    bench.hear("worker-heartbeat")
    bench.hear("worker-heartbeat")
    bench.hear("worker-offline")
    bench.hear("worker-online", "odd\u202ename@host")
    assert lines(caplog) == [("INFO", "other@host is there"), ("INFO", "other@host has gone")]
    assert dict(bench.gossip.state.workers) == {}


def test_a_worker_that_shows_no_life_is_missed_once(caplog):
    bench = Bench()
    bench.hear("worker-online")
    bench.time.advance(3.9)
    bench.gossip.look(0.0)
    bench.time.advance(0.2)
    bench.gossip.look(0.0)
    bench.gossip.look(0.0)
    assert lines(caplog)[1:] == [("WARNING", "No sign of life from other@host any more")]


def test_the_clock_follows_the_others():
    bench = Bench()
    bench.hear("worker-heartbeat", clock=40)
    bench.hear("worker-heartbeat", clock=3)
    bench.hear("worker-heartbeat", clock=float("nan"))
    bench.hear("worker-heartbeat", clock=10**30)
    assert bench.clock.value == 44


def test_its_own_events_are_no_news_and_a_namesake_is(caplog):
    bench = Bench()
    bench.hear("worker-heartbeat", "me@host", pid=os.getpid())
    for _ in range(2):
        bench.hear("worker-heartbeat", "me@host", pid=99)
    assert dict(bench.gossip.state.workers) == {}
    assert lines(caplog) == [("WARNING", "Another worker has the name me@host, too (process 99): give each its own, with -n")]


def test_a_clock_that_is_wrong_is_told_once(caplog):
    bench = Bench()
    for _ in range(2):
        bench.hear("worker-heartbeat", drift=-100)
    bench.hear("worker-heartbeat", "third@host", drift=10)
    assert [text for level, text in lines(caplog) if level == "WARNING"] == ["The clock of other@host differs from ours by 100 s"]


def test_a_flood_of_forged_names_is_bounded():
    bench = Bench()
    for number in range(6000):
        bench.hear("worker-online", f"forged{number}", drift=50)
        bench.hear("worker-heartbeat", "me@host", pid=number)
    assert len(bench.gossip.state.workers) == 5000
    assert len(bench.gossip._told_drift) <= 1000
    assert len(bench.gossip._told_namesakes) <= 100


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1, {}]", b"\xff", b'{"type": "worker-online"}', b'{"type": "worker-heartbeat", "hostname": "a\\nb"}']
)
def test_what_is_no_event_does_no_harm(body):
    bench = Bench()
    bench.hear_raw(body)
    bench.gossip.on_connection(ConnectionState.LOST, "gone")
    assert dict(bench.gossip.state.workers) == {}


def test_it_is_elected_and_acts(caplog):
    bench = Bench()
    bench.hear("worker-online")
    bench.gossip.election("e", "task", {"task": "t"})
    assert bench.sent == [("worker-elect", {"id": "e", "topic": "task", "action": {"task": "t"}, "cver": 1})]
    bench.hear("worker-elect", "me@host", pid=os.getpid(), clock=5, id="e", topic="task")
    bench.hear("worker-elect", clock=6, id="e", topic="task")
    assert bench.sent[1:] == [("worker-elect-ack", {"id": "e"})] * 2
    bench.hear("worker-elect-ack", "me@host", pid=os.getpid(), id="e")
    assert bench.acts == []
    bench.hear("worker-elect-ack", id="e")
    assert bench.acts == [("task", {"task": "t"})]
    bench.gossip.election("f", "task", None)
    bench.hear("worker-elect", clock=1, id="f", topic="task")
    for name in ("me@host", "other@host"):
        bench.hear("worker-elect-ack", name, id="f")
    assert lines(caplog)[-2:] == [("INFO", "This worker is elected for task"), ("INFO", "other@host.7 is elected for task")]
    assert len(bench.acts) == 1


@on_loop
async def test_it_listens_from_its_start_to_its_end():
    bench = Bench()
    await bench.gossip.start()
    await asyncio.sleep(0)
    await bench.gossip.stop()
    assert bench.subscriber.calls == ["start", "aclose"]


@on_loop
async def test_a_worker_that_may_not_listen_works(caplog):
    bench = Bench(error=AccessRefused("no permission"))
    await bench.gossip.start()
    await bench.gossip._starting
    await bench.gossip.stop()
    assert lines(caplog) == [("WARNING", "Other workers are not listened to: no permission")]


@on_loop
async def test_it_may_be_switched_off():
    bench = Bench(enabled=False)
    await bench.gossip.start()
    await bench.gossip.stop()
    assert "start" not in bench.subscriber.calls
