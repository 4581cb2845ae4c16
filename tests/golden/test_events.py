"""Every captured event of Celery's, on both brokers: read field by field, and written again byte by byte."""

from __future__ import annotations

import base64
import json

import pytest

from golden.captures import events
from umbel.brokers.fanout import private_queues
from umbel.brokers.redis.fanout.subscriber import Filter
from umbel.events.model import BY_NAME, FIELDS, GROUP_KEY, HEAD, TAIL, routing_key
from umbel.events.parsing import parse
from umbel.events.rendering import EventRenderer, rest_text
from umbel.runtime.logical_clock import LogicalClock
from umbel.wire.amqp.content import parse_content, render_content
from umbel.wire.message import Delivery, MessageLimits
from umbel.wire.redis import envelope
from umbel.wire.redis.channels import Channels

LIMITS = MessageLimits()
JSON = frozenset({"application/json"})
CHANNELS = Channels.of({}, 5)
QUEUE = private_queues.event_queue("dd620c49-7808-4f95-9a9e-b0448a365842")


def on_rabbitmq(entry):
    """The delivery that our subscriber makes of a captured message."""
    body, header = entry["body"].encode(), bytes.fromhex(entry["content_header_hex"])
    content_type, encoding, headers, properties, flaw = parse_content(header, 0, len(header), LIMITS)
    return Delivery(
        body, headers, content_type, encoding, properties, None, 0, QUEUE.name, entry["exchange"], entry["routing_key"], False, 0, flaw
    )


def on_redis(entry):
    chosen = Filter(CHANNELS, QUEUE, LIMITS)
    found = [chosen.delivery(glob.encode(), entry["channel"].encode(), entry["raw"].encode()) for glob in chosen.globs]
    return next(delivery for delivery in found if delivery is not None)


def captured():
    for broker, read in (("rabbitmq", on_rabbitmq), ("redis", on_redis)):
        for kind, entries in events(broker).items():
            for number, entry in enumerate(entries):
                yield pytest.param(broker, read, kind, entry, id=f"{broker}-{kind}-{number}")


def body_of(broker, entry):
    return entry["body"] if broker == "rabbitmq" else base64.b64decode(json.loads(entry["raw"])["body"]).decode()


def without_size(header):
    return header[:4], header[12:]


@pytest.mark.parametrize(("broker", "read", "kind", "entry"), list(captured()))
def test_it_is_read_field_by_field(broker, read, kind, entry):
    delivery = read(entry)
    expected = json.loads(body_of(broker, entry))
    found, refused = parse(delivery, JSON, now=0.0)
    assert (found, refused) == (expected if isinstance(expected, list) else [expected], 0)
    assert kind in {event["type"] for event in found}
    for event in found:
        known = BY_NAME[event["type"]]
        assert list(event) == [*HEAD, *known.fields, *TAIL]
        assert event.keys() <= FIELDS.keys()


@pytest.mark.parametrize(("broker", "read", "kind", "entry"), list(captured()))
def test_it_is_written_byte_by_byte(broker, read, kind, entry):
    delivery = read(entry)
    found, _ = parse(delivery, JSON, now=0.0)
    first = found[0]
    renderer = EventRenderer(
        first["hostname"], LogicalClock(first["clock"] - 1), pid=first["pid"], offset=first["utcoffset"], delivery_mode=1
    )
    known = [BY_NAME[event["type"]] for event in found]
    if delivery.routing_key == GROUP_KEY:
        told = [
            rest_text(each, [event[name] for name in each.fields], event["timestamp"]) for each, event in zip(known, found, strict=True)
        ]
        ((message, key),) = renderer.groups(told)
    else:
        message, key = renderer.single(renderer.event(kind, {name: first[name] for name in known[0].fields}, first["timestamp"]))
        assert key == routing_key(kind)
    assert message.body.decode() == body_of(broker, entry)
    assert (key, private_queues.event_exchange().name) == (delivery.routing_key, delivery.exchange)
    if broker == "rabbitmq":
        rendered = render_content(len(message.body), message.content_type, message.content_encoding, message.headers, message.properties)
        # Paths in the captured tracebacks were shortened, so that the body's size (bytes 4 to 12) is not that of the header.
        assert without_size(rendered) == without_size(bytes.fromhex(entry["content_header_hex"]))
    else:
        tag = json.loads(entry["raw"])["properties"]["delivery_tag"]
        assert envelope.render(message, "celeryev", key, tag).decode() == entry["raw"]
        assert CHANNELS.name("celeryev", key) == entry["channel"]


def test_all_types_of_the_table_were_captured():
    for broker in ("rabbitmq", "redis"):
        assert events(broker).keys() == BY_NAME.keys()
