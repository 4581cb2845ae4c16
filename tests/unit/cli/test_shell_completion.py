from __future__ import annotations

import logging
import threading
from typing import ClassVar

import pytest

from umbel.cli import shell_completion


class Control:
    """The workers of a fleet, as they reply."""

    replies: ClassVar = {
        "active_queues": [{"a": [{"name": "live"}, {"name": "celery"}]}, {"b": {"error": "no"}}],
        "registered": [{"a": ["t.add [rate_limit=1/s]", "celery.chord"]}, {"b": ["t.sub"]}],
    }

    def broadcast(self, command, **_):
        return self.replies[command]

    def ping(self, timeout):
        return [{"w1@here": {"ok": "pong"}}, {"w2@here": {"ok": "pong"}}]


@pytest.fixture
def workers(monkeypatch):
    monkeypatch.setattr(shell_completion, "_of_workers", lambda names: sorted(set(names(Control()))))


def words(complete, incomplete=""):
    return [item.value for item in complete(None, None, incomplete)]


def typed(monkeypatch, line):
    monkeypatch.setenv("COMP_WORDS", line)


def test_names_that_workers_know(monkeypatch, module, workers):
    typed(monkeypatch, f"umbel -A {module} ")
    assert words(shell_completion.complete_nodes) == ["w1@here", "w2@here"]
    assert words(shell_completion.complete_nodes, "w1@here,w2") == ["w1@here,w2@here"]
    assert words(shell_completion.complete_queues) == ["celery", "live"]
    found = words(shell_completion.complete_tasks)
    assert f"{module}.add" in found
    assert "t.sub" not in found, "the app is there: it knows better"


def test_tasks_of_workers_where_no_app_is_named(monkeypatch, workers):
    typed(monkeypatch, "umbel -b sqlite:///x.db call ")
    assert words(shell_completion.complete_tasks) == ["t.add", "t.sub"]


@pytest.mark.parametrize("line", ["umbel --broker=nonsense://x call ", "umbel -A nowhere call ", "umbel 'open "])
def test_what_cannot_be_loaded_is_silent(monkeypatch, line, capfd):
    typed(monkeypatch, line)
    for complete in (shell_completion.complete_tasks, shell_completion.complete_queues, shell_completion.complete_nodes):
        assert words(complete) in ([], ["celery"])
    assert capfd.readouterr() == ("", "")
    assert logging.root.manager.disable == logging.NOTSET


def test_workers_are_not_waited_for_for_long(monkeypatch, module):
    typed(monkeypatch, f"umbel -A {module} ")
    monkeypatch.setattr(shell_completion, "_LONGEST", 0.01)
    go = threading.Event()
    try:
        assert shell_completion._of_workers(lambda _control: [str(go.wait(20))]) == []
    finally:
        go.set()
