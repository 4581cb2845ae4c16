from __future__ import annotations

import json

import pytest

from golden.captures import published
from umbel.errors import DecodeError, MessageTooLarge
from umbel.wire.message import Call, Message, MessageLimits, Stencil
from umbel.wire.redis import envelope

CAPTURES = [
    pytest.param(one.raw.encode(), id=f"{name}-{number}")
    for name, scenario in published("redis").items()
    for number, one in enumerate(scenario.messages)
]
VIRTUAL = ("delivery_info", "delivery_tag", "body_encoding")


def parse(raw: bytes, limits: MessageLimits | None = None) -> envelope.Parsed:
    limits = limits or MessageLimits()
    return envelope.parse(
        raw, body_limit=limits.body, header_bytes=limits.header_bytes, header_count=limits.header_count, depth=limits.depth
    )


def message_of(found: envelope.Parsed) -> Message:
    properties = {name: value for name, value in found.properties.items() if name not in VIRTUAL}
    return Message(found.body, found.headers, found.content_type, found.content_encoding, properties)


@pytest.mark.parametrize("raw", CAPTURES)
def test_captures_are_rendered_byte_for_byte(raw):
    found = parse(raw)
    assert found.flaw is None
    assert envelope.render(message_of(found), found.exchange, found.routing_key, found.properties["delivery_tag"]) == raw


@pytest.mark.parametrize("name", ["basic", "kwargs", "unicode_args", "priority_5", "shadow", "time_limits"])
def test_a_template_renders_the_same(name):
    raw = published("redis")[name].messages[0].raw.encode()
    found = parse(raw)
    message, headers = message_of(found), found.headers
    holes = dict.fromkeys(("id", "root_id", "parent_id", "argsrepr", "kwargsrepr"))
    stencil = Stencil(
        {**headers, **holes}, message.properties, found.content_type, found.content_encoding, found.exchange, found.routing_key
    )
    ids = headers["id"], headers["root_id"], headers["parent_id"]
    rendered = envelope.CompiledStencil(stencil).render(
        Call(*ids, headers["argsrepr"], headers["kwargsrepr"], found.body), found.properties["delivery_tag"]
    )
    assert rendered == raw


def test_a_template_escapes_what_it_fills_in():
    stencil = Stencil({"task": "100%s", "id": None, "argsrepr": None}, {"priority": 3}, "application/json", "utf-8", "", "50%")
    raw = envelope.CompiledStencil(stencil).render(Call('"a\\', "r\n", "p\u4e2d", "%(id)s", "{}", b"\xff%s"), "t-1")
    found = parse(raw)
    assert found.body == b"\xff%s"
    assert found.headers["task"] == "100%s"
    assert (found.headers["id"], found.headers["root_id"], found.headers["parent_id"]) == ('"a\\', "r\n", "p\u4e2d")
    assert found.headers["argsrepr"] == "%(id)s"
    assert found.properties["correlation_id"] == '"a\\'
    assert (found.routing_key, found.properties["delivery_tag"]) == ("50%", "t-1")


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no json",
        b"\xff\xfe",
        b"[]",
        b"17",
        b'"text"',
        b"{}",
        b'{"properties": null}',
        b'{"properties": {}, "headers": []}',
        b'{"properties": {"body_encoding": "base64"}, "body": "QQ"}',
        b'{"properties": [], "body": 5}',
        b"[" * 100000,
    ],
)
def test_items_that_are_no_envelope_have_a_flaw(raw):
    found = parse(raw)
    if raw == b'{"properties": {}, "headers": []}':  # an empty list of headers is as good as none
        assert found.flaw is None
        return
    assert isinstance(found.flaw, DecodeError)
    assert found.headers == {}


def enveloped(body: bytes = b"", **headers: object) -> bytes:
    return envelope.render(Message(body, headers), "", "q", "t")


@pytest.mark.parametrize(
    ("raw", "limits", "text"),
    [
        (enveloped(b"x" * 101), MessageLimits(body=100), "body has 101 bytes; the limit is 100"),
        (enveloped(b"x" * 3000), MessageLimits(body=1000, header_bytes=300), "the envelope has"),
        (enveloped(a="x" * 500), MessageLimits(header_bytes=400), "headers and properties have"),
        (enveloped(**{str(number): 1 for number in range(5)}), MessageLimits(header_count=4), "5 headers; the limit is 4"),
        (enveloped(a=[[[[1]]]]), MessageLimits(depth=3), "header 'a' is nested more than 3 levels"),
    ],
)
def test_limits(raw, limits, text):
    found = parse(raw, limits)
    assert isinstance(found.flaw, MessageTooLarge)
    assert text in str(found.flaw)
    whole = parse(raw)
    assert whole.flaw is None
    assert found.headers == ({} if text == "the envelope has" else whole.headers)


def test_marking_is_kombus():
    raw = published("redis")["basic"].messages[0].raw.encode()
    marked = json.loads(envelope.marked(raw, {"x": []}))
    assert marked["headers"].pop("redelivered") is True
    assert marked["headers"].pop("x") == []
    assert marked["properties"]["delivery_info"].pop("redelivered") is True
    assert marked == json.loads(raw)
    assert parse(envelope.marked(raw)).redelivered
    assert not parse(envelope.marked(raw, redelivered=False)).redelivered
    assert envelope.marked(b"no json") is None
    assert envelope.marked(b"[]") is None


@pytest.mark.parametrize("body", ['""', '"QQ=="', '"a \\" b"', '"ends with \\\\"', "null", "5"])
@pytest.mark.parametrize("order", ['{"body": %s, "properties": {}}', '{"properties": {}, "body": %s}', '{"body":%s,"properties":{}}'])
def test_marking_leaves_the_body_alone(body, order):
    marked = json.loads(envelope.marked((order % body).encode(), {"x": 1}, redelivered=False))
    assert marked == {"body": json.loads(body), "properties": {}, "headers": {"x": 1}}


def test_entries_of_unacked():
    raw = published("redis")["priority_5"].messages[0].raw.encode()
    entry = envelope.render_unacked(raw, "celery")
    assert json.loads(entry) == [json.loads(raw), "", "celery"]
    held = envelope.parse_unacked(entry)
    assert (json.loads(held.raw), held.exchange, held.routing_key, held.priority) == (json.loads(raw), "", "celery", 5)
    assert envelope.parse_unacked(envelope.render_unacked(b"\xffno", "q")).raw == b"\xffno"
    assert envelope.parse_unacked(b"nothing") is None
    assert envelope.parse_unacked(b"[1, 2]") is None
