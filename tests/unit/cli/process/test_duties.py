"""Names, pidfiles, users."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from umbel.cli.process.duties import become, file_name, pidfile
from umbel.worker.options import node_name


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "celery@box.example.com"),
        ("celery_test", "celery@celery_test"),
        ("w%n", "celery@wbox"),
        ("a@%h", "a@box.example.com"),
        ("x@%n.%d", "x@box.example.com"),
        ("50%%@%n", "50%@box"),
    ],
)
def test_node_names(given, expected):
    assert node_name(given, "box.example.com") == expected


def test_file_names():
    assert file_name("/var/log/%n-%h%I.log", "w1@box.example.com") == "/var/log/w1-box.example.com.log"
    assert file_name("%d/%p%%", "w1@box.example.com") == "example.com/w1@box.example.com%"


def test_a_pidfile_is_held_and_removed(tmp_path):
    path = tmp_path / "w.pid"
    with pidfile(path):
        assert path.read_text() == f"{os.getpid()}\n"
    assert not path.exists()


@pytest.mark.parametrize("content", ["", "not a number", "99999999", "-5"])
def test_a_stale_pidfile_is_replaced(tmp_path, content):
    path = tmp_path / "w.pid"
    path.write_text(content)
    with pidfile(path):
        assert path.read_text() == f"{os.getpid()}\n"


def test_of_many_that_find_one_stale_pidfile_one_gets_it(tmp_path):
    path = tmp_path / "w.pid"
    code = (
        "import sys, pathlib; from umbel.cli.process.duties import pidfile\n"
        "sys.stdin.readline()\n"
        "try:\n    with pidfile(pathlib.Path(sys.argv[1])):\n        print('mine', flush=True); sys.stdin.readline()\n"
        "except Exception as error:\n    print('no', flush=True)\n"
    )
    many = [
        subprocess.Popen([sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    with contextlib.ExitStack() as stack:
        for each in many:
            stack.enter_context(each)
        path.write_text("99999999")
        for each in many:
            each.stdin.write("\n")
            each.stdin.flush()
        answers = [each.stdout.readline().strip() for each in many]
        for each in many:
            each.communicate("\n")
    assert sorted(answers) == ["mine", "no", "no", "no"]


def test_the_pidfile_of_a_running_process_is_respected(tmp_path):
    path = tmp_path / "w.pid"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        path.write_text(str(other.pid))
        with pytest.raises(click.ClickException, match=str(other.pid)), pidfile(path):
            pass
        assert path.read_text() == str(other.pid)
        other.communicate(b"\n")


@pytest.mark.skipif(sys.platform != "linux", reason="start times are read from /proc")
def test_a_reused_process_id_does_not_count(tmp_path):
    path = tmp_path / "w.pid"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        path.write_text(str(other.pid))
        os.utime(path, (1_000_000_000, 1_000_000_000))
        with pidfile(path):
            assert path.read_text() == f"{os.getpid()}\n"
        other.communicate(b"\n")


def test_a_pidfile_that_cannot_be_written_is_an_error(tmp_path):
    with pytest.raises(click.ClickException, match="Cannot write"), pidfile(tmp_path / "missing" / "w.pid"):
        pass


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_a_pidfile_on_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    opened = os.open

    def open_full(path, flags, mode=0o777):
        found = opened(path, flags, mode)
        return opened("/dev/full", os.O_WRONLY) if flags & os.O_CREAT else found

    monkeypatch.setattr(os, "open", open_full)
    path = tmp_path / "w.pid"
    with pytest.raises(click.ClickException, match="No space left"), pidfile(path):
        pass
    assert not path.exists()


def test_a_pidfile_is_never_a_device(tmp_path):
    with pytest.raises(click.ClickException, match="not a plain file"), pidfile(Path(os.devnull)):
        pass
    assert Path(os.devnull).exists()


def test_a_wrong_umask_is_refused():
    with pytest.raises(click.BadParameter, match="octal"):
        become(None, None, "9")


def test_an_unknown_user_is_refused():
    with pytest.raises(click.ClickException, match="no user 'nobody-of-this-name'"):
        become("nobody-of-this-name", None, None)
    with pytest.raises(click.ClickException, match="no group 'nobody-of-this-name'"):
        become(None, "nobody-of-this-name", None)
