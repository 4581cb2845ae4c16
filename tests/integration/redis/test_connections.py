from __future__ import annotations

import asyncio
import os
import signal
import statistics
import time
from queue import SimpleQueue

import pytest
import redis

from system.processes import eventually
from umbel.brokers.base import ConnectionState
from umbel.brokers.topology import Destination
from umbel.clients.redis import replies
from umbel.errors import AccessRefused, OperationalError, PublishError
from umbel.testing.brokers import BrokerKit
from umbel.testing.coroutines import on_loop
from umbel.wire.message import Message
from umbel.wire.redis.resp import ReplyError

pytestmark = pytest.mark.redis


def kill_all(client):
    """Cut every connection but this one."""
    client.client_kill_filter(_type="normal", skipme=True)


@on_loop
async def test_leases_outlive_a_connection(own_kit, private):
    queue = own_kit.queue()
    with private.client() as client:
        async with own_kit.consuming(queue) as sink:
            own_kit.publish(queue, b"1", b"2")
            held = await sink.take(2)
            for _ in range(3):
                kill_all(client)
                sink.consumer.ack(held[:1])
                own_kit.publish(queue, b"more")
                (more,) = await sink.take(1)
                sink.consumer.ack([more])
                await sink.consumer.flush()
            assert client.hlen("unacked") == 1
            assert sink.lost == []
            sink.consumer.ack(held[1:])
            await sink.consumer.flush()
            assert client.exists("unacked", "unacked_index") == 0
            assert ConnectionState.LOST in sink.states
            assert sink.states[-1] is ConnectionState.CONNECTED
            await sink.quiet()


@on_loop
async def test_a_claim_whose_reply_was_lost_is_taken_up(own_kit, private):
    queue = own_kit.queue()
    with private.client() as client:
        async with own_kit.consuming(queue) as sink:
            consumer = sink.consumer
            # The server has done this claim; we do not know it.
            consumer._number += 5
            raw = b'{"body": "MQ==", "headers": {}, "properties": {"body_encoding": "base64"}}'
            tag = consumer._prefix + b"%d" % (consumer._number - 4)
            client.hset("unacked", tag, b"[" + raw + b', "", "' + queue.name.encode() + b'"]')
            client.zadd("unacked_index", {tag: client.time()[0]})
            connection = consumer.link.connection
            consumer._wake.set()
            async with consumer._claiming:
                consumer._doubtful = consumer._number - 5, 5
                connection.fail(OperationalError("cut"))
                consumer._doubtful = consumer._number - 5, 5
            delivery = await sink.one()
            assert (delivery.body, delivery.tag) == (b"1", tag)
            consumer.ack([delivery])
            await consumer.flush()
            assert client.exists("unacked") == 0


@on_loop
async def test_an_emptied_server(own_kit, private):
    queue = own_kit.queue()
    with private.client() as client:
        async with own_kit.consuming(queue) as sink:
            own_kit.publish(queue, b"1")
            held = await sink.one()
            client.flushall()
            async with asyncio.timeout(5):
                await sink.until(lambda: sink.lost == [held])
            while not client.smembers(f"_kombu.binding.{queue.name}"):
                await asyncio.sleep(0.02)
            own_kit.publish(queue, b"2")
            sink.consumer.ack([held, await sink.one()])


@on_loop
async def test_a_restarted_server(own_kit, private):
    queue = own_kit.queue()
    async with own_kit.consuming(queue, window=100) as sink:
        own_kit.publish(queue, b"before")
        held = await sink.one()
        await asyncio.to_thread(private.restart, "kill")
        own_kit.publish(queue, b"after")
        assert (await sink.one(10)).body == b"after"
        sink.consumer.ack([held])
        await sink.consumer.flush()
        assert sink.lost == []
        own_kit.publish(queue, b"again")
        assert (await sink.one()).body == b"again"


@on_loop
async def test_a_primary_that_becomes_a_replica(own_kit, private):
    queue = own_kit.queue()
    with private.client() as client:
        async with own_kit.consuming(queue) as sink:
            own_kit.publish(queue, b"1")
            first = await sink.one()
            client.replicaof("127.0.0.1", "1")
            publisher = own_kit.publisher
            with pytest.raises(OperationalError):
                publisher.publish(Message(b"2", {}), Destination.of(queue), confirm=True, timeout=0.3)
            sink.consumer.ack([first])
            client.replicaof("no", "one")
            publisher.publish(Message(b"3", {}), Destination.of(queue), confirm=True)
            bodies = {(await sink.one(10)).body}
            if b"3" not in bodies:  # what was refused at first may have been written again
                bodies.add((await sink.one(10)).body)
            assert b"3" in bodies
            await sink.consumer.flush()


def test_what_was_unconfirmed_when_a_primary_became_a_replica_outlives_that(own_kit, private, caplog):
    queue = own_kit.queue()
    publisher = own_kit.publisher
    publisher.declare(queue)
    publisher.flush()
    with private.client() as client:
        client.replicaof("127.0.0.1", "1")
        publisher.publish(Message(b"1", {}), Destination.of(queue))
        eventually(lambda: "1 messages are unconfirmed" in caplog.text, what="an attempt to write it again")
        client.replicaof("no", "one")
        publisher.flush()
    assert own_kit.length(queue) == 1


@on_loop
async def test_an_idle_consumer_wakes_at_once(kit):
    queue = kit.queue()
    times = []
    kit.publisher.declare(queue)
    async with kit.consuming(queue) as sink:
        for _ in range(30):
            await asyncio.sleep(0.01)
            begun = time.perf_counter()
            kit.publisher.publish(Message(b"x", {}), Destination.of(queue))
            delivery = await sink.one()
            times.append(time.perf_counter() - begun)
            sink.consumer.ack([delivery])
    assert min(times) < 0.005  # this machine has other work too
    assert statistics.median(times) < 0.05


@on_loop
async def test_without_client_tracking_it_polls(own_kit, private):
    queue = own_kit.queue()
    with private.client() as client:
        client.acl_setuser("plain", enabled=True, passwords=["+pw"], keys=["*"], commands=["+@all", "-client|tracking"], channels=["*"])
    polling = BrokerKit("redis", private.url().replace("redis://", "redis://plain:pw@"))
    async with own_kit.consuming(queue, broker=polling.main) as sink:
        assert not sink.consumer.link.connection.pushes
        for _ in range(3):
            await asyncio.sleep(0.2)
            own_kit.publish(queue, b"x")
            sink.consumer.ack([await sink.one(0.5)])
    polling.close()


@on_loop
async def test_who_is_not_let_in(own_kit, private):
    with private.client() as client:
        client.acl_setuser("someone", enabled=True, passwords=["+right"], keys=["*"], commands=["+@all"])
    wrong = BrokerKit("redis", private.url().replace("redis://", "redis://someone:wrong@"))
    queue = own_kit.queue()
    with pytest.raises(AccessRefused) as caught:
        async with own_kit.consuming(queue, broker=wrong.main):
            pass
    assert "wrong" not in str(caught.value)
    with pytest.raises(AccessRefused):
        wrong.publisher.publish(Message(b"", {}), Destination.of(queue))


def test_no_message_is_lost_with_a_connection(own_kit, private):
    queue = own_kit.queue()
    publisher = own_kit.publisher
    with private.client() as client:
        for number in range(2000):
            publisher.publish(Message(b"%d" % number, {}), Destination.of(queue))
            if number % 200 == 150:
                kill_all(client)
        publisher.flush()
        raws = client.lrange(queue.name, 0, -1)
        assert len(raws) == len(set(raws)) == 2000


def test_what_redis_refuses_is_raised(own_kit, private):
    queue, odd = own_kit.queue(), own_kit.queue("odd")
    publisher = own_kit.publisher
    with private.client() as client:
        client.set(odd.name, "no list")
        with pytest.raises(PublishError, match="WRONGTYPE"):
            publisher.publish(Message(b"", {}), Destination.of(odd), confirm=True)
        with pytest.raises(PublishError, match=odd.name):
            publisher.publish(Message(b"", {}), Destination.of(odd))
            publisher.flush()  # where the call had no time to wait for its answer
        publisher.flush()
        with publisher.receipt() as receipt:
            publisher.publish(Message(b"", {}), Destination.of(odd))
        told = SimpleQueue()
        receipt.when_settled(told.put)
        assert isinstance(told.get(timeout=5), PublishError)
        client.delete(odd.name)
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(PublishError, match="OOM"):
                publisher.publish(Message(b"", {}), Destination.of(queue), confirm=True)
        finally:
            client.config_set("maxmemory", 0)
        publisher.publish(Message(b"", {}), Destination.of(queue), confirm=True)


@on_loop
async def test_one_broken_list_does_not_stop_the_others(own_kit, private):
    good, bad = own_kit.queue("good"), own_kit.queue("bad")
    with private.client() as client:
        client.set(bad.name, "no list")
        client.lpush(good.name, b"\xffno envelope")
        async with own_kit.consuming(bad, good) as sink:
            delivery = await sink.one()
            assert delivery.flaw is not None
            assert delivery.headers == {}
            await sink.consumer.dead_letter(delivery, delivery.flaw.reason, str(delivery.flaw))
            own_kit.publish(good, b"fine")
            assert (await sink.one()).body == b"fine"
        with own_kit.client() as queues:
            dead = queues.get(good.name + ".dead")
            assert dead.body == b"\xffno envelope"
            assert dead.headers["x-umbel-dead-reason"] == "undecodable"
        client.delete(bad.name)


@on_loop
async def test_nothing_is_lost_when_unacked_is_broken(own_kit, private):
    queue = own_kit.queue()
    own_kit.publish(queue, b"1", b"2")
    with private.client() as client:
        client.set("unacked", "no hash")
        async with own_kit.consuming(queue) as sink:
            await sink.quiet(0.5)
            assert client.llen(queue.name) == 2
            client.delete("unacked")
            assert [delivery.body for delivery in await sink.take(2)] == [b"1", b"2"]


@on_loop
async def test_a_server_that_stands_still(own_kit, private):
    queue = own_kit.queue()
    broker = own_kit.broker(publish_timeout=0.5)
    async with own_kit.consuming(queue) as sink:
        publisher = broker.publisher()
        publisher.publish(Message(b"0", {}), Destination.of(queue), confirm=True, timeout=10)
        sink.consumer.ack([await sink.one()])
        os.kill(private.process.pid, signal.SIGSTOP)
        try:
            publisher.publish(Message(b"1", {}), Destination.of(queue))
            # On a busy machine the connection has been given up by then.
            with pytest.raises(OperationalError, match=r"has not confirmed 1 messages in time|does not answer"):
                publisher.flush(0.2)
            await asyncio.sleep(1.0)
        finally:
            os.kill(private.process.pid, signal.SIGCONT)
        assert (await sink.one()).body == b"1"
        publisher.flush(5)
        await sink.consumer.flush()
        # Nobody can know whether a message was taken whose reply was lost, and it is gone from its list: it may come twice.
        assert {delivery.body for delivery in sink.fresh} <= {b"1"}


def test_a_server_that_is_away(unique):
    away = BrokerKit("redis", "redis://127.0.0.1:1/0")
    begun = time.monotonic()
    broker = away.broker(publish_retries=1)
    with pytest.raises(OperationalError, match=r"127\.0\.0\.1:1"):
        broker.publisher().publish(Message(b"", {}), Destination("", unique("q")))
    assert time.monotonic() - begun < 3
    broker.publisher().flush()


def test_the_client_of_redis_itself(own_kit, private):
    """Bindings as kubectl-like tools and Flower read them."""
    queue = own_kit.queue()
    own_kit.publisher.declare(queue)
    own_kit.publisher.flush()
    with redis.Redis(port=private.port) as client:
        member = f"{queue.name}\x06\x16\x06\x16{queue.name}".encode()
        assert client.smembers(f"_kombu.binding.{queue.name}") == {member}
        assert client.smembers(f"_kombu.binding_permanent.{queue.name}") == {member}


@pytest.mark.parametrize(("policy", "limit", "told"), [("allkeys-lru", "100mb", 1), ("volatile-lru", "100mb", 0), ("allkeys-lru", "0", 0)])
def test_a_server_that_may_drop_queues_is_told_of_once(own_kit, private, monkeypatch, caplog, policy, limit, told):
    monkeypatch.setattr(replies, "_told", set())
    with private.client() as client:
        client.config_set("maxmemory", limit)
        client.config_set("maxmemory-policy", policy)
        try:
            for _ in range(2):
                publisher = own_kit.main.publisher()
                publisher.publish(Message(b"", {}), Destination.of(own_kit.queue()))
                publisher.close()
        finally:
            client.config_set("maxmemory", 0)
            client.config_set("maxmemory-policy", "noeviction")
    assert caplog.text.count("set it to noeviction") == told


def test_who_may_not_ask_is_not_told(caplog):
    replies.warn_of_eviction(ReplyError("NOPERM this user has no permissions"), "redis://here")
    replies.warn_of_eviction(b"used_memory:1\r\n", "redis://here")
    assert not caplog.text
