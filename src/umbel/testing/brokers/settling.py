"""The window of unsettled messages, and what ends one."""

from __future__ import annotations

from umbel.brokers.base import ConnectionState
from umbel.testing.brokers.kit import BrokerKit, bodies
from umbel.testing.coroutines import on_loop


class TestWindow:
    @on_loop
    async def test_it_bounds_the_unsettled(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        kit.publish(queue, *(b"%d" % number for number in range(10)))
        async with kit.consuming(queue, window=3) as sink:
            first = await sink.take(3)
            await sink.quiet()
            sink.consumer.ack(first[:1])
            assert bodies(await sink.take(1)) == [b"3"]
            await sink.quiet()

    @on_loop
    async def test_it_grows_shrinks_and_stops(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        kit.publish(queue, *(b"%d" % number for number in range(12)))
        async with kit.consuming(queue, window=2) as sink:
            held = await sink.take(2)
            sink.consumer.set_window(5)
            held += await sink.take(3)
            await sink.quiet()
            sink.consumer.set_window(1)
            sink.consumer.ack(held[:4])
            await sink.quiet()
            sink.consumer.ack(held[4:])
            held = await sink.take(1)
            assert bodies(held) == [b"5"]
            sink.consumer.set_window(0)
            sink.consumer.ack(held)
            await sink.quiet()
            sink.consumer.set_window(10)
            assert bodies(await sink.take(6)) == [b"%d" % number for number in range(6, 12)]

    @on_loop
    async def test_it_may_start_at_zero(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        kit.publish(queue, b"x")
        async with kit.consuming(queue, window=0) as sink:
            await sink.quiet()
            sink.consumer.set_window(1)
            sink.consumer.ack(await sink.take(1))


class TestSettling:
    @on_loop
    async def test_an_acknowledged_message_is_gone(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        kit.publish(queue, b"x")
        async with kit.consuming(queue) as sink:
            assert sink.states == [ConnectionState.CONNECTED]
            sink.consumer.ack([await sink.one()])
            await sink.consumer.flush()
        kit.wait_length(queue, 0)
        async with kit.consuming(queue) as sink:
            await sink.quiet()

    @on_loop
    async def test_closing_settles_what_is_buffered(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        kit.publish(queue, b"x", b"y")
        async with kit.consuming(queue) as sink:
            sink.consumer.ack(await sink.take(2))
        kit.wait_length(queue, 0)

    @on_loop
    async def test_a_requeued_message_comes_first_and_uncounted(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        kit.publish(queue, b"1", b"2", b"3")
        order = []
        async with kit.consuming(queue, window=1) as sink:
            first = await sink.one()
            if kit.requeues_first:  # else the broker may send the next one before it has this one back
                sink.consumer.set_window(0)
                await sink.consumer.flush()
            sink.consumer.requeue([first])
            await sink.consumer.flush()
            sink.consumer.set_window(1)
            for _ in range(3):
                delivery = await sink.one()
                order.append(delivery.body)
                assert (delivery.redelivered, delivery.attempts) == (delivery.body == b"1", 0)
                sink.consumer.ack([delivery])
        assert order == ([b"1", b"2", b"3"] if kit.requeues_first else [b"2", b"3", b"1"])

    @on_loop
    async def test_closing_hands_back_the_unsettled(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        kit.publish(queue, b"1", b"2", b"3")
        async with kit.consuming(queue) as sink:
            held = await sink.take(3)
            sink.consumer.ack(held[1:2])
        async with kit.consuming(queue) as sink:
            again = await sink.take(2)
            assert [(delivery.body, delivery.redelivered, delivery.attempts) for delivery in again] == [(b"1", True, 0), (b"3", True, 0)]

    @on_loop
    async def test_blame_counts(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        kit.publish(queue, b"x", headers={"id": "1"})
        async with kit.consuming(queue) as sink:
            for attempts in range(3):
                delivery = await sink.one()
                assert (delivery.attempts, delivery.headers["id"], delivery.body) == (attempts, "1", b"x")
                await sink.consumer.blame(delivery)
        async with kit.consuming(queue) as sink:
            assert (await sink.one()).attempts == 3

    @on_loop
    async def test_settling_twice_does_nothing(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        kit.publish(queue, b"1")
        async with kit.consuming(queue) as sink:
            delivery = await sink.one()
            sink.consumer.ack([delivery])
            await sink.consumer.flush()
            kit.publish(queue, b"2")
            second = await sink.one()
            sink.consumer.ack([delivery])
            sink.consumer.requeue([delivery])
            await sink.consumer.blame(delivery)
            await sink.consumer.flush()
        assert second.body == b"2"
        kit.wait_length(queue, 1)

    @on_loop
    async def test_closing_twice_and_before_the_start(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        async with kit.consuming(queue) as sink:
            await sink.consumer.aclose()
        await kit.main.consumer([queue], window=1).aclose()
