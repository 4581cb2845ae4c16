from __future__ import annotations

import json

import pytest

from umbel import Umbel
from umbel.errors import EncodeError
from umbel.events.dispatcher import Event, EventDispatcher


class Buffer:
    """Remembers what it was given."""

    dropped = 0

    def __init__(self):
        self.sent, self.closed = [], 0

    def broadcast(self, exchange, message, routing_key=""):
        self.sent.append((exchange.name, routing_key, json.loads(message.body), message.properties["delivery_mode"]))

    def close(self):
        self.closed += 1

    def keys(self):
        return [key for _, key, _, _ in self.sent]


@pytest.fixture
def app():
    with Umbel("sends", broker="memory://", set_as_current=False) as app:
        app.events._buffer = Buffer()
        yield app


@pytest.fixture
def sent(app):
    return app.events._buffer


def test_an_event_is_sent_with_its_fields(app, sent):
    app.events.Dispatcher(hostname="me").send("task-progress", uuid="u", done=5)
    ((exchange, key, event, mode),) = sent.sent
    assert (exchange, key, mode) == ("celeryev", "task.progress", 1)
    assert {name: event[name] for name in ("hostname", "clock", "uuid", "done", "type")} == {
        "hostname": "me", "clock": 1, "uuid": "u", "done": 5, "type": "task-progress",
    }  # fmt: skip
    assert app.clock.value == 1


def test_groups_and_switches(app, sent):
    calls = []
    dispatcher = app.events.Dispatcher(groups=["worker"])
    dispatcher.on_enabled.add(lambda: calls.append("on"))
    dispatcher.on_disabled.add(lambda: calls.append("off"))
    dispatcher.send("task-x", uuid="u")
    dispatcher.send("worker-x")
    dispatcher.disable()
    dispatcher.disable()
    dispatcher.send("worker-y")
    dispatcher.publish("worker-z", {"a": 1})
    dispatcher.enable()
    dispatcher.send("worker-w", blind=True)
    assert (sent.keys(), calls) == (["worker.x", "worker.z", "worker.w"], ["off", "on"])
    assert [event["clock"] for _, _, event, _ in sent.sent] == [1, 2, None]


def test_events_of_a_buffered_group_wait_for_company(app, sent):
    waits = []
    dispatcher = app.events.Dispatcher(buffer_group=["task"], buffer_limit=3, on_send_buffered=lambda: waits.append(1))
    for number in range(4):
        dispatcher.send("task-x", uuid=str(number))
    dispatcher.send("worker-x")
    assert (sent.keys(), len(waits)) == (["task.multi", "worker.x"], 3)
    dispatcher.flush(groups=False)
    other = app.events.Dispatcher()
    other.extend_buffer(dispatcher)
    dispatcher.flush()
    assert len(sent.sent) == 2
    with other:
        pass
    assert [[event["uuid"] for event in events] for _, key, events, _ in sent.sent if key == "task.multi"] == [["0", "1", "2"], ["3"]]


def test_what_cannot_be_written_is_an_error(app, sent):
    with pytest.raises(EncodeError):
        app.events.Dispatcher().send("task-x", value=object())
    assert sent.sent == []


def test_an_app_sends_through_one_buffer_and_closes_it(app, sent):
    with app.events.default_dispatcher(hostname="me") as one, EventDispatcher(app.connection(), app=app) as two:
        one.send("custom-a")
        two.send("custom-b")
        assert one.connection
    assert sent.keys() == ["custom.a", "custom.b"]
    assert [event["hostname"] for _, _, event, _ in sent.sent] == ["me", app.hostname]
    app.close()
    app.close()
    assert sent.closed == 1


def test_a_class_may_be_derived_from_that_of_an_app(app):
    class Mine(app.events.Dispatcher):
        pass

    assert isinstance(Mine(), EventDispatcher)
    assert Mine().app is app


def test_an_event_as_a_dict():
    assert Event("a-b", {"c": 1}, d=2, timestamp=5.0) == {"c": 1, "d": 2, "timestamp": 5.0, "type": "a-b"}
    assert Event("a-b")["timestamp"] > 0


def test_a_forked_process_has_a_buffer_of_its_own(app):
    app._after_fork()
    assert app.events._buffer is None


def test_a_task_tells_of_itself(app, sent):
    @app.task(bind=True)
    def job(self):
        self.send_event("task-progress", done=3)

    job.push_request(id="u", hostname="w1@host")
    job.send_event("task-progress", done=3)
    job.pop_request()
    ((_, key, event, _),) = sent.sent
    assert (key, event["uuid"], event["hostname"], event["done"]) == ("task.progress", "u", "w1@host", 3)
