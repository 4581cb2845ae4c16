"""A Redis of our own, which may be emptied, stopped and restarted; a broker under a prefix of its own on the shared one."""

from __future__ import annotations

import asyncio
import contextlib
import shutil

import pytest
import redis

from chaos.servers import PrivateRedis
from integration.broken_line import Line
from umbel.testing.brokers import BrokerKit, Sink


@pytest.fixture(scope="module")
def private():
    if shutil.which("redis-server") is None:
        pytest.fail("redis-server is not installed: these tests stop and empty a server of their own", pytrace=False)
    server = PrivateRedis()
    yield server
    server.close()


@pytest.fixture
def own_kit(private):
    """A kit on the private server."""
    kit = BrokerKit("redis", private.url())
    yield kit
    kit.close()


@pytest.fixture
def line(private):
    """A line to the private server; ``line.url`` leads through it."""
    with Line(("127.0.0.1", private.port)) as made:
        made.url = private.url(made.port)
        yield made


@pytest.fixture
def kit(redis_url, unique):
    """A kit on the shared server."""
    kit = BrokerKit("redis", redis_url, transport={"global_keyprefix": unique("it") + ":"})
    yield kit
    kit.close()
    with redis.Redis.from_url(redis_url) as client:
        for key in client.scan_iter(kit.transport["global_keyprefix"] + "*", count=1000):
            client.delete(key)


@pytest.fixture
def client(kit):
    with redis.Redis.from_url(kit.url) as made:
        yield made


@contextlib.asynccontextmanager
async def doomed(kit, *queues, window=10, broker=None):
    """A consumer that will die: nothing is handed back at the end."""
    sink = Sink()
    sink.consumer = (broker or kit.main).consumer(queues, window=window)
    await sink.consumer.start(sink)
    try:
        yield sink
    finally:
        await die(sink.consumer)


async def die(consumer):
    """What a SIGKILL leaves: no task runs, no connection is open, nothing is said."""
    for task in consumer._tasks:
        task.cancel()
    await asyncio.gather(*consumer._tasks, return_exceptions=True)
    await consumer._listening.aclose()
    if consumer.link.connection is not None:
        consumer.link.connection.abort()
    consumer._closed = True
    await asyncio.sleep(0)
