"""What we put into a message is what Celery puts there, field by field and in its order."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from typing import Any

import pytest

from golden import captures
from umbel.errors import EncodeError
from umbel.messages import timing, v1, v2
from umbel.messages.model import Embed, TaskMessage
from umbel.wire.message import Call

UTC = dt.UTC
NOW = captures.NOW
JUNE = dt.datetime(2030, 6, 1, 12, 30)


def sig(task: str, *args: Any, immutable: bool = False) -> dict[str, Any]:
    return {"task": task, "args": list(args), "kwargs": {}, "options": {}, "subtask_type": None, "immutable": immutable}


def eta(when: dt.datetime | None = None, countdown: float | None = None) -> dict[str, Any]:
    return {"eta": timing.eta_text(when, countdown, NOW)}


def expires(when: float | dt.datetime) -> dict[str, Any]:
    return {"expires": timing.expires_text(when, NOW)}


LINKS = Embed(callbacks=[sig("tasks.mul", 10)], errbacks=[sig("tasks.errback", "x", immutable=True)])
RICH = (
    dt.datetime(2024, 2, 29, 1, 2, 3, 456789, tzinfo=UTC),
    dt.datetime(2024, 2, 29, 1, 2, 3),
    dt.date(2024, 2, 29),
    dt.time(1, 2, 3),
    decimal.Decimal("3.14"),
    uuid.UUID("12345678-1234-5678-1234-567812345678"),
    b"\x00\xff",
    b"ascii",
    (1, 2),
)
OWN_HEADERS = {"x-tenant": "acme", "n": 1, "d": {"k": [1, 2.5, None, True]}}

#: Scenario → what differs from ``add.delay(2, 3)``, and how it is rendered.
CALLS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "basic": ({}, {}),
    "kwargs": ({"args": (), "kwargs": {"x": 2, "y": 3}}, {}),
    "explicit_task_id": ({"id": "my-task-id-1"}, {}),
    "send_task_by_name": ({"task": "other.module.task", "args": [1], "kwargs": {"a": None}, "ignore_result": None}, {}),
    "countdown_10": (eta(countdown=10), {}),
    "eta_utc": (eta(dt.datetime(2030, 6, 1, 12, 30, 15, 250000, tzinfo=UTC)), {}),
    "eta_naive": (eta(JUNE), {}),
    "eta_offset": (eta(JUNE.replace(tzinfo=dt.timezone(dt.timedelta(hours=2)))), {}),
    "expires_60": (expires(60), {}),
    "expires_datetime": (expires(dt.datetime(2030, 6, 1, 12, tzinfo=UTC)), {}),
    "countdown_and_expires": (eta(countdown=10) | expires(60), {}),
    "priority_0": ({"priority": 0}, {}),
    "priority_5": ({"priority": 5}, {}),
    "priority_9": ({"priority": 9}, {}),
    "queue_other": ({}, {}),
    "transient": ({}, {"delivery_mode": 1}),
    "time_limits": ({"timelimit": (30, 20)}, {}),
    "shadow": ({"shadow": "shadow.name"}, {}),
    "ignore_result": ({"ignore_result": True}, {}),
    "ignore_result_task": ({"task": "tasks.ignored_result", "args": (), "ignore_result": True}, {}),
    "reply_to": ({"reply_to": "my.reply.queue"}, {}),
    "retries_2": ({"retries": 2}, {}),
    "custom_headers": ({"headers": OWN_HEADERS}, {}),
    "argsrepr_override": ({"argsrepr": "(<hidden>)", "kwargsrepr": "{<hidden>}"}, {}),
    "long_args_repr": ({"task": "tasks.echo", "args": ("x" * 3000, list(range(1000))), "kwargs": {"k": {"d": "y" * 2000}}}, {}),
    "unicode_args": ({"task": "tasks.echo", "args": ("héllo ☃ 漢字 🎉",), "kwargs": {"k": "naïve"}}, {}),
    "rich_json_types": ({"task": "tasks.echo", "args": RICH}, {}),
    "link": ({"embed": Embed(callbacks=[sig("tasks.mul", 10)])}, {}),
    "link_list": ({"embed": Embed(callbacks=[sig("tasks.mul", 10), sig("tasks.add", 100)])}, {}),
    "link_error": ({"task": "tasks.fail", "args": (), "embed": Embed(errbacks=[sig("tasks.errback")])}, {}),
    "link_and_link_error": ({"embed": LINKS}, {}),
    "stamped": ({"stamped_headers": ["monitoring_id", "tags"], "stamps": {"monitoring_id": "abc-1", "tags": ["t1", "t2"]}}, {}),
    "stamped_append": ({"stamped_headers": ["tag"], "stamps": {"tag": ["b", "a"]}}, {}),
    "serializer_pickle": ({}, {"serializer": "pickle"}),
    "serializer_yaml": ({}, {"serializer": "yaml"}),
    "serializer_msgpack": ({}, {"serializer": "msgpack"}),
    "compression_zlib": ({}, {"compression": "zlib"}),
    "compression_gzip": ({}, {"compression": "gzip"}),
    "compression_bzip2": ({}, {"compression": "bzip2"}),
    "compression_zlib_pickle": ({}, {"compression": "zlib", "serializer": "pickle"}),
    "compression_lzma": ({}, {"compression": "lzma"}),
    "exchange_routing_key": ({}, {}),
}
V1 = ("basic", "kwargs", "countdown_10", "eta_utc", "expires_60", "priority_5", "link", "link_and_link_error", "time_limits", "retries_2")
V1 += ("custom_headers", "serializer_pickle", "compression_zlib", "queue_other")
CALLS |= {f"proto1_{name}": CALLS[name] for name in V1}

#: Made of several tasks, so that ids and options come from the canvas; `test_canvas` renders them.
CANVAS = {
    *(
        "chain_3",
        "chain_group_task",
        "chain_immutable",
        "chain_options",
        "chain_then_group",
        "chain_with_link_error",
        "chord_2",
        "chord_empty",
    ),
    *(
        "chord_of_chains",
        "chord_with_errback",
        "chunks",
        "group_2",
        "group_of_chains",
        "group_then_task",
        "map_",
        "nested_chord",
        "starmap",
    ),
    *("stamped_chord", "stamped_visitor_chain", "proto1_chain_3", "proto1_chord_2", "proto1_group_2"),
}
ERRORS = {"rich_json_timedelta": dt.timedelta(days=1, seconds=2), "json_set_is_an_error": {3}}


@pytest.mark.parametrize("broker", captures.BROKERS)
def test_every_scenario_is_accounted_for(broker):
    assert set(captures.published(broker)) == {*CALLS, *CANVAS, *ERRORS}


@pytest.mark.parametrize("broker", captures.BROKERS)
@pytest.mark.parametrize("name", CALLS)
def test_the_message_is_celerys(broker, name):
    if broker == "redis" and name == "exchange_routing_key":
        assert not captures.published(broker)[name].messages  # Celery loses it there
        return
    (captured,) = captures.published(broker)[name].messages
    expected = captured.message
    changes, how = CALLS[name]
    # On RabbitMQ Celery sends no priority to a queue it was only told the name of.
    priority = None if broker == "rabbitmq" and name.endswith("queue_other") else 0
    plain = {"id": captures.task_id(1), "task": "tasks.add", "args": (2, 3), "origin": captures.ORIGIN, "priority": priority}
    task = TaskMessage(**(plain | {"reply_to": expected.properties["reply_to"]} | changes))
    render = v1.render if name.startswith("proto1_") else v2.render
    found = render(task, **how)
    assert found.body == expected.body
    assert list(found.headers.items()) == list(expected.headers.items())
    # Celery hands options it does not know to the transport, and its Redis transport sends them as properties, which nobody reads.
    # An expiry is the worker's to judge: the broker would drop the message without a word.
    assert ("expiration" in expected.properties) == (task.expires is not None)
    ours = {name: value for name, value in expected.properties.items() if name not in ("argsrepr", "kwargsrepr", "expiration")}
    assert found.properties == ours
    assert (found.content_type, found.content_encoding) == (expected.content_type, expected.content_encoding)


@pytest.mark.parametrize("name", ERRORS)
def test_values_that_celery_cannot_encode_raise_here_too(name):
    assert "EncodeError" in captures.published("redis")[name].error
    with pytest.raises(EncodeError):
        v2.body((ERRORS[name],), {})


def test_a_filled_stencil_is_a_rendered_message():
    (captured,) = captures.published("rabbitmq")["basic"].messages
    template = TaskMessage(task="tasks.add", id="", origin=captures.ORIGIN, priority=0, reply_to=captured.message.properties["reply_to"])
    stencil = v2.stencil(template, exchange="", routing_key="celery")
    own_id = captures.task_id(1)
    found = stencil.fill(Call(own_id, own_id, None, "(2, 3)", "{}", v2.body((2, 3), {})[2]))
    assert found == captured.message
    assert list(found.headers) == list(captured.message.headers)


def test_a_protocol_1_chain_is_linked_callbacks():
    (captured,) = captures.published("rabbitmq")["proto1_chain_3"].messages
    reply_to = captured.message.properties["reply_to"]
    third = sig("tasks.mul", 5) | {"options": {"task_id": captures.task_id(1), "reply_to": reply_to}}
    second = sig("tasks.add", 4) | {"options": {"task_id": captures.task_id(2), "reply_to": reply_to}}
    task = TaskMessage(task="tasks.add", id=captures.task_id(3), args=(2, 3), embed=Embed(chain=[third, second]))
    assert v1.render(task).body == captured.message.body
