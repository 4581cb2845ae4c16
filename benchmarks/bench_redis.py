"""How fast the Redis broker and result store are by themselves: ``bench_redis.py [URL] [N]``. Empties nothing but its own keys."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
import uuid

from umbel.brokers.base import BrokerOptions
from umbel.brokers.redis import connect
from umbel.brokers.topology import Destination, Queue
from umbel.messages.ids import uuid7
from umbel.results.base import StoreOptions
from umbel.results.model import Record
from umbel.results.redis import connect as connect_store
from umbel.wire.message import Call, Stencil

NAMES = [
    "lang",
    "task",
    "id",
    "shadow",
    "eta",
    "expires",
    "group",
    "group_index",
    "retries",
    "timelimit",
    "root_id",
    "parent_id",
    "argsrepr",
    "kwargsrepr",
    "origin",
    "ignore_result",
]
HEADERS = dict.fromkeys(NAMES) | {
    "lang": "py",
    "task": "bench.noop",
    "retries": 0,
    "timelimit": [None, None],
    "origin": "gen1@host",
    "ignore_result": False,
}
HEADERS |= {"replaced_task_nesting": 0, "stamped_headers": None, "stamps": {}}
BODY = json.dumps([[1], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]).encode()


class Sink:
    """Acknowledges everything with the next turn of the loop."""

    def __init__(self, expected):
        self.expected, self.count, self.done, self.consumer = expected, 0, asyncio.Event(), None

    def on_deliveries(self, deliveries):
        self.count += len(deliveries)
        asyncio.get_running_loop().call_soon(self.consumer.ack, deliveries)
        if self.count >= self.expected:
            self.done.set()

    def on_lost(self, deliveries):
        print("lost", len(deliveries))

    def on_connection(self, state, detail):
        pass


def timed(name, count, work):
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    seconds = time.perf_counter() - wall
    print(f"{name:34} {count / seconds:10,.0f}/s {(time.process_time() - cpu) / count * 1e6:8.1f} µs of processor time each")


async def drain(broker, queue, publish, count):
    sink = Sink(count)
    sink.consumer = broker.consumer([queue], window=512)
    await sink.consumer.start(sink)
    wall, cpu = time.perf_counter(), time.process_time()
    await sink.done.wait()
    await sink.consumer.flush()
    seconds = time.perf_counter() - wall
    print(
        f"{'claim, parse, acknowledge':34} {count / seconds:10,.0f}/s {(time.process_time() - cpu) / count * 1e6:8.1f} µs of processor time each"
    )
    times = []
    for _ in range(200):
        await asyncio.sleep(0.005)
        sink.expected, sink.count = 1, 0
        sink.done.clear()
        begun = time.perf_counter()
        publish()
        await sink.done.wait()
        times.append((time.perf_counter() - begun) * 1e3)
    print(f"{'wake-up of an idle consumer':34} p50 {statistics.median(times):.2f} ms, p99 {sorted(times)[-2]:.2f} ms")
    await sink.consumer.aclose()


def results(url):
    store = connect_store(StoreOptions(url=url, expires=60, transport={"global_keyprefix": "bench"}))
    ids = [str(uuid.uuid4()) for _ in range(10000)]
    records = [Record(task_id=task_id, status="SUCCESS", result=5, date_done="2026-11-20T19:48:07.480116+00:00") for task_id in ids]
    timed("store one result", 3000, lambda: [store.store([record]) for record in records[:3000]])
    timed("store 64 results", 10000, lambda: [store.store(records[first : first + 64]) for first in range(0, 10000, 64)])
    times = []
    for task_id in ids[:500]:
        begun = time.perf_counter()
        store.wait(task_id, 5)
        times.append((time.perf_counter() - begun) * 1e3)
    print(f"{'wait for a result that is there':34} p50 {statistics.median(times):.3f} ms")
    store.forget(ids)
    store.close()


def main():
    url = sys.argv[1] if len(sys.argv) > 1 else "redis://127.0.0.1:6379/1"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 20000
    broker = connect(BrokerOptions(urls=(url,), transport={"global_keyprefix": "bench:"}))
    queue = Queue("q")
    stencil = Stencil(HEADERS, {"reply_to": str(uuid.uuid4()), "delivery_mode": 2, "priority": 0}, "application/json", "utf-8", "", "q")
    publisher, client = broker.publisher(), broker.queue_client()
    publisher.declare(queue)
    client.purge("q")
    ids = [uuid7(time.time()) for _ in range(count)]

    def one_at_a_time():
        for task_id in ids:
            publisher.publish_stencil(stencil, Call(task_id, task_id, None, "(1,)", "{}", BODY))
        publisher.flush()

    timed("publish one at a time, flushed", count, one_at_a_time)
    client.purge("q")
    messages = [(stencil.fill(Call(task_id, task_id, None, "(1,)", "{}", BODY)), Destination("", "q", queue)) for task_id in ids]
    timed("publish_many, flushed", count, lambda: publisher.publish_many(messages, confirm=True))
    publish_one = lambda: publisher.publish_stencil(stencil, Call(ids[0], ids[0], None, "(1,)", "{}", BODY))  # noqa: E731
    asyncio.run(drain(broker, queue, publish_one, count))
    client.delete("q")
    client.close()
    broker.close()
    results(url)


if __name__ == "__main__":
    main()
