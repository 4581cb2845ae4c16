"""Every request and reply of remote control, field by field, as Celery's clients and workers write them."""

from __future__ import annotations

import json

import pytest

from golden.captures import BROKERS, pidbox
from umbel.brokers.topology import ReplyAddress
from umbel.control.calls import Calls
from umbel.control.client import Control
from umbel.control.mailbox import Mailbox, MailboxOptions
from umbel.control.requests import parse_reply, parse_request, render_reply
from umbel.runtime.logical_clock import LogicalClock
from umbel.wire.message import Delivery
from umbel.wire.redis import envelope
from umbel.wire.serializers import content_types

JSON = content_types(["json"])
NODE = "w1@golden"
#: The ids of the tasks that were busy while the captures were made differ by broker: they are taken from the capture.
CALLS = {
    "ping": lambda c, _: c.ping(timeout=1),
    "ping_destination": lambda c, _: c.ping(destination=[NODE], timeout=1),
    "ping_pattern": lambda c, _: c.broadcast("ping", pattern="w*", matcher="glob", reply=True, timeout=1),
    **{
        name: lambda c, _, name=name: getattr(c.inspect(), name)()
        for name in ("active", "reserved", "scheduled", "revoked", "registered", "stats", "active_queues", "report", "clock", "conf")
    },
    "registered_with_attrs": lambda c, _: c.inspect().registered("rate_limit", "max_retries"),
    "query_task": lambda c, given: c.inspect().query_task(*given["ids"]),
    "hello": lambda c, _: c.inspect().hello("w9@other", {"rev-1": 12345.0}),
    "rate_limit": lambda c, _: c.rate_limit("tasks.add", "100/m", reply=True, timeout=1),
    "rate_limit_error": lambda c, _: c.rate_limit("no.task", "abc", reply=True, timeout=1),
    "time_limit": lambda c, _: c.time_limit("tasks.add", soft=10, hard=20, reply=True, timeout=1),
    "pool_grow": lambda c, _: c.pool_grow(1, reply=True, timeout=1),
    "pool_shrink": lambda c, _: c.pool_shrink(1, reply=True, timeout=1),
    "autoscale_error": lambda c, _: c.autoscale(4, 1, reply=True, timeout=1),
    "add_consumer": lambda c, _: c.add_consumer("extra", reply=True, timeout=1),
    "cancel_consumer": lambda c, _: c.cancel_consumer("extra", reply=True, timeout=1),
    "disable_events": lambda c, _: c.disable_events(reply=True, timeout=1),
    "enable_events": lambda c, _: c.enable_events(reply=True, timeout=1),
    "heartbeat": lambda c, _: c.heartbeat(reply=True, timeout=1),
    "revoke_noreply": lambda c, _: c.revoke("11111111-1111-4111-8111-111111111111"),
    "revoke_reply": lambda c, _: c.revoke(["a-1", "a-2"], reply=True, timeout=1),
    "revoke_by_stamped_headers": lambda c, _: c.revoke_by_stamped_headers({"tenant": ["acme"]}, reply=True, timeout=1),
    "terminate_reply": lambda c, given: c.terminate(given["task_id"], signal="SIGTERM", reply=True, timeout=1),
    "pool_restart_error": lambda c, _: c.pool_restart(reply=True, timeout=1),
    "unknown_command": lambda c, _: c.broadcast("no_such_cmd", reply=True, timeout=1),
    "memsample": lambda c, _: c.broadcast("memsample", reply=True, timeout=1),
    "destination_unknown": lambda c, _: c.ping(destination=["nobody@nowhere"], timeout=1),
    "shutdown": lambda c, _: c.shutdown(),
}
EVERY = [pytest.param(broker, name, id=f"{broker}-{name}") for broker in BROKERS for name in pidbox(broker)]
ANSWERED = [each for each in EVERY if pidbox(each.values[0])[each.values[1]].reply is not None]


class Inbox:
    """A reply inbox with the address and the replies of a capture."""

    def __init__(self, found):
        self.found = found
        self.address = found.address or ReplyAddress("", "")

    def open(self):
        pass

    def receive(self, timeout):
        reply, self.found = self.found and self.found.reply, None
        return [delivered(reply)] if reply is not None else []

    def close(self):
        pass


class Broker:
    """Keeps what is broadcast; replies with a capture's reply."""

    def __init__(self, found):
        self.found, self.sent = found, []

    def reply_inbox(self, queue):
        return Inbox(self.found)

    def broadcaster(self):
        return self

    def broadcast(self, exchange, message):
        self.sent.append((exchange, message))


def delivered(message):
    return Delivery(message.body, message.headers, message.content_type, message.content_encoding, message.properties, None, 0, "q", "", "")


def call(found, monkeypatch):
    """What our client sends for the same call, and what it returns; the random ticket is that of the capture."""
    body = json.loads(found.request.body)
    monkeypatch.setattr("umbel.control.mailbox.uuid.uuid4", lambda: body.get("ticket"))
    broker, clock = Broker(found), LogicalClock()
    clock.value = found.request.headers["clock"] - 1
    control = Control(Mailbox(lambda: broker, MailboxOptions(), clock), dict, lambda: broker, lambda entries: None)
    control.mailbox.ask = _without_waiting(control.mailbox.ask)
    returned = CALLS[found.name](control, body["arguments"])
    ((exchange, message),) = broker.sent
    return exchange, message, returned, body


def _without_waiting(ask):
    return lambda request, *, timeout, limit, callback: ask(request, timeout=0.05, limit=limit or 1, callback=callback)


@pytest.mark.parametrize(("broker", "name"), EVERY)
def test_requests_are_written_as_celery_does(broker, name, monkeypatch):
    found = pidbox(broker)[name]
    exchange, message, _, _ = call(found, monkeypatch)
    assert (exchange.name, exchange.type, exchange.durable) == ("celery.pidbox", "fanout", False)
    assert message.body.decode() == found.request.body.decode()
    assert (message.content_type, message.content_encoding) == ("application/json", "utf-8")
    assert message.properties == found.request.properties
    assert list(message.headers) == list(found.request.headers)
    assert message.headers["clock"] == found.request.headers["clock"]
    assert bool(message.headers["expires"]) == bool(found.request.headers["expires"])


@pytest.mark.parametrize(("broker", "name"), EVERY)
def test_requests_are_read(broker, name):
    found = pidbox(broker)[name]
    body = json.loads(found.request.body)
    request = parse_request(delivered(found.request), JSON)
    assert (request.method, dict(request.arguments)) == (body["method"], body["arguments"])
    assert (request.pattern, request.matcher, request.ticket) == (body["pattern"], body["matcher"], body.get("ticket"))
    assert request.clock == found.request.headers["clock"]
    assert request.reply_to == found.address
    assert request.is_for(NODE) is (name != "destination_unknown")


@pytest.mark.parametrize(("broker", "name"), ANSWERED)
def test_replies_are_written_as_celery_does(broker, name):
    found = pidbox(broker)[name]
    request = parse_request(delivered(found.request), JSON)
    (answer,) = json.loads(found.reply.body).values()
    reply = render_reply(NODE, answer, request, found.reply.headers["clock"])
    assert reply.body.decode() == found.reply.body.decode()
    assert (reply.headers, reply.properties) == (found.reply.headers, found.reply.properties)
    assert (reply.content_type, reply.content_encoding) == ("application/json", "utf-8")


@pytest.mark.parametrize(("broker", "name"), EVERY)
def test_replies_are_read_and_returned_as_celery_does(broker, name, monkeypatch):
    found = pidbox(broker)[name]
    if found.reply is not None:
        assert parse_reply(delivered(found.reply), JSON) == json.loads(found.reply.body)
    _, _, returned, _ = call(found, monkeypatch)
    assert returned == found.returned


@pytest.mark.parametrize("name", sorted(pidbox("redis")))
def test_on_redis_each_is_in_kombus_envelope(name):
    found = pidbox("redis")[name]
    for message, raw in ((found.request, found.raw_request), (found.reply, found.raw_reply)):
        if message is not None:
            info = json.loads(raw)["properties"]["delivery_info"]
            tag = json.loads(raw)["properties"]["delivery_tag"]
            assert envelope.render(message, info["exchange"], info["routing_key"], tag).decode() == raw


def test_every_capture_is_called_and_every_command_is_captured():
    assert set(CALLS) == set(pidbox("redis")) == set(pidbox("rabbitmq"))
    methods = {json.loads(found.request.body)["method"] for found in pidbox("redis").values()}
    missing = {name for name in vars(Calls) if not name.startswith("_")} - methods - {"broadcast"}
    assert missing == {"terminate", "election"}, "terminate is a revoke; Celery's workers end by an election"
