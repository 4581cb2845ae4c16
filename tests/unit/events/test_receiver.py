from __future__ import annotations

import json
import threading
import time

import pytest

from umbel import Umbel
from umbel.brokers.fanout.private_queues import event_exchange
from umbel.errors import OperationalError
from umbel.events.receiver import EventReceiver
from umbel.wire.message import Message


@pytest.fixture
def app():
    with Umbel("watched", broker="memory://", set_as_current=False) as app:
        yield app


def publish(app, *events, key="worker.online", **message):
    body = json.dumps(list(events) if len(events) > 1 else events[0]).encode()
    app.broker.broadcaster().broadcast(event_exchange(), Message(body, {"hostname": "w"}, **message), key)


def event(kind="worker-online", **fields):
    return {"type": kind, "hostname": "w", "clock": 5, "timestamp": 10.0, **fields}


class Watcher:
    """A receiver in a thread of its own; `ready` when it listens."""

    def __init__(self, app, handlers, *, kind=EventReceiver, limit=None, **options):
        self.error, ready = None, threading.Event()

        class Told(kind):
            def wakeup_workers(self, channel=None):
                ready.set()

        self.receiver = Told(app.connection(), handlers=handlers, app=app, **options)
        self.thread = threading.Thread(target=self._run, args=(limit,))
        self.thread.start()
        assert ready.wait(10)

    def _run(self, limit):
        try:
            self.receiver.capture(limit=limit)
        except Exception as error:
            self.error = error

    def join(self):
        self.thread.join(10)
        assert not self.thread.is_alive()
        return self.receiver


def test_each_type_has_its_handler_and_the_rest_has_one(app):
    one, rest = [], []
    watcher = Watcher(app, {"task-failed": one.append, "*": rest.append}, limit=4)
    publish(app, event())
    publish(app, event("task-failed", uuid="u"), event("task-received", uuid="v"), event("custom-thing"), key="task.multi")
    watcher.join()
    assert [each["uuid"] for each in one] == ["u"]
    assert [each["type"] for each in rest] == ["worker-online", "task-received", "custom-thing"]


def test_an_event_says_when_it_came_and_moves_the_clock(app):
    got, before = [], time.time()
    watcher = Watcher(app, {"*": got.append}, limit=4)
    publish(app, event(clock=40))
    publish(app, event(clock=7))
    publish(app, event("task-sent", clock=1, uuid="u"))
    publish(app, event(clock="forged"))
    watcher.join()
    assert [each["clock"] for each in got] == [40, 7, 42, 43]
    assert app.clock.value == 43
    assert all(before <= each["local_received"] <= time.time() for each in got)
    assert {each["timestamp"] for each in got} == {10.0}


def test_only_what_was_asked_for_comes(app):
    got = []
    watcher = Watcher(app, {"*": got.append}, limit=1, routing_key="task.#")
    publish(app, event())
    publish(app, event("task-started", uuid="u"), key="task.multi")
    watcher.join()
    assert [each["type"] for each in got] == ["task-started"]


def test_a_handler_ends_it(app):
    def stop(_event):
        watcher.receiver.should_stop = True

    watcher = Watcher(app, {"*": stop})
    publish(app, event())
    assert watcher.join().should_stop
    assert watcher.error is None


def test_another_thread_ends_it(app):
    watcher = Watcher(app, {})
    watcher.receiver.should_stop = True
    watcher.join()


def test_what_a_handler_raises_ends_it(app):
    watcher = Watcher(app, {"*": lambda event: 1 / 0})
    publish(app, event())
    watcher.join()
    assert isinstance(watcher.error, ZeroDivisionError)


def test_silence_ends_it_where_that_is_wanted(app):
    receiver = EventReceiver(app=app)
    with pytest.raises(TimeoutError, match=r"no event came within 0.05 s"):
        receiver.capture(timeout=0.05, wakeup=False)


def test_what_is_no_event_is_counted(app):
    got = []
    watcher = Watcher(app, {"*": got.append}, limit=1)
    publish(app, 5, {"type": 5}, key="task.multi")
    app.broker.broadcaster().broadcast(event_exchange(), Message(b"{", {}), "worker.online")
    app.broker.broadcaster().broadcast(event_exchange(), Message(b"x", {}, content_type="application/x-python-serialize"), "worker.online")
    publish(app, event())
    assert (watcher.join().refused, len(got)) == (4, 1)


def test_events_of_one_message_are_counted_one_by_one(app):
    got = []
    watcher = Watcher(app, {"*": got.append}, limit=2)
    publish(app, *[event(number=number) for number in range(5)])
    receiver = watcher.join()
    assert [each["number"] for each in got] == [0, 1]
    receiver.capture(limit=3, wakeup=False)
    assert [each["number"] for each in got] == [0, 1, 2, 3, 4]


def test_its_queue_is_as_the_settings_or_the_arguments_say():
    with Umbel("named", broker="memory://", event_queue_prefix="ev", event_queue_ttl=2, event_exchange="x", set_as_current=False) as app:
        queue = EventReceiver(app=app, node_id="me").queue
        assert (queue.name, queue.exchange.name, queue.routing_key, queue.exclusive, queue.auto_delete) == ("ev.me", "x", "#", True, True)
        assert queue.arguments == {"x-expires": 60_000, "x-message-ttl": 2000}
        other = EventReceiver(
            app=app, node_id="me", queue_prefix="p", queue_ttl=1, queue_expires=3, queue_exclusive=False, queue_durable=True
        ).queue
        assert (other.name, other.exclusive, other.durable, other.auto_delete) == ("p.me", False, True, False)
        assert other.arguments == {"x-expires": 3000, "x-message-ttl": 1000}


def test_programs_that_drain_by_themselves(app):
    got = []
    receiver = app.events.Receiver(app.connection(), handlers={"*": got.append})
    with pytest.raises(OperationalError, match="nobody listens"):
        receiver.channel.drain_events(timeout=0)
    with receiver.consumer_context() as (connection, _, _):
        assert connection is receiver.channel
        with pytest.raises(TimeoutError):
            connection.drain_events(timeout=0.01)
        publish(app, event(), event("worker-offline"))
        connection.drain_events(timeout=5)
    assert [each["type"] for each in got] == ["worker-online", "worker-offline"]


def test_workers_are_asked_for_a_heartbeat(app, monkeypatch):
    asked = []
    monkeypatch.setattr(type(app.control), "broadcast", lambda self, command: asked.append(command), raising=False)
    with pytest.raises(TimeoutError):
        app.events.Receiver(handlers={}).capture(timeout=0)
    assert asked == ["heartbeat"]


def test_the_current_app_is_watched_where_none_is_named(app):
    app.set_current()
    assert EventReceiver().app is app


def test_a_monitor_as_users_write_it(app):
    """The example of Celery's guide."""
    state, failed = app.events.State(), []

    def announce_failed_tasks(event):
        state.event(event)
        task = state.tasks.get(event["uuid"])
        failed.append(f"TASK FAILED: {task.name}[{task.uuid}] {task.info()}")

    def monitor(ready):
        with app.connection() as connection:
            receiver = app.events.Receiver(connection, handlers={"task-failed": announce_failed_tasks, "*": state.event})
            receiver.wakeup_workers = lambda channel=None: ready.set()
            receiver.capture(limit=2, timeout=None, wakeup=True)

    ready = threading.Event()
    thread = threading.Thread(target=monitor, args=(ready,))
    thread.start()
    assert ready.wait(10)
    with app.events.default_dispatcher() as dispatcher:
        dispatcher.send("task-received", uuid="u", name="add", args="(1,)")
        dispatcher.send(type="task-failed", uuid="u", exception="ValueError()")
    thread.join(10)
    assert failed == ["TASK FAILED: add[u] {'args': '(1,)', 'exception': 'ValueError()'}"]
