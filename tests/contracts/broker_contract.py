"""What every broker does, by the contract in `umbel.brokers.base`. ``test_brokers.py`` runs these classes on each broker.

A class attribute ``needs`` leaves brokers out for which the question does not arise: ``processes`` (memory:// has one), ``leases``,
``priorities``, ``rules`` (RabbitMQ has every type of exchange).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time

import pytest

from contracts.kit import SOON, Kit, on_loop
from umbel.brokers.base import DEAD_AT, DEAD_DETAIL, DEAD_QUEUE, DEAD_REASON, DEAD_SUFFIX, ConnectionState
from umbel.brokers.confirms.receipts import WouldBlock
from umbel.brokers.topology import Binding, Destination, Exchange
from umbel.errors import ImproperlyConfigured, MessageReturned, MessageTooLarge
from umbel.wire.message import Call, Message, MessageLimits, Stencil

HEADERS = {
    "text": "plain",
    "unicode": 'snow ☃, clef 𝄞, \u00fc, quote " and \\',
    "empty": "",
    "integer": 7,
    "negative": -5,
    "large": 2**40,
    "float": 1.5,
    "true": True,
    "false": False,
    "null": None,
    "list": [1, "two", None, [3.5, False]],
    "table": {"inner": {"deep": [1, {"x": "y"}]}},
    "empty list": [],
    "empty table": {},
}


def bodies(deliveries):
    return [delivery.body for delivery in deliveries]


class TestRoundtrip:
    @on_loop
    async def test_all_of_a_message_arrives(self, kit: Kit):
        queue = kit.queue()
        message = Message(
            b'[[1, 2], {}, {"callbacks": null}]',
            HEADERS,
            "application/json",
            "utf-8",
            {"correlation_id": "c-1", "reply_to": "replies", "delivery_mode": 2},
        )
        kit.publisher.publish(message, Destination.of(queue), confirm=True)
        async with kit.consuming(queue) as sink:
            delivery = await sink.one()
        assert delivery.flaw is None
        assert delivery.body == message.body
        assert type(delivery.body) is bytes
        assert {name: delivery.headers.get(name, "absent") for name in HEADERS} == HEADERS
        assert (delivery.content_type, delivery.content_encoding) == ("application/json", "utf-8")
        assert {name: delivery.properties.get(name) for name in message.properties} == message.properties
        assert (delivery.queue, delivery.redelivered, delivery.attempts) == (queue.name, False, 0)

    @pytest.mark.parametrize(
        "body", [b"", bytes(range(256)), b"x" * 1_000_000, "Žluťoučký kůň".encode()], ids=["empty", "binary", "1MB", "utf8"]
    )
    @on_loop
    async def test_bodies(self, kit: Kit, body):
        queue = kit.queue()
        kit.publisher.publish(Message(body, {}, "application/data", "binary"), Destination.of(queue), confirm=True)
        async with kit.consuming(queue) as sink:
            delivery = await sink.one()
            assert (delivery.body, delivery.content_type, delivery.content_encoding) == (body, "application/data", "binary")
            sink.consumer.ack([delivery])

    @on_loop
    async def test_a_stencil_is_the_message_it_fills(self, kit: Kit):
        queue = kit.queue()
        kit.publisher.declare(queue)
        headers = {"lang": "py", "task": 'quote " and ☃', "id": None, "shadow": None, "root_id": None, "parent_id": None, "argsrepr": None}
        headers |= {"timelimit": [None, 5], "kwargsrepr": None, "stamps": {"x": [1]}}
        to = Destination.of(queue)
        stencil = Stencil(headers, {"delivery_mode": 2, "reply_to": "r"}, "application/json", "utf-8", to.exchange, to.routing_key)
        calls = [Call("id-1", "root-1", None, "('é\\n\"',)", "{}", b"one"), Call("id-2", "root-2", "parent", "()", "{'a': 1}", b"two")]
        for call in calls:
            kit.publisher.publish_stencil(stencil, call)
        kit.publisher.flush(SOON)
        async with kit.consuming(queue) as sink:
            for call, delivery in zip(calls, await sink.take(2), strict=True):
                expected = stencil.fill(call)
                assert delivery.body == expected.body
                assert {name: delivery.headers.get(name, "absent") for name in expected.headers} == expected.headers
                assert {name: delivery.properties.get(name) for name in expected.properties} == expected.properties
                sink.consumer.ack([delivery])

    @on_loop
    async def test_an_idle_consumer_is_woken(self, kit: Kit, monkeypatch):
        """By the message: it does not look again by itself for a minute."""
        monkeypatch.setattr("umbel.brokers.redis.consumer._SAFETY_POLL", 60.0)
        monkeypatch.setattr("umbel.brokers.sqlite.consumer._UPKEEP", 60.0)
        queue = kit.queue()
        async with kit.consuming(queue, broker=kit.broker(lease=180.0)) as sink:
            await asyncio.sleep(0.1)
            for number in range(10):
                kit.publish(queue, b"%d" % number)
                sink.consumer.ack([await sink.one()])
                await asyncio.sleep(0.02)

    @on_loop
    async def test_a_backlog_comes_in_order(self, kit: Kit):
        queue = kit.queue()
        sent = [b"%d" % number for number in range(2000)]
        assert kit.publisher.publish_many((Message(body, {}), Destination.of(queue)) for body in sent) == 2000
        kit.publisher.flush(10)
        received = []
        async with kit.consuming(queue, window=100) as sink:
            while len(received) < len(sent):
                batch = await sink.take(1)
                batch += await sink.take(len(sink.fresh))
                received += bodies(batch)
                sink.consumer.ack(batch)
            await sink.consumer.flush()
        assert received == sent
        kit.wait_length(queue, 0)

    @on_loop
    async def test_many_queues(self, kit: Kit):
        """Brokers look at a part of many queues at a time, begin to consume from many at once, and gather acknowledgements."""
        queues = [kit.queue(f"many-{number}") for number in range(20)]
        expected = []
        for number, queue in enumerate(queues):
            expected += [f"{number}.{each}".encode() for each in range(number % 4)]
            kit.publish(queue, *[f"{number}.{each}".encode() for each in range(number % 4)])
        async with kit.consuming(*queues, window=8) as sink:
            received = []
            while len(received) < len(expected):
                batch = await sink.take(1)
                received += bodies(batch)
                sink.consumer.ack(batch)
            assert sorted(received) == sorted(expected)
            for queue in queues[::5]:  # all are empty now: each wakes the consumer
                kit.publish(queue, b"late")
                late = await sink.one()
                await sink.consumer.delay([(late, time.time() + 0.3)])
            again = await sink.take(len(queues[::5]))
            assert {delivery.queue for delivery in again} == {queue.name for queue in queues[::5]}
            sink.consumer.ack(again)
            await sink.consumer.flush()
        for queue in queues:
            kit.wait_length(queue, 0)


class TestPublishing:
    def test_confirm_means_that_the_broker_has_it(self, kit: Kit):
        queue = kit.queue()
        kit.publisher.publish(Message(b"x", {}), Destination.of(queue), confirm=True)
        kit.wait_length(queue, 1)

    def test_publish_many_and_flush(self, kit: Kit):
        queue = kit.queue()
        assert kit.publisher.publish_many([(Message(b"%d" % number, {}), Destination.of(queue)) for number in range(300)]) == 300
        assert kit.publisher.publish_many([], confirm=True) == 0
        kit.publisher.flush(10)
        kit.wait_length(queue, 300)

    def test_a_receipt_calls_back_once(self, kit: Kit):
        queue, called, done = kit.queue(), [], threading.Event()

        def settled(error):
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

    def test_what_must_not_wait_is_sent_or_not_begun(self, kit: Kit):
        queue = kit.queue()
        sent = 0
        for _ in range(10):
            try:
                with kit.publisher.receipt(wait=False) as receipt:
                    kit.publisher.publish(Message(b"x", {}), Destination.of(queue))
            except WouldBlock:
                kit.publisher.publish(Message(b"x", {}), Destination.of(queue), confirm=True)
            else:
                settled = threading.Event()
                receipt.when_settled(lambda error, settled=settled: settled.set() if error is None else None)
                assert settled.wait(SOON)
            sent += 1
            assert kit.length(queue) == sent

    def test_many_threads_publish(self, kit: Kit):
        queue = kit.queue()
        kit.publisher.declare(queue)

        def work():
            for _ in range(50):
                kit.publisher.publish(Message(b"x", {}), Destination.of(queue))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        kit.publisher.flush(10)
        kit.wait_length(queue, 200)

    def test_the_publisher_is_one_object_and_opens_again(self, kit: Kit):
        queue = kit.queue()
        assert kit.main.publisher() is kit.main.publisher()
        kit.publish(queue, b"1")
        kit.publisher.close()
        kit.publish(queue, b"2")
        kit.wait_length(queue, 2)

    def test_no_queue_for_a_message(self, kit: Kit):
        exchange = Exchange(f"contract-topic-{kit.mark}", "topic")
        queue = kit.queue(exchange=exchange, routing_key="a.*")
        kit.publisher.declare(queue)
        with pytest.raises(MessageReturned, match=r"z\.z"):
            kit.publisher.publish(Message(b"x", {}), Destination(exchange.name, "z.z"), confirm=True)
        kit.publisher.publish(Message(b"x", {}), Destination(exchange.name, "z.z", mandatory=False), confirm=True)
        kit.publisher.publish(Message(b"x", {}), Destination(exchange.name, "a.b"), confirm=True)
        kit.wait_length(queue, 1)

    def test_exchanges_fill_the_queues_bound_to_them(self, kit: Kit):
        fanout, topic = Exchange(f"contract-fan-{kit.mark}", "fanout"), Exchange(f"contract-topic-{kit.mark}", "topic")
        one = kit.queue("one", exchange=topic, routing_key="a.*.c", bindings=(Binding(fanout),))
        two = kit.queue("two", exchange=topic, routing_key="a.#", bindings=(Binding(fanout),))
        kit.publisher.declare(one)
        kit.publisher.declare(two)
        for to in (Destination(topic.name, "a.b.c"), Destination(topic.name, "a"), Destination(fanout.name, "")):
            kit.publisher.publish(Message(b"x", {}), to, confirm=True)
        kit.wait_length(one, 2)
        kit.wait_length(two, 3)

    def test_a_public_url_has_no_password(self, kit: Kit):
        assert "guest:guest" not in kit.main.public_url()
        assert "://" in kit.main.public_url()


class TestWindow:
    @on_loop
    async def test_it_bounds_the_unsettled(self, kit: Kit):
        queue = kit.queue()
        kit.publish(queue, *(b"%d" % number for number in range(10)))
        async with kit.consuming(queue, window=3) as sink:
            first = await sink.take(3)
            await sink.quiet()
            sink.consumer.ack(first[:1])
            assert bodies(await sink.take(1)) == [b"3"]
            await sink.quiet()

    @on_loop
    async def test_it_grows_shrinks_and_stops(self, kit: Kit):
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
    async def test_it_may_start_at_zero(self, kit: Kit):
        queue = kit.queue()
        kit.publish(queue, b"x")
        async with kit.consuming(queue, window=0) as sink:
            await sink.quiet()
            sink.consumer.set_window(1)
            sink.consumer.ack(await sink.take(1))


class TestSettling:
    @on_loop
    async def test_an_acknowledged_message_is_gone(self, kit: Kit):
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
    async def test_closing_settles_what_is_buffered(self, kit: Kit):
        queue = kit.queue()
        kit.publish(queue, b"x", b"y")
        async with kit.consuming(queue) as sink:
            sink.consumer.ack(await sink.take(2))
        kit.wait_length(queue, 0)

    @on_loop
    async def test_a_requeued_message_comes_first_and_uncounted(self, kit: Kit):
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
    async def test_closing_hands_back_the_unsettled(self, kit: Kit):
        queue = kit.queue()
        kit.publish(queue, b"1", b"2", b"3")
        async with kit.consuming(queue) as sink:
            held = await sink.take(3)
            sink.consumer.ack(held[1:2])
        async with kit.consuming(queue) as sink:
            again = await sink.take(2)
            assert [(delivery.body, delivery.redelivered, delivery.attempts) for delivery in again] == [(b"1", True, 0), (b"3", True, 0)]

    @on_loop
    async def test_blame_counts(self, kit: Kit):
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
    async def test_settling_twice_does_nothing(self, kit: Kit):
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
    async def test_closing_twice_and_before_the_start(self, kit: Kit):
        queue = kit.queue()
        async with kit.consuming(queue) as sink:
            await sink.consumer.aclose()
        await kit.main.consumer([queue], window=1).aclose()


class TestDelay:
    @on_loop
    async def test_a_delayed_message_comes_when_it_is_due(self, kit: Kit):
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
    async def test_it_outlives_its_consumer(self, kit: Kit):
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
    async def test_the_past_is_now(self, kit: Kit):
        queue = kit.queue()
        kit.publish(queue, b"x")
        async with kit.consuming(queue) as sink:
            await sink.consumer.delay([(await sink.one(), time.time() - 100)])
            sink.consumer.ack([await sink.one()])

    @on_loop
    async def test_attempts_go_with_it(self, kit: Kit):
        queue = kit.queue()
        kit.publish(queue, b"x")
        async with kit.consuming(queue) as sink:
            await sink.consumer.blame(await sink.one())
            await sink.consumer.delay([(await sink.one(), time.time() + 1)])
            assert (await sink.one(timeout=6)).attempts == 1

    @on_loop
    async def test_delayed_messages_are_counted_apart(self, kit: Kit):
        queue = kit.queue()
        kit.publish(queue, b"x", b"y")
        async with kit.consuming(queue) as sink:
            for delivery in await sink.take(2):
                await sink.consumer.delay([(delivery, time.time() + 30)])
        with kit.client() as client:
            assert client.delayed(queue.name) in (2, None)
            assert client.length(queue.name) == 0

    @on_loop
    async def test_many_are_delayed_together(self, kit: Kit):
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


class TestDeadLetters:
    @on_loop
    async def test_a_dead_letter_says_why(self, kit: Kit):
        queue = kit.queue()
        kit.publish(queue, b"bad", headers={"id": "1", "nested": {"a": [1]}})
        async with kit.consuming(queue) as sink:
            await sink.consumer.dead_letter(await sink.one(), "undecodable", "not JSON: ☃")
        kit.wait_length(queue, 0)
        kit.wait_length(queue.name + DEAD_SUFFIX, 1)
        with kit.client() as client:
            dead = client.get(queue.name + DEAD_SUFFIX)
        assert dead is not None
        assert (dead.body, dead.headers["id"], dead.headers["nested"]) == (b"bad", "1", {"a": [1]})
        assert (dead.headers[DEAD_REASON], dead.headers[DEAD_DETAIL], dead.headers[DEAD_QUEUE]) == (
            "undecodable",
            "not JSON: ☃",
            queue.name,
        )
        assert dead.headers[DEAD_AT].startswith("20")

    @pytest.mark.parametrize("limits", [MessageLimits(body=1000), MessageLimits(header_count=5), MessageLimits(header_bytes=900)], ids=repr)
    @on_loop
    async def test_what_passes_a_limit_has_a_flaw_and_can_be_dead_lettered(self, kit: Kit, limits):
        queue = kit.queue()
        broker = kit.broker(limits=limits)
        headers = {"id": "1", **{f"header {number}": "v" * 100 for number in range(10)}}
        kit.publish(queue, b"x" * 1001, headers=headers)
        kit.publish(queue, b"fine")
        async with kit.consuming(queue, broker=broker) as sink:
            flawed, fine = await sink.take(2)
            assert isinstance(flawed.flaw, MessageTooLarge)
            assert str(limits.body if limits.body == 1000 else limits.header_count if limits.header_count == 5 else 900) in str(flawed.flaw)
            assert flawed.headers == headers
            assert (fine.flaw, fine.body) == (None, b"fine")
            sink.consumer.ack([fine])
            await sink.consumer.dead_letter(flawed, flawed.flaw.reason, str(flawed.flaw))
        kit.wait_length(queue, 0)
        kit.wait_length(queue.name + DEAD_SUFFIX, 1)
        with contextlib.closing(broker.queue_client()) as client:
            dead = client.get(queue.name + DEAD_SUFFIX)
        assert dead is not None
        assert (dead.flaw, dead.body) == (None, b"x" * 1001)
        assert dead.headers == {**dead.headers, **headers, DEAD_REASON: "too_large", DEAD_DETAIL: str(flawed.flaw), DEAD_QUEUE: queue.name}

    def test_who_looks_at_single_messages_is_not_limited(self, kit: Kit):
        queue = kit.queue()
        headers = {"deep": [[[[[[[[[[1]]]]]]]]]], **{str(number): "v" * 300 for number in range(300)}}
        kit.publish(queue, b"x" * 2000, headers=headers)
        broker = kit.broker(limits=MessageLimits(body=1000, header_bytes=1000, header_count=10))
        with contextlib.closing(broker.queue_client()) as client:
            found = client.get(queue.name)
        assert found is not None
        assert (found.flaw, found.body, found.headers) == (None, b"x" * 2000, {**found.headers, **headers})


class TestPriorities:
    needs = "priorities"

    @on_loop
    async def test_the_more_urgent_first(self, kit: Kit):
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

    def test_the_length_is_of_all_priorities(self, kit: Kit):
        queue = kit.queue(arguments=kit.priority_arguments)
        for priority in (0, 3, 6, 9):
            kit.publish(queue, b"x", priority=priority)
        kit.wait_length(queue, 4)
        with kit.client() as client:
            assert client.purge(queue.name) == 4


class TestQueues:
    @on_loop
    async def test_several_queues(self, kit: Kit):
        one, two = kit.queue("one"), kit.queue("two")
        kit.publish(one, b"1")
        kit.publish(two, b"2")
        async with kit.consuming(one, two) as sink:
            found = await sink.take(2)
            assert {(delivery.queue, delivery.body) for delivery in found} == {(one.name, b"1"), (two.name, b"2")}
            sink.consumer.ack(found)

    @on_loop
    async def test_no_queue_starves(self, kit: Kit):
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
    async def test_one_more_and_one_less(self, kit: Kit):
        one, two = kit.queue("one"), kit.queue("two")
        async with kit.consuming(one) as sink:
            await sink.consumer.add_queue(two)
            kit.publish(two, b"2")
            sink.consumer.ack([await sink.one()])
            await sink.consumer.cancel_queue(two.name)
            kit.publish(two, b"more")
            await sink.quiet()
            kit.publish(one, b"1")
            assert (await sink.one()).body == b"1"
        kit.wait_length(two, 1)

    @on_loop
    async def test_two_consumers_share(self, kit: Kit):
        queue = kit.queue()
        kit.publisher.publish_many([(Message(b"%d" % number, {}), Destination.of(queue)) for number in range(300)])
        kit.publisher.flush(10)
        async with kit.consuming(queue, window=5) as one, kit.consuming(queue, window=5) as two:
            seen: list[bytes] = []

            async def work(sink):
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

    def test_a_queue_that_is_not_there(self, kit: Kit):
        queue = kit.queue("absent")
        with kit.client() as client:
            assert client.length(queue.name) is None
            assert client.get(queue.name) is None
            client.delete(queue.name)

    def test_declared_empty_filled_purged_deleted(self, kit: Kit):
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

    def test_one_by_one(self, kit: Kit):
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

    def test_what_went_back_is_not_dropped_and_says_so(self, kit: Kit):
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


class TestExchanges:
    needs = "rules"

    @on_loop
    async def test_a_type_that_there_is_not_is_refused_at_once(self, kit: Kit):
        queue, foreign = kit.queue(), kit.queue("foreign", exchange=Exchange(f"contract-{kit.mark}", "headers"))
        with pytest.raises(ImproperlyConfigured, match="headers"):
            async with kit.consuming(queue, foreign):
                pass
        async with kit.consuming(queue) as sink:
            with pytest.raises(ImproperlyConfigured, match="headers"):
                await asyncio.wait_for(sink.consumer.add_queue(foreign), SOON)
            kit.publish(queue, b"x")
            assert (await sink.one()).body == b"x"
            assert ConnectionState.LOST not in sink.states
            assert foreign.name not in sink.consumer._queues


class TestProcesses:
    needs = "processes"

    @on_loop
    async def test_a_killed_consumers_messages_come_again(self, kit: Kit):
        queue = kit.queue()
        kit.publish(queue, b"1", b"2")
        process = await asyncio.to_thread(kit.program, "hold", queue)
        try:
            for _ in range(2):
                said = json.loads(await asyncio.to_thread(process.stdout.readline))
                assert (said["attempts"], said["redelivered"]) == (0, False)
        finally:
            process.kill()
            process.communicate()
        async with kit.consuming(queue) as sink:
            again = await sink.take(2, timeout=kit.lease + 2)
            assert sorted(bodies(again)) == [b"1", b"2"]
            assert all(delivery.redelivered for delivery in again)
            assert [delivery.attempts for delivery in again] == [0, 0]
            sink.consumer.ack(again)

    def test_the_publisher_after_a_fork(self, kit: Kit):
        queue = kit.queue()
        process = kit.program("fork", queue)
        said = json.loads(process.communicate(timeout=20)[0])
        assert (process.returncode, said["child"]) == (0, 0)
        kit.wait_length(queue, 3)

    def test_a_killed_publisher_loses_nothing_that_was_confirmed(self, kit: Kit):
        queue = kit.queue()
        process = kit.program("publish", queue)
        try:
            for _ in range(5):
                confirmed = json.loads(process.stdout.readline())["confirmed"]
        finally:
            process.kill()
            process.communicate()
        assert kit.length(queue) >= confirmed
        with kit.client() as client:
            assert [client.get(queue.name).body for _ in range(3)] == [b"0", b"1", b"2"]


class TestLeases:
    needs = "leases"

    @on_loop
    async def test_a_slow_task_keeps_its_message(self, kit: Kit):
        queue = kit.queue()
        kit.publish(queue, b"slow")
        async with kit.consuming(queue) as sink, kit.consuming(queue) as other:
            holder, waiter = (sink, other) if not other.fresh else (other, sink)
            await asyncio.sleep(kit.lease * 2.5)
            assert len(holder.fresh) + len(waiter.fresh) == 1
            assert holder.lost == waiter.lost == []
            for each in (holder, waiter):
                each.consumer.ack(each.fresh)
        kit.wait_length(queue, 0)

    @on_loop
    async def test_only_a_death_while_it_ran_counts(self, kit: Kit):
        queue = kit.queue()
        kit.publish(queue, b"x")
        async with kit.consuming(queue) as sink:
            await sink.one()
        for attempts in range(2):
            process = await asyncio.to_thread(kit.program, "hold", queue, begin=True)
            try:
                said = json.loads(await asyncio.to_thread(process.stdout.readline))
                assert (said["attempts"], said["redelivered"]) == (attempts, True)
            finally:
                process.kill()
                process.communicate()
        async with kit.consuming(queue) as sink:
            delivery = await sink.one(timeout=kit.lease + 2)
            assert delivery.attempts == 2
            sink.consumer.ack([delivery])
