"""Who may be rung, and what is removed: never a file, never over a link."""

from __future__ import annotations

import os
import socket

import pytest

from umbel.brokers.sqlite import doorbell
from umbel.brokers.sqlite.doorbell import MESSAGES, Bell, Listener, directory_of


@pytest.fixture(params=["beside", "in the temporary directory"])
def database(request, tmp_path, monkeypatch):
    """A database whose directory of sockets is beside it, or elsewhere because its path is long."""
    monkeypatch.setattr(doorbell, "_LONGEST_PATH", 100 if request.param == "beside" else 0)
    monkeypatch.setattr(doorbell.tempfile, "gettempdir", lambda: str(tmp_path))
    # A socket's path may have 107 bytes: from the folder, it is short.
    monkeypatch.chdir(tmp_path)
    return "umbel.db"


def test_a_listener_is_rung_and_leaves_nothing(database):
    listener, bell = Listener(database, MESSAGES), Bell(database, MESSAGES)
    listener.open()
    bell.ring()
    assert listener.socket.recv(16) == b"!"
    listener.close()
    bell.close()
    assert not os.path.exists(directory_of(database))


def test_a_link_is_not_followed(database, tmp_path):
    """Whoever may write to the folder may make a link there to a folder of ours."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "m1-00").write_text("mine")
    os.symlink(precious, directory_of(database))
    bell, listener = Bell(database, MESSAGES), Listener(database, MESSAGES)
    bell.ring()
    listener.open()
    assert listener.socket is None
    listener.close()
    bell.close()
    assert [path.name for path in precious.iterdir()] == ["m1-00"]


def test_only_sockets_are_removed(database):
    os.mkdir(directory_of(database))
    plain = f"{directory_of(database)}/m1-00"
    with open(plain, "w") as file:
        file.write("mine")
    bell, listener = Bell(database, MESSAGES), Listener(database, MESSAGES)
    bell.ring()
    listener.open()
    bell.ring()
    listener.close()
    bell.close()
    assert os.path.exists(plain)


def test_what_a_dead_listener_left_is_swept_by_the_next(database):
    os.mkdir(directory_of(database))
    left = f"{directory_of(database)}/m1-00"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(left)
    listener = Listener(database, MESSAGES)
    listener.open()
    assert not os.path.exists(left)
    assert listener.socket is not None
    listener.close()
