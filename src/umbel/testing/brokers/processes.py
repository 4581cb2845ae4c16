"""The death of processes, forks, leases."""

from __future__ import annotations

import asyncio
import json

from umbel.testing.brokers.kit import BrokerKit, bodies
from umbel.testing.coroutines import on_loop
from umbel.testing.programs import said


class TestProcesses:
    needs = "processes"

    @on_loop
    async def test_a_killed_consumers_messages_come_again(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        kit.publish(queue, b"1", b"2")
        process = await asyncio.to_thread(kit.program, "hold", queue)
        try:
            for _ in range(2):
                found = await asyncio.to_thread(said, process)
                assert (found["attempts"], found["redelivered"]) == (0, False)
        finally:
            process.kill()
            process.communicate()
        async with kit.consuming(queue) as sink:
            again = await sink.take(2, timeout=kit.lease + 2)
            assert sorted(bodies(again)) == [b"1", b"2"]
            assert all(delivery.redelivered for delivery in again)
            assert [delivery.attempts for delivery in again] == [0, 0]
            sink.consumer.ack(again)

    def test_the_publisher_after_a_fork(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        process = kit.program("fork", queue)
        found = json.loads(process.communicate(timeout=20)[0])
        assert (process.returncode, found["child"]) == (0, 0)
        kit.wait_length(queue, 3)

    def test_a_killed_publisher_loses_nothing_that_was_confirmed(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        process = kit.program("publish", queue)
        try:
            for _ in range(5):
                confirmed = said(process)["confirmed"]
        finally:
            process.kill()
            process.communicate()
        assert (kit.length(queue) or 0) >= confirmed
        with kit.client() as client:
            first = [client.get(queue.name) for _ in range(3)]
        assert [delivery and delivery.body for delivery in first] == [b"0", b"1", b"2"]


class TestLeases:
    needs = "leases"

    @on_loop
    async def test_a_slow_task_keeps_its_message(self, kit: BrokerKit) -> None:
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
    async def test_only_a_death_while_it_ran_counts(self, kit: BrokerKit) -> None:
        queue = kit.queue()
        kit.publish(queue, b"x")
        async with kit.consuming(queue) as sink:
            await sink.one()
        for attempts in range(2):
            process = await asyncio.to_thread(kit.program, "hold", queue, begin=True)
            try:
                found = await asyncio.to_thread(said, process)
                assert (found["attempts"], found["redelivered"]) == (attempts, True)
            finally:
                process.kill()
                process.communicate()
        async with kit.consuming(queue) as sink:
            delivery = await sink.one(timeout=kit.lease + 2)
            assert delivery.attempts == 2
            sink.consumer.ack([delivery])
