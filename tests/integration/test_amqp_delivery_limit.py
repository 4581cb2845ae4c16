"""Handing back to a queue with a delivery limit, which drops a message that came back too often."""

from __future__ import annotations

import asyncio

import pytest

from integration.test_amqp_consumer import Bench
from umbel.brokers.base import DEAD_SUFFIX
from umbel.brokers.topology import Destination, Queue
from umbel.errors import MessageTooLarge
from umbel.testing.coroutines import on_loop
from umbel.wire.amqp import events
from umbel.wire.message import Message, MessageLimits

pytestmark = pytest.mark.rabbitmq

LIMITED = {"x-queue-type": "quorum", "x-delivery-limit": 2}


@pytest.fixture
def bench(rabbitmq_url, unique):
    made = Bench(rabbitmq_url, unique)
    yield made
    made.close()


def message(queue, body, headers, **properties):
    return Message(body, headers, properties=properties), Destination.of(queue)


async def until_length(bench, queue, expected):
    """A quorum queue counts a moment later."""
    async with asyncio.timeout(5):
        while bench.client.length(queue.name) != expected:
            await asyncio.sleep(0.02)


@on_loop
async def test_hundreds_are_handed_back_again_and_again_as_they_were(bench):
    queue = bench.queue(arguments=LIMITED)
    ids = [str(number) for number in range(300)]
    for each in ids:
        bench.publisher.publish(
            *message(queue, b"x", headers={"id": each, "own": [1]}, priority=3, expiration="86400000", correlation_id=each)
        )
    bench.publisher.flush(10)
    for _ in range(4):
        sink = await bench.start(queue, window=400, publish_timeout=60.0)  # a busy disk must not be taken for a lost connection
        mover, published = sink.consumer._acks._mover, []
        publish = mover._publish
        mover._publish = lambda letters, **named: published.append(len(letters)) or publish(letters, **named)
        deliveries = await sink.take(300, timeout=10)
        sink.consumer.requeue(deliveries[:200])
        sink.consumer.requeue(deliveries[:200])
        await sink.consumer.aclose()  # which hands back the others
        assert sorted(published) == [1, 1, 100, 100, 100], "a few waits for the broker, not three hundred"
    sink = await bench.start(queue, window=400)
    found = await sink.take(300, timeout=10)
    assert sorted(int(each.headers["id"]) for each in found) == list(range(300))
    for each in found:
        assert (each.body, each.headers, each.redelivered, each.attempts) == (b"x", {"id": each.headers["id"], "own": [1]}, True, 0)
        assert (each.properties["priority"], each.properties["expiration"]) == (3, "86400000")
        assert each.properties["correlation_id"] == each.headers["id"]
    await sink.quiet()
    sink.consumer.ack(found)
    await sink.consumer.flush()
    await sink.consumer.aclose()


@on_loop
async def test_a_queue_is_known_by_the_count_in_its_messages(bench):
    known, queue = bench.queue("known", arguments={"x-queue-type": "quorum"}), bench.queue("limited", no_declare=True)
    bench.client.declare(Queue(queue.name, arguments=LIMITED))
    bench.publisher.publish(*message(queue, b"x", {}), confirm=True)
    for _ in range(6):
        sink = await bench.start(known, queue)
        delivery = await sink.one()
        sink.consumer.set_window(0)
        await sink.consumer.flush()
        sink.consumer.requeue([delivery])
        await sink.consumer.aclose()
    await until_length(bench, queue, 1)


@on_loop
async def test_a_queue_is_known_by_how_it_refuses_to_be_declared(bench):
    known, queue = bench.queue("known", arguments={"x-queue-type": "quorum"}), bench.queue("limited")
    bench.client.declare(Queue(queue.name, arguments=LIMITED))
    sink = await bench.start(known, queue)
    assert sink.consumer._acks.counting == {known.name, queue.name}
    await sink.consumer.aclose()


@on_loop
async def test_in_an_alarm_they_go_back_at_once_and_no_copy_is_left_behind(bench, caplog):
    queue = bench.queue(arguments=LIMITED)
    bench.publish(queue, b"1", b"2")
    sink = await bench.start(queue)
    deliveries = await sink.take(2)
    mover = sink.consumer._acks._mover
    connection = await mover._ready()
    write, withheld, written = connection.write, [], asyncio.Event()

    def withhold(data):
        withheld.append(data)
        written.set()

    connection.write = withhold
    sink.consumer.set_window(0)
    await sink.consumer.flush()
    sink.consumer.requeue(deliveries[:1])
    await written.wait()
    connection.on_event(events.Blocked("low on disk"))
    await until_length(bench, queue, 1)
    sink.consumer.requeue(deliveries[1:])
    await until_length(bench, queue, 2)
    assert caplog.text.count("go back as they are") == caplog.text.count("low on disk") == 2
    connection.write = write
    write(b"".join(withheld))  # the alarm is over
    await connection.declare([])
    await sink.consumer.aclose()
    again = await bench.start(queue)
    assert sorted(each.body for each in await again.take(2)) == [b"1", b"2"]
    await again.quiet()
    await again.consumer.aclose()


@on_loop
async def test_without_a_connection_to_publish_they_go_back_as_they_are(bench, caplog):
    queue = bench.queue(arguments=LIMITED)
    bench.publish(queue, b"x")
    sink = await bench.start(queue)
    delivery = await sink.one()
    sink.consumer._acks._mover._nodes = ()
    sink.consumer.requeue([delivery])
    again = await sink.one()
    assert (again.body, again.headers["x-delivery-count"]) == (b"x", 1)
    assert "which counts as a delivery" in caplog.text
    await sink.consumer.aclose()


@on_loop
async def test_what_is_not_all_here_is_not_copied(bench):
    queue = bench.queue(arguments=LIMITED)
    bench.publish(queue, b"x" * 100)
    sink = await bench.start(queue, limits=MessageLimits(body=4))
    delivery = await sink.one()
    assert isinstance(delivery.flaw, MessageTooLarge)
    for _ in range(2):
        await sink.consumer._acks.renew(set())
    sink.consumer.requeue([delivery])
    await sink.one()
    await sink.consumer.aclose()
    await until_length(bench, queue, 1)
    assert bench.client.get(queue.name).body == b"x" * 100


@on_loop
async def test_a_copy_goes_to_its_own_queue_only(bench):
    queue, other = bench.queue(arguments=LIMITED), bench.queue("other")
    bench.client.declare(other)
    bench.publish(queue, b"x", headers={"CC": [other.name]})
    sink = await bench.start(queue)
    sink.consumer.requeue([await sink.one()])
    await sink.consumer.blame(await sink.one())
    await sink.one()
    await sink.consumer.aclose()
    assert bench.client.length(other.name) == 1


@on_loop
async def test_the_place_for_what_is_dropped_is_made_and_told_once(bench, caplog):
    queue = bench.queue(arguments=LIMITED)
    sink = await bench.start(queue)
    assert bench.client.length(queue.name + DEAD_SUFFIX) == 0
    await sink.consumer.cancel_queue(queue.name)
    await sink.consumer.add_queue(queue)
    await sink.consumer.aclose()
    assert caplog.text.count("rabbitmqctl set_policy") == 1


@on_loop
async def test_one_that_says_where_they_go_needs_no_advice(bench, caplog):
    queue = Queue(bench.unique("own-route"), arguments={**LIMITED, "x-dead-letter-exchange": ""})
    bench.names.append(queue.name)
    sink = await bench.start(queue)
    await sink.consumer.aclose()
    assert "set_policy" not in caplog.text
    assert bench.client.length(queue.name + DEAD_SUFFIX) is None


def test_a_letter_of_a_channel_that_ended_is_not_dropped(bench, line):
    queue = bench.queue()
    bench.publish(queue, b"x")
    looking = bench.connect(line.url).queue_client()
    delivery = looking.get(queue.name)
    line.cut()
    assert not looking.ack(delivery)
    delivery = looking.get(queue.name)
    assert looking.ack(delivery)
    assert not looking.ack(delivery), "the broker knows no such delivery any more, and closes the channel"
    looking.close()
    assert bench.client.length(queue.name) == 0
