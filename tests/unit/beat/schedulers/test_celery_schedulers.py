"""Schedulers and entries as people have written them for Celery."""

from __future__ import annotations

import copy
import pickle
import threading
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import pytest

from umbel import Umbel, hooks
from umbel.beat import PersistentScheduler, ScheduleEntry, Scheduler, SchedulingError, Service, StoreScheduler
from umbel.beat.schedulers.base import event_t
from umbel.beat.schedulers.names import scheduler_class
from umbel.beat.schedulers.redbeat import RedBeat
from umbel.errors import ImproperlyConfigured
from umbel.schedules import crontab, schedstate, schedule
from umbel.testing.clock import FakeClock


@pytest.fixture
def app():
    with Umbel("celery", broker="memory://", time=FakeClock(), set_as_current=False) as app:
        app.calls = []

        @app.task(name="tasks.add")
        def add(x, y): ...

        add.apply_async = lambda args, kwargs, **options: app.calls.append((tuple(args), kwargs, options))
        app.conf.beat_schedule = {"one": {"task": "tasks.add", "schedule": 10, "args": (1, 2), "options": {"queue": "q"}}}
        yield app


def test_the_scheduler_in_memory(app):
    scheduler = Scheduler(app)
    assert scheduler.tick() == pytest.approx(9.99)
    app.time.advance(10)
    assert scheduler.tick() == 0
    assert app.calls == [((1, 2), {}, {"queue": "q"})]
    assert 0 < scheduler.tick() <= 10
    assert scheduler.schedule["one"].total_run_count == 1
    app.time.advance(25)
    assert scheduler.tick() == 0
    assert len(app.calls) == 2


def test_an_entry_that_cannot_tell_its_next_run_does_not_stop_the_others(app, caplog):
    scheduler = Scheduler(app)

    class Broken(schedule):
        def is_due(self, last_run_at):
            raise LookupError("no calendar")

    scheduler.add(name="broken", task="tasks.add", schedule=Broken(1))
    app.time.advance(10)
    assert scheduler.tick() == 0
    assert len(app.calls) == 1
    assert "The next run of broken cannot be told" in caplog.text
    assert scheduler.tick() > 0


def test_an_entry_that_asks_to_be_asked_later_lets_the_next_one_through(app):
    scheduler = Scheduler(app)
    scheduler.tick()
    scheduler.is_due = lambda entry: schedstate(entry.name == "two", 5)
    scheduler.add(name="two", task="tasks.add", schedule=20)
    app.time.advance(60)
    assert scheduler.tick() == 0
    assert scheduler.tick() < 5  # which of two that are due at one time is first is open
    assert [call[0] for call in app.calls] == [()]
    assert scheduler.tick() == pytest.approx(4.98, abs=0.02)


def test_an_entry_that_comes_in_while_another_is_asked_is_looked_at_first(app):
    scheduler = Scheduler(app)
    scheduler.populate_heap()
    scheduler.old_schedulers = dict(scheduler.schedule)
    app.time.advance(10)

    def is_due(entry):
        scheduler._heap.insert(0, event_t(app.time.now() - 1, 5, entry))
        return schedstate(True, 10)

    scheduler.is_due = is_due
    assert scheduler.tick() == pytest.approx(-1)
    assert app.calls == []


def test_max_interval(app):
    app.conf.beat_schedule = {}
    assert Scheduler(app).tick() == 300
    assert Scheduler(app, max_interval=7).tick() == 7
    app.conf.beat_max_loop_interval = timedelta(seconds=5)
    assert Scheduler(app).tick() == 5


class MyEntry(ScheduleEntry):
    """Counts in a place of its own."""

    saved: ClassVar[dict[str, int]] = {}

    def _next_instance(self, last_run_at=None):
        found = super()._next_instance(last_run_at)
        self.saved[found.name] = found.total_run_count
        return found

    __next__ = next = _next_instance


class MyScheduler(Scheduler):
    """As a database scheduler does it: entries from elsewhere, looked at again and again."""

    Entry = MyEntry
    max_interval = 5

    def __init__(self, *args, **kwargs):
        self.synced = 0
        self._elsewhere = {}
        super().__init__(*args, **kwargs)

    def setup_schedule(self):
        self.install_default_entries({})
        self._elsewhere["theirs"] = self.Entry(name="theirs", task="tasks.unknown", schedule=schedule(2), app=self.app, kwargs={"k": 1})

    def get_schedule(self):
        return self._elsewhere

    schedule = property(get_schedule)

    def sync(self):
        self.synced += 1

    def send_task(self, *args, **kwargs):
        self.app.calls.append(("send_task", args, kwargs))


def test_a_subclass_runs(app):
    app.conf.beat_sync_every = 1
    scheduler = MyScheduler(app)
    assert scheduler.tick() == pytest.approx(1.99)
    app.time.advance(2)
    assert scheduler.tick() == 0
    assert app.calls == [("send_task", ("tasks.unknown", (), {"k": 1}), {})]
    assert MyEntry.saved == {"theirs": 1}
    assert scheduler.synced == 1
    scheduler._elsewhere["new"] = MyEntry(name="new", task="tasks.add", schedule=1, app=app)
    assert 0 < scheduler.tick() < 1
    scheduler.close()
    assert scheduler.synced == 2


def test_what_cannot_be_sent_is_logged(app, caplog):
    app.tasks["tasks.add"].apply_async = lambda *_, **__: 1 / 0
    scheduler = Scheduler(app)
    app.time.advance(10)
    assert scheduler.tick() == 0
    assert "one (tasks.add) could not be sent" in caplog.text
    with pytest.raises(SchedulingError, match="ZeroDivisionError"):
        scheduler.apply_async(scheduler.schedule["one"])


def test_entries_are_added_changed_and_merged(app):
    scheduler = Scheduler(app)
    scheduler.add(name="two", task="tasks.add", schedule=crontab())
    scheduler.update_from_dict({"three": {"task": "tasks.add", "schedule": timedelta(seconds=3)}})
    assert set(scheduler.schedule) == {"one", "two", "three"}
    scheduler.merge_inplace({"one": {"task": "tasks.other", "schedule": 5}})
    assert set(scheduler.schedule) == {"one"}
    assert (scheduler.schedule["one"].task, scheduler.schedule["one"].schedule.seconds) == ("tasks.other", 5)


def test_entries(app):
    entry = ScheduleEntry("one", "tasks.add", schedule=10, args=(1,), app=app)
    assert entry.last_run_at == datetime.fromtimestamp(app.time.now(), UTC)
    assert entry.is_due() == (False, 10.0)
    following = next(entry)
    assert (following.total_run_count, following.args) == (1, (1,))
    assert entry == copy.copy(entry) and entry != ScheduleEntry("one", "tasks.add", schedule=11, app=app)
    again = pickle.loads(pickle.dumps(entry))
    assert (again.name, again.schedule, again.last_run_at) == (entry.name, entry.schedule, entry.last_run_at)
    assert "one tasks.add(*(1,), **{})" in repr(entry)


def test_cleaning_where_the_store_does_not(app, tmp_path):
    assert set(Scheduler(app).schedule) == {"one"}
    with Umbel("x", broker="memory://", backend=f"db+sqlite:///{tmp_path}/r.db", set_as_current=False) as other:
        entry = Scheduler(other).schedule["celery.backend_cleanup"]
        assert (entry.schedule, entry.options) == (crontab("0", "4", "*"), {"expires": 43200})
        assert other.tasks[entry.task]() == 0
        other.conf.result_expires = None
        assert not Scheduler(other).schedule


# names


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (None, StoreScheduler),
        ("", StoreScheduler),
        ("celery.beat:PersistentScheduler", PersistentScheduler),
        ("celery.beat.PersistentScheduler", PersistentScheduler),
        ("umbel.beat:Scheduler", Scheduler),
        ("redbeat.RedBeatScheduler", RedBeat),
        (MyScheduler, MyScheduler),
        ("umbel.beat.schedulers.stored:StoreScheduler", StoreScheduler),
    ],
)
def test_names(name, kind):
    assert scheduler_class(name) is kind


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("django_celery_beat.schedulers:DatabaseScheduler", "which Umbel does not run: .*set beat_schedule_store = 'db"),
        ("django", "which Umbel does not run"),
        ("no.such:Thing", "cannot be imported|not installed"),
        ("umbel.beat:Nothing", "cannot be imported"),
        ("nothing", "no installed package offers such a scheduler"),
        (dict, "expected a subclass of umbel.beat.Scheduler"),
    ],
)
def test_names_that_are_refused(name, said):
    with pytest.raises(ImproperlyConfigured, match=said):
        scheduler_class(name)


def test_redbeat_keeps_its_schedule_in_redis(app, caplog):
    app.conf.update(redbeat_redis_url="redis://nowhere:1/5")
    scheduler = RedBeat(app)
    assert scheduler.info.startswith("redis://nowhere:1/5")
    assert "Entries that were made with RedBeat are not read" in caplog.text
    assert "cannot be reached" in caplog.text
    app.conf.update(redbeat_redis_url=None)
    with pytest.raises(ImproperlyConfigured, match="set beat_schedule_store"):
        RedBeat.make_store(RedBeat.__new__(RedBeat), app, {})


# the service


def test_the_service(app):
    told = []
    ticked = threading.Event()

    class Watched(Scheduler):
        def tick(self):
            ticked.set()
            return 60

        def close(self):
            told.append("closed")

    @hooks.beat_init.connect
    def begins(sender, **_):
        told.append(sender)

    service = Service(app, scheduler_cls=Watched)
    thread = threading.Thread(target=service.start)
    thread.start()
    assert ticked.wait(10)
    service.stop(wait=True)
    thread.join(10)
    assert told == [service, "closed"]


def test_a_scheduler_that_fails_ends_the_service(app):
    class Broken(Scheduler):
        def tick(self):
            raise ValueError("broken")

    service = app.Beat(scheduler_cls=Broken)
    with pytest.raises(ValueError, match="broken"):
        service.start()
