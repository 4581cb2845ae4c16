"""Exchanges: which queues a message reaches, and queues that go with their workers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

import pytest

from umbel.brokers.base import ConnectionState
from umbel.brokers.topology import Binding, Broadcast, Destination, Exchange, Queue
from umbel.errors import ImproperlyConfigured, MessageReturned, OperationalError
from umbel.testing.brokers.kit import SOON, BrokerKit, Sink
from umbel.testing.coroutines import on_loop
from umbel.wire.message import Call, Message, Stencil


def exchange_of(kit: BrokerKit, kind: str) -> Exchange:
    """An exchange that goes with its queues."""
    return Exchange(f"contract-{kind}-{kit.mark}", kind, auto_delete=True)


def send(kit: BrokerKit, to: Exchange, key: str, body: bytes, headers: Mapping[str, Any] | None = None, *, mandatory: bool = True) -> None:
    """Publish, and return when the broker has it.

    Args:
        kit: of the broker.
        to: the exchange.
        key: the routing key.
        body: of the message.
        headers: of the message.
        mandatory: it is an error when no queue gets it.

    Raises:
        MessageReturned: no queue gets it.
    """
    kit.publisher.publish(Message(body, dict(headers or {})), Destination(to.name, key, mandatory=mandatory), confirm=True)


class TestRouting:
    needs = "exchanges"

    @on_loop
    async def test_a_topic_goes_by_the_words_of_the_key(self, kit: BrokerKit) -> None:
        feeds = exchange_of(kit, "topic")
        patterns = {"one": "feed.*", "many": "feed.#", "end": "#.sport", "all": "#", "exact": "feed.news"}
        queues = {name: kit.queue(name, exchange=feeds, routing_key=pattern) for name, pattern in patterns.items()}
        async with kit.consuming(*queues.values(), window=100) as sink:
            for key in ("feed", "feed.news", "feed.news.sport", "sport", "feedx.news"):
                send(kit, feeds, key, key.encode())
            expected = {
                "one": {"feed.news"},
                "many": {"feed", "feed.news", "feed.news.sport"},
                "end": {"feed.news.sport", "sport"},
                "all": {"feed", "feed.news", "feed.news.sport", "sport", "feedx.news"},
                "exact": {"feed.news"},
            }
            wanted = {(queues[name].name, key.encode()) for name, keys in expected.items() for key in keys}
            found = await sink.take(len(wanted))
            assert {(delivery.queue, delivery.body) for delivery in found} == wanted
            assert {(delivery.exchange, delivery.routing_key) for delivery in found} >= {(feeds.name, "feed.news.sport")}
            await sink.quiet()
            sink.consumer.ack(found)

    @on_loop
    async def test_a_fanout_goes_to_every_queue(self, kit: BrokerKit) -> None:
        every = exchange_of(kit, "fanout")
        queues = [kit.queue(f"fan-{number}", exchange=every, routing_key=key) for number, key in enumerate(("", "x", "y"))]
        async with kit.consuming(*queues, window=100) as sink:
            send(kit, every, "", b"1")
            send(kit, every, "no.such.key", b"2")
            found = await sink.take(6)
            assert {(delivery.queue, delivery.body) for delivery in found} == {
                (queue.name, body) for queue in queues for body in (b"1", b"2")
            }
            sink.consumer.ack(found)
            await sink.consumer.flush()
        for queue in queues:  # they are not anybody's own: what is sent while nobody reads is there later
            assert kit.length(queue) == 0
        send(kit, every, "", b"3")
        for queue in queues:
            kit.wait_length(queue, 1)

    @on_loop
    async def test_headers_go_by_what_a_message_says_of_itself(self, kit: BrokerKit) -> None:
        files = exchange_of(kit, "headers")
        wanted: dict[str, dict[str, Any]] = {
            "both": {"x-match": "all", "format": "pdf", "pages": 3},
            "either": {"x-match": "any", "format": "pdf", "pages": 3},
            "usual": {"format": "pdf"},
            "present": {"signed": None},
            "nothing": {"x-match": "all"},
            "x": {"x-match": "any", "x-mark": "1", "format": "zip"},
            "types": {"pages": True},
        }
        queues = {name: kit.queue(name, exchange=files, binding_arguments=arguments) for name, arguments in wanted.items()}
        sent: dict[bytes, tuple[dict[str, Any], set[str]]] = {
            b"1": ({"format": "pdf", "pages": 3}, {"both", "either", "usual"}),
            b"2": ({"format": "pdf", "pages": 4}, {"either", "usual"}),
            b"3": ({"format": "doc", "pages": 3}, {"either"}),
            b"4": ({"signed": "yes"}, {"present"}),
            b"5": ({"pages": "3", "x-mark": "1"}, set()),
            b"6": ({"pages": 1}, set()),
            b"7": ({"pages": True}, {"types"}),
        }
        async with kit.consuming(*queues.values(), window=100) as sink:
            for body, (headers, _) in sent.items():
                send(kit, files, "any.key", body, headers)
            expected = {(queues[name].name, body) for body, (_, names) in sent.items() for name in {*names, "nothing"}}
            found = await sink.take(len(expected))
            assert {(delivery.queue, delivery.body) for delivery in found} == expected
            await sink.quiet()
            sink.consumer.ack(found)

    @on_loop
    async def test_a_stencil_goes_by_its_headers_too(self, kit: BrokerKit) -> None:
        files = exchange_of(kit, "headers")
        queue = kit.queue("h", exchange=files, binding_arguments={"task": "proj.add"})
        async with kit.consuming(queue) as sink:
            for task in ("proj.add", "proj.mul", "proj.add"):
                holes = ("id", "group_index", "root_id", "parent_id", "argsrepr", "kwargsrepr")
                headers = {"task": task, **dict.fromkeys(holes)}
                stencil = Stencil(headers, {}, "application/json", "utf-8", files.name, "")
                with contextlib.suppress(MessageReturned):  # some brokers tell it later
                    kit.publisher.publish_stencil(stencil, Call("id", "id", None, "()", "{}", task.encode()))
            with contextlib.suppress(OperationalError):
                kit.publisher.flush(SOON)
            found = await sink.take(2)
            assert {delivery.body for delivery in found} == {b"proj.add"}
            await sink.quiet()

    @on_loop
    async def test_several_bindings(self, kit: BrokerKit) -> None:
        """A message that several of them let through comes once."""
        media, urgent = exchange_of(kit, "topic"), exchange_of(kit, "direct")
        bindings = [Binding(media, "video.*"), Binding(media, "*.hd"), Binding(urgent, "now"), Binding(urgent, "soon")]
        queue = kit.queue("bound", bindings=bindings)
        async with kit.consuming(queue) as sink:
            for exchange, key in ((media, "video.hd"), (media, "image.hd"), (urgent, "now"), (urgent, "soon")):
                send(kit, exchange, key, key.encode())
            kit.publish(queue, b"by name")
            found = await sink.take(5)
            assert sorted(delivery.body for delivery in found) == [b"by name", b"image.hd", b"now", b"soon", b"video.hd"]
            await sink.quiet()
            sink.consumer.ack(found)

    @on_loop
    async def test_what_no_binding_lets_through_is_an_error_unless_told_otherwise(self, kit: BrokerKit) -> None:
        feeds = exchange_of(kit, "topic")
        async with kit.consuming(kit.queue(exchange=feeds, routing_key="feed.#")) as sink:
            with pytest.raises(MessageReturned, match="other"):
                send(kit, feeds, "other", b"x")
            send(kit, feeds, "other", b"x", mandatory=False)
            for hostile in ("", ".", "..", "#", "*", "feed", "feed.#.*", "feed.\x06\x16x", "feed." + "a." * 100):
                send(kit, feeds, hostile, b"x", mandatory=False)
            found = await sink.take(4)
            assert {delivery.routing_key for delivery in found} == {"feed", "feed.#.*", "feed.\x06\x16x", "feed." + "a." * 100}
            await sink.quiet()


class TestBroadcastQueues:
    needs = "exchanges"

    @staticmethod
    def queue(kit: BrokerKit) -> Queue:
        """The broadcast, as an app has it."""
        return Broadcast(f"contract-all-{kit.mark}", routing_key="celery")

    @on_loop
    async def test_every_consumer_gets_it(self, kit: BrokerKit) -> None:
        queue = self.queue(kit)
        mine = [queue.for_one_worker() for _ in range(3)]
        async with contextlib.AsyncExitStack() as stack:
            sinks = [await stack.enter_async_context(kit.consuming(own, kit.queue())) for own in mine]
            kit.publish(queue, b"1", b"2")
            for sink in sinks:
                found = await sink.take(2)
                assert [delivery.body for delivery in found] == [b"1", b"2"]
                sink.consumer.ack(found)
            (again,) = await self._sent_again(kit, queue, sinks)
            assert (again.redelivered, again.attempts) == (True, 1)

    @staticmethod
    async def _sent_again(kit: BrokerKit, queue: Queue, sinks: list[Sink]) -> list[Any]:
        """Have one of them try its message again, which is nothing to the others."""
        kit.publish(queue, b"3")
        first, *others = sinks
        await first.consumer.blame(await first.one())
        for sink in others:
            sink.consumer.ack([await sink.one()])
        found = await first.take(1)
        first.consumer.ack(found)
        for sink in others:
            await sink.quiet(0.1)
        return found

    @on_loop
    async def test_nobody_is_there(self, kit: BrokerKit) -> None:
        """Then it is gone: who comes later does not get it."""
        queue = self.queue(kit)
        kit.publish(queue, b"early")
        own = queue.for_one_worker()
        async with kit.consuming(own) as sink:
            kit.publish(queue, b"1")
            delivery = await sink.one()
            assert delivery.body == b"1"
            sink.consumer.ack([delivery])
            await sink.consumer.flush()
            assert kit.length(own) == 0
        kit.wait_length(own, None)
        kit.publish(queue, b"late")
        assert kit.length(own) is None

    @on_loop
    async def test_what_its_worker_held_goes_with_it(self, kit: BrokerKit) -> None:
        queue = self.queue(kit)
        own = queue.for_one_worker()
        async with kit.consuming(own, window=1) as sink:
            kit.publish(queue, b"1", b"2")
            await sink.one()
        kit.wait_length(own, None)
        async with kit.consuming(own) as sink:
            await sink.quiet()


class TestExchanges:
    needs = "rules"

    @on_loop
    async def test_a_type_that_there_is_not_is_refused_at_once(self, kit: BrokerKit) -> None:
        queue, foreign = kit.queue(), kit.queue("foreign", exchange=Exchange(f"contract-{kit.mark}", "x-random"))
        with pytest.raises(ImproperlyConfigured, match="x-random"):
            async with kit.consuming(queue, foreign):
                pass
        async with kit.consuming(queue) as sink:
            with pytest.raises(ImproperlyConfigured, match="x-random"):
                await asyncio.wait_for(sink.consumer.add_queue(foreign), SOON)
            kit.publish(queue, b"x")
            assert (await sink.one()).body == b"x"
            assert ConnectionState.LOST not in sink.states
