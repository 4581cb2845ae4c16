"""Publishing: confirms, receipts, threads, exchanges."""

from __future__ import annotations

import threading

import pytest

from umbel.brokers.confirms.receipts import Receipt, WouldBlock
from umbel.brokers.topology import Binding, Destination, Exchange
from umbel.errors import MessageReturned
from umbel.testing.brokers.kit import SOON, BrokerKit
from umbel.wire.message import Message


def confirmed(receipt: Receipt) -> bool:
    """Report whether the broker has taken what a receipt is for."""
    taken = threading.Event()
    receipt.when_settled(lambda error: taken.set() if error is None else None)
    return taken.wait(SOON)


class TestPublishing:
    def test_confirm_means_that_the_broker_has_it(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        kit.publisher.publish(Message(b"x", {}), Destination.of(queue), confirm=True)
        kit.wait_length(queue, 1)

    def test_publish_many_and_flush(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        assert kit.publisher.publish_many([(Message(b"%d" % number, {}), Destination.of(queue)) for number in range(300)]) == 300
        assert kit.publisher.publish_many([], confirm=True) == 0
        kit.publisher.flush(10)
        kit.wait_length(queue, 300)

    def test_a_receipt_calls_back_once(self, kit: BrokerKit) -> None:
        queue, done = kit.queue(), threading.Event()
        called: list[BaseException | None] = []

        def settled(error: BaseException | None) -> None:
            called.append(error)
            done.set()

        with kit.publisher.receipt() as receipt:
            for _ in range(3):
                kit.publisher.publish(Message(b"x", {}), Destination.of(queue))
        receipt.when_settled(settled)
        assert done.wait(SOON)
        kit.publisher.flush(SOON)
        assert called == [None]
        assert kit.length(queue) == 3

    def test_what_must_not_wait_is_sent_or_not_begun(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        for sent in range(1, 11):
            try:
                with kit.publisher.receipt(wait=False) as receipt:
                    kit.publisher.publish(Message(b"x", {}), Destination.of(queue))
            except WouldBlock:
                kit.publisher.publish(Message(b"x", {}), Destination.of(queue), confirm=True)
            else:
                assert confirmed(receipt)
            assert kit.length(queue) == sent

    def test_many_threads_publish(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        kit.publisher.declare(queue)

        def work() -> None:
            for _ in range(50):
                kit.publisher.publish(Message(b"x", {}), Destination.of(queue))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        kit.publisher.flush(10)
        kit.wait_length(queue, 200)

    def test_the_publisher_is_one_object_and_opens_again(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        assert kit.main.publisher() is kit.main.publisher()
        kit.publish(queue, b"1")
        kit.publisher.close()
        kit.publish(queue, b"2")
        kit.wait_length(queue, 2)

    def test_no_queue_for_a_message(self, kit: BrokerKit) -> None:
        exchange = Exchange(f"contract-topic-{kit.mark}", "topic")
        queue = kit.queue(exchange=exchange, routing_key="a.*")
        kit.publisher.declare(queue)
        with pytest.raises(MessageReturned, match=r"z\.z"):
            kit.publisher.publish(Message(b"x", {}), Destination(exchange.name, "z.z"), confirm=True)
        kit.publisher.publish(Message(b"x", {}), Destination(exchange.name, "z.z", mandatory=False), confirm=True)
        kit.publisher.publish(Message(b"x", {}), Destination(exchange.name, "a.b"), confirm=True)
        kit.wait_length(queue, 1)

    def test_exchanges_fill_the_queues_bound_to_them(self, kit: BrokerKit) -> None:
        fanout, topic = Exchange(f"contract-fan-{kit.mark}", "fanout"), Exchange(f"contract-topic-{kit.mark}", "topic")
        one = kit.queue("one", exchange=topic, routing_key="a.*.c", bindings=(Binding(fanout),))
        two = kit.queue("two", exchange=topic, routing_key="a.#", bindings=(Binding(fanout),))
        kit.publisher.declare(one)
        kit.publisher.declare(two)
        for to in (Destination(topic.name, "a.b.c"), Destination(topic.name, "a"), Destination(fanout.name, "")):
            kit.publisher.publish(Message(b"x", {}), to, confirm=True)
        kit.wait_length(one, 2)
        kit.wait_length(two, 3)

    def test_a_public_url_has_no_password(self, kit: BrokerKit) -> None:
        assert "guest:guest" not in kit.main.public_url()
        assert "://" in kit.main.public_url()
