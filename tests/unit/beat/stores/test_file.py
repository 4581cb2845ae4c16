"""A file of schedules that is damaged, another program's, read-only, newer, or gone."""

from __future__ import annotations

import dbm.dumb
import sqlite3

import pytest

from umbel import Umbel
from umbel.beat import PersistentScheduler
from umbel.beat.stores.file import FileScheduleStore
from umbel.errors import ImproperlyConfigured
from umbel.testing.clock import FakeClock


@pytest.fixture
def app():
    with Umbel("file", broker="memory://", time=FakeClock(), set_as_current=False) as app:
        app.count = 0

        @app.task(name="tasks.add")
        def add(): ...

        def publish(*_, **__):
            app.count += 1

        add.apply_async = publish
        app.conf.beat_schedule = {"one": {"task": "tasks.add", "schedule": 10}}
        app.made = []
        yield app
        for each in app.made:
            each.housekeeping.stop()
            each.store.close()


def scheduler(app, path):
    app.made.append(PersistentScheduler(app, schedule_filename=str(path)))
    return app.made[-1]


def work(app, made, seconds):
    for _ in range(seconds):
        app.time.advance(1)
        made.tick()


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\1" * 5000])
def test_a_damaged_file_is_moved_aside(app, tmp_path, content, caplog):
    path = tmp_path / "celerybeat-schedule"
    path.write_bytes(content)
    made = scheduler(app, path)
    work(app, made, 12)
    assert app.count == 1
    (aside,) = tmp_path.glob("celerybeat-schedule.unreadable-*")
    assert aside.read_bytes() == content
    assert f"It was moved to {aside}" in caplog.text


def test_celerys_own_file_is_left_as_it_was(app, tmp_path):
    with dbm.dumb.open(str(tmp_path / "celerybeat-schedule"), "c") as shelf:
        shelf["entries"] = b"x"
    before = {each.name: each.read_bytes() for each in tmp_path.iterdir()}
    work(app, scheduler(app, tmp_path / "celerybeat-schedule"), 12)
    assert app.count == 1
    assert {name: (tmp_path / name).read_bytes() for name in before} == before


def test_a_file_that_is_damaged_while_it_is_used(app, tmp_path):
    path = tmp_path / "schedule"
    made = scheduler(app, path)
    work(app, made, 12)
    made.housekeeping.stop()  # its connection has a part of the file mapped: no process survives if that shrinks
    made.store.close()
    for each in tmp_path.iterdir():
        each.write_bytes(b"damaged" * 1000)
    work(app, made, 30)
    assert app.count >= 3
    assert [entry.name for entry in made.store.changes().entries] == ["one"]


def test_a_file_that_is_deleted_while_it_is_used(app, tmp_path):
    path = tmp_path / "schedule"
    made = scheduler(app, path)
    work(app, made, 12)
    for each in tmp_path.iterdir():
        each.unlink()
    work(app, made, 20)
    assert app.count == 3
    assert [entry.name for entry in made.store.changes().entries] == ["one"]


def test_a_newer_file_is_refused(app, tmp_path):
    path = tmp_path / "schedule"
    FileScheduleStore(str(path)).namespace()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE umbel_schedule_meta SET version = 7")
    connection.close()
    with pytest.raises(ImproperlyConfigured, match="has version 7 of schedules, this Umbel knows 1: upgrade Umbel"):
        scheduler(app, path)
    assert path.exists()


def test_a_folder_that_is_not_there(app, tmp_path):
    with pytest.raises(ImproperlyConfigured, match=r"the schedule store cannot be used: .*a folder that exists and is writable"):
        scheduler(app, tmp_path / "none" / "schedule")


def test_a_file_that_becomes_read_only_is_no_reason_to_stop(app, tmp_path, monkeypatch, caplog):
    path = tmp_path / "schedule"
    made = scheduler(app, path)
    work(app, made, 12)
    database = made.store._database
    attempt = database.attempt

    def refuse(work):
        error = sqlite3.OperationalError("attempt to write a readonly database")
        error.sqlite_errorcode = sqlite3.SQLITE_READONLY
        from umbel.clients.sqlite.database import translate

        raise translate(str(path), error) from error

    monkeypatch.setattr(database, "attempt", refuse)
    work(app, made, 60)
    assert app.count == 7
    assert "fired from memory" in caplog.text
    monkeypatch.setattr(database, "attempt", attempt)
    work(app, made, 10)
    assert app.count == 8
    assert made.store.entry("one").total_runs == 8


def test_two_on_one_file(app, tmp_path):
    first, second = scheduler(app, tmp_path / "schedule"), scheduler(app, tmp_path / "schedule")
    for _ in range(60):
        app.time.advance(1)
        first.tick()
        second.tick()
    assert app.count == 5
