"""Other processes of the contracts: ``python actors.py COMMAND JSON``; they print one JSON document per line."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
import uuid
from pathlib import Path

from umbel.brokers.base import BrokerOptions
from umbel.brokers.registry import connect
from umbel.brokers.topology import Destination, Exchange, Queue
from umbel.wire.message import Message


def say(**facts):
    print(json.dumps(facts), flush=True)


def broker_of(setup):
    options = BrokerOptions(urls=(setup["url"],), transport=setup["transport"], lease=setup["lease"])
    return connect(options), [Queue(queue["name"], arguments=queue["arguments"]) for queue in setup["queues"]]


class Holder:
    """Takes messages and keeps them until it is killed."""

    def __init__(self, begin):
        self.begin = begin
        self.tasks = []

    def on_deliveries(self, deliveries):
        for delivery in deliveries:
            self.tasks.append(asyncio.ensure_future(self.hold(delivery)))

    async def hold(self, delivery):
        if self.begin:
            await self.consumer.begin(delivery)
        say(body=delivery.body.decode(), attempts=delivery.attempts, redelivered=delivery.redelivered)

    def on_lost(self, deliveries):
        say(lost=len(deliveries))

    def on_connection(self, state, detail):
        pass


async def hold(setup):
    broker, queues = broker_of(setup)
    holder = Holder(setup.get("begin", False))
    holder.consumer = broker.consumer(queues, window=setup.get("window", 10))
    await holder.consumer.start(holder)
    await asyncio.Event().wait()


def fork(setup):
    broker, (queue,) = broker_of(setup)
    publisher = broker.publisher()

    def send(body):
        publisher.publish(Message(body, {}), Destination.of(queue), confirm=True)

    send(b"before")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            send(b"child")
            broker.close()
            code = 0
        finally:
            os._exit(code)
    send(b"parent")
    status = os.waitpid(child, 0)[1]
    broker.close()
    say(child=status)


def publish(setup):
    """Publish as fast as it goes; says how many are confirmed after each hundred, until it is killed."""
    broker, (queue,) = broker_of(setup)
    publisher = broker.publisher()
    number = 0
    while True:
        for _ in range(100):
            publisher.publish(Message(b"%d" % number, {}), Destination.of(queue))
            number += 1
        publisher.flush(10)
        say(confirmed=number)


def broadcast(setup):
    broker, _ = broker_of(setup)
    exchange = Exchange(setup["exchange"], "fanout", durable=False, auto_delete=True)
    for number in range(setup["count"]):
        broker.broadcaster().broadcast(exchange, Message(b"%d" % number, {}))
    broker.close()


def store_fork(setup):
    from contracts.stores import store_of
    from umbel.results.model import Record

    store = store_of(setup["url"], setup.get("options", {}))
    ids = setup["ids"]
    store.store([Record(task_id=ids[0], status="SUCCESS", result="before")])
    with contextlib.suppress(TimeoutError):  # whatever waiting needs is there when the fork comes
        store.wait(str(uuid.uuid4()), 0.05)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            assert store.fetch([ids[0]])[ids[0]].result == "before"
            store.store([Record(task_id=ids[1], status="SUCCESS", result="child")])
            assert store.wait(ids[2], 10).result == "parent"
            store.close()
            code = 0
        finally:
            os._exit(code)
    time.sleep(0.1)
    store.store([Record(task_id=ids[2], status="SUCCESS", result="parent")])
    status = os.waitpid(child, 0)[1]
    found = store.fetch(ids)
    store.close()
    say(child=status, found={key: record.result for key, record in found.items()})


def main():
    command, text = sys.argv[1:3]
    setup = json.loads(text)
    work = globals()[command]
    if asyncio.iscoroutinefunction(work):
        asyncio.run(work(setup))
    else:
        work(setup)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    main()
