from __future__ import annotations

import json

import pytest

from golden.captures import BROKERS, pidbox
from umbel.cli.remote.tables import TABLES, flat, rows_of, sentence

NOW = 1795204340.0
CAPTURED = [(broker, name) for broker in BROKERS for name in pidbox(broker) if pidbox(broker)[name].reply is not None]


def captured(broker, name):
    (reply,) = json.loads(pidbox(broker)[name].reply.body).values()
    return reply


@pytest.mark.parametrize(("broker", "name"), CAPTURED)
def test_every_reply_of_celerys_is_a_table_or_a_sentence(broker, name):
    command = json.loads(pidbox(broker)[name].request.body)["method"]
    reply = captured(broker, name)
    rows = rows_of(command, reply, NOW)
    if command in TABLES:
        assert rows or not reply
        assert all(len(row) == len(TABLES[command].titles) for row in rows)
    else:
        is_ok, text = sentence(reply)
        assert is_ok is not (isinstance(reply, dict) and "error" in reply)
        assert isinstance(text, str)


def test_tasks_are_shown_as_calls():
    assert rows_of("active", captured("redis", "active"), NOW)[0] == ("tasks.slow", "fc2086e1-4c06-43c8-95fb-d089b93eac53", "7s", "60")
    safe = [{"name": "t", "id": "a", "time_start": None, "args": "(1,)", "kwargs": "{'a': 2}"}]
    assert rows_of("active", safe, NOW) == [("t", "a", None, "(1,) {'a': 2}")]
    keywords = [{"name": "t", "id": "a", "args": [1, "x"], "kwargs": {"a": None}}]
    assert rows_of("reserved", keywords, NOW) == [("t", "a", "1, 'x', a=None")]


@pytest.mark.parametrize("reply", [None, 3, "text", [], {}, [3], [{}], [{"name": 1}], {"a": 1}, [[1, 2]], {"a": ["x"]}, {"a": None}])
@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_reply_of_another_form_does_no_harm(name, reply):
    rows = rows_of(name, reply, NOW)
    assert rows is None or all(len(row) == len(TABLES[name].titles) for row in rows)


def test_nested_fields_are_named_by_their_paths():
    assert list(flat({"a": {"b": {"c": 1}, "d": []}, "e": "x", "f": {}})) == [("a.b.c", "1"), ("a.d", "[]"), ("e", "x"), ("f", "{}")]


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ({"ok": "pong"}, (True, "pong")),
        ({"ok": {"a": 1}}, (True, '{"a": 1}')),
        (None, (True, "–")),
        ("55.984MB", (True, "55.984MB")),
        ({"error": "unknown task"}, (False, "unknown task")),
        ({"error": "ValueError('Autoscale not enabled')"}, (False, "Autoscale not enabled")),
        ({"error": "KeyError('no_such_cmd')"}, (False, "no command 'no_such_cmd'")),
        ({"error": "ValueError('a', 'b')"}, (False, "ValueError('a', 'b')")),
        ({"error": "ValueError(3)"}, (False, "ValueError(3)")),
        ({"error": "Weird(('"}, (False, "Weird(('")),
        ({"error": "(" * 100_000}, (False, "(" * 100_000)),
        ({"error": 3}, (False, "3")),
        ({"ok": 1, "more": 2}, (True, '{"ok": 1, "more": 2}')),
    ],
)
def test_other_replies_are_said_in_a_sentence(reply, expected):
    assert sentence(reply) == expected
