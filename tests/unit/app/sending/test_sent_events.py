from __future__ import annotations

import pytest

from umbel.events.model import SENT
from umbel.testing import FakeApp


class Dispatcher:
    def __init__(self):
        self.sent = []

    def send(self, kind, **fields):
        self.sent.append((kind, fields))


@pytest.fixture
def told():
    return Dispatcher()


@pytest.fixture
def make(told):
    def make(**settings):
        app = FakeApp("sends", task_send_sent_event=True, **settings)
        app._events = type("Events", (), {"Dispatcher": lambda self, **_: told, "close": lambda self: None})()
        app.task(name="add")(lambda x, y: x + y)
        return app

    return make


@pytest.mark.parametrize("protocol", [1, 2])
def test_each_message_is_told_of(make, told, protocol):
    app = make(task_protocol=protocol)
    result = app.tasks["add"].delay(2, y=3)
    app.send_task("else", args=[1], countdown=60, queue="other")
    (kind, fields), (_, other) = told.sent
    assert (kind, list(fields)) == (SENT.name, list(SENT.fields))
    assert (fields["uuid"], fields["name"], fields["args"], fields["kwargs"]) == (result.id, "add", "(2,)", "{'y': 3}")
    assert (fields["retries"], fields["eta"], fields["queue"], fields["exchange"], fields["routing_key"]) == (
        0,
        None,
        "celery",
        "",
        "celery",
    )
    assert (other["name"], other["queue"], other["eta"] is not None) == ("else", "other", True)
    assert fields["root_id"] == (result.id if protocol == 2 else None)


def test_many_messages_are_told_of_one_by_one(make, told):
    app = make()
    results = app.tasks["add"].delay_many([(1, 2), (3, 4)])
    assert [fields["uuid"] for _, fields in told.sent] == [result.id for result in results]


def test_what_follows_a_task_is_told_of_too(make, told):
    from umbel.pools.effects import AppEffects

    app = make()

    @app.task(bind=True, name="again")
    def again(self):
        raise self.retry(countdown=1)

    result = again.delay()
    execution = app.run()
    AppEffects(app).publish(execution)
    assert [(fields["uuid"], fields["retries"]) for _, fields in told.sent] == [(result.id, 0), (result.id, 1)]


def test_nothing_is_told_where_that_is_not_wanted(make, told):
    app = make()
    app.conf.task_send_sent_event = False
    app.tasks["add"].delay(1, 2)
    assert told.sent == []
