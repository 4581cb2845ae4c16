"""What every broker does with broadcasts, subscribers and reply inboxes, by the contract in `umbel.brokers.base`.

``test_brokers.py`` runs these classes on each broker.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
import uuid

import pytest

from umbel.brokers.base import ConnectionState
from umbel.brokers.fanout import private_queues
from umbel.brokers.fanout.blocking import BlockingSubscriber
from umbel.brokers.fanout.buffer import BroadcastBuffer
from umbel.brokers.fanout.defaults import MOST_WAITING
from umbel.brokers.topology import Binding, Exchange, Queue
from umbel.errors import EncodeError, MessageTooLarge, OperationalError
from umbel.testing.brokers import SOON, BrokerKit
from umbel.testing.coroutines import on_loop
from umbel.wire.message import Message, MessageLimits

HEADERS = {"clock": 3, "expires": 1795204334.5, "hostname": "w1@golden ☃", "none": None, "list": [1, "two"], "table": {"a": {"b": 1}}}


class Received:
    """A `SubscriberSink` that tests ask."""

    def __init__(self) -> None:
        self.messages = []
        self.states = []
        self.changed = asyncio.Event()

    def on_messages(self, messages) -> None:
        self.messages += messages
        self.changed.set()

    def on_connection(self, state, detail) -> None:
        assert isinstance(detail, str)
        self.states.append(state)
        self.changed.set()

    async def until(self, condition) -> None:
        async with asyncio.timeout(SOON):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    async def take(self, count: int = 1):
        with contextlib.suppress(TimeoutError):
            await self.until(lambda: len(self.messages) >= count)
        assert len(self.messages) >= count, f"{len(self.messages)} of {count} messages; {self.states}"
        taken, self.messages = self.messages[:count], self.messages[count:]
        return taken

    async def bodies(self, count: int):
        return [message.body for message in await self.take(count)]


@contextlib.asynccontextmanager
async def listening(kit: BrokerKit, exchange: Exchange, *patterns: str, broker=None, sink: Received | None = None):
    """A started subscriber's sink."""
    sink = sink or Received()
    first, *others = patterns or ("",)
    queue = Queue(
        f"contract-{uuid.uuid4().hex}",
        exchange,
        first,
        durable=False,
        exclusive=True,
        auto_delete=True,
        bindings=tuple(Binding(exchange, pattern) for pattern in others),
        arguments={"x-expires": 60_000, "x-message-ttl": 60_000},
    )
    kit.queues.append(queue.name)
    subscriber = (broker or kit.main).subscriber(queue)
    try:
        await subscriber.start(sink)
        yield sink
    finally:
        await subscriber.aclose()


def fanout(kit: BrokerKit) -> Exchange:
    return Exchange(f"contract-{kit.mark}.pidbox", "fanout", durable=False, auto_delete=True)


def topic(kit: BrokerKit) -> Exchange:
    return Exchange(f"contract-{kit.mark}-ev", "topic", durable=False, auto_delete=True)


class TestBroadcast:
    needs = "fanout"

    @on_loop
    async def test_all_of_a_message_reaches_every_subscriber(self, kit: BrokerKit):
        exchange = fanout(kit)
        async with listening(kit, exchange) as one, listening(kit, exchange, broker=kit.broker()) as two:
            assert one.states == two.states == [ConnectionState.CONNECTED]
            message = Message(b'{"method": "ping"}', HEADERS, "application/json", "utf-8", {"delivery_mode": 1, "correlation_id": "c"})
            kit.main.broadcaster().broadcast(exchange, message)
            for sink in (one, two):
                (got,) = await sink.take()
                assert (got.body, got.content_type, got.content_encoding) == (message.body, "application/json", "utf-8")
                assert type(got.body) is bytes
                assert got.flaw is None
                assert {name: got.headers.get(name, "absent") for name in HEADERS} == HEADERS
                assert {name: got.properties.get(name) for name in message.properties} == message.properties
                assert (got.exchange, got.routing_key) == (exchange.name, "")

    @on_loop
    async def test_what_nobody_listens_to_is_lost_and_leaves_nothing(self, kit: BrokerKit):
        exchange = topic(kit)
        kit.main.broadcaster().broadcast(exchange, Message(b"before", {}), "task.received")
        async with listening(kit, exchange, "#") as sink:
            kit.main.broadcaster().broadcast(exchange, Message(b"now", {}), "task.received")
            assert await sink.bodies(1) == [b"now"]
        kit.main.broadcaster().broadcast(exchange, Message(b"after", {}), "task.received")
        assert kit.leftovers() == []

    @on_loop
    async def test_routing_keys_are_chosen_by_patterns(self, kit: BrokerKit):
        exchange = topic(kit)
        keys = ["task", "task.received", "task.a.b", "worker.online", "worker.heartbeat", ""]
        wanted = {
            ("#",): keys,
            ("task.#",): ["task", "task.received", "task.a.b"],
            ("task.*",): ["task.received"],
            ("worker.online",): ["worker.online"],
            ("worker.#", "*.online", "task.received"): ["task.received", "worker.online", "worker.heartbeat"],
            ("nothing.#",): [],
        }
        async with contextlib.AsyncExitStack() as stack:
            sinks = {patterns: await stack.enter_async_context(listening(kit, exchange, *patterns)) for patterns in wanted}
            kit.main.broadcaster().broadcast_many(exchange, [(Message(key.encode(), {}), key) for key in keys])
            kit.main.broadcaster().broadcast_many(
                exchange, [(Message(b"end", {}), key) for key in ("task.received", "worker.online", "nothing.x")]
            )
            for patterns, expected in wanted.items():
                sink = sinks[patterns]
                await sink.until(lambda sink=sink: any(message.body == b"end" for message in sink.messages))
                found = [message.routing_key for message in sink.messages if message.body != b"end"]
                assert (patterns, found) == (patterns, expected)

    @on_loop
    async def test_exchanges_are_apart(self, kit: BrokerKit):
        one, two = fanout(kit), Exchange(f"contract-{kit.mark}.pidbox2", "fanout", durable=False, auto_delete=True)
        async with listening(kit, one) as ones, listening(kit, two) as twos:
            kit.main.broadcaster().broadcast(two, Message(b"2", {}))
            kit.main.broadcaster().broadcast(one, Message(b"1", {}))
            assert await ones.bodies(1) == [b"1"]
            assert await twos.bodies(1) == [b"2"]

    @on_loop
    async def test_a_flood_comes_in_order(self, kit: BrokerKit):
        exchange = topic(kit)
        sent = [b"%d" % number for number in range(3000)]
        async with listening(kit, exchange, "#") as sink:
            broadcaster = kit.main.broadcaster()
            await asyncio.to_thread(broadcaster.broadcast_many, exchange, [(Message(body, {}), "task.multi") for body in sent])
            assert await sink.bodies(3000) == sent

    @on_loop
    async def test_a_message_over_the_limits_is_told_and_the_next_one_comes(self, kit: BrokerKit):
        exchange = fanout(kit)
        small = kit.broker(limits=MessageLimits(body=1000, header_bytes=2000, header_count=10))
        async with listening(kit, exchange, broker=small) as sink:
            broadcaster = kit.main.broadcaster()
            broadcaster.broadcast(exchange, Message(b"x" * 300_000, {}))
            broadcaster.broadcast(exchange, Message(b"many headers", {f"h{number}": number for number in range(20)}))
            broadcaster.broadcast(exchange, Message(b"good", {}))
            long, many, good = await sink.take(3)
        assert type(long.flaw) is MessageTooLarge
        assert type(many.flaw) is MessageTooLarge
        assert (good.body, good.flaw) == (b"good", None)

    @on_loop
    async def test_of_a_batch_with_a_message_that_cannot_be_carried_nothing_is_sent(self, kit: BrokerKit):
        exchange = fanout(kit)
        async with listening(kit, exchange) as sink:
            broadcaster = kit.main.broadcaster()
            with pytest.raises(EncodeError):
                broadcaster.broadcast_many(exchange, [(Message(b"good", {}), ""), (Message(b"bad", {"x": object()}), "")])
            broadcaster.broadcast(exchange, Message(b"next", {}))
            assert await sink.bodies(1) == [b"next"]

    @on_loop
    async def test_a_sink_that_fails_is_logged_and_told_of_the_next(self, kit: BrokerKit, caplog):
        class Failing(Received):
            def on_messages(self, messages) -> None:
                super().on_messages(messages)
                if messages[0].body == b"bad":
                    raise ValueError("no such command")

        exchange = fanout(kit)
        async with listening(kit, exchange, sink=Failing()) as sink:
            kit.main.broadcaster().broadcast(exchange, Message(b"bad", {}))
            assert await sink.bodies(1) == [b"bad"]
            kit.main.broadcaster().broadcast(exchange, Message(b"good", {}))
            assert await sink.bodies(1) == [b"good"]
        assert "no such command" in caplog.text
        assert sink.states == [ConnectionState.CONNECTED]

    @on_loop
    async def test_a_subscriber_may_be_closed_at_any_time(self, kit: BrokerKit):
        exchange = fanout(kit)
        never = kit.main.subscriber(private_queues.control_queue(f"never-{kit.mark}"))
        await never.aclose()
        await never.aclose()
        async with listening(kit, exchange) as sink:
            pass
        kit.main.broadcaster().broadcast(exchange, Message(b"late", {}))
        again = kit.main.subscriber(private_queues.event_queue(f"again-{kit.mark}", exchange=f"contract-{kit.mark}-2"))
        await again.start(sink)
        await again.aclose()
        await again.aclose()
        assert sink.messages == []
        assert kit.leftovers() == []

    @on_loop
    async def test_many_threads_share_a_broadcaster(self, kit: BrokerKit):
        exchange = fanout(kit)
        async with listening(kit, exchange) as sink:
            broadcaster = kit.main.broadcaster()
            work = [asyncio.to_thread(broadcaster.broadcast, exchange, Message(b"%d" % number, {})) for number in range(50)]
            await asyncio.gather(*work)
            assert sorted(await sink.bodies(50)) == sorted(b"%d" % number for number in range(50))

    @on_loop
    async def test_a_broadcaster_closed_is_used_again(self, kit: BrokerKit):
        exchange = fanout(kit)
        async with listening(kit, exchange) as sink:
            for body in (b"1", b"2"):
                kit.main.broadcaster().broadcast(exchange, Message(body, {}))
                kit.main.broadcaster().close()
                kit.main.broadcaster().close()
            assert await sink.bodies(2) == [b"1", b"2"]

    @on_loop
    async def test_what_waits_for_a_slow_sink_is_bounded(self, kit: BrokerKit):
        if kit.name not in ("memory", "sqlite"):
            return  # there it waits in the server, which has bounds of its own
        exchange = topic(kit)
        async with listening(kit, exchange, "#") as sink:
            broadcaster = kit.main.broadcaster()
            for start in range(0, MOST_WAITING + 3000, 1000):  # the loop does not run meanwhile
                broadcaster.broadcast_many(exchange, [(Message(b"%d" % (start + number), {}), "a") for number in range(1000)])
            found = await sink.bodies(MOST_WAITING)
            assert found == [b"%d" % number for number in range(3000, MOST_WAITING + 3000)]
            assert sink.messages == []


class TestBroadcastBetweenProcesses:
    needs = "fanout processes"

    @on_loop
    async def test_from_another_process(self, kit: BrokerKit):
        exchange = fanout(kit)
        async with listening(kit, exchange) as sink:
            with kit.program("broadcast", exchange=exchange.name, count=3) as program:
                assert await sink.bodies(3) == [b"0", b"1", b"2"]
            assert program.returncode == 0

    @on_loop
    async def test_after_a_fork(self, kit: BrokerKit):
        exchange = fanout(kit)
        async with listening(kit, exchange) as sink:
            broadcaster = kit.main.broadcaster()
            broadcaster.broadcast(exchange, Message(b"parent", {}))
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    broadcaster.broadcast(exchange, Message(b"child", {}))
                    code = 0
                finally:
                    os._exit(code)
            assert await sink.bodies(2) == [b"parent", b"child"]
            broadcaster.broadcast(exchange, Message(b"parent again", {}))
            assert await sink.bodies(1) == [b"parent again"]
            assert os.waitpid(child, 0)[1] == 0


class TestBroadcastBuffer:
    needs = "fanout"

    @on_loop
    async def test_what_is_buffered_is_sent_in_order(self, kit: BrokerKit):
        exchange, other = topic(kit), fanout(kit)
        async with listening(kit, exchange, "#") as sink, listening(kit, other) as others:
            buffer = BroadcastBuffer(kit.main.broadcaster())
            for number in range(2000):
                buffer.broadcast(exchange, Message(b"%d" % number, {}), "task.multi")
            buffer.broadcast(other, Message(b"other", {}))
            await buffer.aclose()
            await buffer.aclose()
            assert await sink.bodies(2000) == [b"%d" % number for number in range(2000)]
            assert await others.bodies(1) == [b"other"]
            buffer.broadcast(exchange, Message(b"late", {}), "task.multi")
            assert buffer.dropped == 1


class TestBlockingSubscriber:
    needs = "fanout"

    def subscriber(self, kit: BrokerKit, size: int = MOST_WAITING) -> BlockingSubscriber:
        queue = private_queues.event_queue(str(uuid.uuid4()), ["task.#"], exchange=f"contract-{kit.mark}-ev")
        kit.queues.append(queue.name)
        return BlockingSubscriber(kit.main.subscriber(queue), size)

    def tell(self, kit: BrokerKit, *bodies: bytes) -> None:
        exchange = private_queues.event_exchange(f"contract-{kit.mark}-ev")
        kit.main.broadcaster().broadcast_many(exchange, [(Message(body, {}), "task.sent") for body in bodies])

    def test_messages_are_received(self, kit: BrokerKit):
        with self.subscriber(kit) as subscriber:
            assert subscriber.receive(0.01) == []
            self.tell(kit, b"1", b"2", b"3")
            assert receive(subscriber, 3) == [b"1", b"2", b"3"]
        assert subscriber.receive() == []
        assert kit.leftovers() == []

    def test_a_close_ends_a_receive(self, kit: BrokerKit):
        subscriber, answers = self.subscriber(kit), []
        subscriber.open()
        thread = threading.Thread(target=lambda: answers.append(subscriber.receive()))
        thread.start()
        subscriber.close()
        subscriber.close()
        thread.join(SOON)
        assert answers == [[]]

    def test_a_forked_child_leaves_it_to_the_parent(self, kit: BrokerKit):
        with self.subscriber(kit) as subscriber:
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    with pytest.raises(OperationalError, match="belongs to the process"):
                        subscriber.receive(0)
                    subscriber.close()
                    code = 0
                finally:
                    os._exit(code)
            assert os.waitpid(child, 0)[1] == 0
            self.tell(kit, b"1")
            assert receive(subscriber, 1) == [b"1"]

    def test_it_is_opened_once(self, kit: BrokerKit):
        subscriber = self.subscriber(kit)
        subscriber.close()
        with pytest.raises(OperationalError, match="opened once"):
            subscriber.open()

    def test_what_waits_is_bounded(self, kit: BrokerKit):
        with self.subscriber(kit, size=3) as subscriber:
            self.tell(kit, *(b"%d" % number for number in range(10)))
            deadline = time.monotonic() + SOON
            while subscriber.dropped < 7 and time.monotonic() < deadline:
                time.sleep(0.01)
            assert [message.body for message in subscriber.receive(SOON)] == [b"7", b"8", b"9"]


def reply_queue(kit: BrokerKit, expires: float = 60.0) -> Queue:
    queue = private_queues.control_reply_queue(str(uuid.uuid4()), f"contract-{kit.mark}", expires=expires)
    kit.queues.append(queue.name)
    return queue


def send(kit: BrokerKit, address, *bodies: bytes) -> None:
    kit.main.broadcaster().broadcast_many(
        Exchange(address.exchange, durable=False), [(Message(body, {}), address.routing_key) for body in bodies]
    )


def receive(inbox, count: int) -> list[bytes]:
    found: list[bytes] = []
    deadline = time.monotonic() + SOON
    while len(found) < count and (left := deadline - time.monotonic()) > 0:
        found += [delivery.body for delivery in inbox.receive(left)]
    return found


class TestReplyInbox:
    needs = "fanout"

    @pytest.fixture(params=["exchange", "by name"])
    def inbox(self, request, kit: BrokerKit):
        queue = reply_queue(kit) if request.param == "exchange" else private_queues.result_queue(str(uuid.uuid4()), 60.0)
        if queue.name not in kit.queues:
            kit.queues.append(queue.name)
        inbox = kit.main.reply_inbox(queue)
        yield inbox
        inbox.close()
        assert kit.leftovers() == []

    def test_all_of_a_reply_arrives(self, kit: BrokerKit, inbox):
        inbox.open()
        message = Message(b'{"w1": {"ok": "pong"}}', HEADERS, "application/json", "utf-8", {"delivery_mode": 1, "correlation_id": "c"})
        kit.main.broadcaster().broadcast(Exchange(inbox.address.exchange, durable=False), message, inbox.address.routing_key)
        (got,) = inbox.receive(SOON)
        assert (got.body, got.flaw) == (message.body, None)
        assert {name: got.headers.get(name, "absent") for name in HEADERS} == HEADERS
        assert {name: got.properties.get(name) for name in message.properties} == message.properties

    def test_replies_come_in_order_and_once(self, kit: BrokerKit, inbox):
        inbox.open()
        sent = [b"%d" % number for number in range(1500)]
        send(kit, inbox.address, *sent)
        assert receive(inbox, 1500) == sent
        assert inbox.receive(0.1) == []

    def test_what_came_before_a_receive_is_not_lost(self, kit: BrokerKit, inbox):
        inbox.open()
        assert inbox.receive(0) == []
        send(kit, inbox.address, b"1")
        assert receive(inbox, 1) == [b"1"]
        send(kit, inbox.address, b"2", b"3")
        assert receive(inbox, 2) == [b"2", b"3"]

    def test_a_close_ends_a_receive(self, kit: BrokerKit, inbox):
        inbox.open()
        answers, began = [], threading.Event()

        def wait():
            began.set()
            answers.append(inbox.receive())

        thread = threading.Thread(target=wait)
        thread.start()
        began.wait()
        time.sleep(0.05)
        inbox.close()
        thread.join(SOON)
        assert answers == [[]]
        assert inbox.receive(SOON) == []

    def test_it_may_be_closed_at_any_time(self, kit: BrokerKit, inbox):
        inbox.close()
        inbox.close()
        with pytest.raises(OperationalError, match="is closed"):
            inbox.open()

    def test_a_reply_to_nobody_leaves_nothing(self, kit: BrokerKit):
        inbox = kit.main.reply_inbox(reply_queue(kit))
        inbox.open()
        send(kit, inbox.address, b"unread")
        inbox.close()
        send(kit, inbox.address, b"late")
        assert kit.leftovers() == []

    def test_many_requests_leave_nothing(self, kit: BrokerKit):
        count = 0
        for _ in range(20):
            inbox = kit.main.reply_inbox(reply_queue(kit))
            inbox.open()
            send(kit, inbox.address, *[b"x"] * 500)
            count += len(receive(inbox, 500))
            inbox.close()
        assert count == 10_000
        assert kit.leftovers() == []

    def test_inboxes_are_apart(self, kit: BrokerKit):
        one, two = (kit.main.reply_inbox(reply_queue(kit)) for _ in range(2))
        try:
            one.open()
            two.open()
            send(kit, two.address, b"2")
            send(kit, one.address, b"1")
            assert (receive(one, 1), receive(two, 1)) == ([b"1"], [b"2"])
        finally:
            one.close()
            two.close()


class TestReplyInboxBetweenProcesses:
    needs = "fanout processes"

    def test_a_forked_child_leaves_it_to_the_parent(self, kit: BrokerKit):
        inbox = kit.main.reply_inbox(reply_queue(kit))
        inbox.open()
        child = os.fork()
        if child == 0:
            code = 1
            try:
                with pytest.raises(OperationalError, match="belongs to the process"):
                    inbox.receive(0)
                inbox.close()
                send(kit, inbox.address, b"from the child")
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        assert receive(inbox, 1) == [b"from the child"]
        inbox.close()
        assert kit.leftovers() == []
