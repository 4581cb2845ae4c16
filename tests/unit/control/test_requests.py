from __future__ import annotations

import pickle

import pytest

from umbel.brokers.topology import ReplyAddress
from umbel.control.requests import Request, parse_reply, parse_request, render_reply, render_request
from umbel.errors import ContentDisallowed, DecodeError, EncodeError, MessageTooLarge
from umbel.wire.message import Delivery
from umbel.wire.serializers import content_types

JSON, ALL = content_types(["json"]), content_types(["json", "pickle", "yaml", "msgpack"])
REQUEST = Request(
    method="revoke",
    arguments={"task_id": ["a"], "terminate": False},
    destination=("w1@h",),
    pattern="w*",
    matcher="glob",
    ticket="t",
    reply_to=ReplyAddress("reply.celery.pidbox", "me"),
    clock=7,
)


def delivered(message, flaw=None, **changes):
    fields = {"content_type": message.content_type, "content_encoding": message.content_encoding, **changes}
    return Delivery(
        message.body,
        message.headers,
        fields["content_type"],
        fields["content_encoding"],
        message.properties,
        None,
        0,
        "q",
        "",
        "",
        flaw=flaw,
    )


@pytest.mark.parametrize("serializer", ["json", "pickle", "yaml", "msgpack"])
def test_a_request_is_read_as_it_was_written(serializer):
    request = Request(**{name: getattr(REQUEST, name) for name in REQUEST.__slots__} | {"serializer": serializer})
    message = render_request(request, 12.5)
    assert message.headers == {"clock": 7, "expires": 12.5}
    assert parse_request(delivered(message), ALL) == request
    reply = render_reply("w1@h", {"ok": [1]}, request, 9)
    assert reply.content_type == message.content_type
    assert parse_reply(delivered(reply), ALL) == {"w1@h": {"ok": [1]}}


def test_without_a_reply_there_is_no_address_and_no_ticket():
    body = render_request(Request(method="shutdown"), 0).body
    assert body == b'{"method": "shutdown", "arguments": {}, "destination": null, "pattern": null, "matcher": null}'


def test_content_that_is_not_accepted_is_not_read():
    message = render_request(Request(method="ping", serializer="pickle"), 0)
    with pytest.raises(ContentDisallowed):
        parse_request(delivered(message), JSON)
    with pytest.raises(ContentDisallowed):
        parse_reply(delivered(message), JSON)


class Evil:
    def __reduce__(self):
        return pytest.fail, ("code of a message was run",)


def test_pickles_hold_no_code_where_they_are_accepted():
    message = render_request(Request(method="ping", serializer="pickle"), 0)
    message.body = pickle.dumps({"method": "ping", "arguments": {"x": Evil()}})
    with pytest.raises(DecodeError, match="only a child may load"):
        parse_request(delivered(message), ALL)


def test_a_flaw_is_told():
    flaw = MessageTooLarge("100 bytes")
    with pytest.raises(DecodeError, match="100 bytes"):
        parse_request(delivered(render_request(REQUEST, 0), flaw), JSON)
    with pytest.raises(DecodeError, match="100 bytes"):
        parse_reply(delivered(render_request(REQUEST, 0), flaw), JSON)


def test_a_reply_is_an_object():
    reply = render_reply("w", 1, REQUEST, 1)
    reply.body = b"[1]"
    with pytest.raises(DecodeError, match="a reply is an object"):
        parse_reply(delivered(reply), JSON)


def test_what_cannot_be_written_is_an_error():
    with pytest.raises(EncodeError):
        render_request(Request(method="ping", arguments={"x": object()}), 0)


@pytest.mark.parametrize(
    ("destination", "pattern", "expected"),
    [
        (None, None, True),
        ((), None, False),
        (("w1@h",), None, True),
        (("w2@h",), None, False),
        (None, "w1*", True),
        (None, "w2*", False),
        ((), "w1*", True),
        (("w2@h",), "w1*", True),
    ],
)
def test_who_is_meant(destination, pattern, expected):
    assert Request(method="ping", destination=destination, pattern=pattern, matcher=None).is_for("w1@h") is expected
