import asyncio
import sqlite3

import pytest

from umbel.brokers.base import ConnectionState
from umbel.brokers.sqlite.consumer import SqliteConsumer
from umbel.brokers.topology import Broadcast
from umbel.errors import OperationalError
from umbel.testing.brokers import BrokerKit, Sink
from umbel.testing.coroutines import on_loop


@pytest.fixture
def kit(tmp_path):
    made = BrokerKit("sqlite", f"sqlite:///{tmp_path / 'umbel.db'}")
    yield made
    made.close()


@on_loop
async def test_an_error_that_nobody_expects_does_not_stop_it(kit, monkeypatch, caplog):
    queue, sink = kit.queue(), Sink()
    consumer = kit.main.consumer([queue], window=10)
    works, once = SqliteConsumer._work, [ValueError("what nobody expects")]

    def work(self, connection):
        if once:
            raise once.pop()
        return works(self, connection)

    await consumer.start(sink)
    monkeypatch.setattr(SqliteConsumer, "_work", work)
    kit.publish(queue, b"x")
    assert (await sink.one()).body == b"x"
    assert sink.states[-3:] == [ConnectionState.LOST, ConnectionState.RETRYING, ConnectionState.CONNECTED]
    assert "what nobody expects" in caplog.text
    await consumer.aclose()


@on_loop
async def test_after_an_error_the_pause_is_kept_whatever_else_comes_up(kit, monkeypatch):
    """A full disk: the worker sets its window twenty times a second, and each would be another try, and a line in the log."""
    sink, tries = Sink(), []
    consumer = kit.main.consumer([kit.queue()], window=10)
    await consumer.start(sink)

    def full(_work):
        tries.append(1)
        raise OperationalError("database or disk is full")

    monkeypatch.setattr(consumer._database, "attempt", full)
    consumer.set_window(20)
    kit.publish(kit.queue("other"), b"x")
    monkeypatch.setattr(consumer, "_needs_writing", lambda: True)
    await sink.until(lambda: ConnectionState.RETRYING in sink.states)
    failed = len(tries)
    for size in range(100):
        consumer.set_window(size)
        await asyncio.sleep(0)
    assert len(tries) == failed
    await consumer.aclose()


@on_loop
async def test_of_many_queues_each_is_served_in_its_turn(kit):
    """Though the first ones always have more."""
    queues = [kit.queue(f"many-{number}") for number in range(8)]
    for queue in queues:
        kit.publish(queue, *[b"x"] * 4)
    async with kit.consuming(*queues, window=1) as sink:
        seen = []
        for _ in queues:
            delivery = await sink.one()
            seen.append(delivery.queue)
            kit.publish(queues[0], b"more")
            sink.consumer.ack([delivery])
    assert sorted(seen) == sorted(queue.name for queue in queues)


@on_loop
async def test_nothing_is_written_for_a_worker_that_has_been_dead_for_a_while(kit):
    """Nobody may be left who would remove its queue."""
    queue = Broadcast(f"contract-all-{kit.mark}", routing_key="celery")
    own = queue.for_one_worker()
    sink = Sink()
    consumer = kit.main.consumer([own], window=0)
    await consumer.start(sink)
    kit.publish(queue, b"1")
    assert kit.length(own) == 1
    with sqlite3.connect(kit.url.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE umbel_holders SET until = until - 1000")
    kit.publish(queue, b"2")
    assert kit.length(own) == 1
    await consumer.aclose()
    assert kit.length(own) is None
