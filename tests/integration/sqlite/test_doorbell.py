"""Who may be rung, and what is removed: never a file, never over a link."""

from __future__ import annotations

import socket
import tempfile
import threading
from pathlib import Path

import pytest

from umbel.clients.sqlite import doorbell
from umbel.clients.sqlite.doorbell import MESSAGES, Bell, Listener, directory_of


@pytest.fixture
def folder():
    """A socket's path may have 107 bytes: pytest's folders are too deep."""
    with tempfile.TemporaryDirectory(prefix="umbel-bell-") as made:
        yield made


@pytest.fixture(params=["beside", "beside, by descriptor", "in the temporary directory"])
def database(request, folder, monkeypatch):
    """A database whose directory of sockets is beside it, or elsewhere because its path is long and there is no other way to it."""
    monkeypatch.setattr(doorbell, "_LONGEST_PATH", 100 if request.param == "beside" else 0)
    if request.param == "in the temporary directory":
        monkeypatch.setattr(doorbell, "_DESCRIPTORS", None)
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


def test_a_long_path_is_no_reason_to_leave_the_databases_folder(tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.setattr(doorbell.tempfile, "gettempdir", lambda: str(elsewhere))
    database = str(tmp_path / f"{'long' * 30}.db")
    listener, bell = Listener(database, MESSAGES), Bell(database, MESSAGES)
    listener.open()
    bell.ring()
    assert listener.socket.recv(16) == b"!"
    assert not list(elsewhere.iterdir())
    listener.close()
    bell.close()
    assert not list(tmp_path.glob("*-bell"))


def test_threads_that_ring_by_descriptor_leave_none_open(tmp_path):
    database = str(tmp_path / f"{'long' * 30}.db")
    listener, bell = Listener(database, MESSAGES), Bell(database, MESSAGES)
    listener.open()
    bell.ring()
    before = len(list(Path("/proc/self/fd").iterdir()))
    start = threading.Barrier(6)

    def ring():
        start.wait(10)
        for _ in range(300):
            bell.ring()
            bell._seen = None  # as if the directory had changed

    threads = [threading.Thread(target=ring) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(Path("/proc/self/fd").iterdir())) <= before
    listener.close()
    bell.close()


def test_the_next_one_sweeps_what_dead_listeners_of_other_databases_left(folder, monkeypatch):
    """Where there is no way but the temporary directory: those of living ones, links and files stay."""
    monkeypatch.setattr(doorbell, "_DESCRIPTORS", None)
    monkeypatch.setattr(doorbell, "_LONGEST_PATH", 0)
    monkeypatch.setattr(doorbell.tempfile, "gettempdir", lambda: folder)
    dead, linked, plain = (Path(folder, f"{doorbell._prefix()}{name}") for name in ("dead", "linked", "plain"))
    dead.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as owner:
        owner.bind(f"{dead}/m1-00")
    target = Path(folder, "target")
    target.mkdir()
    linked.symlink_to(target)
    plain.mkdir()
    (plain / "m1-00").write_text("mine")
    living, listener = Listener("living.db", MESSAGES), Listener("other.db", MESSAGES)
    living.open()
    listener.open()
    assert not dead.exists()
    assert target.is_dir()
    assert (plain / "m1-00").read_text() == "mine"
    assert len(list(Path(directory_of("living.db")).iterdir())) == 1
    listener.close()
    living.close()
