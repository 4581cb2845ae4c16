import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golden.captures import published
from umbel.errors import DecodeError, MessageTooLarge, ProtocolError
from umbel.wire.amqp.content import render_content
from umbel.wire.amqp.fields import parse_table, render_table
from umbel.wire.message import MessageLimits

from .streams import deliver, frame, message, receiver, seen, short, sized

CAPTURES = [(name, number, found) for name, each in published("rabbitmq").items() for number, found in enumerate(each.messages)]
BASIC = published("rabbitmq")["basic"].messages[0]


def take(made, data):
    made.receive(data)
    return made.take_deliveries()


@pytest.mark.parametrize(("name", "number", "found"), CAPTURES, ids=[f"{name}-{number}" for name, number, _ in CAPTURES])
def test_captures_are_parsed_and_rendered_byte_for_byte(name, number, found):
    expected = found.message
    made = receiver()
    for tag in (1, 2):  # the second time by its shape
        (delivery,) = take(made, message(tag, found.content_header, expected.body))
        assert delivery.flaw is None
        assert (delivery.body, delivery.headers, list(delivery.headers)) == (expected.body, expected.headers, list(expected.headers))
        assert (delivery.content_type, delivery.content_encoding) == (expected.content_type, expected.content_encoding)
        assert delivery.properties == expected.properties
        rendered = render_content(
            len(delivery.body), delivery.content_type, delivery.content_encoding, delivery.headers, delivery.properties
        )
        assert rendered == sized(found.content_header, len(expected.body))


STREAM = (
    message(1, BASIC.content_header, BASIC.message.body)
    + frame(1, b"\x00\x3c\x00\x50" + (7).to_bytes(8, "big") + b"\x01", 2)
    + frame(8, b"", 0)
    + message(2, BASIC.content_header, b"x" * 100, piece=30, redelivered=True, exchange=b"e", key=b"k", consumer=b"other")
    + message(3, BASIC.content_header, b"")
    + frame(1, b"\x00\x0a\x00\x3d", 0)
)


def outcome(chunks):
    made = receiver()
    for chunk in chunks:
        made.receive(chunk)
    return [seen(delivery) for delivery in made.deliveries], made.confirms, made.slow


WHOLE = outcome([STREAM])


def test_a_stream():
    deliveries, confirms, slow = WHOLE
    assert [(each[0][:3], each[5], each[6], each[7], each[9]) for each in deliveries] == [
        (b"[[2", 1, "celery", "", False),
        (b"xxx", 2, "k", "e", True),
        (b"", 3, "celery", "", False),
    ]
    assert confirms == [(2, 7, 1)]
    assert slow == [(0, b"\x00\x0a\x00\x3d", None, b"")]


def test_every_split_gives_the_same():
    for at in range(1, len(STREAM)):
        assert outcome([STREAM[:at], STREAM[at:]]) == WHOLE
    assert outcome([bytes([byte]) for byte in STREAM]) == WHOLE


@given(st.randoms(use_true_random=False))
@settings(max_examples=50)
def test_any_splits_give_the_same(chance):
    chunks, at = [], 0
    while at < len(STREAM):
        size = chance.choice((1, 3, 7, 50, 400))
        chunks.append(STREAM[at : at + size])
        at += size
    assert outcome(chunks) == WHOLE


def feed(made, data, chance):
    at = 0
    while at < len(data):
        size = chance.randint(1, 60)
        made.receive(data[at : at + size])
        at += size


@given(st.integers(0, 2**32), st.integers(1, 6))
@settings(max_examples=400)
def test_damaged_streams_only_break_the_protocol(seed, damages):
    chance = random.Random(seed)
    data = bytearray(STREAM)
    for _ in range(damages):
        data[chance.randrange(len(data))] = chance.randrange(256)
    try:
        feed(receiver(), bytes(data), chance)
    except ProtocolError:
        pass


@given(st.binary(max_size=300), st.integers(0, 2**32))
@settings(max_examples=400)
def test_any_bytes_only_break_the_protocol(data, seed):
    for raw in (data, STREAM[: seed % len(STREAM)] + data):
        try:
            feed(receiver(), raw, random.Random(seed))
        except ProtocolError:
            pass


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (frame(1, b"x" * 5000), "limit agreed on"),
        (frame(1, b"\x00\x0a\x00\x3d")[:-1] + b"\x00", "end mark"),
        (frame(5, b"abcd"), "unknown type"),
        (frame(1, b"abc"), "without a method"),
        (frame(2, b"x" * 20), "belongs to no message"),
        (frame(3, b"x"), "belongs to no message"),
        (deliver(1) + frame(3, b"x"), "belongs to no message"),
        (deliver(1) + deliver(2), "inside another"),
        (deliver(1) + frame(2, b"\x00\x32" + bytes(12)), "not one of a message"),
        (deliver(1) + frame(2, b"\x00\x3c"), "not one of a message"),
        (deliver(1) + frame(2, sized(BASIC.content_header, 2)) + frame(3, b"xyz"), "more body"),
        (frame(1, b"\x00\x3c\x00\x50" + bytes(3)), "wrong length"),
        (frame(1, b"\x00\x3c\x00\x3c" + short(b"c")) + frame(2, sized(BASIC.content_header, 0)), "malformed delivery"),
        (frame(1, bytes(5000))[:7], "larger than agreed"),
    ],
)
def test_frames_that_break_the_protocol(data, named):
    with pytest.raises(ProtocolError, match=named):
        receiver(frame_max=4096).receive(data)


@pytest.mark.parametrize(("limit", "kept"), [(1249, False), (1250, True)])
def test_a_body_over_the_limit_is_kept_up_to_four_times_of_it(limit, kept):
    made = receiver(MessageLimits(body=limit))
    big = message(1, BASIC.content_header, b"x" * 5000, piece=700)
    flawed, fine = take(made, big + message(2, BASIC.content_header, b"y" * 1000, piece=700))
    assert isinstance(flawed.flaw, MessageTooLarge)
    assert "5000" in str(flawed.flaw)
    assert flawed.body == (b"x" * 5000 if kept else b"")
    assert (flawed.headers, flawed.properties) == (BASIC.message.headers, fine.properties)
    assert (fine.flaw, fine.body) == (None, b"y" * 1000)


def content(headers_raw):
    return b"\x00\x3c\x00\x00" + bytes(8) + b"\x20\x00" + len(headers_raw).to_bytes(4, "big") + headers_raw


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (content(b"\x01x?"), DecodeError),
        (content(b"\x01xS\xff\xff\xff\xff"), DecodeError),
        (content(b"\x01xS\x00\x00\x00\x01\xff"), DecodeError),
        (content(b"\x01xT" + b"\xff" * 8), DecodeError),
        (content(b"\x09x"), DecodeError),
        (b"\x00\x3c\x00\x00" + bytes(8) + b"\x20\x00" + b"\x7f\xff\xff\xff", DecodeError),
        (b"\x00\x3c\x00\x00" + bytes(8) + b"\x04\x00\xff", DecodeError),
        (b"\x00\x3c\x00\x00" + bytes(8) + b"\x00\x01", DecodeError),
    ],
)
def test_bad_headers_are_a_flaw_of_the_message_only(raw, kind):
    made = receiver()
    flawed, fine = take(made, deliver(1) + frame(2, raw) + message(2, BASIC.content_header, b"fine"))
    assert isinstance(flawed.flaw, kind)
    assert flawed.flaw.__traceback__ is None, "it keeps the message in memory"
    assert flawed.headers == {}
    assert (fine.flaw, fine.body) == (None, b"fine")


@pytest.mark.parametrize(
    ("limits", "depth", "readable"),
    [
        (MessageLimits(header_count=20), 0, True),
        (MessageLimits(header_bytes=100), 0, True),
        (MessageLimits(), 30, True),
        (MessageLimits(), 40, False),
    ],
)
def test_headers_over_a_limit_are_read_as_far_as_they_can_be_written_again(limits, depth, readable):
    made = receiver(limits)
    headers = BASIC.message.headers | {"more": 1, "most": 2}
    raw = render_content(1, "application/json", "utf-8", headers, {"correlation_id": "c", "delivery_mode": 2})
    if depth:
        nested = b""
        for _ in range(depth):
            nested = b"\x01nF" + len(nested).to_bytes(4, "big") + nested
        raw = content(nested)
    flawed, fine = take(made, message(1, raw, b"x") + message(2, render_content(1, "", "", {}, {}), b"y"))
    assert isinstance(flawed.flaw, MessageTooLarge)
    assert flawed.flaw.__traceback__ is None, "it keeps the message in memory"
    if not readable:
        assert flawed.headers == {}
    elif depth:
        assert render_table(flawed.headers)[4:] == nested
    else:
        assert (flawed.headers, flawed.properties["correlation_id"]) == (headers, "c")
    assert (fine.flaw, fine.body) == (None, b"y")


def test_a_returned_message_goes_the_slow_path():
    made = receiver()
    payload = b"\x00\x3c\x00\x32\x01\x38" + short(b"NO_ROUTE") + short(b"e") + short(b"k")
    made.receive(frame(1, payload) + frame(2, sized(BASIC.content_header, 4)) + frame(3, b"body"))
    ((channel, method, parsed, body),) = made.slow
    assert (channel, method, body) == (1, payload, b"body")
    assert parsed[2] == BASIC.message.headers


def test_attempts_are_counted_by_a_header():
    made = receiver()
    for headers, attempts in (({"x-umbel-attempts": 3}, 3), ({"x-umbel-attempts": "many"}, 0), ({"x-umbel-attempts": -3}, 0), ({}, 0)):
        raw = render_content(1, "", "", headers, {})
        (delivery,) = take(made, message(1, raw, b"x"))
        assert (delivery.attempts, delivery.redelivered) == (attempts, bool(attempts))


class TestShapes:
    def variants(self):
        base = dict(BASIC.message.headers)
        yield base
        yield base | {"id": "other", "root_id": "another", "argsrepr": "☃" * 50}
        yield base | {"parent_id": "p"}
        yield base | {"retries": 2, "eta": "2030-01-01T00:00:00"}
        yield base | {"stamps": {"a": [1]}, "timelimit": [5, None]}
        yield {name: base[name] for name in reversed(base)}
        yield base | {"extra": True}
        yield base

    def test_a_shape_never_changes_what_is_parsed(self):
        made = receiver()
        for headers in [*self.variants(), *self.variants()]:
            raw = render_content(1, "application/json", "utf-8", headers, {"delivery_mode": 2})
            (delivery,) = take(made, message(1, raw, b"x"))
            plain, _ = parse_table(raw, 14 + 23, MessageLimits())
            assert delivery.headers == plain == headers
            assert list(delivery.headers) == list(headers)

    def test_each_delivery_has_its_own_values(self):
        made = receiver()
        raw = render_content(1, "application/json", "utf-8", BASIC.message.headers | {"stamps": {"a": [1]}}, {})
        deliveries = [take(made, message(tag, raw, b"x"))[0] for tag in (1, 2, 3)]
        deliveries[1].headers["stamps"]["a"].append(2)
        deliveries[1].headers["timelimit"][0] = 9
        assert deliveries[2].headers["stamps"] == {"a": [1]}
        assert deliveries[2].headers["timelimit"] == [None, None]

    def test_the_limits_hold_for_shapes_too(self):
        made = receiver(MessageLimits(header_bytes=600))
        small = render_content(1, "application/json", "utf-8", BASIC.message.headers, {})
        large = render_content(1, "application/json", "utf-8", BASIC.message.headers | {"argsrepr": "x" * 600}, {})
        assert take(made, message(1, small, b"x"))[0].flaw is None
        assert take(made, message(2, small, b"x"))[0].flaw is None
        assert isinstance(take(made, message(3, large, b"x"))[0].flaw, MessageTooLarge)

    @given(st.integers(0, 2**32), st.integers(1, 4))
    @settings(max_examples=300)
    def test_damaged_tables_are_judged_alike(self, seed, damages):
        chance = random.Random(seed)
        raw = bytearray(BASIC.content_header)
        for _ in range(damages):
            raw[chance.randrange(37, len(raw))] = chance.randrange(256)
        made = receiver()
        take(made, message(1, BASIC.content_header, b"x"))
        try:
            (by_shape,) = take(made, message(2, bytes(raw), b"x"))
            (plain,) = take(receiver(), message(2, bytes(raw), b"x"))
        except ProtocolError:
            return
        assert seen(by_shape)[:-1] == seen(plain)[:-1]
        assert (by_shape.flaw is None) == (plain.flaw is None)
