from __future__ import annotations

import asyncio
import json
import logging

import pytest

from umbel.brokers.fanout.buffer import BroadcastBuffer
from umbel.brokers.fanout.defaults import BroadcastDefaults
from umbel.brokers.fanout.private_queues import event_exchange
from umbel.errors import OperationalError
from umbel.events.rendering import EventRenderer, count_of
from umbel.runtime.logical_clock import LogicalClock
from umbel.testing.coroutines import on_loop
from umbel.worker.events.emitting import TaskEventEmitter
from umbel.worker.events.reporting import Reporting
from umbel.worker.tasks.events import TaskEvents
from unit.worker.stand_ins import entry


class Broker(BroadcastDefaults):
    """Remembers what was sent; may be away."""

    def __init__(self):
        self.sent, self.is_away = [], False

    def connect(self):
        if self.is_away:
            raise OperationalError("away")

    def broadcast_many(self, exchange, messages, *, keep=0.0):
        self.sent += [(exchange.name, key, json.loads(message.body)) for message, key in messages]

    def close(self):
        pass


class Bench:
    def __init__(self, *, interval=2.0, task_events=False, size=100):
        self.broker, self.events = Broker(), TaskEvents()
        renderer = EventRenderer("w1@host", LogicalClock())
        self.reporting = Reporting(
            BroadcastBuffer(self.broker, size, count_of),
            event_exchange(),
            renderer,
            lambda send: TaskEventEmitter(self.events, {}, renderer, send),
            lambda: {"active": 2, "processed": 7},
            interval=interval,
            task_events=task_events,
        )

    def kinds(self):
        return [key for _, key, _ in self.broker.sent]


@on_loop
async def test_a_worker_comes_shows_signs_of_life_and_goes():
    bench = Bench(interval=0.01)
    await bench.reporting.start()
    while "worker.heartbeat" not in bench.kinds():
        await asyncio.sleep(0.005)
    await bench.reporting.stop()
    assert (bench.kinds()[0], bench.kinds()[-1]) == ("worker.online", "worker.offline")
    exchange, _, event = bench.broker.sent[0]
    assert exchange == "celeryev"
    fixed = {name: event[name] for name in ("hostname", "freq", "active", "processed", "sw_ident", "type")}
    assert fixed == {"hostname": "w1@host", "freq": 0.01, "active": 2, "processed": 7, "sw_ident": "umbel", "type": "worker-online"}
    assert len(event["loadavg"]) == 3
    assert list(event)[-2:] == ["timestamp", "type"]


@on_loop
async def test_a_worker_that_tells_nothing_of_itself_may_still_be_asked():
    bench = Bench(interval=None)
    await bench.reporting.start()
    bench.reporting.look(0.0)
    bench.reporting.send_heartbeat()
    await bench.reporting.stop()
    assert bench.kinds() == ["worker.heartbeat"]


@pytest.mark.parametrize("at_start", [True, False])
@on_loop
async def test_events_of_tasks_are_enabled_and_disabled(at_start):
    bench = Bench(task_events=at_start)
    await bench.reporting.start()
    assert bench.reporting.is_enabled is at_start
    assert bench.reporting.enable() is not at_start
    assert bench.reporting.enable() is False
    bench.events.received(entry("a"))
    assert (bench.reporting.disable(), bench.reporting.disable()) == (True, False)
    bench.events.received(entry("b"))
    await bench.reporting.stop()
    told = [event["uuid"] for _, key, events in bench.broker.sent if key == "task.multi" for event in events]
    assert told == ["a"]


@on_loop
async def test_what_was_noted_is_sent_before_the_worker_goes():
    bench = Bench(task_events=True)
    await bench.reporting.start()
    bench.events.received(entry("a"))
    await bench.reporting.stop()
    assert bench.kinds() == ["worker.online", "task.multi", "worker.offline"]


@on_loop
async def test_events_that_are_dropped_are_counted_and_told(caplog):
    bench = Bench(task_events=True, size=2)
    bench.broker.is_away = True
    await bench.reporting.start()
    for number in range(5):
        for part in range(3):
            bench.events.received(entry(f"{number}.{part}"))
        bench.reporting._emitter.flush()
    with caplog.at_level(logging.WARNING, "umbel.worker"):
        bench.reporting.look(0.0)
    told = [record.message for record in caplog.records if record.name == "umbel.worker"]
    # worker-online, and three groups of three; then a heartbeat took the place of one more group.
    assert bench.reporting.dropped == 1 + 3 * 3 + 3
    assert told == ["13 events could not be sent and were dropped: the broker is away, or too slow"]
    bench.broker.is_away = False
    await bench.reporting.stop()
    assert bench.kinds()[-1] == "worker.offline"
