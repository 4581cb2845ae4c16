"""What follows tasks that no child can conclude."""

from __future__ import annotations

import asyncio
import logging

import pytest

from umbel.brokers.base import Delivery
from umbel.errors import OperationalError, TimeLimitExceeded
from umbel.testing.fakes import FakeApp
from umbel.worker.tasks.following import Following

BODY = {"task": "proj.body", "args": [], "kwargs": {}, "options": {"task_id": "body"}}
LINK = {"task": "proj.errback", "args": [], "kwargs": {}, "options": {"queue": "q"}}


@pytest.fixture
def app():
    made = FakeApp()
    made.task(name="proj.job")(lambda: 1)
    return made


def delivery(app: FakeApp, **options) -> Delivery:
    app.send_task("proj.job", task_id="j", **options)
    message, to = app.fake.sent.pop()
    return Delivery(
        message.body,
        message.headers,
        message.content_type,
        message.content_encoding,
        message.properties,
        1,
        0,
        "q",
        to.exchange,
        to.routing_key,
    )


def follow(app: FakeApp, given: Delivery, status: str = "FAILURE") -> None:
    asyncio.run(Following(app, "w@host").follow(given, TimeLimitExceeded(3), status))


def test_the_chord_fails(app):
    app.groups.open("g", 1)
    follow(app, delivery(app, group_id="g", group_index=0, chord=BODY))
    (record,) = app.records.records
    assert (record.task_id, record.status, record.result["exc_type"]) == ("body", "FAILURE", "ChordError")
    assert app.fake.sent == []


def test_the_rest_of_the_chain_fails(app):
    follow(app, delivery(app, chain=[{"task": "b", "options": {"task_id": "last"}}, {"task": "a", "options": {"task_id": "next"}}]))
    assert [(record.task_id, record.status) for record in app.records.records] == [("next", "FAILURE"), ("last", "FAILURE")]


@pytest.mark.parametrize(("status", "sent"), [("FAILURE", 1), ("REVOKED", 0)])
def test_error_callbacks_follow_a_failure(app, status, sent):
    follow(app, delivery(app, link_error=[LINK]), status)
    assert len(app.fake.sent) == sent


def test_an_error_callback_that_takes_the_exception_is_named_in_the_log(app, caplog):
    ran = []
    app.task(name="proj.told")(lambda request, exc, traceback: ran.append(exc))
    with caplog.at_level(logging.WARNING):
        follow(app, delivery(app, link_error=[{"task": "proj.told", "args": [], "kwargs": {}, "options": {}}]))
    assert ran == []
    assert "proj.told takes the exception and is not called" in caplog.text


def test_nothing_is_decoded_where_nothing_follows(app, monkeypatch):
    given = delivery(app)
    monkeypatch.setattr(app, "runner", lambda hostname: pytest.fail("decoded"))
    follow(app, given)


def test_what_is_pickled_is_left_alone(app):
    app.conf.accept_content = ["json", "pickle"]
    app.groups.open("g", 1)
    follow(app, delivery(app, serializer="pickle", group_id="g", group_index=0, chord=BODY))
    assert app.records.records == []


def test_a_store_that_is_away_is_waited_for(app, caplog):
    app.groups.open("g", 1)
    given = delivery(app, group_id="g", group_index=0, chord=BODY)
    count, tries = app.groups.count, []

    def away(parts):
        tries.append(1)
        if len(tries) == 1:
            raise OperationalError("away")
        return count(parts)

    app.groups.count = away
    follow(app, given)
    assert len(tries) == 2
    assert [record.task_id for record in app.records.records] == ["body"]
    assert "what follows task j (FAILURE) waits: away" in caplog.text


def test_a_store_that_refuses_for_good_fails_the_chord(app):
    app.groups.open("g", 1)
    given = delivery(app, group_id="g", group_index=0, chord=BODY)

    def refuse(parts):
        raise OperationalError("no", permanent=True)

    app.groups.count = refuse
    follow(app, given)
    (record,) = app.records.records
    assert (record.task_id, record.status) == ("body", "FAILURE")
    assert "cannot be counted: no" in record.result["exc_message"][0]


def test_a_place_that_is_no_number_counts_as_none(app):
    app.groups.open("g", 1)
    given = delivery(app, group_id="g", group_index=0, chord=BODY)
    given.headers["group_index"] = "evil"
    follow(app, given)
    assert [record.task_id for record in app.records.records] == ["body"]
