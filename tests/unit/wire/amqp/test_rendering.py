import pytest

from golden.captures import published
from umbel.errors import EncodeError
from umbel.wire.amqp.rendering import (
    CompiledStencil,
    address_of,
    render_ack,
    render_acks,
    render_message,
    render_publish,
    render_requeue,
    size_of,
)
from umbel.wire.message import Call, Message, Stencil

from .streams import frame, sized

HOLES = ("id", "root_id", "parent_id", "argsrepr", "kwargsrepr")
MOST = 131072
NAMES = ["basic", "kwargs", "priority_5", "unicode_args", "serializer_msgpack", "ignore_result_task", "long_args_repr", "time_limits"]


def stencil_of(found, **changes):
    message = found.message
    properties = {name: value for name, value in message.properties.items() if name != "correlation_id"}
    headers = {name: None if name in HOLES else value for name, value in message.headers.items()}
    return Stencil(headers | changes, properties, message.content_type, message.content_encoding, found.exchange, found.queue)


@pytest.mark.parametrize("name", NAMES)
def test_a_stencil_renders_what_celery_sends(name):
    found = published("rabbitmq")[name].messages[0]
    headers, body = found.message.headers, found.message.body
    compiled = CompiledStencil(stencil_of(found), 1, mandatory=False)
    rendered = compiled.render(Call(*(headers[hole] for hole in HOLES), body), MOST)
    method = render_publish(1, found.exchange, found.queue, mandatory=False)
    assert rendered == method + frame(2, sized(found.content_header, len(body))) + frame(3, body)
    assert rendered == render_message(1, method, found.message, MOST)
    assert (address_of(rendered), size_of(rendered)) == ((found.exchange, found.queue), len(body))


@pytest.mark.parametrize("parent", [None, "", "parent ☃"])
@pytest.mark.parametrize("body", [b"", b"x", b"x" * 10_000])
def test_a_stencil_renders_the_message_it_fills(parent, body):
    stencil = stencil_of(published("rabbitmq")["basic"].messages[0])
    call = Call("id ☃", "root", parent, "('é',)", "{}", body)
    rendered = CompiledStencil(stencil, 3).render(call, 4096)
    assert rendered == render_message(3, render_publish(3, "", "celery", mandatory=True), stencil.fill(call), 4096)


def test_a_long_body_is_cut_into_frames():
    body = bytes(range(256)) * 40
    rendered = render_message(1, render_publish(1, "", "q", mandatory=True), Message(body, {}), 4096)
    sizes, at = [], 0
    while at < len(rendered):
        size = int.from_bytes(rendered[at + 3 : at + 7], "big")
        sizes.append((rendered[at], size))
        at += size + 8
    assert sizes[2:] == [(3, 4088), (3, 4088), (3, 10240 - 2 * 4088)]


def test_messages_that_do_not_fit():
    stencil = stencil_of(published("rabbitmq")["basic"].messages[0])
    compiled = CompiledStencil(stencil, 1)
    with pytest.raises(EncodeError, match="4088"):
        compiled.render(Call("i", "i", None, "x" * 5000, "{}", b""), 4096)
    with pytest.raises(EncodeError, match="255"):
        compiled.render(Call("i" * 256, "i", None, "", "{}", b""), MOST)
    with pytest.raises(EncodeError, match="4088"):
        render_message(1, b"", Message(b"", {"h": "x" * 5000}), 4096)
    with pytest.raises(EncodeError, match="root_id"):
        CompiledStencil(Stencil({"id": None}, {}, "", "", "", "q"), 1)
    with pytest.raises(EncodeError, match="priority"):
        render_message(1, b"", Message(b"", {}, properties={"priority": 256}), MOST)


def test_settlements():
    ack = frame(1, b"\x00\x3c\x00\x50" + (5).to_bytes(8, "big") + b"\x00")
    many = frame(1, b"\x00\x3c\x00\x50" + (4).to_bytes(8, "big") + b"\x01")
    assert render_ack(1, 5, multiple=False) == ack
    assert render_acks(1, 4, [5]) == many + ack
    assert render_acks(1, 0, []) == b""
    assert render_requeue(1, 9) == frame(1, b"\x00\x3c\x00\x78" + (9).to_bytes(8, "big") + b"\x02")
