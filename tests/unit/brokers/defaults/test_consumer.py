"""What a consumer makes of five steps that succeed, fail and take their time."""

import asyncio

import pytest

from umbel.brokers.base import ConnectionState, Delivery
from umbel.brokers.defaults.consumer import ConsumerDefaults
from umbel.brokers.defaults.publisher import PublisherDefaults
from umbel.brokers.topology import Queue
from umbel.errors import OperationalError


class Publisher(PublisherDefaults):
    def __init__(self):
        super().__init__()
        self.declared = []

    def publish(self, message, to, *, confirm=False, timeout=None):
        raise AssertionError

    def declare(self, queue):
        self.declared.append(queue.name)


class Scripted(ConsumerDefaults):
    """Each step is remembered, fails as often as it is told to, and waits where it is told to."""

    where = "a script"

    def __init__(self, *bodies, window=10, queues=("q",)):
        self.publisher = Publisher()
        super().__init__(self.publisher, [Queue(name) for name in queues], window=window)
        self.waiting = [delivery(body) for body in bodies]
        self.steps, self.failures = [], []
        self.open = asyncio.Event()
        self.open.set()

    async def _do(self, name, deliveries):
        self.steps.append((name, [each.body for each in deliveries]))
        if self.failures and self.failures[0][0] == name:
            raise self.failures.pop(0)[1]

    async def take(self, queues, count):
        if not self.waiting:
            return []
        await self._do("take", [])
        found, self.waiting = self.waiting[:count], self.waiting[count:]
        await self.open.wait()
        return found

    async def drop(self, deliveries):
        await self._do("drop", deliveries)

    async def put_back(self, deliveries, *, attempts=0):
        await self._do(f"put back +{attempts}", deliveries)

    async def put_delayed(self, moves):
        await self._do("delay", [delivery for delivery, _ in moves])

    async def put_dead(self, delivery, headers):
        await self._do("put dead", [delivery])

    def next_look(self):
        return None


class Sink:
    def __init__(self):
        self.fresh, self.states, self.changed = [], [], asyncio.Event()

    def on_deliveries(self, deliveries):
        self.fresh += deliveries
        self.changed.set()

    def on_connection(self, state, detail):
        self.states.append((state, detail))
        self.changed.set()

    async def until(self, condition):
        async with asyncio.timeout(10):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


def delivery(body):
    return Delivery(body, {}, "", "", {}, None, 0, "q", "", "q")


def started(*bodies, **options):
    """Run a coroutine function with a consumer that has taken so many messages, and its sink."""

    def decorate(test):
        def run(caplog):
            async def scenario():
                consumer, sink = Scripted(*bodies, **options), Sink()
                await consumer.start(sink)
                await sink.until(lambda: len(sink.fresh) == len(bodies))
                consumer.steps.clear()
                sink.log = caplog
                await test(consumer, sink)
                await consumer.aclose()

            asyncio.run(scenario())

        return run

    return decorate


@started(b"1", b"2", b"3")
async def test_acknowledgements_of_one_turn_leave_together(consumer, sink):
    consumer.ack(sink.fresh[:1])
    consumer.ack(sink.fresh[1:])
    await consumer.flush()
    assert consumer.steps == [("drop", [b"1", b"2", b"3"])]
    assert consumer.publisher.declared == ["q"]


@started(b"1", b"2")
async def test_what_the_broker_did_not_hear_is_told_again(consumer, sink):
    consumer.failures = [("drop", OperationalError("gone")), ("put back +0", OperationalError("gone"))]
    consumer.ack(sink.fresh[:1])
    consumer.requeue(sink.fresh[1:])
    for _ in range(2):
        with pytest.raises(OperationalError):
            await consumer.flush()
    await consumer.flush()
    assert [step for step in consumer.steps if step[0] != "take"] == [
        ("drop", [b"1"]),
        ("drop", [b"1"]),
        ("put back +0", [b"2"]),
        ("put back +0", [b"2"]),
    ]


@started(b"1", b"2")
async def test_a_step_that_failed_leaves_its_delivery_unsettled(consumer, sink):
    first, second = sink.fresh
    consumer.failures = [("delay", OperationalError("gone")), ("put dead", OperationalError("gone"))]
    with pytest.raises(OperationalError):
        await consumer.delay([(first, 5.0), (second, 6.0)])
    with pytest.raises(OperationalError):
        await consumer.dead_letter(first, "why", "because")
    await consumer.blame(first)
    await consumer.dead_letter(second, "why", "because")
    await consumer.blame(second)  # it is settled
    assert consumer.steps == [("delay", [b"1", b"2"]), ("put dead", [b"1"]), ("put back +1", [b"1"]), ("put dead", [b"2"])]


@started()
async def test_a_broker_that_fails_is_asked_again_and_the_sink_told(consumer, sink):
    consumer.failures = [("take", OperationalError("gone")), ("take", ValueError("a bug"))]
    consumer.waiting = [delivery(b"1")]
    consumer.ring()
    await sink.until(lambda: sink.fresh)
    await sink.until(lambda: len(sink.states) == 4)
    assert [state for state, _ in sink.states] == [
        ConnectionState.CONNECTED,
        ConnectionState.RETRYING,
        ConnectionState.RETRYING,
        ConnectionState.CONNECTED,
    ]
    assert "gone; trying again" in sink.states[1][1]


@started()
async def test_what_comes_while_it_closes_goes_back_and_to_no_sink(consumer, sink):
    consumer.waiting = [delivery(b"late")]
    consumer.open.clear()
    consumer.ring()
    while ("take", []) not in consumer.steps:
        await asyncio.sleep(0)
    closing = asyncio.create_task(consumer.aclose())
    await asyncio.sleep(0)
    consumer.open.set()
    await closing
    assert not sink.fresh
    assert consumer.steps[-1] == ("put back +0", [b"late"])
    consumer.ring()
    await consumer.aclose()


@started(b"1")
async def test_a_flush_waits_for_what_is_on_its_way(consumer, sink):
    consumer.waiting = [delivery(b"2")]
    consumer.open.clear()
    consumer.ring()
    while ("take", []) not in consumer.steps:
        await asyncio.sleep(0)
    consumer.set_window(0)
    flushing = asyncio.create_task(consumer.flush())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not flushing.done()
    consumer.open.set()
    await flushing
    assert [each.body for each in sink.fresh] == [b"1", b"2"]


@started(b"1")
async def test_what_cannot_be_handed_back_is_said(consumer, sink):
    consumer.failures = [("put back +0", OperationalError("gone"))]
    await consumer.aclose()
    assert "1 deliveries could not be handed back: gone" in sink.log.text
