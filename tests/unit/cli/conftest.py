"""The command line in this process, in a folder of its own, on a SQLite file."""

from __future__ import annotations

import itertools
import sys
from dataclasses import dataclass

import pytest

from umbel import current
from umbel.cli.main import run
from umbel.clients.sqlite import database

_numbers = itertools.count()

TASKS = """\
from umbel import Umbel
app = Umbel("shop", broker="sqlite:///shop.db", backend="sqlite:///shop.db")

@app.task
def add(x, y):
    return x + y
"""


@dataclass
class Ended:
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in (
        "UMBEL_APP",
        "CELERY_APP",
        "UMBEL_BROKER_URL",
        "CELERY_BROKER_URL",
        "UMBEL_RESULT_BACKEND",
        "CELERY_RESULT_BACKEND",
        "NO_COLOR",
    ):
        monkeypatch.delenv(name, raising=False)
    yield
    close_apps()


def close_apps():
    """Close what a command has left to the end of its process."""
    for name in ("default", "latest"):
        app = getattr(current._fallback, name)
        if app is not None:
            app.close()
    for opened in list(database._OPEN):  # of apps that modules hold
        opened.close()


@pytest.fixture
def umbel(capsys):
    """Runs a command line: ``umbel("queues", "--json")``."""

    def call(*arguments: str) -> Ended:
        try:
            code = run(arguments)
        except SystemExit as left:  # click's completion leaves this way
            code = left.code
        finally:
            close_apps()
        captured = capsys.readouterr()
        return Ended(code, captured.out, captured.err)

    return call


@pytest.fixture
def module(tmp_path):
    """Name of a module with an app and the task ``add``."""
    name = f"shop{next(_numbers)}"
    (tmp_path / f"{name}.py").write_text(TASKS)
    yield name
    sys.modules.pop(name, None)
