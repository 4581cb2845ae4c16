from __future__ import annotations

import asyncio
import contextlib
import json
import time

import pytest

from integration.redis.conftest import die, doomed
from umbel.brokers.base import ATTEMPTS, BrokerOptions
from umbel.brokers.redis.consumer import lease_of
from umbel.errors import OperationalError
from umbel.testing.coroutines import on_loop

pytestmark = pytest.mark.redis


def keys(kit):
    prefix = kit.transport["global_keyprefix"]
    return prefix + "unacked", prefix + "unacked_index"


def test_a_lease_is_no_longer_than_the_visibility_timeout():
    assert lease_of(BrokerOptions(urls=())) == 30.0
    assert lease_of(BrokerOptions(urls=(), transport={"visibility_timeout": 5})) == 5.0
    assert lease_of(BrokerOptions(urls=(), transport={"visibility_timeout": 3600})) == 30.0


@on_loop
async def test_what_the_dead_held_comes_back_in_order(kit, client):
    queue = kit.queue()
    kit.publish(queue, b"1", b"2", b"3", headers={"empty": [], "task": "x"})
    async with doomed(kit, queue) as sink:
        await sink.take(3)
    kit.publish(queue, b"4")
    begun = time.monotonic()
    async with kit.consuming(queue) as sink:
        assert (await sink.one()).body == b"4"
        back = await sink.take(3)
        assert [delivery.body for delivery in back] == [b"1", b"2", b"3"]
        assert 0.5 < time.monotonic() - begun < 3 * kit.lease
        assert all(delivery.redelivered and delivery.attempts == 0 for delivery in back)
        assert back[0].headers == {"empty": [], "task": "x", "redelivered": True}
        sink.consumer.ack(back)
        await sink.consumer.flush()
        assert client.hlen(keys(kit)[0]) == 1


@on_loop
async def test_only_a_redelivered_message_that_ran_is_counted(kit):
    queue = kit.queue()
    kit.publish(queue, b"ran", b"waited")
    for attempt in range(3):
        async with doomed(kit, queue) as sink:
            ran, waited = sorted(await sink.take(2), key=lambda delivery: delivery.body)
            assert (ran.body, ran.attempts, waited.attempts) == (b"ran", max(0, attempt - 1), 0)
            if ran.redelivered:
                await sink.consumer.begin(ran)
    async with kit.consuming(queue) as sink:
        ran, waited = sorted(await sink.take(2), key=lambda delivery: delivery.body)
        assert (ran.attempts, waited.attempts) == (2, 0)
        assert ran.headers[ATTEMPTS] == 2
        await sink.consumer.begin(ran)
        sink.consumer.requeue([ran])  # handed back alive: not counted
        assert (await sink.one()).attempts == 2


@on_loop
async def test_a_long_hold_is_renewed(kit, client):
    kit.transport["visibility_timeout"] = 1
    queue = kit.queue()
    kit.publish(queue, b"slow")
    async with kit.consuming(queue) as slow, kit.consuming(queue, broker=kit.broker()) as other:
        held = (await asyncio.wait([asyncio.create_task(slow.one()), asyncio.create_task(other.one())], return_when="FIRST_COMPLETED"))[0]
        (delivery,) = [task.result() for task in held]
        holder, idle = (slow, other) if delivery.tag in slow.consumer._held else (other, slow)
        for _ in range(15):
            await asyncio.sleep(0.2)
            seconds, micros = client.time()
            # What kombu's restore_visible looks for, as often as it likes.
            assert client.zrange(keys(kit)[1], 0, seconds + micros / 1e6 - 1, byscore=True) == []
        assert idle.fresh == []
        assert idle.lost == holder.lost == []
        holder.consumer.ack([delivery])
        await holder.consumer.flush()
        assert client.exists(*keys(kit)) == 0


@on_loop
async def test_who_lost_a_lease_settles_nothing(kit, client):
    queue = kit.queue()
    kit.publish(queue, b"1")
    async with doomed(kit, queue) as frozen:
        old = await frozen.one()
        for task in frozen.consumer._tasks:  # SIGSTOP
            task.cancel()
        async with kit.consuming(queue, broker=kit.broker()) as sink:
            new = await sink.one()
            frozen.consumer.ack([old])
            frozen.consumer.requeue([old])
            await frozen.consumer.flush()
            assert client.hlen(keys(kit)[0]) == 1
            sink.consumer.ack([new])
            await sink.consumer.flush()
            assert client.exists(*keys(kit)) == 0
            await sink.quiet()


@on_loop
async def test_who_lost_a_lease_is_told(kit):
    queue = kit.queue()
    kit.publish(queue, b"1")
    async with doomed(kit, queue) as frozen:
        old = await frozen.one()
        frozen.consumer._tasks[1].cancel()  # it renews no more
        frozen.consumer.set_window(0)
        async with kit.consuming(queue, broker=kit.broker()) as sink:
            new = await sink.one()
            await frozen.consumer._housekeeping.renew()
            assert frozen.lost == [old]
            await frozen.consumer.blame(old)
            await frozen.consumer.delay([(old, 0)])
            await frozen.consumer.dead_letter(old, "x", "x")
            assert kit.length(queue.name + ".dead") is None
            sink.consumer.ack([new])


@on_loop
async def test_a_delayed_message_is_kept_as_it_was_published(kit, client):
    queue = kit.queue()
    kit.publish(queue, b"1", b"2", headers={"empty": [], "text": "ä\u2028"}, priority=3)
    name = kit.transport["global_keyprefix"] + queue.name
    raws = client.lrange(name + "\x06\x163", 0, -1)
    async with kit.consuming(queue) as sink:
        await sink.consumer.delay([(each, 2e9) for each in await sink.take(2)])
        assert client.exists(*keys(kit)) == 0
        (delayed,) = client.keys(kit.transport["global_keyprefix"] + "umbel:delayed:*")
        assert sorted(client.zrange(delayed, 0, -1, withscores=True)) == sorted((b"3 " + raw, 2e9) for raw in raws)


@on_loop
async def test_what_is_no_message_among_the_delayed_stops_nothing(kit, client):
    first, second = kit.queue("a"), kit.queue("b")
    prefix = kit.transport["global_keyprefix"] + "umbel:delayed:"
    kit.publish(second, b"later")
    async with kit.consuming(first, second) as sink:
        later = await sink.one()
        client.zadd(prefix + first.name, {"junk": 1})
        await sink.consumer.delay([(later, time.time() + 0.2)])
        found = await sink.take(2)
        assert {delivery.queue: delivery.flaw is None for delivery in found} == {first.name: False, second.name: True}


@on_loop
async def test_what_cannot_be_delayed_stays(kit, client):
    queue = kit.queue()
    kit.publish(queue, b"1", b"2")
    async with kit.consuming(queue) as sink:
        found = await sink.take(2)
        client.set(kit.transport["global_keyprefix"] + "umbel:delayed:" + queue.name, "of another type")
        with pytest.raises(OperationalError):
            await sink.consumer.delay([(each, 2e9) for each in found])
        assert set(client.hkeys(keys(kit)[0])) == {each.tag for each in found}
        sink.consumer.ack(found)
        await sink.consumer.flush()
        assert client.exists(*keys(kit)) == 0


@on_loop
async def test_entries_are_those_of_celery(kit, client):
    queue = kit.queue()
    kit.publish(queue, b"1")
    (raw,) = client.lrange(kit.transport["global_keyprefix"] + queue.name, 0, -1)
    async with kit.consuming(queue) as sink:
        delivery = await sink.one()
        unacked, index = keys(kit)
        assert client.hget(unacked, delivery.tag) == b"[" + raw + b', "", "' + queue.name.encode() + b'"]'
        assert abs(client.zscore(index, delivery.tag) - client.time()[0]) < 3


@on_loop
async def test_what_celery_holds_is_left_alone_for_an_hour(kit, client):
    queue = kit.queue()
    kit.publisher.declare(queue)
    kit.publish(queue, b"young", b"old")
    name = kit.transport["global_keyprefix"] + queue.name
    unacked, index = keys(kit)
    now = client.time()[0]
    for tag, age in (("celery-young", 100), ("celery-old", 3700)):
        raw = client.rpop(name)
        client.hset(unacked, tag, json.dumps([json.loads(raw), queue.name, queue.name]))  # as of an exchange of the queue's name
        client.zadd(index, {tag: now - age})
    client.zadd(index, {"celery-orphan": now - 5000})
    async with kit.consuming(queue) as sink:
        ours = await sink.one()
        assert ours.body == b"old"
        await sink.quiet(1.0)
        assert set(client.hkeys(unacked)) == {b"celery-young", ours.tag}
        assert client.zscore(index, "celery-orphan") is None


@on_loop
async def test_a_dying_worker_and_its_heir_under_load(kit):
    queue = kit.queue()
    expected = {b"%d" % number for number in range(300)}
    kit.publish(queue, *expected)
    done: list[bytes] = []
    async with doomed(kit, queue, window=50) as sink:
        await sink.take(20)
        acked = sink.fresh[:10]
        del sink.fresh[:10]
        sink.consumer.ack(acked)
        done += [delivery.body for delivery in acked]
        await sink.consumer.flush()
        await die(sink.consumer)
    async with kit.consuming(queue, window=50) as sink:
        while len(done) < 300:
            delivery = await sink.one()
            done.append(delivery.body)
            sink.consumer.ack([delivery])
    assert sorted(done) == sorted(expected)


@contextlib.contextmanager
def setting(private, name, value):
    with private.client() as client:
        before = client.config_get(name)[name]
        client.config_set(name, value)
        try:
            yield
        finally:
            client.config_set(name, before)


@pytest.mark.parametrize(("name", "value"), [("maxmemory", "1mb"), ("min-replicas-to-write", "1")])
@on_loop
async def test_who_is_kept_from_renewing_keeps_what_it_holds(own_kit, private, name, value):
    own_kit.transport["visibility_timeout"] = 1
    queue = own_kit.queue()
    own_kit.publish(queue, b"1", b"2")
    async with own_kit.consuming(queue) as sink:
        held, done = await sink.take(2)
        async with own_kit.consuming(queue) as other:
            with setting(private, name, value):
                sink.consumer.ack([done])
                await asyncio.sleep(2.5)
            await sink.consumer.flush()
            await other.quiet(3.0)
            assert not sink.lost
            sink.consumer.ack([held])
            await sink.consumer.flush()
            with private.client() as client:
                assert not client.hlen("unacked")


def test_a_message_that_a_worker_took_back_is_not_dropped(kit, client):
    queue = kit.queue()
    kit.publish(queue, b"x")
    with kit.client() as looking:
        delivery = looking.get(queue.name)
        client.delete(*keys(kit))  # as a worker does when the time of whoever holds it is over
        assert not looking.ack(delivery)
