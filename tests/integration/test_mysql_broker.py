"""MariaDB as broker, where things go wrong."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from system.processes import eventually
from umbel.brokers.topology import Destination
from umbel.errors import MessageReturned
from umbel.testing.brokers import BrokerKit
from umbel.testing.coroutines import on_loop
from umbel.wire.message import Message

pytestmark = pytest.mark.mariadb


@pytest.fixture
def kit(mariadb_url):
    with BrokerKit("mariadb", mariadb_url.removeprefix("db+").replace("+pymysql", "")) as kit:
        yield kit


@pytest.fixture
def server(mariadb_url):
    engine = sa.create_engine(mariadb_url.removeprefix("db+"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_threads_share_transactions_and_each_learns_of_its_own(kit):
    queue = kit.queue()
    kit.publisher.declare(queue)
    told = {}

    def publish(number):
        to = Destination("", f"nowhere-{kit.mark}") if number == 7 else Destination.of(queue)
        try:
            kit.publisher.publish(Message(str(number).encode(), {}), to)
        except MessageReturned as error:
            told[number] = str(error)

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert list(told) == [7]
    assert f"nowhere-{kit.mark}" in told[7]
    assert kit.length(queue) == 19


@on_loop
async def test_who_was_taken_for_dead_begins_anew(kit, server):
    queue = kit.queue()
    kit.publish(queue, b"1", b"2")
    async with kit.consuming(queue) as sink:
        held = await sink.take(2)
        server.execute(sa.text("UPDATE umbel_holders SET until = 0 WHERE id = :id"), {"id": held[0].epoch})
        with kit.client() as other:
            other.get(f"another-{kit.mark}")  # whoever looks gives the dead up
        again = await sink.take(2, timeout=30)
        assert (sorted(each.body for each in again), sink.lost) == ([b"1", b"2"], held)
        sink.consumer.ack([*held, *again])
    assert kit.length(queue) == 0


@on_loop
async def test_cut_connections_are_made_again(kit, server):
    queue = kit.queue()
    kit.publish(queue, b"1")
    async with kit.consuming(queue) as sink:
        first = await sink.one()
        mine = server.scalar(sa.text("SELECT CONNECTION_ID()"))
        for row in server.execute(sa.text("SELECT id FROM information_schema.processlist WHERE db = DATABASE()")).all():
            if row[0] != mine:
                server.execute(sa.text(f"KILL {row[0]}"))
        sink.consumer.ack([first])
        kit.publish(queue, b"2")
        second = await sink.one(timeout=30)
        assert second.body == b"2"
        sink.consumer.ack([second])
        await sink.consumer.flush()
    assert kit.length(queue) == 0


def test_a_call_returns_though_others_never_stop_calling(kit, monkeypatch):
    """While a caller commits, another one comes, and so on: each commits once, and the next one leads."""
    queue, publisher, commits, threads = kit.queue(), kit.publisher, [], []
    publisher.declare(queue)
    commit_all = publisher._commit_all

    def publish():
        publisher.publish(Message(b"x", {}), Destination.of(queue))

    def commit(requests, timeout):
        if len(commits) < 10:
            threads.append(threading.Thread(target=publish))
            threads[-1].start()
            eventually(lambda: publisher._waiting, 30, "another caller")
        commits.append(threading.current_thread())
        commit_all(requests, timeout)

    monkeypatch.setattr(publisher, "_commit_all", commit)
    publish()
    for thread in threads:
        thread.join(30)
    assert commits.count(threading.current_thread()) == 1
    assert len(set(commits)) == len(commits) == 11
    assert kit.length(queue) == 11


def test_a_caller_that_is_interrupted_leaves_the_others_in_peace(kit, monkeypatch):
    queue, publisher, told = kit.queue(), kit.publisher, []
    publisher.declare(queue)
    commit_all, waiting = publisher._commit_all, []

    def publish():
        publisher.publish(Message(b"x", {}), Destination.of(queue))
        told.append("published")

    def interrupt(requests, timeout):
        monkeypatch.setattr(publisher, "_commit_all", commit_all)
        waiting.append(threading.Thread(target=publish))
        waiting[0].start()
        eventually(lambda: publisher._waiting, 30, "another caller")
        raise KeyboardInterrupt

    monkeypatch.setattr(publisher, "_commit_all", interrupt)
    with pytest.raises(KeyboardInterrupt):
        publish()
    waiting[0].join(30)
    publish()
    assert told == ["published", "published"]
    assert kit.length(queue) == 2
