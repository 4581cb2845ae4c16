"""Connections that are ended, tables that are gone, notifications that do not come, a user who may not."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from integration.postgresql.conftest import plain
from umbel.brokers.base import BrokerOptions, ConnectionState
from umbel.brokers.postgresql.line import Item
from umbel.brokers.registry import connect
from umbel.brokers.topology import Destination
from umbel.clients.postgresql.link_blocking import BlockingLink
from umbel.errors import AccessRefused, ImproperlyConfigured, PublishError
from umbel.testing.brokers import BrokerKit
from umbel.testing.brokers.kit import bodies
from umbel.testing.coroutines import on_loop
from umbel.wire.message import Message

pytestmark = pytest.mark.postgresql
END = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"


@on_loop
async def test_a_consumer_whose_connection_is_ended_keeps_what_it_holds(kit, sql, unique):
    queue, name = kit.queue(), unique("c")[:60]
    broker = kit.broker(name=name, lease=30.0)
    kit.publish(queue, b"1", b"2", b"3")
    async with kit.consuming(queue, broker=broker) as sink:
        held = await sink.take(3)
        (holder,) = {delivery.epoch for delivery in held}
        # As after a crash that forgot a commit: one that it holds is not its own any more, and it is said to hold one that it has settled.
        sink.consumer.ack(held[:1])
        await sink.consumer.flush()
        kit.publish(queue, b"4")
        (fourth,) = await sink.take(1)
        sink.consumer.set_window(0)
        await sink.consumer.flush()
        assert sql("UPDATE umbel_messages SET holder = 0 WHERE holder = %s AND id = %s", holder, held[1].tag) == 1
        sink.consumer._unsettled.pop(fourth.tag)
        assert sql(END, name)
        await sink.until(lambda: sink.states[-1] is ConnectionState.CONNECTED and len(sink.states) > 1)
        assert bodies(sink.lost) == [b"2"]
        with pytest.raises(psycopg.DatabaseError, match="has been given up"):  # a statement of the old connection that comes late
            sql("SELECT * FROM umbel_turn(%s, NULL, NULL, %s, 10, 1000, false)", holder, [queue.name])
        sink.consumer.set_window(10)
        again = await sink.take(2, timeout=30)
        assert sorted(bodies(again)) == [b"2", b"4"]
        sink.consumer.ack([*held[2:], *again])
    kit.wait_length(queue, 0)


def test_a_publisher_whose_connection_is_ended_sends_again(kit, sql, unique):
    queue, name = kit.queue(), unique("p")[:60]
    publisher = kit.broker(name=name).publisher()
    for body in (b"1", b"2"):
        publisher.publish(Message(body, {}), Destination.of(queue), confirm=True)
        assert sql(END, name)
    publisher.publish(Message(b"3", {}), Destination.of(queue))
    publisher.flush(30)
    kit.wait_length(queue, 3)


def test_a_message_that_the_server_refuses_does_not_take_others_along(kit):
    queue = kit.queue()
    publisher = kit.publisher
    publisher.declare(queue)
    with publisher.receipt() as receipt:
        for body, key in ((b"1", queue.name), (b"2", "no\0name"), (b"3", queue.name)):
            publisher.publish(Message(body, {}), Destination("", key))
    with pytest.raises(PublishError, match="22021"):
        publisher.flush(30)
        publisher._settle(receipt, 1e12)
    kit.wait_length(queue, 2)


@on_loop
async def test_without_notifications_it_polls(url):
    with BrokerKit("postgresql", url, transport={"listen": False}) as kit:
        queue = kit.queue()
        async with kit.consuming(queue) as sink:
            await asyncio.to_thread(kit.publish, queue, b"1")
            sink.consumer.ack(await sink.take(1, timeout=30))


@on_loop
async def test_notifications_that_get_lost_are_noticed(kit, sql):
    """As behind a pooler that hands connections round."""
    queue = kit.queue()
    async with kit.consuming(queue) as sink:
        await sink.consumer._link.run(_statement(b"UNLISTEN *"))
        for number in range(4):
            await asyncio.to_thread(kit.publish, queue, b"%d" % number)
            sink.consumer.ack(await sink.take(1, timeout=30))
        await sink.until(lambda: sink.consumer._waiting.is_deaf)


def _statement(text):
    from umbel.clients.postgresql.values import Statement

    return Statement(text)


@pytest.fixture
def empty(url):
    """A database without tables, and a user who may make none."""
    from conftest import POSTGRESQL, sql_database

    with sql_database(POSTGRESQL) as made:
        yield plain(made)


def test_tables_are_made_again_and_only_where_they_may_be(empty, unique):
    def publish(broker):
        queue = kit.queue()
        broker.publisher().publish(Message(b"x", {}), Destination.of(queue), confirm=True)

    kit = BrokerKit("postgresql", empty)
    with pytest.raises(AccessRefused, match="create_tables off"):
        publish(kit.broker(transport={"create_tables": False}))
    broker = kit.broker()
    publish(broker)
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    publish(broker)
    assert kit.length(kit.queue()) == 1
    publish(kit.broker(transport={"create_tables": False}))
    kit.close()


def test_options_that_mean_nothing(url):
    with pytest.raises(ImproperlyConfigured, match="'fanout_prefix', which means nothing to PostgreSQL"):
        connect(BrokerOptions(urls=(url,), transport={"fanout_prefix": True}))
    with pytest.raises(AccessRefused, match="does not exist"):
        connect(BrokerOptions(urls=(url + "_absent",))).queue_client().length("q")


def test_who_is_interrupted_leaves_its_message_to_the_next_call(kit, monkeypatch):
    """As by a signal whose handler raises, while the answer is awaited."""
    queue, publisher = kit.queue(), kit.publisher
    publisher.publish(Message(b"1", {}), Destination.of(queue), confirm=True)
    wait = BlockingLink._wait

    def interrupted(link, seconds, *, write):
        monkeypatch.setattr(BlockingLink, "_wait", wait)
        raise KeyboardInterrupt

    monkeypatch.setattr(BlockingLink, "_wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        publisher._wait_for_answers(publisher._hand_over([Item((queue.name, 0, 0, "{}", b"2"))], 0.0, 1e12, is_confirmed=True) or 30.0)
    assert publisher._line.asked == 1
    publisher.publish(Message(b"3", {}), Destination.of(queue), confirm=True)
    publisher.flush(30)
    kit.wait_length(queue, 3)
