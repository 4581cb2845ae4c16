from __future__ import annotations

import importlib
import json
import os
import pty
import subprocess
import sys

import pytest

from umbel.cli.options import Misuse
from umbel.cli.output import Output
from umbel.cli.queues import figures as reading
from umbel.cli.queues import watching
from umbel.cli.queues.figures import QueueRow
from umbel.errors import OperationalError


def row(queue, **fields):
    return QueueRow(**{"queue": queue, "ready": 1, "delayed": None, "dead": 0, "oldest": 61.0, "paused": False, **fields})


@pytest.fixture
def app(module, tmp_path):
    sys.path.insert(0, str(tmp_path))
    app = importlib.import_module(module).app
    yield app
    app.close()


def figures(umbel, module):
    return {each["queue"]: each for each in json.loads(umbel("-A", module, "queues", "--json").out)}


# pause, resume


def test_paused_and_resumed(umbel, module, app):
    app.tasks[f"{module}.add"].delay(1, 2)
    assert umbel("-A", module, "queues", "pause", "celery").out == "celery is paused.\n"
    assert umbel("-A", module, "queues", "pause", "celery").out == "celery is paused, as it was.\n"
    assert figures(umbel, module)["celery"]["paused"] is True
    assert "paused" in umbel("-A", module, "queues").out
    assert app.control.paused_queues() == ["celery"]
    assert umbel("-A", module, "queues", "resume", "celery").out == "celery is no longer paused.\n"
    assert umbel("-A", module, "queues", "resume", "celery").out == "celery was not paused.\n"
    assert json.loads(umbel("-A", module, "queues", "pause", "celery", "-j").out) == {"paused": ["celery"], "were": []}
    assert json.loads(umbel("-A", module, "queues", "resume", "celery", "-j").out) == {"resumed": ["celery"]}
    assert figures(umbel, module)["celery"]["paused"] is False


def test_a_name_that_nobody_knows_is_not_paused(umbel, module):
    ended = umbel("-A", module, "queues", "pause", "celry")
    assert (ended.code, ended.err) == (2, "Error: There is no queue 'celry'. Did you mean celery?\n")


class NotAllowed:
    """A client of a broker that keeps from its user what is paused; or that is away."""

    def __init__(self, *, away=False):
        self.away = away

    def paused(self, names):
        raise OperationalError("403")

    def length(self, name):
        if self.away:
            raise OperationalError("away")
        return 1

    def delayed(self, name):
        return None

    def close(self): ...


def test_figures_of_a_user_who_may_not_see_what_is_paused():
    (found,) = reading.read(NotAllowed(), ["q"], oldest=False)
    assert (found.ready, found.paused, found.cells()[-1]) == (1, None, None)
    with pytest.raises(OperationalError, match="away"):
        reading.read(NotAllowed(away=True), ["q"], oldest=False)


# peek


def test_what_waits_is_shown_and_stays(umbel, module, app):
    assert umbel("-A", module, "queues", "peek", "celery").out == "No message waits in celery.\n"
    sent = [app.tasks[f"{module}.add"].delay(number, 2).id for number in range(3)]
    ended = umbel("-A", module, "queues", "peek", "celery", "-n", "2")
    assert [line.split()[0] for line in ended.out.splitlines()] == ["ID", *sent[:2]]
    assert "(0, 2)" in ended.out
    assert ended.err == "2 of 3 messages.\n"
    found = json.loads(umbel("-A", module, "queues", "peek", "celery", "--json").out)
    assert [each["id"] for each in found] == sent
    assert (found[0]["task"], found[0]["redelivered"], json.loads(found[0]["body"])[0]) == (f"{module}.add", False, [0, 2])
    assert 0 <= found[0]["age"] < 30
    assert figures(umbel, module)["celery"]["ready"] == 3


# move


def ids(umbel, module, queue):
    return [each["id"] for each in json.loads(umbel("-A", module, "queues", "peek", queue, "--json").out)]


def test_messages_are_moved_in_their_order(umbel, module, app):
    sent = [app.tasks[f"{module}.add"].delay(number, 2).id for number in range(5)]
    other = app.send_task("shop.other").id
    app.send_task("shop.add", queue="slow").forget()
    assert umbel("-A", module, "queues", "move", "celery", "slow", "--task", "shop.other").out == "Moved 1 message from celery to slow.\n"
    assert ids(umbel, module, "celery") == sent, "the others are where they were"
    ended = umbel("-A", module, "queues", "move", "celery", "slow", "--limit", "3", "--json")
    assert json.loads(ended.out) == {"source": "celery", "target": "slow", "moved": 3}
    assert ids(umbel, module, "celery") == sent[3:]
    assert ids(umbel, module, "slow")[1:] == [other, *sent[:3]]


def test_what_cannot_be_meant_is_not_moved(umbel, module, app):
    app.tasks[f"{module}.add"].delay(1, 2)
    assert umbel("-A", module, "queues", "move", "celery", "celery").code == 2
    assert "There is no queue 'nowhere'" in umbel("-A", module, "queues", "move", "celery", "nowhere").err
    assert figures(umbel, module)["celery"]["ready"] == 1


# watch


def test_each_look_is_a_line_of_json(capsys):
    looks = iter([[row("a")], [row("a", paused=True)]])
    with pytest.raises(StopIteration):
        watching.watch(Output(color=False, quiet=False, as_json=True), lambda: next(looks))
    lines = capsys.readouterr().out.splitlines()
    assert [json.loads(line)[0]["paused"] for line in lines] == [False, True]


@pytest.fixture(autouse=True)
def _quickly(monkeypatch):
    monkeypatch.setattr(watching, "_INTERVAL", 0.01)


def test_without_a_terminal_each_look_is_a_table(capsys):
    looks = iter([[row("a")], [row("b", oldest=None)]])
    with pytest.raises(StopIteration):
        watching.watch(Output(color=False, quiet=False), lambda: next(looks))
    first, second, _ = capsys.readouterr().out.split("\n\n")
    assert first.split() == ["QUEUE", "READY", "DELAYED", "DEAD", "OLDEST", "STATE", "a", "1", "–", "0", "1m"]
    assert second.split()[-5:] == ["b", "1", "–", "0", "–"]


@pytest.mark.skipif(sys.platform == "win32", reason="a terminal of Unix")
def test_q_ends_it_on_a_terminal(module, tmp_path):
    ours, theirs = pty.openpty()
    arguments = [sys.executable, "-m", "umbel", "-b", "sqlite:///w.db", "queues", "--watch"]
    process = subprocess.Popen(arguments, cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=subprocess.STDOUT)
    os.close(theirs)
    shown = b""
    while b"q ends" not in shown:
        shown += os.read(ours, 4096)
    os.write(ours, b"xq")
    assert process.wait(20) == 0
    os.close(ours)
    assert b"READY" in shown
    assert b"celery" in shown


def test_rabbitmq_is_not_made_to_deliver_the_first_message_every_second(umbel):
    ended = umbel("-b", "amqp://guest:guest@127.0.0.1:1//", "queues", "--oldest", "--watch")
    assert ended.code == Misuse.exit_code
    assert "leave out --watch" in ended.err
