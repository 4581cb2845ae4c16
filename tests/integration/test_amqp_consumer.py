"""The AMQP consumer against RabbitMQ and a line that breaks; what the broker contract does not ask."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest
from pamqp import commands

from umbel.brokers.amqp import connect
from umbel.brokers.amqp import consumer as consuming
from umbel.brokers.amqp.topology import DELIVERY_EXCHANGE, level_name
from umbel.brokers.base import DEAD_SUFFIX, BrokerOptions, ConnectionState
from umbel.brokers.topology import Destination, Exchange, Queue
from umbel.errors import AccessRefused, EncodeError, OperationalError
from umbel.testing.brokers import Sink
from umbel.testing.coroutines import on_loop
from umbel.wire.amqp import events
from umbel.wire.amqp.methods import method
from umbel.wire.message import Message

pytestmark = pytest.mark.rabbitmq


class Bench:
    """A broker, its queues, and consumers that are closed."""

    def __init__(self, url, unique):
        self.url = url
        self.unique = unique
        self.broker = self.connect()
        self.publisher = self.broker.publisher()
        self.client = self.broker.queue_client()
        self.names = []

    def connect(self, url=None, **options):
        return connect(BrokerOptions(**{"urls": (url or self.url,), "publish_timeout": 15.0, **options}))

    def queue(self, name="amqp-consume", **fields):
        made = Queue(self.unique(name), **fields)
        self.names += [made.name, made.name + DEAD_SUFFIX]
        return made

    def publish(self, queue, *bodies, headers=None, **properties):
        messages = [(Message(body, dict(headers or {}), properties=properties), Destination.of(queue)) for body in bodies]
        self.publisher.publish_many(messages, confirm=True)

    async def start(self, *queues, window=10, url=None, **options):
        sink = Sink()
        sink.consumer = self.connect(url, **options).consumer(queues, window=window)
        await sink.consumer.start(sink)
        return sink

    async def start_cut_off(self, line):
        """A queue and its consumer, whose line is cut and cannot be connected again yet."""
        queue = self.queue()
        sink = await self.start(queue, url=line.url)
        line.refusing = True
        line.cut()
        return queue, sink

    def close(self):
        for name in self.names:
            self.client.delete(name)
        self.client.close()
        self.broker.close()


@pytest.fixture
def bench(rabbitmq_url, unique):
    made = Bench(rabbitmq_url, unique)
    yield made
    made.close()


def bodies(deliveries):
    return [delivery.body for delivery in deliveries]


@on_loop
async def test_a_cut_line_is_connected_again(bench, line):
    queue = bench.queue()
    bench.publish(queue, b"1", b"2", b"3")
    sink = await bench.start(queue, url=line.url)
    held = await sink.take(3)
    sink.consumer.ack(held[:1])
    await sink.consumer.flush()
    line.cut()
    again = await sink.take(2)
    assert sink.lost == held[1:]
    assert (bodies(again), [each.redelivered for each in again]) == ([b"2", b"3"], [True, True])
    assert again[0].epoch != held[1].epoch
    # What came before the cut is no longer ours, and saying so changes nothing.
    sink.consumer.ack(held)
    sink.consumer.requeue(held)
    await sink.consumer.blame(held[1])
    sink.consumer.ack(again)
    await sink.consumer.flush()
    assert bench.client.length(queue.name) == 0
    assert [ConnectionState.CONNECTED, ConnectionState.LOST, ConnectionState.CONNECTED] == [
        state for state in sink.states if state is not ConnectionState.RETRYING
    ]
    await sink.consumer.aclose()


@on_loop
async def test_it_tries_for_ever(bench, line):
    queue, sink = await bench.start_cut_off(line)
    await sink.until(lambda: sink.states.count(ConnectionState.RETRYING) >= 3)
    line.refusing = False
    bench.publish(queue, b"x")
    sink.consumer.ack(await sink.take(1))
    await sink.consumer.aclose()


@on_loop
async def test_silence_is_a_lost_connection(bench, line):
    queue = bench.queue()
    sink = await bench.start(queue, url=line.url, heartbeat=1.0)
    await asyncio.sleep(2.5)  # heartbeats of both sides keep it
    assert sink.states == [ConnectionState.CONNECTED]
    line.deaf = True
    async with asyncio.timeout(4):
        await sink.until(lambda: ConnectionState.LOST in sink.states)
    line.deaf = False
    await sink.consumer.aclose()


@on_loop
async def test_a_start_that_cannot_succeed_fails_at_once(bench):
    started = time.monotonic()
    sink = Sink()
    wrong = bench.url.replace("guest:guest@", "guest:wrong@")
    with pytest.raises(AccessRefused):
        await bench.connect(wrong).consumer([bench.queue()], window=1).start(sink)
    assert time.monotonic() - started < 2


@on_loop
async def test_a_start_gives_up_after_its_retries(bench, unused_port):
    sink = Sink()
    consumer = bench.connect(f"amqp://127.0.0.1:{unused_port}//", max_retries=1).consumer([bench.queue()], window=1)
    with pytest.raises(OperationalError, match=str(unused_port)):
        await consumer.start(sink)
    assert sink.states == [ConnectionState.RETRYING]


@pytest.fixture
def unused_port():
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@on_loop
async def test_acks_are_coalesced(bench):
    queue = bench.queue()
    bench.publish(queue, *(b"%d" % number for number in range(100)))
    sink = await bench.start(queue, window=100)
    held = await sink.take(100)
    written = []
    connection = sink.consumer._connection
    write = connection.write
    connection.write = lambda data: (written.append(data), write(data))
    for delivery in reversed(held):
        sink.consumer.ack([delivery])
    await asyncio.sleep(0.01)
    assert len(written) == 1
    assert len(written[0]) == 21  # one ack for a hundred
    await sink.consumer.flush()
    await sink.consumer.aclose()
    assert bench.client.length(queue.name) == 0


@on_loop
async def test_a_deleted_queue_is_declared_again(bench):
    queue = bench.queue()
    sink = await bench.start(queue)
    await asyncio.to_thread(bench.client.delete, queue.name)
    while await asyncio.to_thread(bench.client.length, queue.name) is None:
        await asyncio.sleep(0.02)
    bench.publish(queue, b"x")
    sink.consumer.ack(await sink.take(1))
    assert sink.lost == []
    await sink.consumer.aclose()


@on_loop
async def test_a_channel_error_is_survived(bench):
    queue = bench.queue()
    bench.publish(queue, b"1", b"2")
    sink = await bench.start(queue)
    held = await sink.take(2)
    connection = sink.consumer._connection
    connection.core.send(method(commands.Basic.Ack, delivery_tag=999), 1)
    connection.flush()
    again = await sink.take(2)
    assert sink.lost == held
    assert bodies(again) == [b"1", b"2"]
    assert sink.consumer._connection is connection
    sink.consumer.ack(again)
    await sink.consumer.flush()
    await sink.consumer.aclose()
    assert bench.client.length(queue.name) == 0


@on_loop
async def test_other_arguments_are_lived_with(bench, caplog):
    queue = bench.queue()
    bench.client.declare(Queue(queue.name, arguments={"x-max-priority": 5}))
    sink = await bench.start(queue)
    bench.publish(queue, b"x")
    sink.consumer.ack(await sink.take(1))
    await sink.consumer.aclose()
    assert "x-max-priority" in caplog.text


@on_loop
async def test_a_quorum_queue_that_we_take_for_a_classic_one(bench):
    queue = bench.queue()
    bench.client.declare(Queue(queue.name, arguments={"x-queue-type": "quorum"}))
    bench.publish(queue, *(b"%d" % number for number in range(5)))
    sink = await bench.start(queue, window=2)
    held = await sink.take(2)
    await sink.quiet()
    sink.consumer.ack(held)
    sink.consumer.ack(await sink.take(2))
    await sink.consumer.aclose()


@on_loop
async def test_a_queue_that_may_not_be_declared_and_is_missing(bench, caplog):
    missing, there = bench.queue("missing", no_declare=True), bench.queue("there")
    bench.publish(there, b"x")
    sink = await bench.start(missing, there)
    sink.consumer.ack(await sink.take(1))
    assert sink.lost == []
    assert "cannot be consumed from" in caplog.text
    bench.client.declare(Queue(missing.name))
    bench.publish(Queue(missing.name), b"late")
    sink.consumer.ack(await sink.take(1))
    await sink.consumer.aclose()


@on_loop
async def test_one_refused_queue_among_many(bench, caplog):
    """They are declared together; the broker's refusal closes the channel on which that is done."""
    queues = [bench.queue(f"many-{number}") for number in range(20)]
    other = bench.queue("other")
    bench.client.declare(other)
    refused = Queue(other.name, arguments={"x-max-length": 1000})
    for queue in (*queues, other):
        bench.publish(queue, queue.name.encode())
    sink = await bench.start(*queues, refused, window=30)
    assert sorted(bodies(await sink.take(21))) == sorted(queue.name.encode() for queue in (*queues, other))
    assert "exists with other arguments" in caplog.text
    await sink.consumer.aclose()


@on_loop
async def test_many_quorum_queues_do_not_wait_for_acknowledgements(bench):
    """Their windows are single consumers': nobody else waits for room, and a small one would be empty meanwhile."""
    queues = [bench.queue(f"many-{number}", arguments={"x-queue-type": "quorum"}) for number in range(17)]
    sink = await bench.start(*queues, window=1)
    assert sink.consumer._acks.enough == 0
    await sink.consumer.aclose()


@on_loop
async def test_many_consumers_stay_while_redelivered_messages_run(bench):
    """Each such message is set apart from the window; a window of 0 would end all consumers, and begin them anew."""
    queues = [bench.queue(f"many-{number}") for number in range(20)]
    for queue in queues:
        bench.publish(queue, b"x")
    sink = await bench.start(*queues, window=2)
    await sink.take(2)
    await sink.consumer.aclose()
    sink = await bench.start(*queues, window=2)
    begun = sink.consumer._numbers
    for _ in queues:
        delivery = await sink.one()
        await sink.consumer.begin(delivery)
        sink.consumer.ack([delivery])
    assert sink.consumer._numbers == begun == 20
    await sink.consumer.aclose()


@on_loop
async def test_the_window_of_a_quorum_queue_is_kept_while_it_changes(bench):
    queue = bench.queue(arguments={"x-queue-type": "quorum"})
    bench.publish(queue, *(b"%d" % number for number in range(60)))
    sink = await bench.start(queue, window=3)
    held, seen = [], []
    for window in (5, 2, 7, 1, 4, 10):
        sink.consumer.set_window(window)
        await asyncio.sleep(0.15)
        held += sink.fresh
        seen += bodies(sink.fresh)
        sink.fresh.clear()
        before = len(held)
        sink.consumer.ack(held)
        held.clear()
        assert before <= max(window, 10)
        await asyncio.sleep(0.1)
        assert len(sink.fresh) <= window
    await sink.take(60 - len(seen) - len(sink.fresh) and 1)
    await sink.consumer.aclose()


@on_loop
async def test_a_dead_letter_has_lost_its_past_and_stays(bench):
    queue = bench.queue()
    bench.publish(queue, b"x", headers={"id": "1", "x-death": [{"count": 1}], "x-umbel-attempts": 2}, expiration="60000", priority=3)
    sink = await bench.start(queue)
    delivery = await sink.one()
    assert delivery.attempts == 2
    await sink.consumer.dead_letter(delivery, "invalid_message", "why")
    await sink.consumer.aclose()
    dead = bench.client.get(queue.name + DEAD_SUFFIX)
    assert "x-death" not in dead.headers
    assert "expiration" not in dead.properties
    assert (dead.properties["priority"], dead.properties["delivery_mode"]) == (3, 2)
    bench.client.ack(dead)


@on_loop
async def test_a_blamed_message_keeps_its_place_in_time(bench):
    queue = bench.queue()
    bench.publish(queue, b"x", headers={"id": "1"}, expiration="60000", correlation_id="c", reply_to="r")
    sink = await bench.start(queue)
    await sink.consumer.blame(await sink.one())
    again = await sink.one()
    assert (again.attempts, again.redelivered) == (1, True)
    assert (again.properties["expiration"], again.properties["correlation_id"], again.properties["reply_to"]) == ("60000", "c", "r")
    sink.consumer.ack([again])
    await sink.consumer.aclose()


@on_loop
async def test_moving_from_a_queue_that_is_gone_raises(bench):
    queue = bench.queue()
    bench.publish(queue, b"x")
    sink = await bench.start(queue, window=1)
    delivery = await sink.one()
    delivery.queue = bench.unique("never-declared")
    with pytest.raises(OperationalError, match="never-declared"):
        await sink.consumer.blame(delivery)
    await sink.consumer.aclose()


@on_loop
async def test_a_move_outlives_the_connection_that_carries_it(bench, caplog):
    queue = bench.queue()
    bench.publish(queue, b"1", b"2")
    sink = await bench.start(queue)
    first, second = await sink.take(2)
    await sink.consumer.dead_letter(first, "reason", "")
    moving = asyncio.ensure_future(sink.consumer.dead_letter(second, "reason", ""))
    await asyncio.sleep(0)
    sink.consumer._acks._mover._connection.drop("cut")
    await moving
    assert "trying again" in caplog.text
    await sink.consumer.flush()
    await sink.consumer.aclose()
    assert bench.client.length(queue.name) == 0
    assert bench.client.length(queue.name + DEAD_SUFFIX) == 2


@on_loop
async def test_what_was_confirmed_before_the_connection_broke_is_not_moved_again(bench):
    queue = bench.queue()
    bench.publish(queue, b"1", b"2", b"3")
    sink = await bench.start(queue)
    first, second, third = await sink.take(3)
    mover = sink.consumer._acks._mover
    connection = await mover._ready()
    await mover._declare_delayed({queue.name})
    written = []
    connection.write = written.append
    moving = asyncio.ensure_future(sink.consumer.delay([(each, time.time() + 1) for each in (first, second, third)]))
    while not written:
        await asyncio.sleep(0)
    mover._on_confirms([(1, 2, 0)])
    connection.drop("cut")
    await moving
    again = await sink.take(2, timeout=4)
    assert sorted(bodies(again)) == [b"1", b"3"]
    await sink.quiet()
    sink.consumer.ack(again)
    await sink.consumer.aclose()


@on_loop
async def test_flush_without_a_window_waits_until_nothing_is_consumed(bench):
    queue = bench.queue()
    sink = await bench.start(queue)
    consumer = sink.consumer
    async with consumer._changing:  # as while consumers are begun
        consumer.set_window(0)
        flushing = asyncio.ensure_future(consumer.flush())
        await asyncio.sleep(0)
        await consumer._connection.ask(consumer._question(), 1)  # answered after what flush had asked
        await asyncio.sleep(0)
        assert not flushing.done()
    await flushing
    assert not any(consumer._subscriptions.live.values())
    await consumer.aclose()


@on_loop
async def test_in_an_alarm_a_move_waits_and_is_not_written_twice(bench, caplog):
    queue = bench.queue()
    bench.publish(queue, b"1", b"2")
    sink = await bench.start(queue, publish_timeout=0.2)
    mover = sink.consumer._acks._mover
    connection = await mover._ready()
    await mover._declare_delayed({queue.name})
    write, withheld = connection.write, []
    connection.write = withheld.append
    mover._on_event(events.Blocked("low on disk"))
    moving = asyncio.ensure_future(sink.consumer.delay([(each, time.time() + 1) for each in await sink.take(2)]))
    async with asyncio.timeout(5):
        while caplog.text.count("low on disk") < 3:
            await asyncio.sleep(0.01)
    mover._on_event(events.Unblocked())
    connection.write = write
    write(b"".join(withheld))
    await moving
    again = await sink.take(2, timeout=4)
    await sink.quiet()
    sink.consumer.ack(again)
    await sink.consumer.aclose()


@on_loop
async def test_one_that_cannot_be_delayed_holds_up_no_other(bench):
    queue = bench.queue()
    bench.publish(queue, b"1", b"2", b"3")
    sink = await bench.start(queue)
    first, second, third = await sink.take(3)
    second.headers["x"] = object()
    due = time.time() + 1
    with pytest.raises(EncodeError):
        await sink.consumer.delay([(first, due), (second, due), (third, due)])
    await sink.consumer.flush()
    assert list(sink.consumer._acks.unsettled.values()) == [second]
    again = await sink.take(2, timeout=4)
    assert sorted(bodies(again)) == [b"1", b"3"]
    sink.consumer.ack([*again, second])
    await sink.consumer.aclose()


@on_loop
async def test_a_delayed_message_enters_at_its_highest_level_and_bears_no_trace_of_it(bench):
    queue = bench.queue()
    bench.publish(queue, b"x", headers={"id": "1"})
    sink = await bench.start(queue)
    at_level = bench.client.length(level_name(1)) or 0
    await sink.consumer.delay([(await sink.one(), time.time() + 3.5)])
    assert bench.client.length(level_name(1)) == at_level + 1
    again = await sink.one(timeout=6)
    assert again.headers == {"id": "1"}
    sink.consumer.ack([again])
    await sink.consumer.aclose()


@on_loop
async def test_a_queue_of_the_delayed_store_that_was_removed_is_made_again(bench):
    queue = bench.queue()
    bench.publish(queue, b"1", b"2", b"3")
    sink = await bench.start(queue)
    first, *others = await sink.take(3)
    await sink.consumer.delay([(first, time.time() + 1)])
    bench.client.delete(level_name(1))
    due = time.time() + 2.5
    await sink.consumer.delay([(each, due) for each in others])
    again = await sink.take(3, timeout=6)
    assert sorted(bodies(again)) == [b"1", b"2", b"3"]
    sink.consumer.ack(again)
    await sink.consumer.aclose()


@on_loop
async def test_the_delayed_store_is_declared_once(bench):
    queue = bench.queue()
    bench.publish(queue, *(b"%d" % number for number in range(10)))
    sink = await bench.start(queue)
    mover = sink.consumer._acks._mover
    connection, declared = await mover._ready(), []
    declare = connection.declare
    connection.declare = lambda frames: declared.append(frames) or declare(frames)
    due = time.time() + 1
    await asyncio.gather(*(sink.consumer.delay([(each, due)]) for each in await sink.take(10)))
    assert len(declared) == 2  # the levels, and the queue's binding
    sink.consumer.ack(await sink.take(10, timeout=4))
    await sink.consumer.aclose()


@on_loop
async def test_the_delayed_exchanges_are_made_anew_and_either_type_will_do(bench):
    queue = bench.queue("dotted.name")
    other = bench.queue("name")
    bench.publisher.declare(other)
    bench.publish(queue, b"x")
    sink = await bench.start(queue, other, delayed_queue_type="classic")
    delivery = await sink.one()
    await sink.consumer.delay([(delivery, time.time() + 1)])
    delivery = await sink.one(timeout=4)
    connection = await sink.consumer._acks._mover._ready()
    await connection.declare([method(commands.Exchange.Delete, exchange=DELIVERY_EXCHANGE)])
    # The other type exists now; and the exchange that is gone is made again.
    sink.consumer._acks._mover._declared.clear()
    await sink.consumer.delay([(delivery, time.time() + 1)])
    again = await sink.one(timeout=4)
    assert (again.body, again.queue) == (b"x", queue.name)
    assert not any(name.startswith("x-umbel-due") or name == "x-death" for name in again.headers if name == "x-umbel-due")
    await sink.quiet()
    sink.consumer.ack([again])
    quorum = await bench.start(delayed_queue_type="quorum")
    await quorum.consumer._acks._mover._declare_delayed({queue.name})
    await quorum.consumer.aclose()
    await sink.consumer.aclose()
    assert bench.client.length(level_name(0)) == 0


@on_loop
async def test_a_queue_on_a_topic_exchange(bench):
    queue = bench.queue(exchange=Exchange(bench.unique("topic"), "topic"), routing_key="a.#")
    bench.publisher.declare(queue)
    sink = await bench.start(queue)
    bench.publisher.publish(Message(b"x", {}), Destination(queue.exchange.name, "a.b.c"), confirm=True)
    delivery = await sink.one()
    assert (delivery.exchange, delivery.routing_key, delivery.queue) == (queue.exchange.name, "a.b.c", queue.name)
    sink.consumer.ack([delivery])
    await sink.consumer.aclose()


@on_loop
async def test_closing_while_the_broker_is_away(bench, line):
    _, sink = await bench.start_cut_off(line)
    await sink.until(lambda: ConnectionState.LOST in sink.states)
    await asyncio.wait_for(sink.consumer.aclose(), 3)
    await sink.consumer.aclose()


@pytest.fixture(autouse=True)
def _quiet(caplog):
    caplog.set_level(logging.WARNING, "umbel")


class TestBegin:
    """A redelivered message's start is recorded with it."""

    async def hold(self, bench, line, queue):
        """A consumer with one redelivered message."""
        first = await bench.start(queue, url=line.url)
        await first.one()
        await first.consumer.aclose()
        sink = await bench.start(queue, url=line.url, window=1)
        return sink, await sink.one()

    @on_loop
    async def test_only_a_death_while_it_ran_counts(self, bench, line):
        queue = bench.queue()
        bench.publish(queue, b"x", headers={"id": "1"}, correlation_id="c")
        sink, delivery = await self.hold(bench, line, queue)
        for attempts in range(3):
            assert (delivery.attempts, delivery.redelivered) == (attempts, True)
            await sink.consumer.begin(delivery)
            assert (delivery.attempts, bench.client.length(queue.name)) == (attempts, 0)
            line.cut()
            await sink.until(lambda: delivery in sink.lost)
            delivery = await sink.one(timeout=8)
            assert (delivery.headers, delivery.properties["correlation_id"]) == ({"id": "1", "x-umbel-attempts": attempts + 1}, "c")
        line.cut()  # without begin it does not count
        assert (await sink.one(timeout=8)).attempts == 3
        await sink.consumer.aclose()

    @pytest.mark.parametrize("arguments", [{}, {"x-queue-type": "quorum"}], ids=["classic", "quorum"])
    @on_loop
    async def test_it_keeps_its_place_in_the_window(self, bench, arguments):
        queue = bench.queue(arguments=arguments)
        bench.publish(queue, b"1", b"2", b"3", b"4")
        first = await bench.start(queue)
        await first.take(4)
        await first.consumer.aclose()
        sink = await bench.start(queue, window=2)
        some = await sink.take(2)
        for delivery in some:
            await sink.consumer.begin(delivery)
        await sink.quiet(0.5)
        assert bench.client.length(queue.name) == 2
        sink.consumer.ack(some[:1])
        third = await sink.one()
        await sink.quiet(0.3)
        sink.consumer.requeue([third])
        await sink.one()  # it has a place, and may come again
        sink.consumer.set_window(1)
        await sink.quiet(0.3)
        assert (bench.client.length(queue.name), sink.lost) == (1, [])
        await sink.consumer.aclose()

    @on_loop
    async def test_what_ends_leaves_nothing(self, bench, line):
        queue = bench.queue()
        bench.publish(queue, b"x", b"y")
        sink, delivery = await self.hold(bench, line, queue)
        await sink.consumer.begin(delivery)
        await sink.consumer.begin(delivery)
        sink.consumer.ack([delivery])
        sink.consumer.ack([await sink.one()])
        await sink.consumer.flush()
        await sink.consumer.aclose()
        await asyncio.sleep(2.5)
        assert bench.client.length(queue.name) == 0

    @on_loop
    async def test_handing_back_does_not_count(self, bench, line):
        queue = bench.queue()
        bench.publish(queue, b"x")
        sink, delivery = await self.hold(bench, line, queue)
        await sink.consumer.begin(delivery)
        sink.consumer.requeue([delivery])
        delivery = await sink.one()
        assert delivery.attempts == 0
        delivery.redelivered = True
        await sink.consumer.begin(delivery)
        await sink.consumer.aclose()
        assert bench.client.get(queue.name).attempts == 0

    @on_loop
    async def test_handing_back_outlives_the_connection_that_carries_it(self, bench, line, caplog):
        queue = bench.queue()
        bench.publish(queue, b"x")
        sink, delivery = await self.hold(bench, line, queue)
        await sink.consumer.begin(delivery)
        sink.consumer.requeue([delivery])
        await asyncio.sleep(0)
        sink.consumer._acks._mover._connection.drop("cut")
        again = await sink.one()
        assert (again.body, again.attempts) == (b"x", 0)
        assert "trying again" in caplog.text
        sink.consumer.ack([again])
        await sink.consumer.aclose()
        assert bench.client.length(queue.name) == 0

    @on_loop
    async def test_closing_waits_for_what_is_being_handed_back(self, bench, line):
        queue = bench.queue()
        bench.publish(queue, b"x")
        sink, delivery = await self.hold(bench, line, queue)
        await sink.consumer.begin(delivery)
        await sink.consumer.cancel_queue(queue.name)
        sink.consumer.requeue([delivery])
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # it is written now, and not confirmed
        sink.consumer.requeue([delivery])
        await sink.consumer.aclose()
        await asyncio.sleep(2.5)  # the time to live in the holding queue
        assert bench.client.length(queue.name) == 1

    @on_loop
    async def test_blame_and_dead_letter_after_begin(self, bench, line):
        queue = bench.queue()
        bench.publish(queue, b"x")
        sink, delivery = await self.hold(bench, line, queue)
        await sink.consumer.begin(delivery)
        await sink.consumer.blame(delivery)
        delivery = await sink.one()
        assert delivery.attempts == 1
        await sink.consumer.begin(delivery)
        await sink.consumer.dead_letter(delivery, "worker_lost", "it died")
        await sink.consumer.aclose()
        await asyncio.sleep(2.5)
        assert bench.client.length(queue.name) == 0
        assert bench.client.length(queue.name + DEAD_SUFFIX) == 1


class TestRenewal:
    """RabbitMQ closes the channel of who keeps a message for too long, so it is exchanged for a new copy, again and again."""

    @pytest.fixture(autouse=True)
    def often(self, monkeypatch):
        monkeypatch.setattr(consuming, "_RENEW", 0.1)

    async def renewed(self, delivery, times=1):
        """Return when a delivery has been exchanged so many times."""
        async with asyncio.timeout(10):
            for _ in range(times):
                tag = delivery.tag
                while delivery.tag == tag:
                    await asyncio.sleep(0.01)

    @on_loop
    async def test_one_copy_stands_for_the_message_and_leaves_nothing(self, bench):
        queue = bench.queue()
        bench.publish(queue, b"x", expiration="86400000", message_id="m")
        sink = await bench.start(queue)
        delivery = await sink.one()
        await self.renewed(delivery, 3)
        await sink.consumer.aclose()
        again = bench.client.get(queue.name)
        assert (again.body, again.attempts, again.headers, again.properties["expiration"]) == (b"x", 0, {}, "86400000")
        bench.publish(queue, b"x")
        sink = await bench.start(queue)
        delivery = await sink.one()
        await self.renewed(delivery, 2)
        sink.consumer.ack([delivery])
        await sink.consumer.flush()
        await sink.consumer.aclose()
        await asyncio.sleep(2.5)  # the time to live in the holding queue
        assert bench.client.length(queue.name) == 0

    @on_loop
    async def test_after_a_death_it_comes_again_once_and_is_known_to_have_been_out(self, bench, line):
        queue = bench.queue()
        bench.publish(queue, b"x", headers={"id": "1"})
        sink = await bench.start(queue, url=line.url)
        delivery = await sink.one()
        await self.renewed(delivery, 2)
        line.cut()
        again = await sink.one(timeout=8)
        assert sink.lost == [delivery]
        assert (again.headers, again.redelivered, again.attempts) == ({"id": "1"}, True, 0)
        await sink.consumer.begin(again)
        await self.renewed(again, 2)
        line.cut()
        again = await sink.one(timeout=8)
        assert (again.redelivered, again.attempts) == (True, 1), "the copy of one that was begun says so"
        await sink.consumer.dead_letter(again, "worker_lost", "")
        await asyncio.sleep(2.5)
        assert (bench.client.length(queue.name), bench.client.length(queue.name + DEAD_SUFFIX)) == (0, 1)
        await sink.consumer.aclose()

    @pytest.mark.parametrize("arguments", [{}, {"x-queue-type": "quorum"}], ids=["classic", "quorum"])
    @on_loop
    async def test_they_stay_within_the_window(self, bench, arguments):
        queue = bench.queue(arguments=arguments)
        sink = await bench.start(queue, window=2)
        bench.publish(queue, b"1", b"2", b"3", b"4")
        first, second = await sink.take(2)
        await self.renewed(second, 3)
        assert (sink.fresh, bench.client.length(queue.name)) == ([], 2)
        sink.consumer.ack([first])
        third = await sink.one()
        await self.renewed(third, 3)
        assert (third.body, sink.fresh, bench.client.length(queue.name)) == (b"3", [], 1)
        sink.consumer.requeue([second, third])
        assert (await sink.one()).body in (b"2", b"3", b"4")
        await sink.consumer.aclose()
        async with asyncio.timeout(5):  # a quorum queue takes a moment to notice
            while bench.client.length(queue.name) != 3:
                await asyncio.sleep(0.05)

    @on_loop
    async def test_a_queue_that_goes_with_its_last_consumer_stays(self, bench):
        own, other = bench.queue("own", auto_delete=True), bench.queue("other")
        sink = await bench.start(own, other, window=1)
        bench.publish(other, b"long", b"x", b"x")
        long = await sink.one()
        await self.renewed(long, 2)
        bench.publish(own, b"1", b"2")
        first = await sink.one()  # its queue has a place of its own, and no more than that
        tag = first.tag
        await self.renewed(long, 3)
        assert (first.body, first.tag, sink.fresh) == (b"1", tag, [])
        sink.consumer.ack([first])
        assert (await sink.one()).body == b"2"
        assert (bench.client.length(own.name), bench.client.length(other.name)) == (0, 2)
        await sink.consumer.aclose()
