"""The other processes of the contract suites: ``python -m umbel.testing.programs COMMAND JSON``. They print one JSON document per line."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from umbel.brokers import registry as broker_registry
from umbel.brokers.base import Broker, BrokerOptions, ConnectionState, Consumer, Delivery
from umbel.brokers.topology import Destination, Exchange, Queue
from umbel.leases import registry as lease_registry
from umbel.leases.base import Lease, LeaseOptions, LeaseStore
from umbel.results import registry as store_registry
from umbel.results.base import ResultStore, StoreOptions
from umbel.results.model import Record
from umbel.runtime import plugins
from umbel.runtime.clock import SYSTEM
from umbel.wire.message import Message


def path_of(factory: Callable[..., Any] | None) -> str | None:
    """``module:name`` of a function, by which another process finds it."""
    return None if factory is None else f"{factory.__module__}:{factory.__qualname__}"


def start(command: str, setup: Mapping[str, Any]) -> subprocess.Popen[str]:
    """Start another process, which finds the modules that this one finds.

    Args:
        command: a function of this module.
        setup: its argument, as JSON.
    """
    return subprocess.Popen(
        [sys.executable, "-m", "umbel.testing.programs", command, json.dumps(setup)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)},
    )


def said(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The next line that another process prints."""
    assert process.stdout is not None
    line: dict[str, Any] = json.loads(process.stdout.readline())
    return line


def say(**facts: Any) -> None:
    """Print one line of JSON."""
    print(json.dumps(facts), flush=True)  # noqa: T201 - the test reads it


def broker_of(setup: Mapping[str, Any]) -> tuple[Broker, list[Queue]]:
    """The broker and the queues that a test has named."""
    connect = plugins.load(setup["connect"], setup["url"]) if setup["connect"] else broker_registry.connect
    options = BrokerOptions(urls=(setup["url"],), transport=setup["transport"], lease=setup["lease"])
    return connect(options), [Queue(queue["name"], arguments=queue["arguments"]) for queue in setup["queues"]]


class Holder:
    """Takes messages and keeps them until it is killed.

    Args:
        begin: say to the broker of each that it runs.
    """

    consumer: Consumer

    def __init__(self, *, begin: bool) -> None:
        self.begin = begin
        self.tasks: list[asyncio.Future[None]] = []

    def on_deliveries(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self.tasks.append(asyncio.ensure_future(self.hold(delivery)))

    async def hold(self, delivery: Delivery) -> None:
        """Report one delivery."""
        if self.begin:
            await self.consumer.begin(delivery)
        say(body=delivery.body.decode(), attempts=delivery.attempts, redelivered=delivery.redelivered)

    def on_lost(self, deliveries: Sequence[Delivery]) -> None:
        say(lost=len(deliveries))

    def on_connection(self, state: ConnectionState, detail: str) -> None:
        pass


async def hold(setup: Mapping[str, Any]) -> None:
    """Take messages, report them and keep them, until this process is killed."""
    broker, queues = broker_of(setup)
    holder = Holder(begin=setup.get("begin", False))
    holder.consumer = broker.consumer(queues, window=setup.get("window", 10))
    await holder.consumer.start(holder)
    await asyncio.Event().wait()


def fork(setup: Mapping[str, Any]) -> None:
    """Publish before a fork, in the copy, and after it."""
    broker, (queue,) = broker_of(setup)
    publisher = broker.publisher()

    def send(body: bytes) -> None:
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


def publish(setup: Mapping[str, Any]) -> None:
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


def broadcast(setup: Mapping[str, Any]) -> None:
    """Broadcast so many messages."""
    broker, _ = broker_of(setup)
    exchange = Exchange(setup["exchange"], "fanout", durable=False, auto_delete=True)
    for number in range(setup["count"]):
        broker.broadcaster().broadcast(exchange, Message(b"%d" % number, {}))
    broker.close()


def store_of(url: str, options: Mapping[str, Any], connect: Callable[[StoreOptions], ResultStore | None] | None = None) -> ResultStore:
    """The result store at a URL.

    Args:
        url: of the store.
        options: fields of `StoreOptions`.
        connect: makes it; found by the URL's scheme when not given.
    """
    store = (connect or store_registry.connect)(StoreOptions(url=url, **options))
    assert store is not None, f"{url} names no result store"
    return store


def store_fork(setup: Mapping[str, Any]) -> None:
    """Store and wait before a fork, in the copy, and after it."""
    connect = plugins.load(setup["connect"], setup["url"]) if setup["connect"] else None
    store = store_of(setup["url"], setup["options"], connect)
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


def lease_store_of(url: str, options: Mapping[str, Any], connect: Callable[[LeaseOptions], LeaseStore] | None = None) -> LeaseStore:
    """The lease store at a URL.

    Args:
        url: of the store.
        options: fields of `LeaseOptions`.
        connect: makes it; found by the URL's scheme when not given.
    """
    return (connect or lease_registry.connect)(LeaseOptions(url=url, **options))


def _leases(setup: Mapping[str, Any]) -> LeaseStore:
    connect = plugins.load(setup["connect"], setup["url"]) if setup["connect"] else None
    return lease_store_of(setup["url"], setup["options"], connect)


def lease_rush(setup: Mapping[str, Any]) -> None:
    """Ask for several names, one after the other, together with others: those that are ready within the same second begin at one moment."""
    store = _leases(setup)
    store.holders(setup["names"][0])
    say(ready=True)
    time.sleep(1.5 - SYSTEM.now() % 1.0)
    grants = [store.acquire([Lease(name, setup["owner"], 60.0, setup["limit"])])[0] for name in setup["names"]]
    say(held=[grant.is_held for grant in grants])


def lease_hold(setup: Mapping[str, Any]) -> None:
    """Hold a name, and renew it, until this process is killed."""
    store, lease = _leases(setup), Lease(setup["name"], setup["owner"], setup["seconds"])
    say(held=store.acquire([lease])[0].is_held)
    while True:
        say(renewed=store.renew([lease])[0])
        time.sleep(setup["seconds"] / 4)


def lease_fork(setup: Mapping[str, Any]) -> None:
    """Hold a name before a fork, in the copy, and after it."""
    store, name = _leases(setup), setup["name"]
    store.acquire([Lease(name, "parent", 60.0, 2)])
    child = os.fork()
    if child == 0:
        code = 1
        try:
            assert store.acquire([Lease(name, "child", 60.0, 2)])[0].is_held
            assert not store.acquire([Lease(name, "third", 60.0, 2)])[0].is_held
            store.close()
            code = 0
        finally:
            os._exit(code)
    status = os.waitpid(child, 0)[1]
    assert store.renew([Lease(name, "parent", 60.0)]) == [True]
    store.close()
    say(child=status)


def main() -> None:
    """Run the command that the words of this process name."""
    command, text = sys.argv[1:3]
    setup = json.loads(text)
    work = globals()[command]
    if asyncio.iscoroutinefunction(work):
        asyncio.run(work(setup))
    else:
        work(setup)


if __name__ == "__main__":
    main()
