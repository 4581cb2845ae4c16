"""``app.schedules``."""

from __future__ import annotations

import asyncio

import pytest

from umbel import Umbel
from umbel.beat import BeatLazyFunc
from umbel.beat.editing import NoSuchEntry
from umbel.beat.entries import model
from umbel.beat.entries.model import Run
from umbel.errors import ImproperlyConfigured, OperationalError
from umbel.results.model import Record
from umbel.schedules import clocked, crontab, schedule
from umbel.testing.clock import FakeClock


@pytest.fixture
def app():
    with Umbel("editing", broker="memory://", backend="cache+memory://", time=FakeClock(), set_as_current=False) as app:

        @app.task(name="tasks.add")
        def add(x, y):
            return x + y

        app.conf.beat_schedule = {"code": {"task": "tasks.add", "schedule": 30, "args": (1, 2)}}
        yield app


def names(app):
    return [entry.name for entry in app.schedules.list()]


def test_entries_of_the_code_are_there_before_any_scheduler_was(app):
    assert names(app) == ["code"]
    assert app.schedules.store.changes().entries == ()
    assert app.schedules.pause("code").status == model.PAUSED
    assert app.schedules.get("code").source == model.CODE


def test_add(app):
    added = app.schedules.add(
        "mine", app.tasks["tasks.add"], crontab(0, 3), args=(1, 2), options={"queue": "q"}, timezone="Asia/Tokyo", jitter=5
    )
    assert (added.source, added.status, added.spec.task, added.after) == (model.USER, model.ACTIVE, "tasks.add", app.time.now())
    assert added.spec.schedule == crontab(0, 3, timezone="Asia/Tokyo")
    assert names(app) == ["code", "mine"]
    assert app.schedules.add("later", "tasks.add", 5, paused=True).status == model.PAUSED


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"task": "tasks.ad"}, "this app has no task 'tasks.ad'; did you mean 'tasks.add'?"),
        ({"schedule": 0}, "an interval is 0"),
        ({"schedule": clocked("2000-01-01")}, "it would never be due: once, on Saturday, 1 January 2000"),
        ({"args": (BeatLazyFunc(int),)}, "it cannot be kept in a store"),
        ({"schedule": type("Mine", (crontab,), {})()}, "it cannot be kept in a store"),
        ({"args": ("x" * 17_000_000,)}, "its arguments are about 17,000,0"),
        ({"name": ""}, "an entry's name is ''"),
        ({"name": "code"}, "there is an entry 'code' already: tasks.add"),
        ({"options": {"quue": 1}}, "options cannot be used"),
    ],
)
def test_what_is_refused(app, fields, said):
    with pytest.raises(ImproperlyConfigured, match=said):
        app.schedules.add(**{"name": "mine", "task": "tasks.add", "schedule": 5, **fields})
    assert names(app) == ["code"]


def test_a_task_that_only_workers_have(app):
    assert app.schedules.add("mine", "elsewhere.task", 5, force=True).spec.task == "elsewhere.task"


def test_edit(app):
    before = app.schedules.add("mine", "tasks.add", 10, args=(1, 2))
    app.time.advance(3)
    edited = app.schedules.edit("mine", args=(3, 4), misfire="skip")
    assert (edited.spec.args, edited.spec.misfire, edited.spec.schedule, edited.anchor) == ((3, 4), "skip", schedule(10), before.anchor)
    moved = app.schedules.edit("mine", schedule=20)
    assert (moved.spec.args, moved.anchor, moved.after) == ((3, 4), app.time.now(), app.time.now())
    zoned = app.schedules.edit("mine", schedule=crontab(0, 3))
    assert zoned.spec.schedule.timezone is None
    assert app.schedules.edit("mine", timezone="Asia/Tokyo").spec.schedule == crontab(0, 3, timezone="Asia/Tokyo")
    with pytest.raises(ImproperlyConfigured, match="misfire is 'x'"):
        app.schedules.edit("mine", misfire="x")
    assert app.schedules.edit("code", args=(9,)).source == model.USER


def test_resume_counts_from_now(app):
    app.schedules.add("mine", "tasks.add", 10, paused=True)
    app.time.advance(100)
    assert app.schedules.resume("mine").after == app.time.now()
    after = app.schedules.get("mine").after
    app.time.advance(5)
    assert app.schedules.resume("mine").after == after


def test_a_disabled_entry_is_edited_not_resumed(app):
    app.conf.beat_schedule["bad"] = {"task": "tasks.add", "schedule": 0}
    with pytest.raises(ImproperlyConfigured, match=r"'bad' is disabled: an interval is 0: .* Edit it"):
        app.schedules.resume("bad")
    with pytest.raises(ImproperlyConfigured, match="say its task and its schedule"):
        app.schedules.edit("bad", args=(1,))
    assert app.schedules.edit("bad", task="tasks.add", schedule=5).status == model.ACTIVE


def test_remove_add_and_reset(app):
    app.schedules.remove("code")
    assert names(app) == []
    with pytest.raises(NoSuchEntry):
        app.schedules.get("code")
    again = app.schedules.add("code", "tasks.add", 5)
    assert (again.source, bool(again.code)) == (model.USER, True)
    back = app.schedules.reset("code")
    assert (back.source, back.spec.schedule) == (model.CODE, schedule(30))
    with pytest.raises(NoSuchEntry, match="the code has no entry 'mine'"):
        app.schedules.reset("mine")


def test_there_is_no_such_entry(app):
    for method in (
        app.schedules.get,
        app.schedules.pause,
        app.schedules.resume,
        app.schedules.remove,
        app.schedules.run,
        app.schedules.history,
    ):
        with pytest.raises(NoSuchEntry, match=r"there is no entry 'cod': did you mean 'code'\?"):
            method("cod")


def test_two_who_edit_at_once_do_not_undo_each_other(app, monkeypatch):
    store = app.schedules.store
    app.schedules.add("mine", "tasks.add", 10)
    save, others = store.save, iter([1, 2])

    def interrupted(entries, **options):
        if next(others, None):
            save([store.entry("mine")])
        return save(entries, **options)

    monkeypatch.setattr(store, "save", interrupted)
    assert app.schedules.edit("mine", args=(1,)).spec.args == (1,)
    monkeypatch.setattr(store, "save", lambda *_, **__: [False])
    with pytest.raises(OperationalError, match="changed by others all the time"):
        app.schedules.pause("mine")


def test_run_and_history(app):
    result = app.schedules.run("code")
    (run,) = app.schedules.history("code")
    assert (run.task_id, run.by_hand, run.state) == (result.id, True, model.SENT)
    app.store.store(
        [
            Record(
                task_id=result.id,
                status="FAILURE",
                result={"exc_type": "ValueError", "exc_message": ["no"]},
                date_done="2030-01-01T00:00:05",
            )
        ]
    )
    (run,) = app.schedules.history()
    assert (run.state, run.detail, run.ended) == ("FAILURE", "ValueError: no", 1893456005.0)
    assert app.schedules.store.runs()[0].state == "FAILURE"


def test_a_run_that_cannot_be_sent_is_told(app):
    app.schedules.add("mine", "tasks.add", 10, args=(1,))  # too few
    with pytest.raises(TypeError):
        app.schedules.run("mine")
    assert app.schedules.history("mine")[0].state == model.UNSENT


def test_runs_of_an_entry_that_is_gone_can_be_seen(app):
    app.schedules.store.record([Run(task_id="x", entry="gone", slot=1.0, fired=1.0)])
    assert [run.task_id for run in app.schedules.history("gone")] == ["x"]


def test_for_coroutines(app):
    async def main():
        schedules = app.schedules
        await schedules.aadd("mine", "tasks.add", 10, args=(1, 2))
        await schedules.aedit("mine", description="x")
        await schedules.apause("mine")
        assert (await schedules.aresume("mine")).spec.description == "x"
        result = await schedules.arun("mine")
        assert [run.task_id for run in await schedules.ahistory("mine")] == [result.id]
        assert (await schedules.aget("mine")).name == "mine"
        await schedules.aremove("mine")
        await schedules.aremove("code")
        await schedules.areset("code")
        return [entry.name for entry in await schedules.alist()]

    assert asyncio.run(main()) == ["code"]
