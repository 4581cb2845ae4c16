"""Who may be rung, and what is removed: never a file, never over a link."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path

import pytest

from umbel.brokers.sqlite import doorbell
from umbel.brokers.sqlite.doorbell import MESSAGES, Bell, Listener, directory_of


@pytest.fixture
def folder():
    """A socket's path may have 107 bytes: pytest's folders are too deep."""
    with tempfile.TemporaryDirectory(prefix="umbel-bell-") as made:
        yield made


@pytest.fixture(params=["beside", "in the temporary directory"])
def database(request, folder, monkeypatch):
    """A database whose directory of sockets is beside it, or elsewhere because its path is long."""
    monkeypatch.setattr(doorbell, "_LONGEST_PATH", 100 if request.param == "beside" else 0)
    monkeypatch.setattr(doorbell.tempfile, "gettempdir", lambda: folder)
    monkeypatch.chdir(folder)
    return "umbel.db"


def test_a_listener_is_rung_and_leaves_nothing(database):
    listener, bell = Listener(database, MESSAGES), Bell(database, MESSAGES)
    listener.open()
    bell.ring()
    assert listener.socket.recv(16) == b"!"
    listener.close()
    bell.close()
    assert not Path(directory_of(database)).exists()


def test_a_link_is_not_followed(database, tmp_path):
    """Whoever may write to the folder may make a link there to a folder of ours."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "m1-00").write_text("mine")
    Path(directory_of(database)).symlink_to(precious)
    bell, listener = Bell(database, MESSAGES), Listener(database, MESSAGES)
    bell.ring()
    listener.open()
    assert listener.socket is None
    listener.close()
    bell.close()
    assert [path.name for path in precious.iterdir()] == ["m1-00"]


def test_only_sockets_are_removed(database):
    Path(directory_of(database)).mkdir()
    plain = Path(directory_of(database), "m1-00")
    plain.write_text("mine")
    bell, listener = Bell(database, MESSAGES), Listener(database, MESSAGES)
    bell.ring()
    listener.open()
    bell.ring()
    listener.close()
    bell.close()
    assert plain.exists()


def test_what_a_dead_listener_left_is_swept_by_the_next(database):
    Path(directory_of(database)).mkdir()
    left = f"{directory_of(database)}/m1-00"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(left)
    listener = Listener(database, MESSAGES)
    listener.open()
    assert not Path(left).exists()
    assert listener.socket is not None
    listener.close()
