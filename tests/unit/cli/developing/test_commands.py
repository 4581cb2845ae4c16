from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from umbel.cli.developing.graph import chain_lines, worker_lines
from umbel.cli.developing.log_reading import records

LOG = """\
a banner
[2026-01-01 10:00:00,000: INFO/MainProcess] Task t.add[id-1] received
[2026-01-01 10:00:00,001: INFO/MainProcess] Task t.add[id-2] received
[2026-01-01 10:00:00,002: INFO/MainProcess] Task t.odd[id-3] received
[2026-01-01 10:00:00,003: INFO/ForkPoolWorker-1] t.add[id-1]: what a task logs
[2026-01-01 10:00:00,004: INFO/MainProcess] Task t.add[id-1] succeeded in 0.1s: 3
[2026-01-01 10:00:00,005: ERROR/MainProcess] Task t.odd[id-3] raised unexpected: ValueError('x')
  Traceback (most recent call last):
  ValueError: x
[2026-01-01 10:00:00,006: ERROR/MainProcess] Message t.no[id-4] moved to celery.dead: unregistered: none
"""


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "worker.log"
    path.write_text(LOG)
    return str(path)


# logtool


def test_figures_of_a_log(umbel, log):
    found = json.loads(umbel("logtool", "stats", log, "--json").out)
    assert found == {
        "tasks": {"t.add": 2, "t.odd": 1},
        "events": {"received": 3, "succeeded": 1, "failed": 1, "dead": 1},
        "levels": {"INFO": 5, "ERROR": 2},
        "tracebacks": 1,
        "incomplete": 1,
    }
    assert umbel("logtool", "stats", log).out.startswith("7 records, 1 traceback, 1 incomplete.\n")


def test_parts_of_a_log(umbel, log):
    assert umbel("logtool", "traces", log).out == "\n".join(LOG.splitlines()[6:9]) + "\n"
    assert umbel("logtool", "errors", log).out == "\n".join(LOG.splitlines()[6:]) + "\n"
    assert umbel("logtool", "debug", log).out == LOG.splitlines()[4] + "\n"
    assert umbel("logtool", "incomplete", log).out.splitlines()[1].split() == ["id-2", "t.add"]
    assert json.loads(umbel("logtool", "incomplete", log, "-j").out) == [{"id": "id-2", "task": "t.add"}]


def test_stdin_is_read_and_a_missing_file_is_told(umbel, log, monkeypatch):
    with Path(log).open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        assert "id-2" in umbel("logtool", "incomplete").out
    assert umbel("logtool", "stats", "nowhere.log").code == 2


def test_lines_before_the_first_record_are_no_record():
    assert [record.process for record in records(["x\n", "[now: INFO/Main] a\n", " b\n"])] == ["Main"]


# graph


def test_services_in_their_order(umbel, module):
    out = umbel("-A", module, "graph", "bootsteps", "worker", "consumer").out
    assert out.startswith("digraph {")
    assert out.index('"Pausing"') < out.index('"Consuming"') < out.index('"PoolService"')
    assert umbel("-A", module, "graph", "bootsteps", "pool").code == 2


def test_workers_that_are_named(umbel, module):
    out = umbel("-A", module, "graph", "workers", "nodes:a,b", "threads:3").out
    assert out.count("broker ->") == 2
    assert '"a\\n3 slots"' in out
    for word in ("nods:a", "a"):
        assert umbel("-A", module, "graph", "workers", word).code == 2
    assert umbel("-A", module, "graph", "workers", "nodes:a", "threads:x").code == 2


def test_workers_that_are_asked(umbel, module):
    assert umbel("-A", module, "graph", "workers", "-t", "0.05").code == 69


def test_what_workers_say_is_not_trusted():
    odd = {'a"]; x': {"pool": {"max-concurrency": 2, "processes": [1, 'x"']}}, "b": "no", "c": {"pool": 7}}
    found = list(worker_lines("b", None, odd))
    assert sum("->" in line for line in found) == 5
    assert all(line.count('"') % 2 == line.count('\\"') % 2 for line in found)
    assert list(chain_lines(["a"]))[-1] == "}"


# shell


def test_plain_python_with_the_app_and_its_tasks(umbel, module, monkeypatch, tmp_path, capsys):
    lines = tmp_path / "lines"
    lines.write_text("print(app is celery, add(1, 2), group, chord)\n")
    with lines.open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        ended = umbel("-A", module, "shell", "-P")
    assert "True 3" in ended.out
    with lines.open() as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert "NameError" in umbel("-A", module, "shell", "-P", "-T").err


def test_a_shell_that_is_not_installed_is_told(umbel, module, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    ended = umbel("-A", module, "shell", "-B")
    assert (ended.code, ended.err) == (2, "Error: bpython is not installed: pip install bpython, or use -P.\n")
