"""The commands with a worker of the app in this process."""

from __future__ import annotations

import json

import pytest

from umbel import Umbel
from umbel.cli.main import run
from umbel.control import inspect_command
from umbel.testing.worker import start_worker


@inspect_command(name="two_lines_of_this_test")
async def two_lines(state):
    """Say two lines."""
    return {"ok": "one\ntwo \x1b[31m"}


@pytest.fixture(scope="module")
def app():
    with Umbel("remote", broker="memory:///remote-commands", backend="memory:///remote-commands", set_as_current=False) as app:

        @app.task(name="remote.add")
        def add(x, y): ...

        with start_worker(app, hostname="w1@host"):
            yield app


@pytest.fixture
def umbel(app, capsys):
    def call(*words):
        code = run([*words, "-t", "10", "-d", "w1@host"], app)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_status_is_a_table(umbel):
    code, out, err = umbel("status")
    head, row = out.splitlines()
    assert (code, head.split()) == (0, ["NODE", "STATUS", "UP", "SLOTS", "TASKS", "RUN", "PROCESS"])
    assert row.split()[:2] == ["w1@host", "OK"]
    assert err == "1 worker online.\n"
    code, out, err = umbel("status", "--json")
    assert (code, json.loads(out), err) == (0, {"w1@host": {"ok": "pong"}}, "")


def test_inspect(umbel):
    code, out, _ = umbel("inspect", "registered")
    assert code == 0
    assert "w1@host   remote.add" in out.splitlines()
    assert umbel("inspect", "active")[1] == "Nothing.\n"
    assert json.loads(umbel("inspect", "clock", "-j")[1])["w1@host"]["clock"] > 0
    code, out, _ = umbel("inspect", "two_lines_of_this_test")
    assert out == "w1@host\n    one\n    two \\x1b[31m\n"


def test_control(umbel):
    assert umbel("control", "rate_limit", "remote.add", "5/s")[:2] == (0, "NODE      REPLY\nw1@host   new rate limit set successfully\n")
    assert umbel("control", "rate_limit", "no.task", "5/s")[:2] == (0, "NODE      REPLY\nw1@host   error: unknown task\n")
    code, out, _ = umbel("control", "autoscale", "3", "1", "--json")
    assert (code, json.loads(out)) == (0, [{"w1@host": {"error": "ValueError('Autoscale not enabled')"}}])


def test_without_a_command_there_is_a_hint(umbel):
    for name in ("inspect", "control"):
        assert umbel(name) == (2, "", f"Error: Which command? umbel {name} --list shows them.\n")
        code, out, _ = umbel(name, "--list")
        assert code == 0
        assert out.startswith("COMMAND")
    assert "two_lines_of_this_test" in umbel("inspect", "-l")[1]
