from __future__ import annotations

import asyncio

import pytest

from umbel.brokers.topology import Queue
from umbel.errors import OperationalError
from umbel.testing.coroutines import on_loop
from umbel.worker.queues import pausing as module
from umbel.worker.queues.pausing import Pausing
from unit.worker.remote.facade_bench import QueueingConsumer
from unit.worker.revoking.test_service import Stage, delivery


class Broker:
    """A broker that knows paused queues, or is away."""

    def __init__(self, *paused):
        self.found, self.asked, self.is_away = set(paused), [], False

    def queue_client(self):
        return self

    def paused(self, names):
        self.asked.append(names)
        if self.is_away:
            raise OperationalError("away")
        return self.found & names

    def close(self): ...


class Bench:
    def __init__(self, *paused, **options):
        self.stage, self.consumer, self.broker = Stage(**options), QueueingConsumer(), Broker(*paused)
        self.consumer.queues.append(Queue("other"))
        self.pausing = Pausing(self.broker, self.consumer, self.stage.dispatcher, self.stage.intake.holding, self.stage.spawn)

    @property
    def names(self):
        return [queue.name for queue in self.consumer.queues]


def of(queue, name):
    made = delivery(name)
    made.queue = queue
    return made


@on_loop
async def test_known_before_anything_is_consumed():
    bench = Bench("celery", "elsewhere")
    await bench.pausing.start()
    assert bench.names == ["other"]
    assert list(bench.pausing.paused) == ["celery"]
    assert [queue.name for queue in bench.pausing.queues] == ["other", "celery"]
    await bench.pausing.stop()


@on_loop
async def test_it_looks_when_it_is_told_and_resumes():
    bench = Bench("celery")
    await bench.pausing.start()
    bench.broker.found = set()
    bench.pausing.look_soon()
    while bench.names != ["other", "celery"]:
        await asyncio.sleep(0.001)
    assert bench.pausing.paused == {}
    await bench.pausing.stop()


@on_loop
async def test_what_waits_goes_back_and_what_is_of_another_queue_stays():
    bench = Bench(rate_limit=0.5)
    bench.stage.intake.on_deliveries([of("celery", "ready"), of("celery", "waits"), of("other", "other")])
    await bench.pausing.apply({"celery"})
    assert sorted(bench.consumer.requeued) == ["ready", "waits"]
    assert bench.stage.intake.holding.held == 1
    bench.stage.intake.on_deliveries([of("celery", "late")])
    await bench.pausing.apply({"celery"})
    assert "late" in bench.consumer.requeued


@on_loop
async def test_what_runs_goes_on():
    bench = Bench()
    bench.stage.dispatcher.add_child(bench.stage.child)
    bench.stage.intake.on_deliveries([of("celery", "runs"), of("celery", "behind")])
    bench.stage.child.begin(1, since=0.0)
    await bench.pausing.apply({"celery"})
    assert bench.consumer.requeued == ["behind"]


@on_loop
async def test_a_queue_that_is_added_while_it_is_paused_waits():
    bench = Bench()
    await bench.pausing.apply({"celery"})
    await bench.pausing.add(Queue("celery"))
    assert bench.names == ["other"]
    await bench.pausing.cancel("celery")
    await bench.pausing.apply(set())
    assert bench.names == ["other"], "it was cancelled for good"


@on_loop
async def test_a_broker_that_is_away_changes_nothing_and_is_told_of_once(caplog, monkeypatch):
    monkeypatch.setattr(module, "INTERVAL", 0.01)
    bench = Bench("celery")
    await bench.pausing.start()
    bench.broker.is_away, seen = True, len(bench.broker.asked)
    while len(bench.broker.asked) < seen + 5:
        await asyncio.sleep(0.005)
    assert bench.names == ["other"]
    assert caplog.text.count("cannot be read: away") == 1
    await bench.pausing.stop()


@on_loop
async def test_a_start_does_not_wait_for_ever(caplog, monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE", 0.01)
    bench = Bench("celery")
    monkeypatch.setattr(bench.pausing, "_keep_looking", lambda: None)
    await bench.pausing.start()
    assert "not known yet" in caplog.text
    assert bench.names == ["celery", "other"]
    await bench.pausing.stop()


@pytest.mark.parametrize("queue", [Queue("mine", exclusive=True)])
@on_loop
async def test_queues_of_this_worker_alone_are_not_asked_about(queue):
    bench = Bench()
    bench.consumer.queues.append(queue)
    await bench.pausing.start()
    assert bench.broker.asked[0] == {"celery", "other"}
    await bench.pausing.stop()
