"""Several queues, priorities, single operations."""

from __future__ import annotations

import asyncio

from umbel.brokers.topology import Destination
from umbel.testing.brokers.kit import BrokerKit, Sink, bodies
from umbel.testing.coroutines import on_loop
from umbel.wire.message import Message


class TestPriorities:
    needs = "priorities"

    @on_loop
    async def test_the_more_urgent_first(self, kit: BrokerKit) -> None:
        queue = kit.queue(arguments=kit.priority_arguments)
        for priority in (3, 9, 0, 9, 6):
            kit.publish(queue, b"%d" % priority, priority=priority)
        async with kit.consuming(queue, window=1) as sink:
            order = []
            for _ in range(5):
                delivery = await sink.one()
                order.append(int(delivery.body))
                assert delivery.properties["priority"] == order[-1]
                sink.consumer.ack([delivery])
        assert order == sorted(order, reverse=kit.main.capabilities.higher_first)
        kit.wait_length(queue, 0)

    def test_the_length_is_of_all_priorities(self, kit: BrokerKit) -> None:
        queue = kit.queue(arguments=kit.priority_arguments)
        for priority in (0, 3, 6, 9):
            kit.publish(queue, b"x", priority=priority)
        kit.wait_length(queue, 4)
        with kit.client() as client:
            assert client.purge(queue.name) == 4


class TestQueues:
    @on_loop
    async def test_several_queues(self, kit: BrokerKit) -> None:
        one, two = kit.queue("one"), kit.queue("two")
        kit.publish(one, b"1")
        kit.publish(two, b"2")
        async with kit.consuming(one, two) as sink:
            found = await sink.take(2)
            assert {(delivery.queue, delivery.body) for delivery in found} == {(one.name, b"1"), (two.name, b"2")}
            sink.consumer.ack(found)

    @on_loop
    async def test_no_queue_starves(self, kit: BrokerKit) -> None:
        busy, rare = kit.queue("busy"), kit.queue("rare")
        kit.publish(busy, *(b"busy" for _ in range(300)))
        kit.publish(rare, b"rare")
        async with kit.consuming(busy, rare, window=4) as sink:
            for _ in range(150):
                delivery = await sink.one()
                sink.consumer.ack([delivery])
                if delivery.body == b"rare":
                    break
            else:
                raise AssertionError("the second queue was not read")

    @on_loop
    async def test_one_more_and_one_less(self, kit: BrokerKit) -> None:
        one, two = kit.queue("one"), kit.queue("two")
        async with kit.consuming(one) as sink:
            await sink.consumer.add_queue(two)
            assert {queue.name for queue in sink.consumer.queues} == {one.name, two.name}
            kit.publish(two, b"2")
            sink.consumer.ack([await sink.one()])
            await sink.consumer.cancel_queue(two.name)
            assert [queue.name for queue in sink.consumer.queues] == [one.name]
            kit.publish(two, b"more")
            await sink.quiet()
            kit.publish(one, b"1")
            assert (await sink.one()).body == b"1"
        kit.wait_length(two, 1)

    @on_loop
    async def test_two_consumers_share(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        kit.publisher.publish_many([(Message(b"%d" % number, {}), Destination.of(queue)) for number in range(300)])
        kit.publisher.flush(10)
        async with kit.consuming(queue, window=5) as one, kit.consuming(queue, window=5) as two:
            seen: list[bytes] = []

            async def work(sink: Sink) -> None:
                while len(seen) < 300:
                    try:
                        batch = await sink.take(1, timeout=1)
                    except AssertionError:
                        return
                    batch += await sink.take(len(sink.fresh))
                    seen.extend(bodies(batch))
                    await asyncio.sleep(0)
                    sink.consumer.ack(batch)

            await asyncio.gather(work(one), work(two))
            await one.consumer.flush()
            await two.consumer.flush()
        assert sorted(map(int, seen)) == list(range(300))

    def test_a_queue_that_is_not_there(self, kit: BrokerKit) -> None:
        queue = kit.queue("absent")
        with kit.client() as client:
            assert client.length(queue.name) is None
            assert client.get(queue.name) is None
            client.delete(queue.name)

    def test_declared_empty_filled_purged_deleted(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        with kit.client() as client:
            client.declare(queue)
            assert client.length(queue.name) in (0, None)  # Redis has no empty lists
            assert client.purge(queue.name) == 0
            kit.publish(queue, b"1", b"2", b"3")
            kit.wait_length(queue, 3)
            assert client.purge(queue.name) == 3
            kit.wait_length(queue, 0)
            client.delete(queue.name)
            assert client.length(queue.name) is None

    def test_one_by_one(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        kit.publish(queue, b"1", b"2", b"3")
        with kit.client() as client:
            first, second = client.get(queue.name), client.get(queue.name)
            assert first is not None
            assert second is not None
            assert (first.body, second.body) == (b"1", b"2")
            assert client.ack(first)
        with kit.client() as client:
            left = [client.get(queue.name) for _ in range(2)]
            assert [delivery and delivery.body for delivery in left] == [b"2", b"3"]
            assert client.get(queue.name) is None

    def test_what_went_back_is_not_dropped_and_says_so(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        kit.publish(queue, b"x")
        with kit.client() as client:
            delivery = client.get(queue.name)
            assert delivery is not None
            client.close()
            assert not client.ack(delivery)
            again = client.get(queue.name)
            assert again is not None
            assert not client.ack(delivery)
            assert client.ack(again)
        kit.wait_length(queue, 0)
