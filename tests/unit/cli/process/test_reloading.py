"""What is looked at, what counts as a change, and what is done then."""

from __future__ import annotations

import logging
import os
import sys
import threading
import types

import pytest

from umbel.cli.process import reloading
from umbel.cli.process.reloading import Reloader, loads, source_files


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(reloading, "_LOOK", 0.005)
    monkeypatch.setattr(reloading, "_QUIET", 0.005)


class Watched:
    """A file, and a reloader that looks at it."""

    def __init__(self, folder, wrong=()):
        self.file = folder / "tasks.py"
        self.file.write_text("1")
        self.wrong = list(wrong)
        self.checked, self.reloaded = threading.Semaphore(0), threading.Event()
        self.reloader = Reloader(lambda: [self.file, folder / "gone.py"], self.check, self.reloaded.set)

    def check(self):
        self.checked.release()
        return self.wrong.pop(0) if self.wrong else ""

    def change(self, text):
        new = self.file.with_suffix(".new")
        new.write_text(text)
        new.replace(self.file)


def test_a_change_that_can_be_loaded_is_taken_once(tmp_path):
    watched = Watched(tmp_path)
    watched.reloader.start()
    watched.change("22")
    assert watched.reloaded.wait(10)
    watched.reloader._thread.join(10)
    assert not watched.reloader._thread.is_alive()


def test_code_that_cannot_be_loaded_leaves_the_old_one_until_it_is_mended(tmp_path, caplog):
    watched = Watched(tmp_path, ["SyntaxError: no"])
    with caplog.at_level(logging.WARNING):
        watched.reloader.start()
        watched.change("22")
        assert watched.checked.acquire(timeout=10)
        assert not watched.reloaded.is_set()
        watched.change("333")
        assert watched.reloaded.wait(10)
    first, second = [record.getMessage() for record in caplog.records]
    assert first.endswith("tasks.py changed, and cannot be loaded; the old code goes on:\nSyntaxError: no")
    assert second.endswith("tasks.py changed.")


def test_a_file_that_is_away_for_a_moment_is_compared_with_what_it_was(tmp_path):
    watched = Watched(tmp_path)
    text = watched.file.read_text()
    stat = watched.file.stat()
    watched.reloader.start()
    watched.file.unlink()
    watched.file.write_text(text)
    os.utime(watched.file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    watched.change("another")
    assert watched.reloaded.wait(10)


def test_it_can_be_stopped(tmp_path):
    watched = Watched(tmp_path)
    watched.reloader.start()
    watched.reloader.stop()
    watched.reloader._thread.join(10)
    assert not watched.reloader._thread.is_alive()


def test_the_apps_own_files_count_and_no_others(tmp_path, monkeypatch):
    module = types.ModuleType("own_of_a_test")
    module.__file__ = str(tmp_path / "own.py")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    files = source_files()
    assert tmp_path.resolve() / "own.py" in files
    assert not any("site-packages" in str(path) or path.match("*/umbel/cli/*.py") or path.name == "threading.py" for path in files)


def test_an_app_is_loaded_elsewhere(tmp_path):
    file = tmp_path / "loaded_elsewhere.py"
    file.write_text("from umbel import Umbel\napp = Umbel('x', broker='memory://')\n")
    assert loads("loaded_elsewhere", str(tmp_path)) == ""
    file.write_text("from umbel import Umbel\napp = Umbel('x'\n")
    assert "was never closed" in loads("loaded_elsewhere", str(tmp_path))
    assert "loaded_elsewhere" not in sys.modules
