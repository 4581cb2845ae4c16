"""Celery's side of broadcasts, events and replies, in its own interpreter: ``python -m interop.fanout_side COMMAND JSON``.

It prints one JSON document per line; the first one says that it listens, where it does.
"""

from __future__ import annotations

import contextlib
import json
import sys

from celery import Celery


def say(document):
    print(json.dumps(document), flush=True)


def app_of(setup):
    app = Celery("side", broker=setup["broker"], set_as_current=False)
    app.conf.update(control_exchange=setup["namespace"], event_exchange=setup["events"], broker_transport_options=setup["transport"])
    return app


def subscribed(connection):
    """Say that it listens: on Redis kombu subscribes only when it is about to wait for messages."""
    with contextlib.suppress(TimeoutError):
        connection.drain_events(timeout=0.5)
    say("listens")


def node(setup):
    """A worker's mailbox: answers so many pings."""
    app = app_of(setup)
    done = []

    def ping(state, **arguments):
        done.append(1)
        return {"ok": "pong", "arguments": arguments}

    with app.connection_for_read() as connection:
        listener = app.control.mailbox.Node("kombu@node", handlers={"ping": ping}, channel=connection.default_channel)

        def on_message(body, message):
            say({"body": body, "headers": message.headers})
            listener.handle_message(body, message)

        with listener.listen(callback=on_message):
            subscribed(connection)
            while len(done) < setup["count"]:
                connection.drain_events(timeout=20)


def inspect(setup):
    """A client's broadcast, and the answers it gets."""
    app = app_of(setup)
    say(app.control.broadcast("ping", {"n": 1}, reply=True, timeout=20, limit=1))


def receive(setup):
    """A monitor: prints so many events."""
    app = app_of(setup)
    left = [setup["count"]]

    def on_event(event):
        say(event)
        left[0] -= 1

    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": on_event})
        with receiver.consumer_context() as (connected, _, _):
            subscribed(connected)
            while left[0]:
                connected.drain_events(timeout=20)


def dispatch(setup):
    """A worker's dispatcher: single events, and a list of them."""
    app = app_of(setup)
    with app.connection_for_write() as connection:
        dispatcher = app.events.Dispatcher(connection, hostname="celery@side", buffer_group={"task"})
        dispatcher.send("worker-online", freq=2.0)
        dispatcher.send("task-received", uuid="u1", name="tasks.add")
        dispatcher.send("task-succeeded", uuid="u1", result="3")
        dispatcher.flush()
        dispatcher.close()


if __name__ == "__main__":
    globals()[sys.argv[1]](json.loads(sys.argv[2]))
