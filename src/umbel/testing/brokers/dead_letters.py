"""Dead letters, and messages that pass a limit."""

from __future__ import annotations

import contextlib

import pytest

from umbel.brokers.base import DEAD_AT, DEAD_DETAIL, DEAD_QUEUE, DEAD_REASON, DEAD_SUFFIX
from umbel.errors import MessageTooLarge
from umbel.reasons import DeadReason
from umbel.testing.brokers.kit import BrokerKit
from umbel.testing.coroutines import on_loop
from umbel.wire.message import MessageLimits


class TestDeadLetters:
    @on_loop
    async def test_a_dead_letter_says_why(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        kit.publish(queue, b"bad", headers={"id": "1", "nested": {"a": [1]}})
        async with kit.consuming(queue) as sink:
            await sink.consumer.dead_letter(await sink.one(), DeadReason.UNDECODABLE, "not JSON: ☃")
        kit.wait_length(queue, 0)
        kit.wait_length(queue.name + DEAD_SUFFIX, 1)
        with kit.client() as client:
            dead = client.get(queue.name + DEAD_SUFFIX)
        assert dead is not None
        assert (dead.body, dead.headers["id"], dead.headers["nested"]) == (b"bad", "1", {"a": [1]})
        assert (dead.headers[DEAD_REASON], dead.headers[DEAD_DETAIL], dead.headers[DEAD_QUEUE]) == (
            DeadReason.UNDECODABLE,
            "not JSON: ☃",
            queue.name,
        )
        assert dead.headers[DEAD_AT].startswith("20")

    @pytest.mark.parametrize("limits", [MessageLimits(body=1000), MessageLimits(header_count=5), MessageLimits(header_bytes=900)], ids=repr)
    @on_loop
    async def test_what_passes_a_limit_has_a_flaw_and_can_be_dead_lettered(self, kit: BrokerKit, limits: MessageLimits) -> None:
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
        assert dead.headers == {
            **dead.headers,
            **headers,
            DEAD_REASON: DeadReason.TOO_LARGE,
            DEAD_DETAIL: str(flawed.flaw),
            DEAD_QUEUE: queue.name,
        }

    def test_who_looks_at_single_messages_is_not_limited(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        headers = {"deep": [[[[[[[[[[1]]]]]]]]]], **{str(number): "v" * 300 for number in range(300)}}
        kit.publish(queue, b"x" * 2000, headers=headers)
        broker = kit.broker(limits=MessageLimits(body=1000, header_bytes=1000, header_count=10))
        with contextlib.closing(broker.queue_client()) as client:
            found = client.get(queue.name)
        assert found is not None
        assert (found.flaw, found.body, found.headers) == (None, b"x" * 2000, {**found.headers, **headers})
