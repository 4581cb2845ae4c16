import contextlib
import resource
import socket
import sqlite3
import threading

import pytest

from umbel.brokers.base import BrokerOptions
from umbel.brokers.registry import connect as connect_broker
from umbel.brokers.topology import Destination, Queue
from umbel.errors import ContentDisallowed, DecodeError, MessageReturned, OperationalError
from umbel.results.base import StoreOptions
from umbel.results.model import Record
from umbel.results.sqlite import SqliteStore
from umbel.runtime.clock import SYSTEM
from umbel.testing.clock import FakeClock
from umbel.wire.message import Message


@pytest.fixture
def path(tmp_path):
    return tmp_path / "umbel.db"


@pytest.fixture
def make(path):
    made = []

    def make(clock=SYSTEM, **options):
        made.append(SqliteStore(StoreOptions(url=f"sqlite:///{path}", **options), clock))
        return made[-1]

    yield make
    for store in made:
        store.close()


def test_broker_and_store_share_a_file(path, make):
    broker = connect_broker(BrokerOptions(urls=(f"sqlite:///{path}",)))
    broker.publisher().declare(Queue("q"))
    store = make()
    store.store([Record(task_id="1", status="SUCCESS")])
    broker.close()
    with sqlite3.connect(path) as file:
        assert file.execute("SELECT (SELECT count(*) FROM umbel_queues), (SELECT count(*) FROM umbel_results)").fetchone() == (1, 1)
    file.close()


def test_cleanup_counts(make):
    clock = FakeClock()
    brief, lasting = make(clock, expires=60), make(clock, expires=None)
    brief.store([Record(task_id=str(number), status="SUCCESS") for number in range(2500)])
    lasting.store([Record(task_id="kept", status="SUCCESS")])
    clock.advance(61)
    assert lasting.cleanup() == 2500
    assert lasting.cleanup() == 0
    assert set(lasting.fetch(["1", "kept"])) == {"kept"}


def count(path):
    with contextlib.closing(sqlite3.connect(path)) as file:
        return file.execute("SELECT count(*) FROM umbel_results").fetchone()[0]


def test_expired_records_go_as_fast_as_others_come(path, make):
    clock = FakeClock()
    store = make(clock, expires=60)
    for minute in range(4):
        for number in range(50):
            store.store([Record(task_id=f"{minute}-{number}-{each}", status="SUCCESS") for each in range(100)])
        assert count(path) == 5000
        clock.advance(61)


def test_a_process_that_stores_once_drops_what_has_expired(path, make):
    clock = FakeClock()
    for task_id in "abc":
        make(clock, expires=60).store([Record(task_id=task_id, status="SUCCESS")])
        clock.advance(61)
    assert count(path) == 1


def test_expired_announcements_are_dropped(path, make):
    broker = connect_broker(BrokerOptions(urls=(f"sqlite:///{path}",)))
    publisher = broker.publisher()
    publisher.declare(Queue("celery"))
    clock = FakeClock()
    for task_id in "abc":
        make(clock, expires=60).announce([task_id], publisher)
        publisher.publish(Message(b"", {}), Destination("", "celery"))
        clock.advance(61)
    broker.close()
    assert count(path) == 1


@pytest.mark.parametrize("options", [{"serializer": "pickle", "accept": frozenset({"pickle"})}, {"compression": "gzip"}])
def test_other_encodings(make, options):
    store = make(**options)
    store.store([Record(task_id="1", status="SUCCESS", result={"a": "x" * 1000})])
    assert store.fetch(["1"])["1"].result == {"a": "x" * 1000}


def test_pickle_is_refused_unless_accepted(make):
    make(serializer="pickle").store([Record(task_id="1", status="SUCCESS", result=1)])
    with pytest.raises(ContentDisallowed):
        make().fetch(["1"])
    with pytest.raises(ContentDisallowed):
        make().wait("1", 5)


def test_an_untrusted_record(path, make):
    store = make()
    store.store([Record(task_id="1", status="SUCCESS", result=1)])
    with sqlite3.connect(path) as file:
        file.execute("UPDATE umbel_results SET record = x'5b5d'")
    file.close()
    with pytest.raises(DecodeError, match="task 1 is not a record"):
        store.fetch(["1"])


def test_closing_ends_the_waiting(make):
    import threading

    store, found = make(), []

    def wait():
        try:
            store.wait("1", 10)
        except OperationalError as error:
            found.append(str(error))

    thread = threading.Thread(target=wait)
    thread.start()
    while not store._watch._waiting:
        pass
    store.close()
    thread.join(5)
    assert "was closed" in found[0]


def test_an_announced_task_is_recorded_in_the_transaction_of_its_message(path, make):
    store, broker = make(), connect_broker(BrokerOptions(urls=(f"sqlite:///{path}",)))
    publisher = broker.publisher()
    try:
        publisher.declare(Queue("celery"))
        store.announce(["a"], publisher)
        assert store.fetch(["a"]) == {}
        with pytest.raises(MessageReturned):
            publisher.publish(Message(b"", {}), Destination("", "nowhere", mandatory=True))
        assert store.fetch(["a"]) == {}
        store.announce(["b"], publisher)
        publisher.publish(Message(b"", {}), Destination("", "celery"))
        assert store.fetch(["a", "b"]).keys() == {"b"}
    finally:
        broker.close()


def test_all_that_was_announced_goes_with_the_next_message(path, make):
    store, broker = make(), connect_broker(BrokerOptions(urls=(f"sqlite:///{path}",)))
    publisher = broker.publisher()
    publisher.declare(Queue("celery"))
    store.announce(["a", "b"], publisher)
    store.announce(["c"], publisher)
    publisher.publish(Message(b"", {}), Destination("", "celery"))
    assert store.fetch(["a", "b", "c"]).keys() == {"a", "b", "c"}
    broker.close()


def test_waiting_in_a_process_with_many_descriptors(make):
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(2048, usual[1]), usual[1]))
    store, many = make(), [socket.socket() for _ in range(1100)]
    try:
        timer = threading.Timer(0.2, store.store, [[Record(task_id="1", status="SUCCESS", result=5)]])
        timer.start()
        assert store.wait("1", 5).result == 5
        timer.join()
    finally:
        for one in many:
            one.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)
