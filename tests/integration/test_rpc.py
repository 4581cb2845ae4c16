"""rpc:// against RabbitMQ: what the store contract does not ask."""

from __future__ import annotations

import json
import os
import threading
import time
import uuid

import pytest

from umbel import Umbel
from umbel.brokers.amqp import connect as connect_broker
from umbel.brokers.base import BrokerOptions
from umbel.brokers.topology import Destination, Exchange, Queue
from umbel.errors import ImproperlyConfigured, OperationalError
from umbel.results.base import StoreOptions
from umbel.results.model import Record
from umbel.results.rpc import connect, received
from umbel.results.rpc.received import Received
from umbel.wire.message import Message

pytestmark = pytest.mark.rabbitmq


@pytest.fixture
def make(rabbitmq_url):
    made = []

    def build(url="rpc://", broker=rabbitmq_url, **options):
        store = connect(StoreOptions(url=url, transport={"broker": BrokerOptions(urls=(broker,))}, **options))
        made.append(store)
        return store

    yield build
    for store in made:
        store.close()


@pytest.fixture
def broker(rabbitmq_url):
    made = connect_broker(BrokerOptions(urls=(rabbitmq_url,)))
    yield made
    made.close()


def record(task_id, reader, result=None):
    return Record(task_id=task_id, status="SUCCESS", result=result, reply_to=reader.reply_to)


def test_a_result_on_the_wire(make, broker):
    """As Celery's workers send them."""
    queue = Queue(str(uuid.uuid4()), Exchange(""))
    client = broker.queue_client()
    client.declare(queue)
    make().store([Record(task_id="t", status="SUCCESS", result=5, children=[], date_done="now", reply_to=queue.name)])
    delivery = client.get(queue.name)
    client.delete(queue.name)
    client.close()
    assert (delivery.headers, delivery.content_type, delivery.content_encoding) == ({}, "application/json", "utf-8")
    assert delivery.properties == {"delivery_mode": 1, "priority": 0, "correlation_id": "t"}
    assert list(json.loads(delivery.body).items()) == [
        ("status", "SUCCESS"),
        ("result", 5),
        ("traceback", None),
        ("children", []),
        ("date_done", "now"),
        ("task_id", "t"),
    ]


def test_results_outlive_a_cut_line(make, line, broker):
    reader, writer = make(broker=line.url), make()
    reader.expect("1")
    writer.store([record("1", reader, "before")])
    assert reader.wait("1", 5).result == "before"
    reply_to = reader.reply_to
    line.refusing = True
    line.cut()
    writer.store([Record(task_id="2", status="SUCCESS", result="meanwhile", reply_to=reply_to)])
    line.refusing = False
    assert reader.wait("2", 5).result == "meanwhile"
    assert reader.reply_to == reply_to


@pytest.mark.parametrize("reply_to", [None, "", "amq.gen-abc", "x" * 256, "nobody", "invoices", "0192F3C1-7c1e-7d3a-9d0e-2f6a4b8c1d2e"])
def test_addresses_that_get_nothing(make, reply_to, broker):
    make().store([Record(task_id="t", status="SUCCESS", reply_to=reply_to)])
    client = broker.queue_client()
    assert client.length("nobody") is None
    client.close()


def test_another_programs_queue_gets_nothing(make, broker, unique, caplog):
    """The address comes from a message, that is from anybody."""
    queue = Queue(unique("invoices"), Exchange(""))
    client = broker.queue_client()
    client.declare(queue)
    make().store([Record(task_id="t", status="SUCCESS", result="forged", reply_to=queue.name)])
    assert client.length(queue.name) == 0
    client.delete(queue.name)
    client.close()
    assert queue.name in caplog.text


def test_the_reply_queue_goes_with_its_store(make, broker):
    reader = make()
    name, client = reader.reply_to, broker.queue_client()
    assert client.length(name) == 0
    reader.close()
    assert client.length(name) is None
    client.close()


def test_garbage_is_dropped(make, broker, caplog):
    reader, writer = make(), make()
    to = Destination("", reader.reply_to)
    for body in (b"\x00", b"[]", b'{"status": 5}'):
        broker.publisher().publish(Message(body, {}, properties={"correlation_id": "bad"}), to)
    broker.publisher().publish(Message(b"cos\nsystem", {}, "application/x-python-serialize", "binary"), to, confirm=True)
    writer.store([record("good", reader, 1)])
    assert reader.wait("good", 5).result == 1
    assert caplog.text.count("is dropped") == 4


def test_the_first_end_counts(make):
    reader, writer = make(), make()
    writer.store([record("t", reader, 1)])
    writer.store([record("t", reader, 2), record("u", reader, 3)])
    reader.wait("u", 5)
    assert reader.wait("t", 5).result == 1
    assert set(reader.fetch(["t", "u", "v"])) == {"t", "u"}
    reader.forget(["t"])
    assert set(reader.fetch(["t", "u"])) == {"u"}


def test_another_process_has_another_queue(make):
    reader, writer = make(), make()
    mine = reader.reply_to
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            reader.expect("c")
            writer.store([record("c", reader, "child")])
            assert reader.wait("c", 5).result == "child"
            os.write(write, reader.reply_to.encode())
            reader.close()
            writer.close()
            code = 0
        finally:
            os._exit(code)
    os.close(write)
    with os.fdopen(read) as pipe:
        theirs = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    assert theirs not in ("", mine)
    writer.store([record("p", reader, "parent")])
    assert reader.wait("p", 5).result == "parent"


def test_a_result_that_waits_for_its_reader(make):
    reader, writer = make(), make()
    writer.store([record(str(number), reader, number) for number in range(200)])
    found = {}

    def wait(number):
        found[number] = reader.wait(str(number), 5).result

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(0, 200, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: number for number in range(0, 200, 20)}


def test_what_was_read_makes_room_for_what_was_not(make, monkeypatch, caplog):
    monkeypatch.setattr(received, "_MOST_KEPT", 5)
    reader, writer = make(), make()
    writer.store([record("unread", reader, "kept")])
    for number in range(10):
        writer.store([record(f"waited-{number}", reader, number), record(f"asked-{number}", reader, number)])
        assert reader.wait(f"waited-{number}", 5).result == number
        assert reader.wait(f"asked-{number}", 5).result == reader.fetch([f"asked-{number}"])[f"asked-{number}"].result == number
    assert reader.fetch(["unread"])["unread"].result == "kept"
    assert "is dropped" not in caplog.text


def test_what_was_read_is_kept_in_bounds_of_bytes(monkeypatch):
    monkeypatch.setattr(received, "_MOST_READ_BYTES", 2500)
    inbox = Received()
    for number in range(10):
        inbox.put(Record(task_id=str(number), status="SUCCESS"), 1000)
        assert inbox.find([str(number)])
    assert [number for number in range(10) if inbox.find([str(number)])] == [8, 9]
    inbox.forget(["8", "9"])
    assert (inbox._read_bytes, inbox._unread_bytes, inbox._sizes) == (0, 0, {})


def test_what_was_not_read_is_kept_in_bounds_of_bytes(monkeypatch, caplog):
    monkeypatch.setattr(received, "_MOST_BYTES", 2500)
    inbox = Received()
    for number in range(4):
        inbox.put(Record(task_id=str(number), status="STARTED"), 10)
        inbox.put(Record(task_id=str(number), status="SUCCESS"), 1000)
    assert list(inbox.find([str(number) for number in range(4)])) == ["2", "3"]
    assert "is dropped" in caplog.text


def test_when_nothing_was_read_the_oldest_is_dropped(monkeypatch, caplog):
    monkeypatch.setattr(received, "_MOST_KEPT", 5)
    inbox, names = Received(), [str(number) for number in range(7)]
    for name in names:
        inbox.put(Record(task_id=name, status="STARTED"))
        inbox.put(Record(task_id=name, status="SUCCESS"))
    assert list(inbox.find(names)) == names[2:]
    assert caplog.text.count("is dropped") == 2


def test_after_a_close_results_go_to_the_new_reply_queue(rabbitmq_url, broker, unique):
    app = Umbel(broker=rabbitmq_url, backend="rpc://", task_default_queue=unique("tasks"), set_as_current=False)
    job = app.task(lambda: 1, name="job")
    client = broker.queue_client()
    job.delay()
    app.close()
    job.delay()
    reply_to = app.store.reply_to
    app.close()
    before, after = (client.get(unique("tasks")).properties["reply_to"] for _ in range(2))
    client.delete(unique("tasks"))
    client.close()
    assert after == reply_to != before


def test_no_broker(make):
    store = make(broker="amqp://127.0.0.1:9//")
    started = time.monotonic()
    with pytest.raises(OperationalError):
        store.expect("x")
    assert time.monotonic() - started < 2


def test_which_broker():
    with pytest.raises(ImproperlyConfigured, match="none is named"):
        connect(StoreOptions(url="rpc://"))
    assert connect(StoreOptions(url="rpc://u:p@h/v")).public_url() == "rpc://u:**@h/v"
    assert connect(StoreOptions(url="rpc://", transport={"broker_url": "amqp://h//;amqp://i//"})).public_url() == "rpc://h/"
    assert connect(StoreOptions(url="rpc://", transport={"broker_url": "redis://u:p@h/1"})).public_url() == "rpc+redis://u:**@h:6379/1"
