"""Broadcasts, subscribers and inboxes on RabbitMQ when something goes wrong."""

from __future__ import annotations

import contextlib
import subprocess
import uuid
from urllib.parse import urlsplit

import pytest

from contracts.fanout_contract import Received, receive
from umbel.brokers.amqp import connect
from umbel.brokers.base import BrokerOptions, ConnectionState
from umbel.brokers.fanout import private_queues
from umbel.brokers.fanout.blocking import BlockingSubscriber
from umbel.brokers.topology import Exchange, Queue
from umbel.errors import AccessRefused, OperationalError
from umbel.testing.brokers import SOON
from umbel.testing.coroutines import on_loop
from umbel.wire.message import Message

pytestmark = pytest.mark.rabbitmq

LOST, RETRYING, CONNECTED = ConnectionState.LOST, ConnectionState.RETRYING, ConnectionState.CONNECTED


@pytest.fixture
def broker_at():
    made = []

    def build(url, **options):
        made.append(connect(BrokerOptions(urls=(url,), **options)))
        return made[-1]

    yield build
    for broker in made:
        broker.close()


@pytest.fixture
def namespace(unique):
    return unique("ns")


def tell(broker, namespace, body):
    broker.broadcaster().broadcast(private_queues.control_exchange(namespace), Message(body, {}))


@on_loop
async def test_a_subscriber_comes_back_and_says_so(line, rabbitmq_url, broker_at, namespace):
    sink, broker = Received(), broker_at(rabbitmq_url)
    subscriber = broker_at(line.url).subscriber(private_queues.control_queue("w1", namespace))
    await subscriber.start(sink)
    try:
        tell(broker, namespace, b"before")
        assert await sink.bodies(1) == [b"before"]
        line.refusing = True
        line.cut()
        await sink.until(lambda: sink.states[-1] is RETRYING)
        line.refusing = False
        await sink.until(lambda: sink.states[-1] is CONNECTED)
        assert [state for state in sink.states if state is not RETRYING] == [CONNECTED, LOST, CONNECTED]
        tell(broker, namespace, b"after")
        assert await sink.bodies(1) == [b"after"]
    finally:
        await subscriber.aclose()


@on_loop
async def test_a_subscriber_whose_queue_was_deleted_declares_it_again(rabbitmq_url, broker_at, namespace):
    sink, broker = Received(), broker_at(rabbitmq_url)
    queue = private_queues.event_queue(str(uuid.uuid4()), exchange=namespace)
    subscriber = broker.subscriber(queue)
    await subscriber.start(sink)
    try:
        subprocess.run(
            ["rabbitmqctl", "-q", "delete_queue", "-p", urlsplit(rabbitmq_url).path[1:], queue.name], check=True, capture_output=True
        )
        await sink.until(lambda: sink.states[-1] is CONNECTED and len(sink.states) > 1)
        broker.broadcaster().broadcast(private_queues.event_exchange(namespace), Message(b"again", {}), "task.sent")
        assert await sink.bodies(1) == [b"again"]
    finally:
        await subscriber.aclose()


@on_loop
async def test_two_workers_of_one_name(rabbitmq_url, broker_at, namespace):
    """The second one waits until the queue is free."""
    queue = private_queues.control_queue("twin", namespace)
    first, second = broker_at(rabbitmq_url), broker_at(rabbitmq_url, max_retries=0)
    one = first.subscriber(queue)
    await one.start(Received())
    with pytest.raises(OperationalError, match="RESOURCE_LOCKED"):
        await second.subscriber(queue).start(Received())
    await one.aclose()
    again = second.subscriber(queue)
    await again.start(Received())
    await again.aclose()


@on_loop
async def test_an_exchange_with_other_properties_is_used_as_it_is(rabbitmq_url, broker_at, namespace):
    broker, sink = broker_at(rabbitmq_url), Received()
    broker.broadcaster().broadcast(Exchange(namespace, "topic", durable=False), Message(b"so that it exists", {}), "x")
    subscriber = broker_at(rabbitmq_url).subscriber(private_queues.event_queue(str(uuid.uuid4()), exchange=namespace))
    await subscriber.start(sink)
    try:
        broker_at(rabbitmq_url).broadcaster().broadcast(private_queues.event_exchange(namespace), Message(b"1", {}), "task.sent")
        assert await sink.bodies(1) == [b"1"]
    finally:
        await subscriber.aclose()


def test_a_queue_with_other_arguments_is_not_ours(rabbitmq_url, broker_at):
    broker = broker_at(rabbitmq_url)
    ident = str(uuid.uuid4())
    client = broker.queue_client()
    client.declare(Queue(ident, Exchange("")))
    inbox = broker.reply_inbox(private_queues.result_queue(ident, 60.0))
    try:
        with pytest.raises(OperationalError, match="exists with other arguments"):
            inbox.open()
    finally:
        inbox.close()
        client.delete(ident)
        client.close()


@on_loop
async def test_nobody_is_there(broker_at, namespace):
    broker = broker_at("amqp://127.0.0.1:9//", max_retries=0)
    subscriber = broker.subscriber(private_queues.control_queue("w", namespace))
    with pytest.raises(OperationalError):
        await subscriber.start(Received())
    await subscriber.aclose()
    with pytest.raises(OperationalError):
        tell(broker, namespace, b"x")
    inbox = broker.reply_inbox(private_queues.control_reply_queue(str(uuid.uuid4()), namespace))
    with pytest.raises(OperationalError):
        inbox.open()
    inbox.close()
    with pytest.raises(OperationalError), BlockingSubscriber(broker.subscriber(private_queues.control_queue("w", namespace))):
        pass


@pytest.fixture
def poor_url(rabbitmq_url, unique):
    """The virtual host as a user sees it who may do nothing there."""
    name, parts = unique("poor"), urlsplit(rabbitmq_url)

    def control(*arguments):
        subprocess.run(["rabbitmqctl", "-q", *arguments], check=True, capture_output=True)

    control("add_user", name, "secret")
    control("set_permissions", "-p", parts.path[1:], name, "^$", "^$", "^$")
    yield rabbitmq_url.replace(parts.netloc, f"{name}:secret@{parts.hostname}:{parts.port or 5672}")
    control("delete_user", name)


@on_loop
async def test_no_permission(poor_url, rabbitmq_url, broker_at, namespace):
    broker = broker_at(poor_url)
    with pytest.raises(OperationalError, match="ACCESS_REFUSED"):
        await broker.subscriber(private_queues.control_queue("w", namespace)).start(Received())
    inbox = broker.reply_inbox(private_queues.control_reply_queue(str(uuid.uuid4()), namespace))
    with pytest.raises(OperationalError, match="ACCESS_REFUSED"):
        inbox.open()
    inbox.close()
    tell(broker_at(rabbitmq_url), namespace, b"so that the exchange exists")
    for _ in range(2):
        with pytest.raises(OperationalError, match="ACCESS_REFUSED"):
            tell(broker, namespace, b"x")


@on_loop
async def test_a_wrong_password(rabbitmq_url, broker_at, namespace):
    parts = urlsplit(rabbitmq_url)
    broker = broker_at(rabbitmq_url.replace(parts.netloc, f"nobody:wrong@{parts.hostname}:{parts.port or 5672}"))
    with pytest.raises(AccessRefused) as raised:
        await broker.subscriber(private_queues.control_queue("w", namespace)).start(Received())
    assert "wrong" not in str(raised.value)


def test_a_broadcaster_notices_a_lost_connection(line, broker_at, namespace):
    broker = broker_at(line.url)
    tell(broker, namespace, b"1")
    line.cut()
    tell(broker, namespace, b"2")
    assert line.connections == 2


def test_a_cut_line_loses_no_replies(line, rabbitmq_url, broker_at):
    """Only those come again that the last call returned."""
    inbox = broker_at(line.url).reply_inbox(private_queues.result_queue(str(uuid.uuid4()), 60.0))
    with contextlib.closing(inbox):
        inbox.open()
        writer = broker_at(rabbitmq_url).broadcaster()
        for body in (b"1", b"2"):
            assert inbox.receive(0.2) == []
            writer.broadcast(Exchange(""), Message(body, {}), inbox.address.routing_key)
            assert [reply.body for reply in inbox.receive(SOON)] == [body]
        line.cut()
        writer.broadcast(Exchange(""), Message(b"3", {}), inbox.address.routing_key)
        with pytest.raises(OperationalError):
            inbox.receive(SOON)
        assert receive(inbox, 2) == [b"2", b"3"]
