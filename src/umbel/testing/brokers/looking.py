"""Looking at what waits, and keeping which queues are paused."""

from __future__ import annotations

from umbel.messages.ids import uuid7, waits_since
from umbel.testing.brokers.kit import BrokerKit, bodies
from umbel.testing.coroutines import on_loop


class TestLooking:
    def test_the_first_ones_in_order_and_they_stay(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        kit.publish(queue, *(b"%d" % number for number in range(5)))
        kit.wait_length(queue, 5)
        with kit.client() as client:
            assert bodies(client.peek(queue.name, 3)) == [b"0", b"1", b"2"]
            kit.wait_length(queue, 5)
            assert bodies(client.peek(queue.name, 10)) == [b"0", b"1", b"2", b"3", b"4"]
        kit.wait_length(queue, 5)
        with kit.client() as client:
            assert bodies(filter(None, (client.get(queue.name) for _ in range(5)))) == [b"0", b"1", b"2", b"3", b"4"]

    @on_loop
    async def test_nothing_is_counted(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        kit.publish(queue, b"x")
        with kit.client() as client:
            assert client.peek(queue.name, 1)[0].attempts == 0
        async with kit.consuming(queue) as sink:
            delivery = await sink.one()
            assert delivery.attempts == 0
            assert not (delivery.redelivered and kit.main.capabilities.peeks)
            sink.consumer.ack([delivery])

    def test_a_queue_without_messages(self, kit: BrokerKit) -> None:
        queue = kit.queue("absent")
        with kit.client() as client:
            assert client.peek(queue.name, 3) == []
            client.declare(queue)
            assert client.peek(queue.name, 3) == []

    def test_since_when_the_next_one_waits(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        kit.publish(queue, b"x", headers={"id": uuid7(1_700_000_000.5), "task": "t"})
        kit.publish(queue, b"x", headers={"id": "mine", "task": "t"})
        kit.wait_length(queue, 2)
        with kit.client() as client:
            assert [waits_since(found) for found in client.peek(queue.name, 2)] == [1_700_000_000.5, None]


class TestPausing:
    def test_kept_until_it_is_resumed(self, kit: BrokerKit) -> None:
        one, two, absent = kit.queue("one"), kit.queue("two"), kit.queue("absent")
        names = [one.name, two.name, absent.name]
        with kit.client() as client:
            client.declare(one)
            assert client.paused(names) == set()
            client.resume(one.name)
        try:
            with kit.client() as client:
                client.pause(one.name)
                client.pause(one.name)
                client.pause(absent.name)
                assert client.paused(names) == {one.name, absent.name}
            with kit.client() as client:
                assert client.paused([two.name, one.name]) == {one.name}
                assert client.paused([]) == set()
                client.resume(one.name)
                assert client.paused(names) == {absent.name}
        finally:
            with kit.client() as client:
                for name in names:
                    client.resume(name)
                assert client.paused(names) == set()

    def test_a_paused_queue_takes_messages(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        with kit.client() as client:
            client.pause(queue.name)
            try:
                kit.publish(queue, b"1", b"2")
                kit.wait_length(queue, 2)
            finally:
                client.resume(queue.name)

    def test_many(self, kit: BrokerKit) -> None:
        names = [f"{kit.queue().name}-{number}" for number in range(1200)]
        with kit.client() as client:
            client.pause(names[700])
            try:
                assert client.paused(names) == {names[700]}
            finally:
                client.resume(names[700])
