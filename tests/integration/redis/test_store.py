from __future__ import annotations

import asyncio
import threading
import time

import pytest
import redis

from umbel.errors import EncodeError, OperationalError
from umbel.messages.ids import uuid7
from umbel.results.base import StoreOptions
from umbel.results.model import Record
from umbel.results.redis import connect, loops

pytestmark = pytest.mark.redis


@pytest.fixture
def store(redis_store_url, unique):
    prefix = unique("it")
    made = connect(StoreOptions(url=redis_store_url, expires=60, transport={"global_keyprefix": prefix}))
    yield made
    made.close()
    with redis.Redis.from_url(redis_store_url) as client:
        for key in client.scan_iter(prefix + "*", count=1000):
            client.delete(key)


def record(task_id, status="SUCCESS", result=None):
    return Record(task_id=task_id, status=status, result=result, date_done="2026-11-20T19:48:07.480116+00:00")


def new():
    return uuid7(time.time())


def test_a_result_that_redis_does_not_take(private):
    with redis.Redis.from_url(private.url()) as client:
        client.config_set("proto-max-bulk-len", 1 << 20)
        try:
            store = connect(StoreOptions(url=private.url(), expires=60))
            with pytest.raises(EncodeError, match="larger than Redis takes: 2,000,"):
                store.store([record("small", result=1), record("large", result="x" * 2_000_000)])
            assert store.fetch(["small", "large"]) == {}
            store.close()
        finally:
            client.config_set("proto-max-bulk-len", 512 << 20)


def test_the_key_and_its_value_are_celerys(store, redis_store_url):
    task_id = new()
    store.store([record(task_id, result=5)])
    with redis.Redis.from_url(redis_store_url) as client:
        key = f"{store.options.transport['global_keyprefix']}_celery-task-meta-{task_id}"
        assert client.get(key).decode() == (
            '{"status": "SUCCESS", "result": 5, "traceback": null, "children": [], '
            f'"date_done": "2026-11-20T19:48:07.480116+00:00", "task_id": "{task_id}"}}'
        )
        assert 58 < client.ttl(key) <= 60


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"compression": "gzip"},
        {"serializer": "pickle", "accept": frozenset({"pickle"})},
        {"serializer": "yaml", "accept": frozenset({"yaml"})},
    ],
)
def test_the_first_end_stays(redis_store_url, unique, options):
    store = connect(StoreOptions(url=redis_store_url, expires=60, transport={"global_keyprefix": unique("first")}, **options))
    one, two, three = new(), new(), new()
    store.store([record(one, "STARTED"), record(two, "FAILURE", "status: SUCCESS"), record(three, "PROGRESS", {"status": "SUCCESS"})])
    store.store([record(one, "RETRY", "again"), record(two, "SUCCESS", 1), record(three, result=3)])
    store.store([record(one, result=1)])
    store.store([record(one, "FAILURE"), record(two, "STARTED"), record(three, "REVOKED")])
    found = store.fetch([one, two, three, "none"])
    assert {task_id: (each.status, each.result) for task_id, each in found.items()} == {
        one: ("SUCCESS", 1),
        two: ("FAILURE", "status: SUCCESS"),
        three: ("SUCCESS", 3),
    }
    own, ended = new(), new()
    store.store([record(own, "PROGRESS", {"status": "SUCCESS"}), record(ended, "SUCCESS", {"status": "PROGRESS"})])
    store.store([record(own, "FAILURE", "own"), record(ended, "FAILURE")])
    assert [each.status for each in store.fetch([own, ended]).values()] == ["FAILURE", "SUCCESS"]
    store.forget([one, two, three, own, ended])
    assert store.fetch([one, two, three]) == {}
    store.close()


def test_a_wait_outlives_its_connection(own_kit, private):
    store = connect(StoreOptions(url=private.url(), expires=60))
    task_id, found = new(), []
    waiting = threading.Thread(target=lambda: found.append(store.wait(task_id, 10)))
    waiting.start()
    with private.client() as client:
        while not client.pubsub_channels():
            time.sleep(0.01)
        for _ in range(3):
            client.client_kill_filter(skipme=True, _type="pubsub")
            time.sleep(0.05)
        client.client_kill_filter(skipme=True, _type="pubsub")
        store.store([record(task_id, result="here")])
        begun = time.monotonic()
        waiting.join(5)
        assert found[0].result == "here"
        assert time.monotonic() - begun < 2
        assert client.pubsub_channels() == []
    store.close()


def test_a_coroutines_wait_outlives_its_connection(private):
    store = connect(StoreOptions(url=private.url(), expires=60))
    task_id = new()

    async def wait():
        waiting = [asyncio.create_task(store.wait_async(task_id, 10)) for _ in range(3)]
        with private.client() as client:
            while not client.pubsub_channels():
                await asyncio.sleep(0.01)
            client.client_kill_filter(skipme=True, _type="pubsub")
            await asyncio.sleep(0.02)
            await asyncio.to_thread(store.store, [record(task_id, result="here")])
            begun = time.monotonic()
            assert [(await each).result for each in waiting] == ["here"] * 3
            assert time.monotonic() - begun < 2

    asyncio.run(wait())
    store.close()


def test_a_coroutines_wait_outlives_a_silent_server(private, monkeypatch):
    monkeypatch.setattr(loops, "_SILENCE", 0.3)
    monkeypatch.setattr(loops, "PATIENCE", 5.0)
    store = connect(StoreOptions(url=private.url(), expires=60))
    task_id = new()

    async def wait():
        waiting = asyncio.create_task(store.wait_async(task_id))
        with private.client() as client:
            while not client.pubsub_channels():
                await asyncio.sleep(0.01)
        private.pause(3.5)
        await asyncio.sleep(3.6)
        await asyncio.to_thread(store.store, [record(task_id, result="here")])
        assert (await asyncio.wait_for(waiting, 5)).result == "here"

    asyncio.run(wait())
    store.close()


def test_a_lost_announcement_only_delays(store, redis_store_url):
    task_id, found = new(), []
    waiting = threading.Thread(target=lambda: found.append(store.wait(task_id, 10)))
    waiting.start()
    time.sleep(0.2)
    with redis.Redis.from_url(redis_store_url) as client:
        client.set(store._key(task_id), store._codec.encode(record(task_id, result=1)))
    waiting.join(5)
    assert found[0].result == 1


def test_a_result_outlives_a_restart(private):
    store = connect(StoreOptions(url=private.url(), expires=60))
    first, second = new(), new()
    store.store([record(first, result=1)])
    restart = threading.Thread(target=private.restart, args=("kill",))
    restart.start()
    store.store([record(second, result=2)])
    restart.join()
    store.store([record(second, result=2)])
    assert {each.result for each in store.fetch([first, second]).values()} == {1, 2}
    store.close()


def test_a_refusal_is_raised(private):
    store = connect(StoreOptions(url=private.url(), expires=60))
    with private.client() as client:
        client.config_set("maxmemory", 1)
        try:
            with pytest.raises(OperationalError, match="OOM"):
                store.store([record(new())])
        finally:
            client.config_set("maxmemory", 0)
    store.store([record(new())])
    store.close()


def test_connections_are_reused(private):
    store = connect(StoreOptions(url=private.url(), expires=60))
    with private.client() as client:
        task_id = new()
        store.store([record(task_id)])
        store.wait(task_id, 1)
        before = client.info("stats")["total_connections_received"]
        for _ in range(20):
            task_id = new()
            store.store([record(task_id)])
            store.wait(task_id, 1)
            store.fetch([task_id])
        assert client.info("stats")["total_connections_received"] == before
    store.close()


def test_failures_may_be_kept_longer(redis_store_url, unique):
    prefix, good, bad = unique("it"), new(), new()
    store = connect(StoreOptions(url=redis_store_url, expires=60, failure_expires=600, transport={"global_keyprefix": prefix}))
    store.store([record(good), record(bad, "FAILURE", {"exc_type": "ValueError", "exc_message": ["x"], "exc_module": "builtins"})])
    with redis.Redis.from_url(redis_store_url) as client:
        assert 0 < client.ttl(f"{prefix}_celery-task-meta-{good}") <= 60
        assert 60 < client.ttl(f"{prefix}_celery-task-meta-{bad}") <= 600
    store.forget([good, bad])
    store.close()


def test_clients_that_read_text_get_nothing_compressed(redis_store_url):
    separator = "&" if "?" in redis_store_url else "?"
    store = connect(StoreOptions(url=f"{redis_store_url}{separator}decode_responses=true", compression="gzip", expires=60))
    assert store.options.compression is None
    store.close()
