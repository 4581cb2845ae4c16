"""What the SQLite broker can do: ``python benchmarks/sqlite_broker.py [messages]``.

Prints one JSON document. A second process publishes while the consumer drains a backlog in the last part; ``turn`` is how long the event loop
is held by one claim and acknowledgement of 64 messages, in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time

from umbel.brokers.base import BrokerOptions
from umbel.brokers.registry import connect
from umbel.brokers.sqlite.consumer import SqliteConsumer
from umbel.brokers.topology import Destination, Queue
from umbel.wire.message import Call, Message, Stencil

HEADERS = {f"header{number}": f"value {number}" for number in range(14)}
HOLES = dict.fromkeys(("id", "root_id", "parent_id", "argsrepr", "kwargsrepr"))
STENCIL = Stencil({**HEADERS, **HOLES}, {"delivery_mode": 2}, "application/json", "utf-8", "", "celery")
BODY = b'[[30, 12], {}, {"callbacks": null, "errbacks": null, "chain": null, "chord": null}]'
QUEUE = Queue("celery")


class Drain:
    """Acknowledges whatever comes."""

    def __init__(self, count):
        self.left = count
        self.done = asyncio.Event()

    def on_deliveries(self, deliveries):
        self.consumer.ack(deliveries)
        self.left -= len(deliveries)
        if self.left <= 0:
            self.done.set()

    def on_lost(self, deliveries):
        raise AssertionError(f"lost {len(deliveries)}")

    def on_connection(self, state, detail):
        pass


async def drain(url, count, window=128):
    broker, sink = connect(BrokerOptions(urls=(url,))), Drain(count)
    sink.consumer = consumer = broker.consumer([QUEUE], window=window)
    assert isinstance(consumer, SqliteConsumer)
    turns, turn = [], consumer._turn

    def timed():
        before = time.perf_counter()
        turn()
        turns.append((time.perf_counter() - before) * 1000)

    consumer._turn = timed
    started = time.perf_counter()
    await consumer.start(sink)
    await sink.done.wait()
    await consumer.flush()
    seconds = time.perf_counter() - started
    await consumer.aclose()
    turns.sort()
    return {
        "per_second": round(count / seconds),
        "turn_p50": round(turns[len(turns) // 2], 2),
        "turn_p99": round(turns[len(turns) * 99 // 100], 2),
    }


def publish(url, count):
    publisher = connect(BrokerOptions(urls=(url,))).publisher()
    publisher.declare(QUEUE)
    started = time.perf_counter()
    for number in range(count):
        task_id = f"{number:036d}"
        publisher.publish_stencil(STENCIL, Call(task_id, task_id, None, "(30, 12)", "{}", BODY))
    rate = round(count / (time.perf_counter() - started))
    publisher.close()
    return rate


def publish_many(url, count):
    publisher = connect(BrokerOptions(urls=(url,))).publisher()
    message, to = Message(BODY, HEADERS), Destination.of(QUEUE)
    started = time.perf_counter()
    publisher.publish_many((message, to) for _ in range(count))
    rate = round(count / (time.perf_counter() - started))
    publisher.close()
    return rate


def main():
    if sys.argv[1:2] == ["publish"]:
        print(publish(sys.argv[2], int(sys.argv[3])))
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/umbel.db"
        found = {"publish": publish(url, count), "publish_many": publish_many(url, count), "drain": asyncio.run(drain(url, 2 * count))}
        publish_many(url, 4 * count)
        other = subprocess.Popen([sys.executable, __file__, "publish", url, str(count)], stdout=subprocess.PIPE, text=True)
        found["drain_while_another_publishes"] = asyncio.run(drain(url, 4 * count))
        found["publish_while_another_drains"] = int(other.communicate()[0])
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
