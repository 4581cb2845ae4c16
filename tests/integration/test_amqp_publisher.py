"""The AMQP publisher against RabbitMQ and a line that breaks."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import threading
import time
import weakref

import pytest
from pamqp import commands

from system.processes import eventually
from umbel.brokers.amqp import connect
from umbel.brokers.base import BrokerOptions
from umbel.brokers.topology import Destination, Exchange, Queue
from umbel.errors import AccessRefused, BrokerBlocked, EncodeError, MessageReturned, OperationalError, PublishError
from umbel.wire.amqp import events
from umbel.wire.amqp.methods import method
from umbel.wire.message import Call, Message, Stencil

pytestmark = pytest.mark.rabbitmq


@pytest.fixture
def make(rabbitmq_url):
    made = []

    def build(url=rabbitmq_url, **options):
        broker = connect(BrokerOptions(**{"urls": (url,) if isinstance(url, str) else url, "publish_timeout": 5.0, **options}))
        made.append(broker)
        return broker

    yield build
    for broker in made:
        broker.publisher().forget()


@pytest.fixture
def client(make):
    made = make().queue_client()
    yield made
    made.close()


@pytest.fixture
def queue(unique, client):
    made = Queue(unique("amqp-publish"))
    yield made
    client.delete(made.name)


def bodies(client, queue):
    found = []
    while (delivery := client.get(queue.name)) is not None:
        found.append(delivery.body)
        client.ack(delivery)
    return found


def test_unconfirmed_messages_are_published_again_in_order(make, line, queue, client):
    publisher = make(line.url).publisher()
    publisher.declare(queue)
    to = Destination.of(queue)
    line.deaf = True  # the broker takes them, but we never hear of it
    for number in range(500):
        publisher.publish(Message(b"%d" % number, {}), to)
    line.cut()
    line.deaf = False
    publisher.flush()
    found = [int(body) for body in bodies(client, queue)]
    assert set(found) == set(range(500))
    assert found[-500:] == list(range(500))
    assert line.connections == 2


def test_many_cuts_lose_nothing(make, line, queue, client):
    publisher = make(line.url, publish_timeout=20.0).publisher()
    publisher.declare(queue)
    stop = threading.Event()

    def cut():
        while not stop.wait(0.05):
            line.cut()

    thread = threading.Thread(target=cut)
    thread.start()
    sent = 0
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        try:
            publisher.publish(Message(b"%d" % sent, {}), Destination.of(queue))
        except OperationalError:
            continue
        sent += 1
        stop.wait(0.001)
    stop.set()
    thread.join()
    publisher.flush()
    found = [int(body) for body in bodies(client, queue)]
    assert set(found) >= set(range(sent))
    assert line.connections > 5


def test_the_attendant_reconnects_by_itself(make, line, queue, client):
    publisher = make(line.url).publisher()
    publisher.declare(queue)
    confirmed = threading.Event()
    line.deaf = True
    with publisher.receipt() as receipt:
        publisher.publish(Message(b"x", {}), Destination.of(queue))
    receipt.when_settled(lambda error: confirmed.set() if error is None else None)
    assert not confirmed.wait(0.1)
    line.cut()
    line.deaf = False
    assert confirmed.wait(5)


def test_silence_is_a_lost_connection(make, line, queue):
    publisher = make(line.url, publish_timeout=0.5).publisher()
    publisher.declare(queue)
    line.deaf = True
    publisher.publish(Message(b"x", {}), Destination.of(queue))
    with pytest.raises(OperationalError, match="not confirmed"):
        publisher.flush(0.2)
    time.sleep(0.5)
    line.deaf = False
    publisher.flush(5)
    assert line.connections >= 2


def test_a_stale_connection_is_noticed_before_the_write(make, line, queue, client):
    publisher = make(line.url).publisher()
    publisher.publish(Message(b"1", {}), Destination.of(queue), confirm=True)
    line.cut()
    time.sleep(0.15)
    publisher.publish(Message(b"2", {}), Destination.of(queue), confirm=True)
    assert bodies(client, queue) == [b"1", b"2"]


def test_a_full_window_blocks_then_raises(make, line, queue):
    publisher = make(line.url, window=10).publisher()
    publisher.declare(queue)
    line.deaf = True
    with pytest.raises(OperationalError, match="10 messages"):
        for _ in range(11):
            publisher.publish(Message(b"x", {}), Destination.of(queue), timeout=0.3)
    line.deaf = False


def test_a_broker_that_is_not_there(make):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    publisher = make(f"amqp://guest:secret@127.0.0.1:{port}//").publisher()
    started = time.monotonic()
    with pytest.raises(OperationalError, match=str(port)) as caught:
        publisher.publish(Message(b"x", {}), Destination("", "q"))
    assert time.monotonic() - started < 2
    assert "secret" not in str(caught.value)


def test_a_failure_keeps_nothing_of_who_was_told(make):
    publisher = make("amqp://127.0.0.1:1", publish_retries=0).publisher()

    class Order:
        pass

    def send():
        order = Order()
        with contextlib.suppress(OperationalError):
            publisher.publish(Message(b"", {}), Destination("", "q"))
        return weakref.ref(order)

    order = send()
    gc.collect()
    assert order() is None


def test_who_waits_while_declaring_again_is_refused_fails_too(make, line, unique):
    publisher, other = make(line.url).publisher(), make().publisher()
    queue = Queue(unique("exclusive"), exclusive=True)
    publisher.declare(queue)
    line.cut()
    eventually(lambda: _declares(other, queue), what="the queue to go with its connection")
    errors, ready = [], threading.Barrier(3)

    def publish():
        ready.wait()
        try:
            publisher.publish(Message(b"", {}), Destination.of(queue))
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=publish) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [str(error) for error in errors] == [str(errors[0])] * 3
    assert all(isinstance(error, OperationalError) for error in errors)
    assert "RESOURCE_LOCKED" in str(errors[0])


def _declares(publisher, queue):
    try:
        publisher.declare(queue)
    except OperationalError:
        return False
    return True


def test_declaring_tries_as_often_as_the_call_may(make, line, queue):
    publisher = make(line.url, publish_retries=2).publisher()
    line.cut_at = queue.name.encode()
    with publisher.retrying(0), pytest.raises(OperationalError):
        publisher.declare(queue)
    assert line.connections == 1
    with pytest.raises(OperationalError):
        publisher.declare(queue)
    assert line.connections == 4


def test_a_broker_that_says_nothing(make):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        publisher = make(f"amqp://127.0.0.1:{silent.getsockname()[1]}//", connect_timeout=0.5).publisher()
        started, failed = time.monotonic(), []

        def publish():
            try:
                publisher.publish(Message(b"x", {}), Destination("", "q"))
            except OperationalError as error:
                failed.append(error)

        threads = [threading.Thread(target=publish) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        # Those that waited for the first one's failure do not try again one after the other.
        assert time.monotonic() - started < 2.5
        assert len(failed) == 5


def test_the_wrong_password_and_virtual_host(make, rabbitmq_url):
    wrong = rabbitmq_url.replace("guest:guest@", "guest:wrong@")
    started = time.monotonic()
    with pytest.raises(AccessRefused, match="403") as caught:
        make(wrong).publisher().publish(Message(b"x", {}), Destination("", "q"))
    assert "wrong@" not in str(caught.value)
    with pytest.raises(AccessRefused, match="no-such-host"):
        make(rabbitmq_url.rpartition("/")[0] + "/no-such-host").publisher().publish(Message(b"x", {}), Destination("", "q"))
    assert time.monotonic() - started < 3


def test_the_failover_list(make, rabbitmq_url, queue, client):
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    publisher = make((f"amqp://127.0.0.1:{port}//", rabbitmq_url)).publisher()
    publisher.publish(Message(b"x", {}), Destination.of(queue), confirm=True)
    assert client.length(queue.name) == 1


def test_a_returned_message_is_told_once_to_its_call_or_to_whoever_flushes(make, unique):
    publisher = make().publisher()
    message = Message(b"x", {"task": "the.task"}, properties={"correlation_id": "the-id"})
    with pytest.raises(MessageReturned, match=r"nowhere.*the\.task\[the-id\]"):
        publisher.publish(message, Destination("", unique("nowhere")))
        publisher.flush()  # where the call had no time to wait for its answer
    publisher.flush()


def test_a_returned_message_is_told_to_its_receipt_only(make, unique, queue, client):
    publisher = make().publisher()
    publisher.declare(queue)
    nowhere = Destination("", unique("nowhere"))
    with publisher.receipt() as first:
        publisher.publish(Message(b"1", {}), Destination.of(queue))
    with publisher.receipt() as second:
        publisher.publish(Message(b"x", {}), nowhere)
    publisher.publish(Message(b"2", {}), Destination.of(queue))
    publisher.publish(Message(b"3", {}), Destination.of(queue), confirm=True)
    publisher.flush()
    first.raise_refusal()
    with pytest.raises(MessageReturned):
        second.raise_refusal()
    assert bodies(client, queue) == [b"1", b"2", b"3"]


def test_a_queue_that_was_deleted_is_declared_again(make, queue, client):
    publisher = make().publisher()
    publisher.publish(Message(b"1", {}), Destination.of(queue), confirm=True)
    client.delete(queue.name)
    for number in range(20):
        publisher.publish(Message(b"%d" % number, {}), Destination.of(queue))
    publisher.flush()
    assert sorted(map(int, bodies(client, queue))) == list(range(20))


def test_an_exchange_that_is_not_there_fails_its_own_call_and_doubles_nothing(make, unique, queue, client):
    publisher = make().publisher()
    publisher.declare(queue)
    missing = Destination(unique("no-exchange"), "k")
    holes = dict.fromkeys(("id", "group_index", "root_id", "parent_id", "argsrepr", "kwargsrepr"))
    stencil = Stencil(holes, {"correlation_id": None}, "application/json", "utf-8", missing.exchange, "k")
    for number in range(500):
        publisher.publish(Message(b"%d" % number, {}), Destination.of(queue))
        if number % 200 == 100:
            with pytest.raises(PublishError, match=r"404.*no-exchange"):
                publisher.publish(Message(b"lost", {}), missing)
            with pytest.raises(PublishError, match=r"404.*no-exchange"):
                publisher.publish_many([(Message(b"lost", {}), missing)])
            with pytest.raises(PublishError, match=r"404.*no-exchange"):
                publisher.publish_stencil(stencil, Call("i", "i", None, "()", "{}", b""))
    publisher.flush()
    assert [int(body) for body in bodies(client, queue)] == list(range(500))


def test_an_exchange_that_goes_costs_only_its_own_messages_and_is_missed_from_then_on(make, unique, queue, client):
    publisher = make().publisher()
    publisher.declare(queue)
    exchange = Exchange(unique("gone"), type="topic")
    other = Queue(unique("other"), exchange, routing_key="k")
    publisher.publish(Message(b"there", {}, properties={"correlation_id": "c"}), Destination.of(other), confirm=True)
    client.delete(other.name)
    client._work(method(commands.Exchange.Delete, exchange=exchange.name))
    for number in range(50):
        publisher.publish(Message(b"%d" % number, {}), Destination.of(queue))
        if number == 49:
            publisher.publish(Message(b"lost", {"id": "the-id", "task": "the.task"}), Destination(exchange.name, "k"))
    with pytest.raises(PublishError, match=r"404.*gone.*the\.task\[the-id\]"):
        publisher.flush()
    with pytest.raises(PublishError, match=r"404.*gone"):
        publisher.publish(Message(b"lost", {}), Destination(exchange.name, "k"))
    publisher.flush()
    assert {int(body) for body in bodies(client, queue)} == set(range(50))


def test_a_refused_message(make, queue, client):
    full = Queue(queue.name, arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    publisher = make().publisher()
    publisher.publish(Message(b"1", {}), Destination.of(full), confirm=True)
    with pytest.raises(PublishError, match=r"nack.*the\.task\[the-id\]"):
        publisher.publish(Message(b"2", {"id": "the-id", "task": "the.task"}), Destination.of(full), confirm=True)
    assert bodies(client, full) == [b"1"]


def test_what_cannot_be_rendered_harms_nothing(make, queue, client):
    publisher = make().publisher()
    with pytest.raises(EncodeError, match="h"):
        publisher.publish(Message(b"x", {"h": object()}), Destination.of(queue))
    publisher.publish(Message(b"y", {}), Destination.of(queue), confirm=True)
    assert bodies(client, queue) == [b"y"]


def test_an_alarm(make, queue):
    """An alarm would stop every publisher of this server, so its notice is put in by hand."""
    publisher = make(publish_timeout=0.3).publisher()
    publisher.declare(queue)
    publisher._pipe._on_event(events.Blocked("low on disk"))
    with pytest.raises(BrokerBlocked, match="low on disk"):
        publisher.publish(Message(b"x", {}), Destination.of(queue))
    timer = threading.Timer(0.1, lambda: publisher._pipe._on_event(events.Unblocked()))
    timer.start()
    publisher.publish(Message(b"x", {}), Destination.of(queue), confirm=True)
    timer.join()


def test_other_arguments_are_lived_with(make, queue, client, caplog):
    client.declare(Queue(queue.name, arguments={"x-max-priority": 5}))
    publisher = make().publisher()
    publisher.publish(Message(b"x", {}), Destination.of(queue), confirm=True)
    assert bodies(client, queue) == [b"x"]
    assert "x-max-priority" in caplog.text
    with pytest.raises(OperationalError, match="x-max-priority"):
        client.declare(queue)


def test_a_fork_with_messages_in_flight(make, line, queue, client):
    publisher = make(line.url).publisher()
    publisher.declare(queue)
    for _ in range(20):
        publisher.publish(Message(b"parent", {}), Destination.of(queue))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            publisher.publish(Message(b"child", {}), Destination.of(queue), confirm=True)
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    publisher.publish(Message(b"parent", {}), Destination.of(queue), confirm=True)
    found = bodies(client, queue)
    assert (found.count(b"parent"), found.count(b"child")) == (21, 1)


def test_large_bodies_and_many_small_ones(make, queue, client):
    publisher = make().publisher()
    body = os.urandom(3_000_000)
    publisher.publish(Message(body, {}), Destination.of(queue))
    publisher.publish_many(((Message(b"x", {}), Destination.of(queue)) for _ in range(3000)), confirm=True)
    assert client.length(queue.name) == 3001
    assert client.get(queue.name).body == body


def test_a_topic_exchange_is_declared_with_its_queue(make, queue, client, unique):
    exchange = Exchange(unique("topic"), "topic")
    bound = Queue(queue.name, exchange, "a.*")
    publisher = make().publisher()
    publisher.publish(Message(b"x", {}), Destination.of(bound))
    publisher.publish(Message(b"y", {}), Destination(exchange.name, "a.b", bound), confirm=True)
    assert bodies(client, queue) in ([b"y"], [b"x", b"y"])


def test_a_queue_that_may_not_be_declared_is_a_refusal(make, unique):
    name = unique("amq-forbidden")
    with pytest.raises(PublishError, match=f"{name}.*403"):
        make().publisher().publish(Message(b"", {}), Destination.of(Queue(name, Exchange("amq.forbidden"))))
