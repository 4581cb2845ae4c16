"""Subscribers and inboxes in a SQLite file when something goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import uuid

import pytest

from contracts.fanout_contract import Received
from umbel.brokers.base import BrokerOptions, ConnectionState
from umbel.brokers.fanout import private_queues
from umbel.brokers.sqlite import connect
from umbel.brokers.topology import Exchange
from umbel.clients.sqlite.doorbell import Listener
from umbel.errors import OperationalError
from umbel.testing.brokers import SOON
from umbel.testing.coroutines import on_loop
from umbel.wire.message import Message

EVENTS = private_queues.event_exchange()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "umbel.db"


@pytest.fixture
def broker(path):
    made = connect(BrokerOptions(urls=(f"sqlite:///{path}",)))
    yield made
    made.close()


def watcher(broker, expires=60.0):
    return broker.subscriber(private_queues.event_queue(str(uuid.uuid4()), expires=expires))


def tell(broker, body):
    broker.broadcaster().broadcast(EVENTS, Message(body, {}), "task.sent")


def count(path, table):
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


@on_loop
async def test_a_subscriber_that_died_leaves_nothing_that_grows(broker, path):
    dead = watcher(broker, expires=0.01)
    await dead.start(Received())
    tell(broker, b"unread")
    dead._next.cancel()  # as when its process is killed
    dead._loop.remove_reader(dead._listener.socket)
    assert count(path, "umbel_queues") == 1
    await asyncio.sleep(0.05)  # longer than it may be dead
    other = watcher(broker)
    sink = Received()
    await other.start(sink)
    assert (count(path, "umbel_queues"), count(path, "umbel_holders"), count(path, "umbel_messages")) == (1, 1, 0)
    tell(broker, b"now")
    assert await sink.bodies(1) == [b"now"]
    await other.aclose()
    assert (count(path, "umbel_queues"), count(path, "umbel_holders"), count(path, "umbel_bindings")) == (0, 0, 0)
    dead._listener.close()


@on_loop
async def test_the_leases_of_workers_are_left_to_workers(broker, path):
    """What kept a client from the file kept them from renewing theirs, too."""
    first = watcher(broker)
    await first.start(Received())
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO umbel_holders (name, lease, until) VALUES ('worker', 1, 0)")
        connection.commit()
    second = watcher(broker)
    await second.start(Received())
    assert count(path, "umbel_holders") == 3
    await first.aclose()
    await second.aclose()
    assert count(path, "umbel_holders") == 1


@on_loop
async def test_a_subscriber_taken_for_dead_comes_back_and_says_so(broker, path):
    sink, subscriber = Received(), watcher(broker, expires=0.3)
    await subscriber.start(sink)
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            for table in ("umbel_holders", "umbel_queues", "umbel_bindings"):
                connection.execute(f"DELETE FROM {table}")
            connection.commit()
        await sink.until(lambda: len(sink.states) == 2)
        tell(broker, b"again")
        assert await sink.bodies(1) == [b"again"]
        assert sink.states == [ConnectionState.CONNECTED] * 2
    finally:
        await subscriber.aclose()


@on_loop
async def test_another_file_at_the_same_path(broker, path):
    sink, subscriber = Received(), watcher(broker, expires=0.3)
    await subscriber.start(sink)
    try:
        for each in path.parent.glob("umbel.db*"):
            if each.is_file():
                each.unlink()
        await sink.until(lambda: len(sink.states) == 2)
        tell(broker, b"again")
        assert await sink.bodies(1) == [b"again"]
    finally:
        await subscriber.aclose()


@on_loop
async def test_without_a_doorbell_the_file_is_looked_at(broker, monkeypatch):
    monkeypatch.setattr(Listener, "open", lambda _: None)
    sink, subscriber = Received(), watcher(broker)
    await subscriber.start(sink)
    try:
        tell(broker, b"1")
        assert await sink.bodies(1) == [b"1"]
    finally:
        await subscriber.aclose()
    inbox = broker.reply_inbox(private_queues.control_reply_queue(str(uuid.uuid4())))
    with contextlib.closing(inbox):
        inbox.open()
        broker.broadcaster().broadcast(Exchange(inbox.address.exchange, durable=False), Message(b"2", {}), inbox.address.routing_key)
        assert [reply.body for reply in inbox.receive(SOON)] == [b"2"]


@on_loop
async def test_what_nobody_listens_to_is_not_written(broker, path):
    tell(broker, b"x")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'umbel_messages'").fetchone() is None
        assert connection.execute("PRAGMA data_version").fetchone()
    assert count(path, "umbel_messages") == 0


@on_loop
async def test_a_row_that_cannot_be_read_is_told_and_the_next_one_comes(broker, path):
    sink, subscriber = Received(), watcher(broker)
    await subscriber.start(sink)
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            name = connection.execute("SELECT name FROM umbel_queues").fetchone()[0]
            connection.execute("INSERT INTO umbel_messages (queue, envelope, body) VALUES (?, 'no json', x'00')", (name,))
            connection.commit()
        tell(broker, b"good")
        bad, good = await sink.take(2)
        assert bad.flaw is not None
        assert (good.body, good.flaw) == (b"good", None)
    finally:
        await subscriber.aclose()


@on_loop
async def test_a_folder_that_is_not_there(tmp_path):
    broker = connect(BrokerOptions(urls=(f"sqlite:///{tmp_path}/missing/umbel.db",)))
    subscriber = watcher(broker)
    with pytest.raises(OperationalError):
        await subscriber.start(Received())
    await subscriber.aclose()
    with pytest.raises(OperationalError):
        tell(broker, b"x")
