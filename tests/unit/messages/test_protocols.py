from __future__ import annotations

import json
import pickle
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel.errors import ContentDisallowed, DecodeError, MessageError, MessageTooLarge, UnsupportedProtocol
from umbel.messages import protocols, v1, v2
from umbel.messages.model import Embed, TaskMessage
from umbel.messages.protocols import TaskProtocol
from umbel.wire import serializers
from umbel.wire.message import Message

ACCEPT = serializers.content_types(["json"])
SIGNATURE = {"task": "t", "args": [], "kwargs": {}, "options": {}, "subtask_type": None, "immutable": False}


def message(payload, headers=None, **properties):
    return Message(json.dumps(payload).encode(), {"task": "tasks.add", "id": "1"} if headers is None else headers, properties=properties)


def parse(payload, headers=None, **properties):
    return protocols.parse(message(payload, headers, **properties), accept=ACCEPT)


def test_the_least_that_a_client_may_send():
    assert parse([[2, 3], {}, {}]) == TaskMessage(task="tasks.add", id="1", args=[2, 3], root_id="1")
    assert parse([None, None, None]) == TaskMessage(task="tasks.add", id="1", args=[], root_id="1")
    assert parse({"task": "tasks.add", "id": "1"}, {}) == TaskMessage(
        task="tasks.add", id="1", args=[], root_id="1", argsrepr="[]", kwargsrepr="{}"
    )


def test_all_fields_of_protocol_2():
    sent = TaskMessage(
        task="tasks.add",
        id="1",
        args=[2],
        kwargs={"y": 3},
        embed=Embed(callbacks=[SIGNATURE], errbacks=[SIGNATURE], chain=[SIGNATURE], chord=SIGNATURE),
        lang="js",
        shadow="s",
        eta="2030-01-01T00:00:00",
        expires="2030-01-01T00:00:00+02:00",
        group="g",
        group_index=3,
        retries=2,
        timelimit=(30, 2.5),
        root_id="r",
        parent_id="p",
        argsrepr="a",
        kwargsrepr="k",
        origin="o",
        ignore_result=True,
        replaced_task_nesting=1,
        stamped_headers=["x"],
        stamps={"x": 1},
        headers={"own": {"deep": [1]}},
        reply_to="q",
        priority=7,
    )
    rendered = v2.render(sent, compression="zlib")
    assert tuple(rendered.headers) == (*v2.HEADERS, "own", "compression")
    assert rendered.properties == {"correlation_id": "1", "reply_to": "q", "delivery_mode": 2, "priority": 7}
    assert protocols.parse(rendered, accept=ACCEPT) == sent


def test_own_headers_do_not_replace_the_protocols():
    rendered = v2.render(TaskMessage(task="t", id="1", headers={"task": "evil", "id": "2", "stamps": {"a": 1}, "own": 1}))
    assert (rendered.headers["task"], rendered.headers["id"], rendered.headers["stamps"], rendered.headers["own"]) == ("t", "1", {}, 1)


def test_headers_the_broker_added_are_not_the_users():
    headers = {"task": "t", "id": "1", "x-death": [{}], "x-first-death-queue": "q", "x-delivery-count": 1, "redelivered": True, "own": 1}
    headers |= {"x-umbel-attempts": 2, "x-opt-delivery-count": 1}
    assert parse([[], {}, {}], headers).headers == {"own": 1}


def test_the_hybrid():
    headers = {"task": "tasks.add", "id": "1", "retries": 2, "own": 1}
    payload = {"args": [2, 3], "kwargs": {"k": 1}, "callbacks": [SIGNATURE], "eta": "2030-01-01T00:00:00"}
    found = parse(payload, headers)
    assert (found.args, found.kwargs, found.retries, found.headers) == ([2, 3], {"k": 1}, 2, {"own": 1})
    assert found.embed.callbacks == [SIGNATURE]
    upgraded = protocols.upgrade(message(payload, headers, reply_to="q"), accept=ACCEPT)
    assert json.loads(upgraded.body)[2]["callbacks"] == [SIGNATURE]
    assert upgraded.properties == {"reply_to": "q", "correlation_id": "1"}
    assert upgraded.headers["own"] == 1


@pytest.mark.parametrize(
    ("utc", "eta"),
    [({}, "2030-01-01T00:00:00+00:00"), ({"utc": True}, "2030-01-01T00:00:00+00:00"), ({"utc": False}, "2030-01-01T00:00:00")],
)
def test_protocol_1_says_what_a_naive_time_means(utc, eta):
    assert parse({"task": "t", "id": "1", "args": [], "kwargs": {}, "eta": "2030-01-01T00:00:00", **utc}, {}).eta == eta


def test_protocol_1_calls_a_group_a_taskset():
    assert parse({"task": "t", "id": "1", "args": [], "kwargs": {}, "taskset": "g"}, {}).group == "g"


def test_protocol_1_round_trip():
    sent = TaskMessage(
        task="t", id="1", args=[1], group="g", group_index=0, timelimit=(2, 1), embed=Embed(chord=SIGNATURE), headers={"own": 1}
    )
    rendered = v1.render(sent, compression="zlib", utc=False)
    assert rendered.headers == {"own": 1, "compression": "application/x-gzip"}
    found = protocols.parse(rendered, accept=ACCEPT)
    assert (found.args, found.group, found.group_index, found.timelimit, found.embed.chord) == ([1], "g", 0, (2, 1), SIGNATURE)


def test_an_upgraded_message_keeps_its_serializer():
    sent = v1.render(TaskMessage(task="t", id="1", args=({1},)), serializer="pickle", compression="bzip2")
    upgraded = protocols.upgrade(sent, accept=frozenset({"pickle"}))
    assert upgraded.content_type == "application/x-python-serialize"
    assert "compression" not in upgraded.headers
    assert pickle.loads(upgraded.body)[0] == ({1},)


def test_protocol_2_is_not_touched_by_an_upgrade():
    sent = message([[1], {}, {}])
    assert protocols.upgrade(sent, accept=ACCEPT) is sent


@pytest.mark.parametrize(
    ("payload", "headers"),
    [
        ([[], {}, {}], {}),
        ([[], {}, {}], {"protocol": 3}),
        ([[], {}], {"task": "t", "id": "1"}),
        ([[], {}, {}, {}], {"task": "t", "id": "1"}),
        ({"task3": "t"}, {"protocol": 3}),
        ({}, {"task": "t", "id": "1"}),
        ("text", {}),
        (None, {"task": "t", "id": "1"}),
    ],
)
def test_unknown_protocols(payload, headers):
    with pytest.raises(UnsupportedProtocol) as raised:
        parse(payload, headers)
    assert raised.value.reason == "unsupported_protocol"


WRONG = [
    ("id", [1]),
    ("id", None),
    ("id", ""),
    ("id", 5),
    ("id", "x" * 256),
    ("id", "a\nb"),
    ("task", None),
    ("task", ["t"]),
    ("task", "x\x1b[31m"),
    ("task", "t" * 256),
    ("retries", 10**9),
    ("retries", -1),
    ("retries", "2"),
    ("retries", 1.5),
    ("retries", True),
    ("eta", "yesterday"),
    ("eta", 1893456000),
    ("eta", "2030-01-01"),
    ("expires", -1),
    ("expires", "2030-99-99T00:00:00"),
    ("timelimit", ["a"]),
    ("timelimit", ["a", "b"]),
    ("timelimit", [1]),
    ("timelimit", [-1, None]),
    ("timelimit", [True, None]),
    ("timelimit", 30),
    ("timelimit", [float("nan"), None]),
    ("timelimit", [None, float("inf")]),
    ("group_index", "x"),
    ("group_index", -1),
    ("group", 5),
    ("root_id", [1]),
    ("parent_id", {}),
    ("shadow", 3),
    ("lang", 3),
    ("origin", 3),
    ("ignore_result", "yes"),
    ("replaced_task_nesting", "x"),
    ("stamped_headers", "x"),
    ("stamped_headers", [1]),
    ("stamps", [1]),
]


@pytest.mark.parametrize(("field", "value"), WRONG, ids=lambda value: str(value)[:20])
def test_fields_of_the_wrong_type(field, value):
    headers = {"task": "t", "id": "1", field: value}
    sent = message([[], {}, {}], headers)
    for call in (
        lambda: protocols.parse(sent, accept=ACCEPT),
        lambda: protocols.upgrade(sent, accept=ACCEPT),
    ):
        with pytest.raises(MessageError, match=field) as raised:
            call()
        assert raised.value.reason == "invalid_message"
        assert str(raised.value).isprintable()
        assert len(str(raised.value)) < 300
    with pytest.raises(MessageError, match=field):
        parse({"args": [], "kwargs": {}, **headers}, {})


@pytest.mark.parametrize("value", [9999, -1, "5", True, 2.0])
def test_priorities_of_the_wrong_type(value):
    with pytest.raises(MessageError, match="priority"):
        parse([[], {}, {}], priority=value)


@pytest.mark.parametrize(
    "payload",
    [
        [{"a": 1}, {}, {}],
        ["text", {}, {}],
        [[], [], {}],
        [[], {}, []],
        [[], {}, "x"],
        [[], {}, {"callbacks": "x"}],
        [[], {}, {"callbacks": [1]}],
        [[], {}, {"callbacks": [{}]}],
        [[], {}, {"callbacks": [{"task": 5}]}],
        [[], {}, {"errbacks": [SIGNATURE | {"args": "x"}]}],
        [[], {}, {"errbacks": [SIGNATURE | {"options": "x"}]}],
        [[], {}, {"chord": "x"}],
        [[], {}, {"chord": [SIGNATURE]}],
        [[], {}, {"chain": [SIGNATURE] * 30_000}],
        [[], {}, {"callbacks": [SIGNATURE | {"options": {"link": [{"task": 1}]}}]}],
        [[], {}, {"callbacks": [SIGNATURE | {"subtask_type": "group", "kwargs": {"tasks": [1]}}]}],
        [[], {}, {"callbacks": [SIGNATURE | {"subtask_type": "chord", "kwargs": {"header": [SIGNATURE], "body": 1}}]}],
    ],
    ids=lambda payload: str(payload)[:40],
)
def test_bodies_of_the_wrong_form(payload):
    with pytest.raises(MessageError) as raised:
        parse(payload)
    assert raised.value.reason == "invalid_message"
    assert len(str(raised.value)) < 300


def test_a_large_group_is_no_circle():
    members = SIGNATURE | {"subtask_type": "group", "kwargs": {"tasks": [SIGNATURE] * 20_000}}
    assert parse([[], {}, {"chain": [members]}]).embed.chain == [members]


def test_callbacks_that_refer_to_themselves():
    snake = dict(SIGNATURE, options={})
    snake["options"]["link"] = [snake]
    wide = dict(SIGNATURE, options={})
    wide["options"]["link"] = [wide, wide]
    for callback in (snake, wide):
        sent = Message(
            pickle.dumps(([], {}, {"callbacks": [callback]})), {"task": "t", "id": "1"}, "application/x-python-serialize", "binary"
        )
        with pytest.raises(MessageError, match="contain themselves"):
            protocols.parse(sent, accept=frozenset({"pickle"}))


def test_previews_are_display_only():
    found = parse([[], {}, {}], {"task": "t", "id": "1", "argsrepr": "x" * 1_000_000, "kwargsrepr": 5})
    assert len(found.argsrepr) < 4096
    assert found.kwargsrepr == ""


class Canary:
    def __reduce__(self):
        return (pytest.fail, ("decoded",))


def test_nothing_is_decompressed_or_decoded_before_it_is_accepted():
    bomb = zlib.compress(pickle.dumps(Canary()))
    sent = Message(bomb, {"task": "t", "id": "1", "compression": "application/x-gzip"}, "application/x-python-serialize", "binary")
    with pytest.raises(ContentDisallowed):
        protocols.parse(sent, accept=ACCEPT)


def test_compression_is_limited_and_checked():
    headers = {"task": "t", "id": "1", "compression": "application/x-gzip"}
    with pytest.raises(MessageTooLarge):
        protocols.parse(Message(zlib.compress(bytes(10_000)), headers), accept=ACCEPT, limit=9_999)
    for wrong in ({"compression": 5}, {"compression": "application/x-rar"}):
        with pytest.raises(DecodeError):
            protocols.parse(Message(b"[[], {}, {}]", headers | wrong), accept=ACCEPT)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["task", "args", "options", "link"]) | st.text(), inner, max_size=3)
    ),
    max_leaves=8,
)
names = st.sampled_from(
    [*v2.HEADERS, "compression", "args", "kwargs", "callbacks", "errbacks", "chain", "chord", "utc", "taskset", "protocol"]
)


@given(
    st.dictionaries(names, json_values, max_size=6),
    json_values | st.tuples(json_values, json_values, json_values) | st.dictionaries(names, json_values, max_size=6),
    st.dictionaries(st.sampled_from(["priority", "reply_to", "replyTo"]), json_values),
)
def test_no_other_exception(headers, payload, properties):
    sent = Message(json.dumps(payload).encode(), headers, properties=properties)
    for call in (protocols.parse, protocols.upgrade):
        try:
            call(sent, accept=ACCEPT)
        except MessageError:
            pass


def test_detect():
    assert protocols.detect(message([[], {}, {}]), [[], {}, {}]) is TaskProtocol.V2
    assert protocols.detect(message({}), {"args": []}) is TaskProtocol.HYBRID
    assert protocols.detect(message({}, {}), {"task": "t"}) is TaskProtocol.V1
