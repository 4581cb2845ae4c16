"""Messages that wait for their time."""

from __future__ import annotations

import time

from umbel.testing.brokers.kit import BrokerKit
from umbel.testing.coroutines import on_loop


class TestDelay:
    @on_loop
    async def test_a_delayed_message_comes_when_it_is_due(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        kit.publish(queue, b"late", headers={"id": "1"}, correlation_id="c")
        async with kit.consuming(queue, window=1) as sink:
            delivery = await sink.one()
            due = time.time() + 1.5
            await sink.consumer.delay([(delivery, due)])
            kit.publish(queue, b"other")
            other = await sink.one()
            assert other.body == b"other"  # the delayed one leaves room in the window
            sink.consumer.ack([other])
            delivery = await sink.one(timeout=6)
            assert due - 0.05 <= time.time() <= due + 1.5
            assert (delivery.body, delivery.headers["id"], delivery.properties.get("correlation_id")) == (b"late", "1", "c")
            assert (delivery.attempts, delivery.queue) == (0, queue.name)
            sink.consumer.ack([delivery])

    @on_loop
    async def test_it_outlives_its_consumer(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        kit.publish(queue, b"late")
        async with kit.consuming(queue) as sink:
            due = time.time() + 2
            await sink.consumer.delay([(await sink.one(), due)])
        kit.wait_length(queue, 0)
        async with kit.consuming(queue) as sink:
            delivery = await sink.one(timeout=7)
            assert time.time() >= due - 0.05
            sink.consumer.ack([delivery])

    @on_loop
    async def test_the_past_is_now(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        kit.publish(queue, b"x")
        async with kit.consuming(queue) as sink:
            await sink.consumer.delay([(await sink.one(), time.time() - 100)])
            sink.consumer.ack([await sink.one()])

    @on_loop
    async def test_attempts_go_with_it(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        kit.publish(queue, b"x")
        async with kit.consuming(queue) as sink:
            await sink.consumer.blame(await sink.one())
            await sink.consumer.delay([(await sink.one(), time.time() + 1)])
            assert (await sink.one(timeout=6)).attempts == 1

    @on_loop
    async def test_delayed_messages_are_counted_apart(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        kit.publish(queue, b"x", b"y")
        async with kit.consuming(queue) as sink:
            for delivery in await sink.take(2):
                await sink.consumer.delay([(delivery, time.time() + 30)])
        with kit.client() as client:
            assert client.delayed(queue.name) in (2, None)
            assert client.length(queue.name) == 0

    @on_loop
    async def test_many_are_delayed_together(self, kit: BrokerKit) -> None:
        first, second = kit.queue("first"), kit.queue("second")
        bodies = [b"%d" % number for number in range(200)]
        for queue in (first, second):
            kit.publish(queue, *bodies)
        async with kit.consuming(first, second, window=1000) as sink:
            found = await sink.take(400)
            settled, moved = found[:5], found[5:]
            sink.consumer.ack(settled)
            due = time.time() + 1.2
            # What is settled is passed over; each has a time of its own.
            await sink.consumer.delay([(each, due if number % 2 else due + 1) for number, each in enumerate(found)])
            back = await sink.take(395, timeout=10)
            assert time.time() >= due + 1 - 0.05
            await sink.quiet()
            assert sorted((each.queue, each.body) for each in back) == sorted((each.queue, each.body) for each in moved)
            sink.consumer.ack(back)
