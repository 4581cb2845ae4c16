"""Remote control and events on the wire, field by field, as Celery sends and declares them."""

from __future__ import annotations

import json

import pytest

from golden.captures import fanout
from umbel.brokers.amqp.topology import declare_queue
from umbel.brokers.fanout import private_queues
from umbel.brokers.redis.fanout.subscriber import Filter
from umbel.brokers.topology import ReplyAddress
from umbel.wire.amqp.content import parse_content, render_content
from umbel.wire.message import Message, MessageLimits
from umbel.wire.redis import envelope
from umbel.wire.redis.channels import Channels
from umbel.wire.redis.keys import Keys

RABBITMQ, REDIS = fanout("rabbitmq"), fanout("redis")
#: Of the captures.
REPLIES, WATCHER = "89ab9434-26fb-38d0-b213-ffefaa80aa72", "dd620c49-7808-4f95-9a9e-b0448a365842"
CHANNELS = Channels.of({}, 5)
LIMITS = MessageLimits()


def declared(queue):
    return [(frame.name, {name: getattr(frame, name) for name in frame.__slots__}) for frame in declare_queue(queue)]


def captured(*names):
    """Celery's declarations of exchanges and queues of these names."""
    return [
        (entry["frame"], entry["args"])
        for entry in RABBITMQ["declarations"]
        if entry["frame"] != "Basic.Consume" and (entry["args"].get("queue") or entry["args"]["exchange"]) in names
    ]


@pytest.mark.parametrize(
    ("queue", "names"),
    [
        (private_queues.control_queue("w1@golden"), ("celery.pidbox", "w1@golden.celery.pidbox")),
        (private_queues.control_reply_queue(REPLIES), ("reply.celery.pidbox", f"{REPLIES}.reply.celery.pidbox")),
        (private_queues.event_queue(WATCHER, ["worker.#"]), ("celeryev", f"celeryev.{WATCHER}")),
    ],
    ids=["requests", "replies", "events"],
)
def test_queues_are_declared_as_celery_does(queue, names):
    expected = captured(*names)
    assert len(expected) == 3
    assert declared(queue) == expected


def messages_on_rabbitmq():
    for entry in [*RABBITMQ["pidbox"], *RABBITMQ["events"]]:
        properties = dict(entry.get("props") or entry["properties"])
        body = entry["body"].encode()
        made = Message(body, properties.pop("headers"), properties.pop("content_type"), properties.pop("content_encoding"), properties)
        yield entry, made


def test_events_have_celerys_content_headers():
    checked = 0
    for entry, message in messages_on_rabbitmq():
        if "content_header_hex" in entry:
            header = bytes.fromhex(entry["content_header_hex"])
            rendered = render_content(
                len(message.body), message.content_type, message.content_encoding, message.headers, message.properties
            )
            assert rendered == header
            found = parse_content(header, 0, len(header), LIMITS)
            assert found == ("application/json", "utf-8", message.headers, message.properties, None)
            checked += 1
    assert checked == 3


def test_broadcasts_go_to_celerys_exchanges():
    where = [(entry["args"]["exchange"], entry["args"]["routing_key"]) for entry, _ in messages_on_rabbitmq()]
    request, reply = (json.loads(message.body) for _, message in list(messages_on_rabbitmq())[:2])
    to = ReplyAddress(**request["reply_to"])
    assert where[0] == (private_queues.control_exchange().name, "")
    assert where[1] == to
    assert to == ReplyAddress.of(private_queues.control_reply_queue(to.routing_key))
    assert reply == {"w1@golden": {"ok": "pong"}}
    assert {exchange for exchange, _ in where[2:]} == {private_queues.event_exchange().name}


def published_on_redis():
    """(channel or list, raw envelope, what a subscriber or inbox of ours is asked for)"""
    control = private_queues.control_queue("w1@golden")
    events = private_queues.event_queue(WATCHER)
    yield REDIS["request"][0][1], REDIS["request"][0][2], control
    for entry in REDIS["events"]:
        yield entry["channel"], entry["raw"], events


def test_broadcasts_are_published_as_kombu_does():
    for channel, raw, queue in published_on_redis():
        parts = json.loads(raw)
        info = parts["properties"]["delivery_info"]
        chosen = Filter(CHANNELS, queue, LIMITS)
        every = [chosen.delivery(glob.encode(), channel.encode(), raw.encode()) for glob in chosen.globs]
        (delivery,) = [found for found in every if found is not None]
        assert delivery.flaw is None
        assert (
            (delivery.exchange, delivery.routing_key)
            == (info["exchange"], info["routing_key"])
            == (queue.exchange.name, info["routing_key"])
        )
        assert delivery.headers == parts["headers"]
        assert CHANNELS.name(delivery.exchange, delivery.routing_key) == channel
        tag = parts["properties"]["delivery_tag"]
        assert envelope.render(delivery, delivery.exchange, delivery.routing_key, tag).decode() == raw


def test_what_kombu_subscribes_to_is_in_what_we_do():
    for (_, pattern), queue in zip(
        REDIS["subscriptions"], (private_queues.control_queue("w"), private_queues.event_queue(WATCHER, ["worker.#"])), strict=True
    ):
        assert pattern in Filter(CHANNELS, queue, LIMITS).globs


def test_a_reply_finds_the_inbox_by_kombus_binding():
    ident = json.loads(REDIS["reply"][1][2])["properties"]["delivery_info"]["routing_key"]
    queue = private_queues.control_reply_queue(ident)
    keys = Keys()
    _, _, _, binding, deadlines, member, exchange, ttl = REDIS["binding"]
    assert (keys.binding(exchange), keys.binding_deadlines) == (binding, deadlines)
    assert keys.member(ident, "", queue.name) == member
    assert ttl == "3600000"
    assert [keys.binding(exchange), keys.binding_permanent(exchange)] == [command[1] for command in REDIS["request"][1:]]
    (_, table), (_, where, raw) = REDIS["reply"]
    assert (table, where) == (binding, queue.name)
    parts = json.loads(raw)
    found = envelope.parse(raw.encode(), body_limit=1000, header_bytes=5000, header_count=10, depth=3)
    message = Message(found.body, found.headers, found.content_type, found.content_encoding, found.properties)
    assert envelope.render(message, exchange, ident, parts["properties"]["delivery_tag"]).decode() == raw
