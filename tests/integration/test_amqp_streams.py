"""Streams on RabbitMQ: read once from end to end, whatever happens to the consumer."""

from __future__ import annotations

import asyncio
import time

import pytest

from umbel.brokers.amqp import connect
from umbel.brokers.base import BrokerOptions, ConnectionState
from umbel.brokers.topology import Broadcast, Destination
from umbel.testing.brokers import SOON, BrokerKit, Sink
from umbel.testing.brokers.kit import bodies
from umbel.testing.coroutines import on_loop
from umbel.wire.message import Message

pytestmark = pytest.mark.rabbitmq


@pytest.fixture
def kit(rabbitmq_url):
    made = BrokerKit("rabbitmq", rabbitmq_url, connect=connect)
    yield made
    made.close()


def stream(kit, offset="first", name="stream"):
    return kit.queue(name, arguments={"x-queue-type": "stream"}, consumer_arguments={"x-stream-offset": offset} if offset else {})


def publish(kit, queue, *numbers):
    kit.publisher.publish_many([(Message(b"%d" % number, {}), Destination.of(queue)) for number in numbers], confirm=True)


def numbered(count, first=0):
    return [b"%d" % number for number in range(first, first + count)]


@on_loop
async def test_the_window_grows_and_shrinks_and_each_message_comes_once(kit):
    queue = stream(kit)
    publish(kit, queue, *range(100))
    received = []
    async with kit.consuming(queue, window=2) as sink:
        for window in (2, 3, 20, 1, 50, 8, 100):
            sink.consumer.set_window(window)
            for _ in range(10):
                delivery = await sink.one()
                received.append(delivery)
                sink.consumer.ack([delivery])
        while len(received) < 100:
            delivery = await sink.one()
            received.append(delivery)
            sink.consumer.ack([delivery])
        publish(kit, queue, 100)
        received.append(await sink.one())
        await sink.quiet()
    assert bodies(received) == numbered(101)
    assert not any(delivery.redelivered for delivery in received)


@on_loop
async def test_after_a_lost_connection_it_goes_on_at_what_was_not_settled(kit):
    queue = stream(kit)
    publish(kit, queue, *range(10))
    async with kit.consuming(queue, window=5) as sink:
        first = await sink.take(5)
        sink.consumer.ack(first[:2])
        sink.consumer.ack([first[3]])
        await sink.consumer.flush()
        sink.consumer._connection.drop("by the test")
        await sink.until(lambda: sink.states[-1] is ConnectionState.CONNECTED and ConnectionState.LOST in sink.states)
        again = await sink.take(5)
        assert [(delivery.body, delivery.redelivered) for delivery in again][:3] == [(b"2", True), (b"3", True), (b"4", True)]
        sink.consumer.ack(again)
        assert b"9" in bodies(await sink.take(3))


@on_loop
async def test_what_is_handed_back_comes_again_here_and_nobody_else_gets_more(kit):
    queue = stream(kit)
    publish(kit, queue, 1, 2, 3, 4)
    async with kit.consuming(queue) as sink, kit.consuming(queue, broker=kit.broker()) as other:
        blamed, requeued, delayed, dead = await sink.take(4)
        await sink.consumer.blame(blamed)
        sink.consumer.requeue([requeued])
        due = time.time() + 0.5
        await sink.consumer.delay([(delayed, due)])
        await sink.consumer.dead_letter(dead, "unregistered", "by the test")
        again = await sink.take(3)
        assert time.time() >= due - 0.01
        assert sorted((delivery.body, delivery.attempts) for delivery in again) == [(b"1", 1), (b"2", 0), (b"3", 0)]
        await sink.consumer.begin(again[0])
        sink.consumer.ack(again)
        assert bodies(await other.take(4)) == [b"1", b"2", b"3", b"4"]
        await other.quiet()
        await sink.quiet()
    kit.wait_length(queue.name + ".dead", 1)


@pytest.mark.parametrize("offset", ["next", None])
@on_loop
async def test_who_waits_for_what_is_new_misses_nothing(kit, offset):
    queue = stream(kit, offset)
    publish(kit, queue, 0)
    async with kit.consuming(queue, window=1) as sink:
        await sink.quiet(1.1)  # RabbitMQ finds a time in parts of a stream; the old message is in another one then
        sink.consumer._connection.drop("by the test")
        publish(kit, queue, 1)
        delivery = await sink.one()
        while delivery.body == b"0":  # … and may send what is before that time
            sink.consumer.ack([delivery])
            delivery = await sink.one()
        assert delivery.body == b"1"


@on_loop
async def test_a_queue_that_goes_with_its_consumer_keeps_it_beside_a_stream(kit):
    """Windows are those of consumers there, and to make one narrower they begin anew."""
    everyone = Broadcast(f"contract-all-{kit.mark}", routing_key="celery")
    own = everyone.for_one_worker()
    sink = Sink()
    sink.consumer = connect(BrokerOptions(urls=(kit.url,))).consumer([own, stream(kit)], window=50)
    await sink.consumer.start(sink)
    kit.publish(everyone, b"1", b"2")
    for window in (1, 20, 2, 40, 0, 3):
        sink.consumer.set_window(window)
        await asyncio.sleep(0.05)
        assert kit.length(own) == 0
    found = await sink.take(2)
    assert bodies(found) == [b"1", b"2"]
    sink.consumer.ack(found)
    await asyncio.wait_for(sink.consumer.aclose(), SOON)
    kit.wait_length(own, None)
