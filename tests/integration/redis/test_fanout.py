"""Broadcasts, subscribers and inboxes on Redis when something goes wrong."""

from __future__ import annotations

import asyncio
import time
import uuid

import pytest
import redis

from contracts.fanout_contract import Received, receive
from umbel.brokers.base import ConnectionState
from umbel.brokers.fanout import private_queues
from umbel.brokers.topology import Exchange
from umbel.errors import AccessRefused, DecodeError, OperationalError
from umbel.testing.brokers import SOON, BrokerKit
from umbel.testing.coroutines import on_loop
from umbel.wire.message import Message

pytestmark = pytest.mark.redis

LOST, RETRYING, CONNECTED = ConnectionState.LOST, ConnectionState.RETRYING, ConnectionState.CONNECTED
EVENTS = private_queues.event_exchange()


def watcher(broker, *patterns):
    return broker.subscriber(private_queues.event_queue(str(uuid.uuid4()), patterns or ("#",)))


@on_loop
async def test_a_subscriber_survives_a_restart_of_the_server_and_says_so(own_kit, private):
    sink, subscriber = Received(), watcher(own_kit.main)
    await subscriber.start(sink)
    try:
        await asyncio.to_thread(private.restart, "kill")
        await sink.until(lambda: sink.states[-1] is CONNECTED and LOST in sink.states)
        assert [state for state in sink.states if state is not RETRYING] == [CONNECTED, LOST, CONNECTED]
        own_kit.main.broadcaster().broadcast(EVENTS, Message(b"after", {}), "task.sent")
        assert await sink.bodies(1) == [b"after"]
    finally:
        await subscriber.aclose()


@on_loop
async def test_a_cut_line(own_kit, line):
    sink = Received()
    subscriber = watcher(own_kit.broker(urls=(line.url,)))
    await subscriber.start(sink)
    try:
        line.refusing = True
        line.cut()
        await sink.until(lambda: sink.states[-1] is RETRYING)
        line.refusing = False
        await sink.until(lambda: sink.states[-1] is CONNECTED)
        own_kit.main.broadcaster().broadcast(EVENTS, Message(b"after", {}), "task.sent")
        assert await sink.bodies(1) == [b"after"]
    finally:
        await subscriber.aclose()


@on_loop
async def test_a_sink_that_is_too_slow_is_disconnected_and_comes_back(own_kit, private):
    """The server does not keep for it what it does not read."""
    with redis.Redis(port=private.port) as client:
        before = client.config_get("client-output-buffer-limit")["client-output-buffer-limit"]
        client.config_set("client-output-buffer-limit", "pubsub 1mb 1mb 1")
        sink, subscriber = Received(), watcher(own_kit.main)
        await subscriber.start(sink)
        try:
            for _ in range(40):  # the loop does not run meanwhile
                own_kit.main.broadcaster().broadcast(EVENTS, Message(b"x" * 1_000_000, {}), "task.sent")
            await sink.until(lambda: sink.states[-1] is CONNECTED and LOST in sink.states)
            assert len(sink.messages) < 40
            sink.messages.clear()
            own_kit.main.broadcaster().broadcast(EVENTS, Message(b"after", {}), "task.sent")
            assert await sink.bodies(1) == [b"after"]
        finally:
            await subscriber.aclose()
            client.config_set("client-output-buffer-limit", before)


@on_loop
async def test_what_cannot_be_read_is_told_and_the_next_one_comes(kit, client):
    sink, subscriber = Received(), watcher(kit.main, "task.#")
    await subscriber.start(sink)
    try:
        channel = f"{kit.transport['global_keyprefix']}/{kit.url.rpartition('/')[2]}.celeryev/task.multi"
        for raw in (b"", b"\xff", b"[]", b'{"body": "e30="}', b'{"properties": []}'):
            assert client.publish(channel, raw) == 1
        kit.main.broadcaster().broadcast(EVENTS, Message(b"good", {}), "task.sent")
        *bad, good = await sink.take(6)
        assert {type(message.flaw) for message in bad} == {DecodeError}
        assert {message.routing_key for message in bad} == {"task.multi"}
        assert (good.body, good.flaw) == (b"good", None)
    finally:
        await subscriber.aclose()


@on_loop
async def test_a_message_comes_once_though_several_patterns_match(kit):
    sink, subscriber = Received(), watcher(kit.main, "task.#", "task.sent", "#.sent", "#")
    await subscriber.start(sink)
    try:
        for number in range(3):
            kit.main.broadcaster().broadcast(EVENTS, Message(b"%d" % number, {}), "task.sent")
        assert await sink.bodies(3) == [b"0", b"1", b"2"]
        assert sink.messages == []
    finally:
        await subscriber.aclose()


@on_loop
async def test_no_permission(own_kit, private):
    with redis.Redis(port=private.port) as client:
        client.execute_command("ACL", "SETUSER", "poor", "on", ">secret", "+@all", "~*", "resetchannels")
    poor = own_kit.broker(urls=(private.url().replace("://", "://poor:secret@"),))
    with pytest.raises(AccessRefused, match="NOPERM") as raised:
        await watcher(poor).start(Received())
    assert "secret" not in str(raised.value)
    with pytest.raises(AccessRefused, match="NOPERM"):
        poor.broadcaster().broadcast(EVENTS, Message(b"x", {}), "task.sent")


@on_loop
async def test_nobody_is_there(own_kit):
    broker = own_kit.broker(urls=("redis://127.0.0.1:9/0",), max_retries=0)
    subscriber = watcher(broker)
    with pytest.raises(OperationalError):
        await subscriber.start(Received())
    await subscriber.aclose()
    with pytest.raises(OperationalError):
        broker.broadcaster().broadcast(EVENTS, Message(b"x", {}), "task.sent")


def send(kit, inbox, *bodies):
    exchange = Exchange(inbox.address.exchange, durable=False)
    kit.main.broadcaster().broadcast_many(exchange, [(Message(body, {}), inbox.address.routing_key) for body in bodies], keep=60)


def inbox_of(broker, expires=60.0):
    return broker.reply_inbox(private_queues.control_reply_queue(str(uuid.uuid4()), expires=expires))


def test_a_cut_line_loses_no_replies(own_kit, line):
    inbox = inbox_of(own_kit.broker(urls=(line.url,)))
    inbox.open()
    for body in (b"1", b"2"):
        assert inbox.receive(0.2) == []
        send(own_kit, inbox, body)
        assert [reply.body for reply in inbox.receive(SOON)] == [body]
    line.cut()
    send(own_kit, inbox, b"3")
    with pytest.raises(OperationalError):
        inbox.receive(SOON)
    assert receive(inbox, 2) == [b"2", b"3"]
    inbox.close()


def test_the_inbox_of_a_dead_client_is_removed_when_another_is_opened(kit: BrokerKit, client):
    dead = inbox_of(kit.main, expires=0.05)
    dead.open()
    send(kit, dead, b"unread")
    dead._connection.close()  # as when its process is killed
    prefix = kit.transport["global_keyprefix"]
    deadline = client.zrange(f"{prefix}umbel:inboxes", 0, -1, withscores=True)[0][1]
    while client.time()[0] * 1000 + client.time()[1] / 1000 < deadline + 2:
        time.sleep(0.01)
    other = inbox_of(kit.main)
    other.open()
    assert client.scard(f"{prefix}_kombu.binding.reply.celery.pidbox") == 1
    assert client.zcard(f"{prefix}umbel:inboxes") == 1
    assert not client.exists(f"{prefix}{dead._queue.name}")
    other.close()
    assert list(client.scan_iter(prefix + "*")) == []


def test_replies_that_nobody_takes_end_by_themselves(kit, client):
    """A client of ``rpc://`` may be gone before the result comes."""
    name = str(uuid.uuid4())
    kit.main.broadcaster().broadcast_many(Exchange(""), [(Message(b"late", {}), name)], keep=60)
    assert 0 < client.pttl(kit.transport["global_keyprefix"] + name) <= 60_000


def test_an_inbox_that_is_read_stays_known(kit, client):
    """Though kombu may have swept the bindings of its exchange."""
    inbox = inbox_of(kit.main, expires=0.3)
    inbox.open()
    client.delete(f"{kit.transport['global_keyprefix']}_kombu.binding.reply.celery.pidbox")
    assert inbox.receive(0.2) == []
    inbox.receive(0)
    send(kit, inbox, b"1")
    assert [reply.body for reply in inbox.receive(SOON)] == [b"1"]
    inbox.close()
