from __future__ import annotations

import json
import subprocess
import sys

import pytest

from umbel.errors import EncodeError, ImproperlyConfigured
from umbel.events.model import RECEIVED, STARTED, SUCCEEDED, TABLE
from umbel.events.parsing import parse
from umbel.events.rendering import GROUP_BYTES, GROUP_EVENTS, LONGEST_VALUE, EventRenderer, count_of, json_text, rest_text
from umbel.runtime.logical_clock import LogicalClock
from umbel.wire.message import Delivery, Message

#: Texts and values that a message's sender may choose.
ODD = [
    "",
    'a"b',
    "back\\slash",
    "line\nbreak",
    "\x00\x1b[31m",
    "漢字 🎉",
    "\ud800",
    "%s %d %",
    "{}",
    None,
    True,
    False,
    0,
    -1,
    1 << 62,
    1.5,
    1e300,
]


def renderer(**options):
    return EventRenderer("w1@host", LogicalClock(10), pid=7, offset=-1.0, **options)


def sample(kind):
    """Values for each field of a type, some of them odd."""
    return tuple(ODD[(len(name) + number) % len(ODD)] for number, name in enumerate(kind.fields))


@pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.name)
def test_a_group_is_what_a_json_library_writes(kind):
    chosen = [(sample(kind), 1795204389.78), (tuple("x" for _ in kind.fields), 1795204390.0)]
    ((message, key),) = renderer().groups([rest_text(kind, values, timestamp) for values, timestamp in chosen])
    made = renderer()
    events = [made.event(kind.name, dict(zip(kind.fields, values, strict=True)), timestamp) for values, timestamp in chosen]
    assert message.body.decode() == json.dumps(events)
    assert (key, message.headers, message.properties) == ("task.multi", {"hostname": "w1@host"}, {"delivery_mode": 1, "priority": 0})
    assert count_of(message) == 2


@pytest.mark.parametrize("value", ODD)
def test_a_value_is_written_as_a_json_library_does(value):
    assert json_text(value) == json.dumps(value)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1 << 63, -(10**400)])
def test_a_number_that_others_cannot_read_is_null(value):
    assert json_text(value) == "null"


@pytest.mark.parametrize("value", [["a"], {"b": 1}, b"c", object()])
def test_what_is_no_plain_value_is_shown(value):
    assert json.loads(json_text(value)) == repr(value)


def test_clocks_follow_one_another_through_groups_and_single_events():
    made = renderer()
    first = made.event("worker-online", {})["clock"]
    told = [rest_text(STARTED, [str(number)], 1.0) for number in range(GROUP_EVENTS + 3)]
    clocks = [event["clock"] for message, _ in made.groups(told) for event in json.loads(message.body)]
    assert [first, *clocks, made.event("worker-offline", {})["clock"]] == list(range(11, 11 + 2 + len(told)))


def test_a_group_is_bounded_in_number_and_size():
    sizes = [count_of(message) for message, _ in renderer().groups([rest_text(STARTED, [str(number)], 1.0) for number in range(600)])]
    assert sizes == [GROUP_EVENTS, GROUP_EVENTS, 600 - 2 * GROUP_EVENTS]
    large = rest_text(RECEIVED, ("u", *["\x00" * 100_000] * 3, "u", None, 0, None, None), 1.0)
    assert len(large) < 6 * 3 * LONGEST_VALUE + 200
    bodies = [len(message.body) for message, _ in renderer().groups([large] * 20)]
    assert len(bodies) > 1
    assert max(bodies) < GROUP_BYTES + 6 * 3 * LONGEST_VALUE + 1000


@pytest.mark.parametrize("serializer", ["msgpack", "yaml", "pickle"])
def test_other_serializers_carry_the_same(serializer):
    told = [rest_text(SUCCEEDED, ("u", "5", 0.5), 2.0), rest_text(STARTED, ["v"], 3.0)]
    ((message, key),) = renderer(serializer=serializer).groups(told)
    assert key == "task.multi"
    delivery = Delivery(message.body, message.headers, message.content_type, message.content_encoding, {}, None, 0, "q", "celeryev", key)
    found, refused = parse(delivery, frozenset({message.content_type}), 0.0)
    assert refused == 0
    assert found == json.loads(next(renderer().groups(told))[0].body)


def test_what_cannot_be_written_is_its_senders_error():
    made = renderer()
    with pytest.raises(EncodeError):
        made.single(made.event("task-custom", {"value": object()}))
    with pytest.raises(ImproperlyConfigured):
        renderer(serializer="smoke")


def test_a_time_that_is_given_is_kept():
    assert renderer().event("task-custom", {"timestamp": 5.0, "uuid": "u"}) == {
        "hostname": "w1@host", "utcoffset": -1.0, "pid": 7, "clock": 11, "uuid": "u", "timestamp": 5.0, "type": "task-custom",
    }  # fmt: skip


@pytest.mark.parametrize(("zone", "hours"), [("UTC", 0.0), ("EST5", 5.0), ("CET-1", -1.0), ("IST-5:30", -5.5)])
def test_the_offset_of_a_zone_is_positive_in_the_west(zone, hours):
    code = "from umbel.events.rendering import utcoffset; print(utcoffset())"
    done = subprocess.run([sys.executable, "-c", code], env={"TZ": zone}, capture_output=True, text=True, check=True)
    assert float(done.stdout) == hours


def test_a_message_of_others_counts_as_one_event():
    assert count_of(Message(b"", {})) == 1
