import json

import pytest

from umbel.brokers.base import ATTEMPTS, DEAD_AT, DEAD_REASON
from umbel.brokers.envelope import CompiledStencil, dead_headers, decode, encode, too_deep
from umbel.errors import DecodeError, EncodeError, MessageTooLarge
from umbel.wire.message import INSPECTION, Call, Message, MessageLimits, Stencil

LIMITS = MessageLimits()
PLAIN = json.dumps(
    {"headers": {"id": "1"}, "content_type": "c", "content_encoding": "e", "properties": {}, "exchange": "", "routing_key": "q"}
).encode()


def row(envelope=PLAIN, *, extra=None, kind="blob", body=b"x", length=1):
    return (5, "q", 0, 1, 2, extra, envelope, kind, length, body)


def test_a_row_becomes_a_delivery():
    found = decode(row(extra=b'{"x-umbel-dead-reason": "why"}'), LIMITS, 9)
    assert (found.tag, found.epoch, found.queue, found.redelivered, found.attempts, found.flaw) == (5, 9, "q", True, 2, None)
    assert found.headers == {"id": "1", DEAD_REASON: "why"}


def changed(**fields):
    return json.dumps({**json.loads(PLAIN), **fields}).encode()


@pytest.mark.parametrize(
    ("stored", "flaw"),
    [
        (row(b"\xff\xfe"), "not UTF-8"),
        (row(b"{"), "not valid JSON"),
        (row(b"[]"), "not a JSON object"),
        (row(b"{}"), "'headers' is not of type dict"),
        (row(changed(headers=[])), "'headers' is not of type dict"),
        (row(changed(content_type=None)), "'content_type' is not of type str"),
        (row(changed(headers={"x": {"__type__": "evil", "__value__": 1}})), "__type__"),
        (row(b"[" * 60_000), "nested too deeply"),
        (row(kind="text", body="x"), "of type text"),
        (row(kind="null", body=None, length=None), "of type null"),
    ],
)
def test_an_untrusted_file_gives_flaws_and_no_exceptions(stored, flaw):
    found = decode(stored, LIMITS, 0)
    assert isinstance(found.flaw, DecodeError)
    assert found.flaw.__traceback__ is None, "it keeps the message in memory"
    assert flaw in str(found.flaw)
    assert found.headers == ({"id": "1"} if stored[6] == PLAIN else {})
    assert type(found.body) is bytes


@pytest.mark.parametrize(
    ("stored", "flaw"),
    [
        (row(body=None, length=20_000_000), "20000000 bytes, the limit is 16777216"),
        (row(changed(headers={str(number): 1 for number in range(201)})), "201 headers, the limit is 200"),
        (row(changed(headers={"x": "y" * 70_000})), "the limit is 65536"),
        (row(changed(headers={"x": "y" * 300_000})), "the limit is 65536"),
        (row(changed(headers={"x": [[[[[[[[[1]]]]]]]]]})), "deeper than 8"),
    ],
)
def test_limits(stored, flaw):
    found = decode(stored, LIMITS, 0)
    assert isinstance(found.flaw, MessageTooLarge)
    assert found.flaw.__traceback__ is None, "it keeps the message in memory"
    assert flaw in str(found.flaw)
    envelope = stored[6]
    assert found.headers == (json.loads(envelope)["headers"] if len(envelope) < 4 * LIMITS.header_bytes else {})
    inspected = decode(stored, INSPECTION, 0)
    assert inspected.headers == json.loads(envelope)["headers"]
    assert (inspected.flaw is None) == (stored[9] is not None)


def test_depth():
    assert not too_deep([1, "x", None], 0)
    assert too_deep([[]], 0)
    assert not too_deep([[{"a": 1}], {}], 2)
    assert too_deep([[{"a": [1]}]], 2)


@pytest.mark.parametrize(("given", "stored"), [(None, 0), (5, 5), (-3, 0), (999, 255), ("5", 0), (True, 0)])
def test_priorities_are_put_in_range(given, stored):
    assert encode(Message(b"", {}, properties={"priority": given}), "", "q")[0] == stored


def test_attempts_travel_as_a_header():
    assert encode(Message(b"", {ATTEMPTS: 3}), "", "q")[1] == 3
    assert encode(Message(b"", {ATTEMPTS: "many"}), "", "q")[1] == 0


def test_what_json_cannot_hold_is_refused():
    with pytest.raises(EncodeError, match="object"):
        encode(Message(b"", {"x": object()}), "", "q")


def test_a_compiled_stencil_writes_what_its_message_would():
    headers = {"id": None, "task": "t", "argsrepr": None, "kwargsrepr": None, "root_id": None, "parent_id": None, "extra": {"a": [1]}}
    stencil = Stencil(headers, {"priority": 7, "reply_to": "r"}, "application/json", "utf-8", "x", "k")
    compiled = CompiledStencil(stencil)
    for call in (("i", "r", None, '("é",)', "{}"), ('"\\\n', "\u0000", "p", "☃", "𝄞")):
        _, _, expected, _ = encode(stencil.fill(Call(*call, b"")), "x", "k")
        assert compiled.fill(Call(*call, b"")) == expected
    assert compiled.priority == 7


def test_dead_headers():
    found = dead_headers("q", "why", "lone \udc00", 0.0)
    assert found[DEAD_AT] == "1970-01-01T00:00:00+00:00"
    assert found["x-umbel-dead-detail"] == "lone ?"
