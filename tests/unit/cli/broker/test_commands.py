from __future__ import annotations

import importlib
import json
import sys

import pytest


@pytest.fixture
def app(module, tmp_path):
    sys.path.insert(0, str(tmp_path))
    app = importlib.import_module(module).app
    yield app
    app.close()


def lengths(umbel, url):
    return {each["queue"]: each["ready"] for each in json.loads(umbel("-b", url, "queues", "-Q", "celery", "--json").out)}


# list


def test_bindings_are_listed(umbel, module):
    ended = umbel("-A", module, "list", "bindings")
    assert ended.out.splitlines()[1].split() == ["celery", "direct", "celery", "celery", "not", "yet"]
    found = {"exchange": "celery", "type": "direct", "routing_key": "celery", "queue": "celery", "there": False}
    assert json.loads(umbel("-A", module, "list", "bindings", "-j").out) == [found]


# migrate


@pytest.fixture
def migrate(umbel, module):
    return lambda *options: umbel("-A", module, "migrate", "sqlite:///shop.db", "sqlite:///new.db", "-t", "0", *options)


def test_messages_are_copied_and_stay(migrate, umbel, module, app):
    sent = [app.tasks[f"{module}.add"].delay(number, 1).id for number in range(3)]
    assert migrate().out.startswith("Copied 3 messages to sqlite:///")
    assert lengths(umbel, "sqlite:///new.db") == lengths(umbel, "sqlite:///shop.db") == {"celery": 3}
    found = json.loads(umbel("-b", "sqlite:///new.db", "queues", "peek", "celery", "-j").out)
    assert [each["id"] for each in found] == sent


def test_messages_are_moved_by_task_to_another_queue_and_so_many(migrate, umbel, module, app):
    for number in range(3):
        app.tasks[f"{module}.add"].delay(number, 1).forget()
    other = app.send_task("other").id
    assert json.loads(migrate("-a", "-T", "other", "-Q", "celery:mail", "--json").out) == {"copied": 1, "removed": 1}
    assert json.loads(migrate("-a", "-n", "2", "-j").out) == {"copied": 2, "removed": 2}
    assert lengths(umbel, "sqlite:///shop.db") == {"celery": 1}
    (found,) = json.loads(umbel("-b", "sqlite:///new.db", "queues", "peek", "mail", "-j").out)
    assert found["id"] == other


def test_what_cannot_be_meant_is_told(migrate, umbel):
    assert umbel("migrate", "sqlite:///a.db", "sqlite:///a.db").code == 2
    assert "expected a queue's name, or old:new" in migrate("-Q", "celery:").err


# amqp


def test_single_operations(umbel, module):
    assert umbel("-A", module, "amqp", "queue.declare", "q").out == "ok: q has 0 messages.\n"
    assert umbel("-A", module, "amqp", "queue.bind", "q", "logs", "a.*", "topic").out == "ok\n"
    assert umbel("-A", module, "amqp", "basic.publish", "hello", "logs", "a.b").out == "ok\n"
    for _ in range(2):
        assert json.loads(umbel("-A", module, "amqp", "basic.get", "q").out)["body"] == "hello"
    assert umbel("-A", module, "amqp", "queue.purge", "q").out == "ok: 1 message dropped.\n"
    assert umbel("-A", module, "amqp", "queue.delete", "q").out == "ok: 0 messages with it.\n"
    assert umbel("-A", module, "amqp", "queue.delete", "q").out == "There is no queue q.\n"


def test_a_session_goes_on_after_a_mistake(umbel, module, monkeypatch, tmp_path):
    lines = tmp_path / "lines"
    lines.write_text(
        "queue.declare q\nbasic.publish x '' q\nbasic.ack 7\nqueue.bind q e k odd\n'open\n\nbasic.get q\nbasic.ack 1\nexit\nqueue.purge q\n"
    )
    with lines.open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        ended = umbel("-A", module, "amqp")
    assert ended.code == 0
    assert [line for line in ended.out.splitlines() if not line.startswith("{")] == ["ok: q has 0 messages.", "ok", "ok"]
    assert ended.err.count("Error: ") == 3


@pytest.mark.parametrize("words", [("queue.dclare", "q"), ("queue.declare",), ("basic.ack", "1")])
def test_wrong_words_are_one_line(umbel, module, words):
    ended = umbel("-A", module, "amqp", *words)
    assert (ended.code, ended.err.count("\n")) == (2, 1)
