"""The seal of a message: each of its characters, of each header, property and of the body, and what may change on the way."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest

from umbel.errors import BadSignature, DecodeError, EncodeError, ImproperlyConfigured, Unsigned
from umbel.messages import v2
from umbel.messages.model import Embed, TaskMessage
from umbel.wire.message import Message
from umbel.wire.redis import envelope
from umbel.wire.signing import ENCRYPTED, SEAL
from umbel.wire.signing.keys import KeyRing, read_encryption_keys, read_keys
from umbel.wire.signing.seals import seal, unseal, verify


def key(letter: bytes) -> str:
    return base64.b64encode(letter * 32).decode()


HMAC = {"2026": f"hmac-sha256:{key(b'a')}", "old": f"hmac-sha256:{key(b'b')}"}
RINGS = {
    "hmac": KeyRing(keys=read_keys("message_keys", HMAC), signing="2026"),
    "ed25519": KeyRing(keys=read_keys("message_keys", {"2026": f"ed25519:{key(b'a')}"}), signing="2026"),
    "encrypted": KeyRing(
        keys=read_keys("message_keys", HMAC),
        signing="2026",
        encryption_keys=read_encryption_keys("message_encryption_keys", {"e": f"aes-256-gcm:{key(b'c')}"}),
        encrypting="e",
    ),
}
RING = RINGS["hmac"]


def sample() -> Message:
    """A message with something in every field."""
    task = TaskMessage(
        task="shop.pay",
        id="11111111-2222-3333-4444-555555555555",
        args=[1, "zwei"],
        kwargs={"x": None},
        embed=Embed(callbacks=[{"task": "shop.next", "args": [], "kwargs": {}, "options": {}, "subtask_type": None, "immutable": False}]),
        shadow="pay",
        eta="2026-11-28T12:00:00+00:00",
        expires="2026-11-28T13:00:00+00:00",
        group="g",
        group_index=3,
        retries=2,
        timelimit=(10, 5.5),
        root_id="root",
        parent_id="parent",
        origin="gen1@host",
        ignore_result=True,
        replaced_task_nesting=1,
        stamped_headers=["tenant"],
        stamps={"tenant": ["acme", 7]},
        headers={"tenant": "acme", "deep": {"list": [1, {"a": False}]}},
        reply_to="reply",
        priority=5,
    )
    message = v2.render(task)
    message.headers[v2.KEYS] = "1;key"
    return message


def sealed(ring: KeyRing = RING, message: Message | None = None, exchange: str = "", routing_key: str = "celery") -> Message:
    return seal(message or sample(), exchange, routing_key, ring, 1_795_867_200.0, "ab" * 16, b"n" * 12)


def texts_off_by_one(text: str) -> Iterator[str]:
    for place, letter in enumerate(text):
        for changed in {chr(ord(letter) ^ 1), chr(ord(letter) ^ 0x20), ""} - {letter}:
            yield text[:place] + changed + text[place + 1 :]


def flipped(value: Any) -> Iterator[Any]:
    """Values a little other than this one, each in one place."""
    if isinstance(value, bool):
        yield not value
        yield int(value)
    elif value is None:
        yield from (False, 0, "")
    elif isinstance(value, (int, float)):
        yield from (value + 1, -value - 1, str(value))
    elif isinstance(value, str):
        yield from texts_off_by_one(value)
        yield None
    elif isinstance(value, (list, tuple)):
        yield [*value, None]
        for place, each in enumerate(value):
            yield [*value[:place], *value[place + 1 :]]
            for other in flipped(each):
                yield [*value[:place], other, *value[place + 1 :]]
    elif isinstance(value, dict):
        yield {**value, "more": 1}
        for name, each in value.items():
            yield {other: found for other, found in value.items() if other != name}
            for other in flipped(each):
                yield {**value, name: other}


def tampered(message: Message) -> Iterator[tuple[str, Message]]:
    """The message with each of its characters changed in turn, and with each header and property taken off or added."""
    for where in ("headers", "properties"):
        fields = getattr(message, where)
        for name, value in fields.items():
            for other in flipped(value):
                if where == "properties" and not other and not value:
                    continue
                changed = deepcopy(message)
                getattr(changed, where)[name] = other
                yield f"{where}[{name}] = {other!r:.80}", changed
            without = deepcopy(message)
            del getattr(without, where)[name]
            if name != "delivery_mode":  # what is left out means the usual one
                yield f"{where} without {name}", without
        more = deepcopy(message)
        getattr(more, where)["more"] = "1"
        yield f"{where} with one more", more
    for place in range(len(message.body)):
        for bit in range(8):
            changed = deepcopy(message)
            body = bytearray(message.body)
            body[place] ^= 1 << bit
            changed.body = bytes(body)
            yield f"body[{place}] bit {bit}", changed
    for name in ("content_type", "content_encoding"):
        for other in texts_off_by_one(getattr(message, name)):
            changed = deepcopy(message)
            setattr(changed, name, other)
            yield f"{name} = {other}", changed


@pytest.mark.parametrize("ring", RINGS.values(), ids=RINGS)
def test_whatever_is_changed_is_refused(ring):
    message = sealed(ring)
    assert verify(message, "celery", ring)[:3] == ("2026", 1_795_867_200.0, "ab" * 16)
    count, taken = 0, []
    for what, changed in tampered(message):
        count += 1
        try:
            verify(changed, "celery", ring)
        except (BadSignature, Unsigned):
            continue
        taken.append(what)
    assert taken == []
    assert count > 2500


def test_every_bit_of_a_list_item_in_redis_matters_or_changes_nothing():
    """What JSON writes in two ways, and the parts that are the transport's own, may change; the message may not."""
    message = sealed()
    raw = envelope.render(message, "", "celery", "tag")
    taken = 0
    for place in range(len(raw)):
        for bit in range(8):
            changed = bytearray(raw)
            changed[place] ^= 1 << bit
            parsed = envelope.parse(bytes(changed), body_limit=1 << 20, header_bytes=1 << 20, header_count=200, depth=8)
            if parsed.flaw is not None:
                continue
            received = Message(parsed.body, parsed.headers, parsed.content_type, parsed.content_encoding, parsed.properties)
            try:
                verify(received, "celery", RING)
            except (BadSignature, Unsigned):
                continue
            taken += 1
            assert (received.body, _covered(received)) == (message.body, _covered(message))
    assert 0 < taken < len(raw)


def _covered(message: Message) -> dict[str, Any]:
    return {name: value for name, value in json.loads(json.dumps(message.headers)).items() if name in v2.HEADERS}


@pytest.mark.parametrize("ring", RINGS.values(), ids=RINGS)
def test_it_survives_what_brokers_and_workers_write_on_the_way(ring):
    message = sealed(ring)
    message.headers.update(
        {
            "x-umbel-attempts": 2,
            "x-umbel-due": 1.5,
            "x-umbel-held": "m",
            "x-death": [{"queue": "q"}],
            "x-delivery-count": 1,
            "redelivered": True,
        }
    )
    message.headers.update({"x-umbel-dead-reason": "failed", "x-opt-x": 1, "BCC": ["x"]})
    message.properties.update(delivery_info={"exchange": ""}, body_encoding="base64", delivery_tag="t", expiration="5", message_id=None)
    message.headers["timelimit"] = tuple(message.headers["timelimit"])
    assert verify(message, "celery", ring).key == "2026"


def test_properties_that_not_all_brokers_bring_are_not_sent():
    message = sample()
    message.properties.update(origin="gen1@host", app_id="shop")
    assert sealed(message=message).properties == {**sample().properties, "app_id": "shop"}


def test_it_is_bound_to_its_queue_and_to_its_exchange_otherwise():
    with pytest.raises(BadSignature, match=r"sent to queue 'celery', and signed so, but lay in queue 'vip'"):
        verify(sealed(), "vip", RING)
    assert verify(sealed(), None, RING).exchange == ""
    assert verify(sealed(exchange="news", routing_key="a.b"), "any", RING).exchange == "news"


def test_another_key_and_no_key_and_no_seal_are_refused():
    other = KeyRing(keys=read_keys("message_keys", {"2026": f"hmac-sha256:{key(b'z')}"}), signing="2026")
    with pytest.raises(BadSignature, match="has been changed"):
        verify(sealed(other), "celery", RING)
    with pytest.raises(BadSignature, match="key '2026', which is not among message_keys"):
        verify(sealed(), "celery", KeyRing(keys={}))
    with pytest.raises(Unsigned):
        verify(sample(), "celery", RING)


def test_a_key_that_is_on_its_way_out_still_verifies():
    before = KeyRing(keys=RING.keys, signing="old")
    assert verify(sealed(before), "celery", RING).key == "old"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "x",
        5,
        ["x"],
        "[]." + "0" * 64,
        "[1,2,3,4,5,6]." + "0" * 64,
        "." + "0" * 64,
        '[true,"2026",1,"n","","q"].' + "0" * 64,
        '[2,"2026",1,"n","","q"].' + "0" * 64,
        "[" * 2000,
        "x" * 5000,
        '[1,"2026",NaN,"n","","q"].' + "0" * 64,
        '[1,"\\ud800",1,"n","","q"].' + "\ud800" * 64,
    ],
)
def test_what_is_no_seal_is_refused(header):
    message = sealed()
    message.headers[SEAL] = header
    with pytest.raises(BadSignature):
        verify(message, "celery", RING)


def test_headers_that_cannot_be_signed_are_an_error_where_they_are_sent_and_refused_where_they_come():
    message = sample()
    message.headers["when"] = object()
    with pytest.raises(EncodeError, match=r"cannot be signed.*object"):
        sealed(message=message)
    received = sealed()
    received.headers["x"] = b"bytes"
    with pytest.raises(BadSignature):
        verify(received, "celery", RING)


def test_a_body_is_encrypted_and_previews_of_arguments_are_hidden():
    ring, plain = RINGS["encrypted"], sample()
    message = sealed(ring, plain)
    assert message.content_type == ENCRYPTED
    assert b"zwei" not in message.body
    assert "zwei" not in json.dumps(message.headers)
    found = unseal(message, ring)
    assert (found.body, found.content_type, found.content_encoding) == (plain.body, "application/json", "utf-8")
    assert plain.content_type == "application/json"
    with pytest.raises(DecodeError, match="key 'e', which is not among message_encryption_keys"):
        unseal(message, RING)
    with pytest.raises(DecodeError):
        unseal(message, None)
    assert unseal(plain, None) is plain


def test_a_ring_that_only_verifies_signs_nothing():
    with pytest.raises(ImproperlyConfigured, match="no key that can sign"):
        sealed(KeyRing(keys=RING.keys))


def test_the_name_of_a_header_is_text():
    message = Message(b"{}", {}, "application/json", "utf-8", {})
    message.headers = {1: "one"}  # type: ignore[dict-item]
    with pytest.raises(EncodeError, match="the name of a header is a int"):
        seal(message, "", "q", RING, 1.0, "n", b"0" * 12)
    good = seal(Message(b"{}", {}, "application/json", "utf-8", {}), "", "q", RING, 1.0, "n", b"0" * 12)
    good.headers[1] = "one"  # type: ignore[index]
    with pytest.raises(BadSignature, match="cannot have been signed"):
        verify(good, "q", RING)


@pytest.mark.parametrize("sent", [1.5, datetime(1970, 1, 1, 0, 0, 1, 500_000, UTC), datetime(1970, 1, 1, 0, 0, 1)])
def test_a_time_among_the_properties_comes_back_in_whole_seconds(sent):
    message = seal(Message(b"x", {"id": "1"}, properties={"timestamp": sent}), "", "q", RING, 1.0, "name", b"n" * 12)
    message.properties["timestamp"] = 1
    assert verify(message, "q", RING).name == "name"
