"""Fakes behave as what they stand for, as far as they go."""

from __future__ import annotations

import pytest

from umbel.brokers.topology import Destination
from umbel.errors import PublishError, TimeoutError
from umbel.results.model import Record
from umbel.testing import FakeApp, FakePublisher, FakeStore
from umbel.wire.message import Message


def test_a_publisher_keeps_what_it_gets_and_fails_when_told():
    publisher, message, to = FakePublisher(), Message(b"x", {}), Destination("", "q")
    publisher.publish(message, to, confirm=True)
    assert (publisher.sent, publisher.confirmed) == ([(message, to)], [True])
    publisher.error = PublishError("no")
    with pytest.raises(PublishError):
        publisher.publish(message, to)


def test_a_store_returns_the_last_record_and_waits_for_none():
    store, seen = FakeStore(), []
    store.store([Record(task_id="1", status="STARTED")])
    with pytest.raises(TimeoutError, match="task 1 has no result"):
        store.wait("1", 0, seen.append)
    assert [record.status for record in seen] == ["STARTED"]
    store.store([Record(task_id="1", status="SUCCESS", result=7)])
    assert store.wait("1").result == 7
    store.forget(["1"])
    assert store.fetch(["1"]) == {}


def test_an_app_shows_what_was_sent_and_runs_it():
    app = FakeApp()

    @app.task
    def add(x, y):
        return x + y

    add.delay(1, 2)
    ((message, to),) = app.fake.sent
    assert (message.headers["task"], to.routing_key) == (add.name, "celery")
    app.run()
    assert [(record.status, record.result) for record in app.records.records] == [("SUCCESS", 3)]
