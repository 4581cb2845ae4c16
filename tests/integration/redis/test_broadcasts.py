"""Queues that go with their readers on Redis, and what kombu sends over channels."""

from __future__ import annotations

import asyncio
import contextlib
import json
import uuid

import pytest

from integration.redis.conftest import doomed
from umbel.brokers.topology import Broadcast, Destination, Exchange, Queue
from umbel.testing.brokers import SOON
from umbel.testing.coroutines import on_loop
from umbel.wire.message import Message
from umbel.wire.redis import envelope

pytestmark = pytest.mark.redis


def everyone(kit):
    return Broadcast(f"contract-all-{kit.mark}", routing_key="celery")


def names(kit, client):
    prefix = kit.transport["global_keyprefix"]
    return sorted(key.decode().removeprefix(prefix) for key in client.scan_iter(prefix + "*", count=1000))


def publish(kit, client, exchange, key, body, *, tag=None, **properties):
    """Publish as kombu does, to whoever listens; returns how many that are."""
    raw = envelope.render(Message(body, {"task": "t"}, properties=properties), exchange, key, tag or str(uuid.uuid4()))
    slash = f"/{key}" if key else ""
    return client.publish(f"{kit.transport['global_keyprefix']}/3.{exchange}{slash}", raw)


@on_loop
async def test_what_kombu_publishes_is_leased_and_acknowledged(kit, client):
    queue = everyone(kit)
    mine = [queue.for_one_worker() for _ in range(2)]
    async with kit.consuming(mine[0]) as one, kit.consuming(mine[1]) as two:
        for key in ("", "celery", "any.other"):
            assert publish(kit, client, queue.exchange.name, key, key.encode(), priority=0) == 2
        taken = [(sink, await sink.take(3)) for sink in (one, two)]
        assert client.zcard(kit.transport["global_keyprefix"] + "unacked_index") == 6
        for sink, found in taken:
            assert [delivery.body for delivery in found] == [b"", b"celery", b"any.other"]
            await sink.consumer.blame(found[0])
            again = await sink.one()
            assert (again.body, again.attempts) == (b"", 1)
            sink.consumer.ack([again, *found[1:]])
            await sink.consumer.flush()


@on_loop
async def test_readers_of_one_queue_share_what_kombu_publishes(kit, client):
    queue = kit.queue("audit", exchange=Exchange(f"contract-fan-{kit.mark}", "fanout"), routing_key="celery")
    async with kit.consuming(queue) as one, kit.consuming(queue) as two:
        for number in range(10):
            assert publish(kit, client, queue.exchange.name, "celery", b"%d" % number) == 2
        async with asyncio.timeout(SOON):
            while len(one.fresh) + len(two.fresh) < 10:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        assert sorted(delivery.body for delivery in one.fresh + two.fresh) == [b"%d" % number for number in range(10)]


@on_loop
async def test_kombus_listeners_get_what_umbel_publishes_and_umbels_get_it_once(kit, client):
    queue = everyone(kit)
    exchange = queue.exchange.name
    with contextlib.closing(client.pubsub()) as listener:
        listener.psubscribe(f"{kit.transport['global_keyprefix']}/3.{exchange}/celery")
        await asyncio.to_thread(listener.get_message, timeout=SOON)
        async with kit.consuming(queue.for_one_worker()) as sink:
            kit.publish(queue, b"all", priority=3)
            heard = await asyncio.to_thread(listener.get_message, timeout=SOON)
            delivery = await sink.one()
            await sink.quiet(0.1)
    sent = json.loads(heard["data"])
    assert (sent["properties"]["delivery_info"], sent["properties"]["priority"]) == ({"exchange": exchange, "routing_key": "celery"}, 3)
    assert sent["properties"]["delivery_tag"] == delivery.properties["delivery_tag"]
    assert (delivery.body, delivery.exchange, delivery.routing_key) == (b"all", exchange, "celery")


@on_loop
async def test_what_cannot_be_read_becomes_a_flaw_and_harms_nobody(kit, client):
    queue = everyone(kit)
    async with kit.consuming(queue.for_one_worker()) as sink:
        client.publish(f"{kit.transport['global_keyprefix']}/3.{queue.exchange.name}", b"\xff\x00 no json")
        publish(kit, client, queue.exchange.name, "", b"good")
        bad, good = await sink.take(2)
        assert bad.flaw is not None
        assert good.body == b"good"


@on_loop
async def test_the_queue_of_a_dead_worker_is_removed(kit, client, monkeypatch):
    """By any other worker, in time; and nobody sends to it after that time."""
    monkeypatch.setattr("umbel.brokers.redis.leases._DECLARE_EVERY", 0.3)
    queue, usual = everyone(kit), kit.queue()
    dead = queue.for_one_worker()
    broker = kit.broker(lease=0.2)
    kit.publish(usual, b"usual")
    async with doomed(kit, dead, window=2, broker=broker) as sink:
        kit.publish(queue, b"held", b"more")
        await sink.take(2)
        kit.publish(queue, b"ready")
    assert kit.length(dead) == 1
    readers = kit.transport["global_keyprefix"] + "umbel:readers"
    client.zadd(readers, dict.fromkeys(client.zrange(readers, 0, -1), 1))  # a minute later
    kit.publish(queue, b"late")
    assert kit.length(dead) == 1
    async with kit.consuming(usual, broker=kit.broker(lease=0.2)) as sink:
        assert (await sink.one()).body == b"usual"
        async with asyncio.timeout(SOON):  # what it held goes back first, and is then removed, too
            while [name for name in names(kit, client) if dead.name in name or "readers" in name]:
                await asyncio.sleep(0.05)
        assert client.hlen(kit.transport["global_keyprefix"] + "unacked") == 1
        assert not client.smembers(f"{kit.transport['global_keyprefix']}_kombu.binding.{queue.exchange.name}")


@on_loop
async def test_a_queue_goes_with_its_last_reader_only(kit, client):
    shared = Queue(f"contract-shared-{kit.mark}", Exchange(f"contract-x-{kit.mark}"), "k", auto_delete=True)
    async with kit.consuming(shared):
        async with kit.consuming(shared) as sink:
            await sink.consumer.cancel_queue(shared.name)
        kit.publisher.publish(Message(b"1", {}), Destination(shared.exchange.name, "k", shared), confirm=True)
    assert not [name for name in names(kit, client) if "shared" in name]
    assert not client.exists(f"{kit.transport['global_keyprefix']}umbel:readers")


@on_loop
async def test_a_worker_that_was_taken_for_dead_comes_back(kit, client, monkeypatch):
    monkeypatch.setattr("umbel.brokers.redis.leases._DECLARE_EVERY", 0.2)
    queue = everyone(kit)
    own = queue.for_one_worker()
    async with kit.consuming(own) as sink:
        prefix = kit.transport["global_keyprefix"]
        for key in client.scan_iter(prefix + "*", count=1000):
            client.delete(key)
        async with asyncio.timeout(SOON):
            while not client.sismember(prefix + "umbel:queues", own.name):
                await asyncio.sleep(0.02)
        kit.publish(queue, b"again")
        assert (await sink.one()).body == b"again"


@on_loop
async def test_entries_that_nobody_understands_do_not_matter(kit, client):
    queue = everyone(kit)
    readers = kit.transport["global_keyprefix"] + "umbel:readers"
    client.zadd(readers, {b"no json": 1, b"[]": 1, b'"x"': 4e12, b"\xff": 4e12})
    async with kit.consuming(queue.for_one_worker()) as sink:
        await sink.consumer.declare_again()
        kit.publish(queue, b"1")
        assert (await sink.one()).body == b"1"
    assert client.zcard(readers) == 2
