from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.errors import ContentDisallowed, DecodeError, MessageTooLarge
from umbel.events.parsing import MOST_EVENTS, MOST_FIELDS, checked, is_clock, is_name, is_time, parse, parsed_or_refused
from umbel.wire import serializers
from umbel.wire.message import Delivery

JSON = frozenset({"application/json"})
NOW = 1000.0


def delivery(body, content_type="application/json", headers=None, flaw=None):
    return Delivery(body, headers or {}, content_type, "utf-8", {}, None, 0, "q", "celeryev", "task.multi", False, 0, flaw)


def event(**fields):
    return {"type": "task-received", "hostname": "w", "uuid": "u", "timestamp": 5.0, "clock": 3, **fields}


def without(*names, **fields):
    return {name: value for name, value in event(**fields).items() if name not in names}


def test_one_event_or_a_list_of_them():
    assert parse(delivery(json.dumps(event()).encode()), JSON, NOW) == ([event()], 0)
    assert parse(delivery(json.dumps([event(), event(uuid="v")]).encode()), JSON, NOW) == ([event(), event(uuid="v")], 0)
    assert parse(delivery(b"[]"), JSON, NOW) == ([], 0)


@pytest.mark.parametrize(
    "wrong",
    [
        None, 1, "text", [], {},
        without("type"), event(type=None), event(type=""), event(type=5), event(type="x" * 256), event(type="a\nb"),
        event(hostname=5), event(hostname=""), event(hostname="\x1b[2J"), event(hostname="h" * 256), without("hostname"),
        event(uuid=7), event(uuid=None), event(uuid=""), event(uuid="\x00"), event(uuid="u" * 256),
        event(**{f"f{number}": 1 for number in range(MOST_FIELDS)}),
    ],
)  # fmt: skip
def test_what_is_no_event_is_left_out_and_counted(wrong):
    body = json.dumps([wrong, event()]).encode()
    assert parse(delivery(body), JSON, NOW) == ([event()], 1)


@pytest.mark.parametrize("when", [None, "5", True, -1, 0, 1e12, float("nan"), float("inf"), 10**400, [], {}])
def test_a_time_that_is_none_is_now(when):
    assert checked(event(timestamp=when), NOW)["timestamp"] == NOW
    assert checked(without("timestamp"), NOW)["timestamp"] == NOW


@pytest.mark.parametrize("clock", [None, "5", True, -1, 1.5, float("nan"), 1 << 60, 10**400, []])
def test_a_clock_that_is_none_is_taken_away(clock):
    assert "clock" not in checked(event(clock=clock), NOW)


def test_a_sender_that_forgets_its_name_is_known_by_the_header():
    ((found,), _) = parse(delivery(json.dumps(without("hostname")).encode(), headers={"hostname": "client"}), JSON, NOW)
    assert found["hostname"] == "client"


def test_an_event_of_a_task_need_not_name_one():
    assert checked(without("uuid", type="task-report"), NOW) is not None


def test_keys_are_texts_whatever_carries_them():
    body = serializers.dumps([{**event(), 5: 1}, event()], "yaml")[2]
    assert parse(delivery(body, "application/x-yaml"), frozenset({"application/x-yaml"}), NOW) == ([event()], 1)


def test_a_list_is_read_up_to_a_number():
    body = json.dumps([event()] * (MOST_EVENTS + 5)).encode()
    found, refused = parse(delivery(body), JSON, NOW)
    assert (len(found), refused) == (MOST_EVENTS, 5)


@pytest.mark.parametrize(
    ("message", "error"),
    [
        (delivery(b"{"), DecodeError),
        (delivery(b"\xff"), DecodeError),
        (delivery(b"[" * 100_000), DecodeError),
        (delivery(b"gASVAA==", "application/x-python-serialize"), ContentDisallowed),
        (delivery(b"", flaw=MessageTooLarge("too large")), MessageTooLarge),
    ],
)
def test_a_message_that_cannot_be_read_is_an_error_or_one_refused(message, error):
    with pytest.raises(error):
        parse(message, JSON, NOW)
    assert parsed_or_refused(message, JSON, NOW) == ([], 1)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_anything_that_json_can_hold_is_borne(value):
    for each in parsed_or_refused(delivery(json.dumps(value).encode()), JSON, NOW).events:
        assert is_name(each["type"])
        assert is_name(each["hostname"])
        assert is_time(each["timestamp"])
        assert is_clock(each.get("clock", 0))
