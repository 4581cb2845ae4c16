"""Tests that what is published arrives, whole and in order."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from umbel.brokers.topology import Destination
from umbel.testing.brokers.kit import SOON, BrokerKit, bodies
from umbel.testing.coroutines import on_loop
from umbel.wire.message import Call, Message, Stencil

#: One of each type of value.
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


class TestRoundtrip:
    @on_loop
    async def test_all_of_a_message_arrives(self, kit: BrokerKit) -> None:
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
    async def test_bodies(self, kit: BrokerKit, body: bytes) -> None:
        queue = kit.queue()
        kit.publisher.publish(Message(body, {}, "application/data", "binary"), Destination.of(queue), confirm=True)
        async with kit.consuming(queue) as sink:
            delivery = await sink.one()
            assert (delivery.body, delivery.content_type, delivery.content_encoding) == (body, "application/data", "binary")
            sink.consumer.ack([delivery])

    @on_loop
    async def test_a_stencil_is_the_message_it_fills(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        kit.publisher.declare(queue)
        headers: dict[str, Any] = {
            "lang": "py",
            "task": 'quote " and ☃',
            "id": None,
            "shadow": None,
            "group_index": None,
            "root_id": None,
            "parent_id": None,
            "argsrepr": None,
        }
        headers |= {"timelimit": [None, 5], "kwargsrepr": None, "stamps": {"x": [1]}}
        to = Destination.of(queue)
        stencil = Stencil(headers, {"delivery_mode": 2, "reply_to": "r"}, "application/json", "utf-8", to.exchange, to.routing_key)
        calls = [
            Call("id-1", "root-1", None, "('é\\n\"',)", "{}", b"one"),
            Call("id-2", "root-2", "parent", "()", "{'a': 1}", b"two"),
            Call("id-3", "root-2", None, "()", "{}", b"three", 7),
        ]
        for call in calls:
            kit.publisher.publish_stencil(stencil, call)
        assert kit.publisher.publish_many((call, stencil) for call in calls) == 3
        kit.publisher.flush(SOON)
        async with kit.consuming(queue) as sink:
            for call, delivery in zip(calls * 2, await sink.take(6), strict=True):
                expected = stencil.fill(call)
                assert delivery.body == expected.body
                assert {name: delivery.headers.get(name, "absent") for name in expected.headers} == expected.headers
                assert {name: delivery.properties.get(name) for name in expected.properties} == expected.properties
                sink.consumer.ack([delivery])

    @on_loop
    async def test_an_idle_consumer_is_woken(self, kit: BrokerKit, monkeypatch: pytest.MonkeyPatch) -> None:
        """By the message: it does not look again by itself for a minute."""
        for path, seconds in kit.without_polling.items():
            monkeypatch.setattr(path, seconds)
        queue = kit.queue()
        async with kit.consuming(queue, broker=kit.broker(lease=180.0)) as sink:
            await asyncio.sleep(0.1)
            for number in range(10):
                kit.publish(queue, b"%d" % number)
                sink.consumer.ack([await sink.one()])
                await asyncio.sleep(0.02)

    @on_loop
    async def test_a_backlog_comes_in_order(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        sent = [b"%d" % number for number in range(2000)]
        assert kit.publisher.publish_many((Message(body, {}), Destination.of(queue)) for body in sent) == 2000
        kit.publisher.flush(10)
        received: list[bytes] = []
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
    async def test_many_queues(self, kit: BrokerKit) -> None:
        """Brokers look at a part of many queues at a time, begin to consume from many at once, and gather acknowledgements."""
        queues = [kit.queue(f"many-{number}") for number in range(20)]
        expected = []
        for number, queue in enumerate(queues):
            expected += [f"{number}.{each}".encode() for each in range(number % 4)]
            kit.publish(queue, *[f"{number}.{each}".encode() for each in range(number % 4)])
        async with kit.consuming(*queues, window=8) as sink:
            received: list[bytes] = []
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
