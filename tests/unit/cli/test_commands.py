"""The commands on an embedded broker."""

from __future__ import annotations

import importlib
import json

import pytest

from umbel.brokers.base import ATTEMPTS, DEAD_AT, DEAD_DETAIL, DEAD_QUEUE, DEAD_REASON
from umbel.brokers.topology import Destination, Queue
from umbel.cli.commands import dead
from umbel.results.model import Record
from umbel.wire.message import Message


@pytest.fixture
def app(module, tmp_path):
    """The app that ``-A module`` finds."""
    import sys

    sys.path.insert(0, str(tmp_path))
    app = importlib.import_module(module).app
    yield app
    app.close()


def put_dead_letter(app, task_id, *, task="shop.add", reason="worker_lost", body=b"[[1, 2], {}, {}]"):
    headers = {
        "id": task_id,
        "task": task,
        "lang": "py",
        DEAD_REASON: reason,
        DEAD_DETAIL: "5 children died",
        DEAD_QUEUE: "celery",
        DEAD_AT: "2026-01-01T00:00:00+00:00",
        ATTEMPTS: 5,
    }
    app.publisher.publish(
        Message(body, headers, properties={"correlation_id": task_id}), Destination("", "celery.dead", Queue("celery.dead")), confirm=True
    )


# -- -A


def test_worker_asks_for_an_app_and_names_one(umbel, module):
    ended = umbel("worker")
    assert ended.code == 2
    assert f"-A {module}" in ended.err


@pytest.mark.parametrize("text", ["nowhere", "tasks.py"])
def test_a_wrong_app_is_one_line(umbel, module, text):
    ended = umbel("-A", text, "queues")
    assert ended.code == 2
    assert ended.err.count("\n") == 1
    assert text in ended.err


def test_an_app_that_fails_shows_the_users_traceback_only(umbel, tmp_path):
    (tmp_path / "breaks.py").write_text("def f():\n    return 1 / 0\n\nf()\n")
    ended = umbel("-A", "breaks", "queues")
    assert ended.code == 2
    assert "ZeroDivisionError" in ended.err
    assert "breaks.py" in ended.err
    assert "umbel/" not in ended.err.replace(str(tmp_path), "")


def test_a_mistake_that_we_report_is_shown_at_the_users_line(umbel, tmp_path):
    (tmp_path / "mistaken.py").write_text("from umbel import Umbel\n\nUmbel('x', nosuchoption=1)\n")
    ended = umbel("-A", "mistaken", "queues")
    assert ended.code == 2
    assert 'mistaken.py", line 3' in ended.err
    assert "umbel/" not in ended.err.replace(str(tmp_path), "")


# -- call, queues, purge


def test_call_prints_the_id_and_the_message_waits(umbel, module):
    sent = umbel("call", "-A", module, f"{module}.add", "-a", "[30, 42]")
    assert sent.code == 0
    assert len(sent.out.strip()) == 36
    (found,) = json.loads(umbel("-A", module, "queues", "--json").out)
    assert 0 <= found.pop("oldest") < 30
    assert found == {"queue": "celery", "ready": 1, "delayed": 0, "dead": 0, "paused": False}


def test_without_an_app_the_broker_in_use_is_told(umbel, tmp_path):
    for arguments in (("call", "a.b"), ("queues",), ("result", "x", "--timeout", "0")):
        assert f"No app is named (-A): using sqlite:///{tmp_path / 'umbel.db'}." in umbel(*arguments).err
    assert umbel("-b", "sqlite:///other.db", "queues").err == ""


@pytest.mark.parametrize("option", ["-A", "-b", "--config"])
def test_an_empty_option_is_not_taken_for_none(umbel, option):
    ended = umbel(option, "", "queues")
    assert ended.code == 2
    assert "it is empty" in ended.err


def test_call_says_when(umbel, module, app):
    umbel("-A", module, "call", f"{module}.add", "--eta", "2030-01-31T12:00:00", "--expires", "2031-01-31T12:00:00+01:00")
    client = app.broker.queue_client()
    try:
        headers = client.get("celery").headers
        assert headers["eta"].startswith("2030-01-31T12:00:00")
        assert "2031-01-31T1" in headers["expires"]
    finally:
        client.close()


def test_call_reads_arguments_from_a_file(umbel, module, tmp_path, app):
    (tmp_path / "args.json").write_text('["踏青", 1]', encoding="utf-8")
    assert umbel("-A", module, "call", f"{module}.add", "-a", "@args.json", "--queue", "other").code == 0
    client = app.broker.queue_client()
    try:
        assert json.loads(client.get("other").body)[0] == ["踏青", 1]
    finally:
        client.close()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-a", "[1,"), "not JSON"),
        (("-a", "{}"), "expected JSON like"),
        (("-k", "[]"), "expected JSON like"),
        (("-a", "@missing"), "cannot read"),
        (("--eta", "noon"), "not a time"),
        (("--expires", "never"), "not a time"),
        (("--countdown", "-1"), "range"),
        (("--eta", "2030-01-01", "--countdown", "1"), "one of them"),
    ],
)
def test_call_refuses(umbel, module, arguments, said):
    ended = umbel("-A", module, "call", f"{module}.add", *arguments)
    assert ended.code == 2
    assert said in ended.err


def test_call_recognises_a_mistyped_task(umbel, module):
    ended = umbel("-A", module, "call", "add")
    assert ended.code == 2
    assert f"Did you mean {module}.add?" in ended.err
    assert umbel("-A", module, "call", "add", "--force").code == 0


def test_call_sends_a_task_that_only_others_know(umbel, module):
    ended = umbel("-A", module, "call", "images.resize", "--json")
    assert ended.code == 0
    assert json.loads(ended.out)["task"] == "images.resize"
    assert "has no task" in ended.err


def test_purge_needs_a_yes(umbel, module):
    umbel("-A", module, "call", f"{module}.add")
    refused = umbel("-A", module, "purge")
    assert refused.code == 2
    assert "-f" in refused.err
    assert umbel("-A", module, "purge", "-f").out == "Dropped 1 message from 1 queue.\n"
    assert json.loads(umbel("-A", module, "purge", "--json").out) == {"celery": 0}


def test_purge_leaves_out(umbel, module):
    umbel("-A", module, "call", f"{module}.add")
    umbel("-A", module, "purge", "-f", "-X", "celery")
    assert json.loads(umbel("-A", module, "queues", "--json").out)[0]["ready"] == 1


def test_a_wrong_queue_gets_a_suggestion(umbel, module):
    ended = umbel("-A", module, "purge", "-f", "-Q", "celry")
    assert ended.code == 2
    assert "Did you mean celery?" in ended.err


# -- result


@pytest.mark.parametrize(
    ("record", "code", "out", "err"),
    [
        ({"status": "SUCCESS", "result": 72}, 0, "72\n", ""),
        ({"status": "SUCCESS", "result": "踏青"}, 0, "踏青\n", ""),
        ({"status": "SUCCESS", "result": {"a": [1]}}, 0, '{"a": [1]}\n', ""),
        (
            {"status": "FAILURE", "result": {"exc_type": "ValueError", "exc_message": ["no"], "exc_module": "builtins"}},
            1,
            "",
            "FAILURE: ValueError: no\n",
        ),
        (
            {"status": "FAILURE", "result": {"exc_type": "ValueError", "exc_message": ["\x1b[2J"], "exc_module": "builtins"}},
            1,
            "",
            "FAILURE: ValueError: \\x1b[2J\n",
        ),
    ],
)
def test_result(umbel, module, app, record, code, out, err):
    app.store.store([Record(task_id="t1", **record)])
    ended = umbel("-A", module, "result", "t1", "--timeout", "5")
    assert (ended.code, ended.out, ended.err) == (code, out, err)


def test_result_shows_the_traceback_when_asked(umbel, module, app):
    failure = {"exc_type": "ValueError", "exc_message": ["no"], "exc_module": "builtins"}
    app.store.store([Record(task_id="t1", status="FAILURE", result=failure, traceback="Traceback: here")])
    assert umbel("-A", module, "result", "t1", "--traceback").out == "Traceback: here\n"
    document = json.loads(umbel("-A", module, "result", "t1", "--json").out)
    assert document == {"id": "t1", "state": "FAILURE", "result": None, "error": "ValueError: no", "traceback": "Traceback: here"}


def test_result_that_does_not_come(umbel, module):
    ended = umbel("-A", module, "result", "t9", "--timeout", "0.05")
    assert ended.code == 69
    assert "PENDING" in ended.err


# -- dead letters


def test_dead_letters_are_listed_and_stay(umbel, module, app):
    put_dead_letter(app, "t1")
    put_dead_letter(app, "t2", task="shop\x1b[2J.sell", reason="undecodable")
    for _ in range(2):
        ended = umbel("-A", module, "dead", "list")
        assert [line.split()[0] for line in ended.out.splitlines()] == ["ID", "t1", "t2"]
        assert "\x1b" not in ended.out
    found = json.loads(umbel("-A", module, "dead", "list", "--json", "--reason", "worker_lost").out)
    assert [(letter["id"], letter["queue"], letter["attempts"]) for letter in found] == [("t1", "celery", 5)]
    assert "None of 2 dead letters" in umbel("-A", module, "dead", "list", "--task", "x").out


def test_no_dead_letters(umbel, module):
    ended = umbel("-A", module, "dead", "list")
    assert ended.code == 0
    assert "No dead letters in celery" in ended.out


def test_a_dead_letter_is_shown_whole(umbel, module, app):
    put_dead_letter(app, "t1")
    ended = umbel("-A", module, "dead", "show", "t1")
    assert "5 children died" in ended.out
    assert "[[1, 2], {}, {}]" in ended.out
    assert json.loads(umbel("-A", module, "dead", "show", "t1", "--json").out)["body"] == "[[1, 2], {}, {}]"
    assert umbel("-A", module, "dead", "show", "t2").code == 1


def test_replay_revives_the_message_and_forgets_the_failure(umbel, module, app):
    put_dead_letter(app, "t1")
    put_dead_letter(app, "t2")
    app.store.store(
        [Record(task_id="t1", status="FAILURE", result={"exc_type": "WorkerLostError", "exc_message": ["x"], "exc_module": "m"})]
    )
    ended = umbel("-A", module, "dead", "replay", "t1")
    assert (ended.code, ended.out) == (0, "Sent again: 1 dead letter.\n")
    client = app.broker.queue_client()
    try:
        message = client.get("celery")
        assert {key: value for key, value in message.headers.items() if key.startswith("x-umbel")} == {}
        assert (message.headers["id"], message.attempts, message.body) == ("t1", 0, b"[[1, 2], {}, {}]")
        assert client.length("celery.dead") == 1
    finally:
        client.close()
    assert app.store.fetch(["t1"]) == {}


def test_replay_wants_to_know_which(umbel, module, app):
    put_dead_letter(app, "t1")
    assert umbel("-A", module, "dead", "replay").code == 2
    missing = umbel("-A", module, "dead", "replay", "t1", "t7")
    assert missing.code == 1
    assert "t7" in missing.err


def test_replay_takes_so_many(umbel, module, app):
    for number in range(4):
        put_dead_letter(app, f"t{number}")
    assert umbel("-A", module, "dead", "replay", "--all", "--limit", "3", "-Q", "celery.dead").out == "Sent again: 3 dead letters.\n"
    (found,) = json.loads(umbel("-A", module, "queues", "--json").out)
    assert (found["ready"], found["delayed"], found["dead"]) == (3, 0, 1)


def test_dead_letters_are_dropped_after_a_yes(umbel, module, app):
    put_dead_letter(app, "t1")
    put_dead_letter(app, "t2", reason="undecodable")
    assert umbel("-A", module, "dead", "purge", "--all").code == 2
    assert umbel("-A", module, "dead", "purge", "--reason", "undecodable", "-f").out == "Dropped: 1 dead letter.\n"
    assert [letter["id"] for letter in json.loads(umbel("-A", module, "dead", "list", "--json").out)] == ["t1"]


@pytest.fixture
def outlived(app, monkeypatch):
    """The lease on the first letter that a command reads ends before the command drops it, and another one holds it then."""

    other = app.broker.queue_client()

    def end_lease():
        other._database.write(lambda connection: connection.execute("UPDATE umbel_holders SET until = 0"))
        assert other.get("celery.dead") is not None

    yield end_lease
    other.close()


def test_purge_counts_what_it_dropped_only(umbel, module, app, outlived, monkeypatch):
    put_dead_letter(app, "t1")
    put_dead_letter(app, "t2")
    monkeypatch.setattr(dead, "confirm", lambda *_, **__: outlived())
    ended = umbel("-A", module, "dead", "purge", "--all")
    assert (ended.code, ended.out) == (1, "Dropped: 0 dead letters.\n")
    assert "2 dead letters are not dropped" in ended.err
    assert [letter["id"] for letter in json.loads(umbel("-A", module, "dead", "list", "--json").out)] == ["t2"]


def test_replay_says_what_is_still_there(umbel, module, app, outlived, monkeypatch):
    put_dead_letter(app, "t1")
    replayed = dead.replayed
    monkeypatch.setattr(dead, "replayed", lambda letter: (outlived(), replayed(letter))[1])
    ended = umbel("-A", module, "dead", "replay", "t1")
    assert (ended.code, ended.out) == (1, "Sent again: 1 dead letter.\n")
    assert "1 dead letter of these is still there" in ended.err


def test_a_letter_that_rabbitmq_made_tells_its_word(umbel, module, app):
    headers = {"id": "t1", "task": "shop.add", "x-first-death-reason": "delivery_limit", "x-first-death-queue": "celery", "x-death": []}
    app.publisher.publish(Message(b"[[], {}, {}]", headers), Destination("", "celery.dead", Queue("celery.dead")), confirm=True)
    (letter,) = json.loads(umbel("-A", module, "dead", "list", "--json").out)
    assert (letter["reason"], letter["queue"]) == ("delivery_limit", "celery")
    assert umbel("-A", module, "dead", "replay", "t1").code == 0
    client = app.broker.queue_client()
    assert client.get("celery").headers == {"id": "t1", "task": "shop.add"}
    client.close()


# -- looking


def test_report_masks_passwords(umbel, module):
    ended = umbel("-A", module, "-b", "amqp://guest:hunter2@localhost//", "report")
    assert ended.code == 0
    assert "hunter2" not in ended.out
    assert f"{module}:app" in ended.out
    assert set(json.loads(umbel("-A", module, "report", "--json").out)) == {"software", "platform", "app", "settings"}


def test_settings(umbel, module):
    assert "broker_url" in umbel("-A", module, "settings").out
    assert "All settings have their defaults" in umbel("settings").out
    assert set(json.loads(umbel("settings", "prefetch_multiplier", "--json").out)) >= {"worker_prefetch_multiplier"}
    assert umbel("settings", "no-such-word").code == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(umbel, shell):
    ended = umbel("completion", shell)
    assert ended.code == 0
    assert "_UMBEL_COMPLETE" in ended.out


def test_completion_knows_tasks_and_queues(umbel, module, monkeypatch, capsys):
    def complete(words: str, at: int) -> list[str]:
        monkeypatch.setenv("_UMBEL_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(at))
        return umbel().out.split()

    assert complete("umbel wo", 1) == ["plain,worker", "plain,workflow"]
    assert complete(f"umbel -A {module} call {module}.", 4) == [f"plain,{module}.add"]
    assert complete(f"umbel -A {module} purge -Q c", 5) == ["plain,celery"]
    assert complete(f"umbel -A {module} purge -X c", 5) == ["plain,celery"]
    assert complete("umbel -A nowhere purge -Q c", 5) == []
    assert complete("umbel worker -P s", 3) == ["plain,solo"]


def test_fish_takes_commas_as_part_of_the_word(umbel):
    assert 'split --max 1 ","' in umbel("completion", "fish").out


@pytest.mark.parametrize(("text", "told"), [(None, "No module named 'shopconfig'"), ("1 / 0", "ZeroDivisionError: division by zero")])
@pytest.mark.parametrize("command", [("report",), ("worker",)])
def test_settings_that_cannot_be_imported_are_one_line(umbel, module, tmp_path, text, told, command):
    (tmp_path / f"{module}.py").write_text("from umbel import Umbel\napp = Umbel()\napp.config_from_object('shopconfig')\n")
    if text:
        (tmp_path / "shopconfig.py").write_text(text)
    ended = umbel("-A", module, *command)
    last = ended.err.splitlines()[-1]
    assert ended.code == 2
    assert last.startswith(f"Error: {module}:app takes its settings from shopconfig, which cannot be imported (looked in {tmp_path} ")
    assert last.endswith(told)
    assert ("Traceback" in ended.err) == bool(text)
    assert "umbel/" not in ended.err


@pytest.mark.parametrize("command", ["call", "result"])
def test_an_empty_name_or_id_is_misuse(umbel, module, command):
    ended = umbel("-A", module, command, "")
    assert ended.code == 2
    assert "it is empty" in ended.err


def test_waiting_for_a_task_that_ignores_its_result(umbel, module, tmp_path):
    with (tmp_path / f"{module}.py").open("a") as file:
        file.write("\n@app.task(ignore_result=True)\ndef ign(): pass\n")
    ended = umbel("-A", module, "call", f"{module}.ign", "--wait")
    assert ended.code == 0
    assert f"{module}.ign ignores its result" in ended.err
    ended = umbel("-A", module, "call", f"{module}.ign", "--wait", "--json")
    assert (ended.code, json.loads(ended.out)["ignored"]) == (0, True)


def test_a_wrong_result_store_is_noticed_before_anything_is_sent(umbel, module, app):
    ended = umbel("-A", module, "call", f"{module}.add", "-a", "[1, 2]", "-w", "--result-backend", "amqp://guest:guest@localhost")
    assert ended.code == 1
    assert "use rpc://" in ended.err
    assert "Sent" not in ended.err
    client = app.broker.queue_client()
    try:
        assert not client.length("celery")
    finally:
        client.close()
