"""The no-op task in Dramatiq, Huey and Taskiq, each in its fastest ordinary form; `tasks` and `clients` of their benchmarks."""

from __future__ import annotations

import asyncio
import os

from counting import tick

LIBRARY, BROKER = os.environ["BENCH_LIBRARY"], os.environ["BROKER"]

if LIBRARY == "dramatiq":
    import dramatiq

    if BROKER.startswith("redis"):
        from dramatiq.brokers.redis import RedisBroker as PeerBroker
    else:
        from dramatiq.brokers.rabbitmq import RabbitmqBroker as PeerBroker
    broker = PeerBroker(url=BROKER.removesuffix("//") + "/" * BROKER.endswith("//"))
    dramatiq.set_broker(broker)

    @dramatiq.actor
    def noop(x=None):
        tick()

    purge = broker.flush_all

    def publish(count):
        for number in range(count):
            noop.send(number)

elif LIBRARY == "huey":
    import huey as peer

    if BROKER.startswith("redis"):
        huey = peer.RedisHuey("bench", url=BROKER, results=False)
    else:
        huey = peer.SqliteHuey("bench", filename=BROKER.removeprefix("sqlite:///"), results=False)

    @huey.task()
    def noop(x=None):
        tick()

    purge = huey.flush

    def publish(count):
        for number in range(count):
            noop(number)

elif LIBRARY == "taskiq":
    from taskiq_redis import ListQueueBroker

    broker = ListQueueBroker(BROKER)

    @broker.task
    async def noop(x=None):
        tick()

    def purge():
        import redis

        redis.Redis.from_url(BROKER).flushdb()

    async def _publish(count):
        await broker.startup()
        for number in range(count):
            await noop.kiq(number)
        await broker.shutdown()

    def publish(count):
        asyncio.run(_publish(count))
