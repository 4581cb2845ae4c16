"""Schedulers on one store, with a clock that is moved by hand."""

from __future__ import annotations

import contextlib
import logging
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from umbel import Umbel
from umbel.beat import BeatLazyFunc, StoreScheduler
from umbel.beat.entries import model
from umbel.beat.lease import Standing
from umbel.beat.stores.memory import MemoryScheduleStore
from umbel.errors import OperationalError
from umbel.schedules import crontab, schedstate
from umbel.testing.clock import FakeClock

START = datetime(2030, 1, 1, 12, tzinfo=UTC).timestamp()


class Store(MemoryScheduleStore):
    """A store that may be away."""

    shared = True
    is_away = False

    def _reach(self):
        if self.is_away:
            raise OperationalError("away")

    def claim(self, *args):
        self._reach()
        return super().claim(*args)

    def acquire(self, *args):
        self._reach()
        return super().acquire(*args)

    def revision(self):
        self._reach()
        return super().revision()

    def report(self, *args):
        self._reach()
        super().report(*args)


class Stage:
    """An app, a store, a clock, and any number of schedulers."""

    def __init__(self, entries, start=START, **settings):
        self.clock = FakeClock(wall=start)
        self.store = Store(self.clock)
        self.app = Umbel("stage", broker="memory://", backend="cache+memory://", time=self.clock, set_as_current=False, **settings)
        self.app.conf.beat_schedule = entries
        self.sent = []
        self.is_broker_away = False

        @self.app.task(name="tasks.add")
        def add(*args, **kwargs): ...

        def publish(args=None, kwargs=None, **options):
            if self.is_broker_away:
                raise OperationalError("no broker")
            self.sent.append((self.clock.now(), options["headers"]["periodic_task_name"], tuple(args), options))

        add.apply_async = publish
        self.schedulers = []

    def scheduler(self):
        made = StoreScheduler(self.app, store=self.store)
        self.schedulers.append(made)
        return made

    def pass_time(self, seconds, *schedulers):
        """Let schedulers work for so long, each whenever it has said."""
        working = schedulers or self.schedulers
        end = self.clock.ticks + seconds
        looks = dict.fromkeys(working, self.clock.ticks)
        while (first := min(looks.values())) <= end:
            self.clock.advance(max(0.0, first - self.clock.ticks))
            for scheduler in [each for each, at in looks.items() if at <= first]:
                looks[scheduler] = self.clock.ticks + max(scheduler.tick(), 0.001)
        self.clock.advance(max(0.0, end - self.clock.ticks))

    def fired(self, name="one"):
        """When an entry was sent, in seconds since the start."""
        return [round(at - START, 2) for at, entry, _, _ in self.sent if entry == name]

    def slots(self, name="one"):
        return sorted(round(run.slot - START, 3) for run in self.store.runs(name, 10_000))

    @property
    def schedules(self):
        from umbel.beat.editing import Schedules

        return Schedules(self.app, self.store)


@pytest.fixture
def stage():
    with contextlib.ExitStack() as stack:
        yield lambda *args, **settings: stack.enter_context(contextlib.closing(Closing(*args, **settings)))


class Closing(Stage):
    def close(self):
        self.app.close()


def every(seconds, **fields):
    return {"task": "tasks.add", "schedule": seconds, **fields}


# one scheduler


def test_a_late_run_does_not_make_the_next_one_late(stage):
    on = stage({"one": every(10, args=(1,), options={"queue": "q"})})
    on.scheduler()
    on.pass_time(35)
    assert on.fired() == [10.0, 20.0, 30.0]
    _, _, args, options = on.sent[0]
    assert (args, options["queue"], options["retry"]) == ((1,), "q", False)
    runs = on.store.runs("one")
    assert [run.state for run in runs] == [model.SENT] * 3
    assert {run.task_id for run in runs} == {options["task_id"] for _, _, _, options in on.sent}


def test_after_a_restart_the_grid_is_the_same_and_the_last_missed_is_made_up_for(stage):
    on = stage({"one": every(10)})
    on.scheduler()
    on.pass_time(12)
    on.schedulers.pop().close()
    on.clock.advance(33)
    on.scheduler()
    on.pass_time(10)
    assert on.slots() == [10, 40, 50]
    assert on.fired() == [10.0, 45.0, 50.0]
    assert on.store.runs("one")[1].missed == 2


def test_lazy_arguments_are_made_when_they_are_sent(stage):
    values = iter("abc")
    on = stage({"one": every(10, args=(BeatLazyFunc(next, values),), kwargs={"x": BeatLazyFunc(str, 5)})})
    on.scheduler()
    on.pass_time(25)
    assert [args for _, _, args, _ in on.sent] == [("a",), ("b",)]


def test_an_argument_that_raises_costs_one_run(stage, caplog):
    on = stage({"one": every(10, args=(BeatLazyFunc(int, "x"),)), "two": every(10)})
    on.scheduler()
    on.pass_time(15)
    assert on.fired("two") == [10.0]
    (run,) = on.store.runs("one")
    assert (run.state, run.detail.startswith("ValueError")) == (model.UNSENT, True)


def test_bad_entries_are_disabled_and_the_others_go_on(stage, caplog):
    on = stage({"zero": every(0), "nan": every(float("nan")), "none": {"schedule": 5}, "typo": every(5, arg=1), "one": every(10)})
    on.scheduler()
    with caplog.at_level(logging.ERROR):
        on.pass_time(12)
    assert on.fired() == [10.0]
    assert {entry.name: entry.status for entry in on.schedules.list()} == {
        "zero": "disabled", "nan": "disabled", "none": "disabled", "typo": "disabled", "one": "active",
    }  # fmt: skip
    assert "zero is disabled: an interval is 0: expected a positive number of seconds" in caplog.text


def test_a_schedule_of_ones_own_that_raises_is_left_out_for_a_while(stage):
    class Broken(crontab):
        def is_due(self, last_run_at):
            raise ValueError("broken")

    class Always(crontab):
        def is_due(self, last_run_at):
            return schedstate(True, 10.0)

    on = stage({"broken": every(Broken()), "always": every(Always()), "one": every(10)})
    on.scheduler()
    on.pass_time(25)
    assert on.fired() == [10.0, 20.0]
    assert on.fired("always") == [0.0, 10.0, 20.0]


# editing while it runs


def test_an_edit_takes_effect_within_two_seconds(stage):
    on = stage({"one": every(100)})
    on.scheduler()
    on.pass_time(5)
    on.schedules.edit("one", schedule=3)
    on.schedules.add("two", "tasks.add", 4)
    on.pass_time(10)
    assert on.fired() == [8.0, 11.0, 14.0]
    assert on.fired("two") == [9.0, 13.0]


def test_after_a_pause_has_returned_nothing_is_sent(stage):
    on = stage({"one": every(1)})
    on.scheduler()
    on.pass_time(5.5)
    on.schedules.pause("one")
    on.pass_time(20)
    assert on.fired()[-1] == 5.0
    on.schedules.resume("one")
    on.pass_time(3)
    assert on.fired()[5:] == [26.0, 27.0, 28.0]


def test_the_refused_claim_of_an_edited_entry_is_not_lost(stage):
    on = stage({"one": every(10)})
    on.scheduler()
    on.pass_time(9.9)
    on.schedules.edit("one", args=(5,))
    on.pass_time(3)
    assert [args for _, _, args, _ in on.sent] == [(5,)]
    assert on.slots() == [10]


def test_a_deploy_does_not_undo_an_edit(stage):
    on = stage({"one": every(10), "two": every(10)})
    on.scheduler()
    on.pass_time(1)
    on.schedules.edit("one", args=("edited",))
    on.schedules.remove("two")
    on.schedulers.pop().close()
    on.app.conf.beat_schedule = {"one": every(5), "two": every(5)}
    on.scheduler()
    on.pass_time(10)
    assert [args for _, _, args, _ in on.sent] == [("edited",)]
    on.schedules.reset("one")
    on.schedules.reset("two")
    on.pass_time(10)
    assert len(on.fired()) == 3 and len(on.fired("two")) == 2


# policies


def test_an_overlapping_run_is_skipped(stage):
    on = stage({"one": every(10, overlap="skip")})
    on.scheduler()
    on.pass_time(25)
    assert on.fired() == [10.0]
    skipped, first = on.store.runs("one")
    assert (skipped.state, first.task_id in skipped.detail) == (model.SKIPPED, True)
    from umbel.results.model import Record

    on.app.store.store([Record(task_id=first.task_id, status="SUCCESS", result=1)])
    on.pass_time(10)
    assert on.fired() == [10.0, 30.0]


def test_each_worker_gets_a_message_of_its_own(stage):
    on = stage({"one": every(10, workers=["celery@a", "celery@b"])})
    on.scheduler()
    on.pass_time(12)
    assert [options["queue"].name for _, _, _, options in on.sent] == ["celery@a.dq2", "celery@b.dq2"]
    runs = on.store.runs("one")
    assert {run.worker for run in runs} == {"celery@a", "celery@b"}
    assert len({run.task_id for run in runs}) == 2
    assert on.schedules.get("one").total_runs == 1


def test_a_run_may_expire_when_the_next_is_due(stage):
    on = stage({"one": every(10, expire_at_next=True)})
    on.scheduler()
    on.pass_time(12)
    assert on.sent[0][3]["expires"].timestamp() == START + 20


# several schedulers


def test_one_of_five_leads(stage):
    on = stage({"one": every(1)})
    for _ in range(5):
        on.scheduler()
    on.pass_time(20.5)
    assert on.fired() == [float(number) for number in range(1, 21)]
    assert sorted(each.leadership.standing.value for each in on.schedulers) == ["following"] * 4 + ["leading"]


def test_one_that_stops_hands_over_at_once(stage):
    on = stage({"one": every(1)})
    first, second = on.scheduler(), on.scheduler()
    on.pass_time(5.5)
    first.close()
    on.pass_time(5, second)
    assert on.slots() == [*range(1, 11)]
    assert on.fired()[5] <= 7


def test_one_that_dies_is_followed_within_its_lease_and_a_look(stage):
    on = stage({"one": every(1)}, beat_lease=15)
    first, second = on.scheduler(), on.scheduler()
    on.pass_time(5.5, first, second)
    on.pass_time(30, second)
    gap = [b - a for a, b in pairwise(on.fired())]
    assert 1 < max(gap) <= 16 + 0.1
    assert len(set(on.slots())) == len(on.slots())
    assert on.slots()[-1] == 35


def test_a_stale_leader_fires_nothing(stage):
    on = stage({"one": every(1)})
    first, second = on.scheduler(), on.scheduler()
    on.pass_time(5.5)
    on.pass_time(60, second)  # the first one is stopped, SIGSTOP for example
    count = len(on.sent)
    first.tick()
    assert len(on.sent) == count
    assert first.leadership.standing is Standing.FOLLOWING
    on.pass_time(5)
    assert len(on.slots()) == len(set(on.slots())) == len(on.sent)


def test_a_stale_leader_that_was_stopped_between_claim_and_send_does_not_send(stage, monkeypatch):
    on = stage({"one": every(1)})
    first = on.scheduler()
    on.pass_time(5.5)
    claim = on.store.claim

    def slow(*args):
        granted = claim(*args)
        on.clock.advance(60)
        return granted

    monkeypatch.setattr(on.store, "claim", slow)
    count = len(on.sent)
    on.clock.advance(0.6)
    first.tick()
    assert len(on.sent) == count
    assert on.store.runs("one")[0].state == model.UNSENT
    assert "the lease ran out" in on.store.runs("one")[0].detail


def test_what_a_dead_leader_had_claimed_is_marked(stage, monkeypatch):
    on = stage({"one": every(10)})
    first, second = on.scheduler(), on.scheduler()
    monkeypatch.setattr(first.runs, "send", lambda *_: None)  # it dies there
    on.pass_time(10.5)
    on.pass_time(30, second)
    runs = {round(run.slot - START): run for run in on.store.runs("one")}
    assert runs[10].state == model.UNKNOWN
    assert {slot: run.state for slot, run in runs.items() if slot > 10} == dict.fromkeys((20, 30, 40), model.SENT)
    assert len(on.sent) == 3


# trouble


def test_while_a_shared_store_is_away_nothing_is_fired_and_then_the_last_is_made_up_for(stage, caplog):
    on = stage({"one": every(1)})
    on.scheduler()
    on.pass_time(5.5)
    on.store.is_away = True
    on.pass_time(60)
    assert on.fired() == [1.0, 2.0, 3.0, 4.0, 5.0]
    on.store.is_away = False
    on.pass_time(3)
    assert on.slots()[5] in (65, 66)
    assert len(on.slots()) == len(set(on.slots())) == len(on.sent)
    assert caplog.text.count("cannot be reached") + caplog.text.count("has failed") < 6


def test_from_memory_if_that_was_chosen(stage):
    on = stage({"one": every(1)}, beat_fire_without_store=True)
    on.scheduler()
    on.pass_time(5.5)
    on.store.is_away = True
    on.pass_time(60)
    assert on.fired() == [float(number) for number in range(1, 66)]
    on.store.is_away = False
    on.pass_time(10)
    assert on.fired() == [float(number) for number in range(1, 76)]
    assert on.slots() == [*range(1, 76)]
    assert {run.state for run in on.store.runs("one", 1000)} == {model.SENT}


def test_a_store_that_has_lost_its_entries_gets_them_back(stage, caplog):
    on = stage({"one": every(10)})
    on.scheduler()
    on.pass_time(1)
    on.schedules.add("mine", "tasks.add", 5)
    on.pass_time(2)
    on.store._entries, on.store._runs, on.store._revision, on.store._lease = {}, {}, 0, ("", 0.0)
    on.pass_time(12)
    assert {entry.name for entry in on.schedules.list()} == {"one", "mine"}
    assert on.fired() == [10.0]
    assert on.fired("mine") == [6.0, 11.0]
    assert "has lost its entries: 2 are written back" in caplog.text


def test_while_the_broker_is_away_runs_wait(stage):
    on = stage({"one": every(10), "all": every(10, misfire="all")})
    on.scheduler()
    on.pass_time(11)
    on.is_broker_away = True
    on.pass_time(30)
    on.is_broker_away = False
    on.pass_time(5)
    assert [options["task_id"] for _, name, _, options in on.sent if name == "all"] == [
        run.task_id for run in reversed(on.store.runs("all"))
    ]
    assert {run.state for run in on.store.runs("all")} == {model.SENT}
    states = [run.state for run in reversed(on.store.runs("one"))]
    assert states == [model.SENT, model.UNSENT, model.UNSENT, model.SENT]
    assert "until the next was due" in on.store.runs("one")[1].detail


def test_what_waits_when_the_lease_is_lost_is_given_up(stage):
    on = stage({"one": every(10)})
    first = on.scheduler()
    on.is_broker_away = True
    on.pass_time(11)
    on.store.release(first.token)
    on.store.acquire("other", 100)
    on.pass_time(10)
    assert on.store.runs("one")[0].state == model.UNSENT


# time


def test_a_clock_set_back_by_an_hour_repeats_nothing_and_stops_nothing(stage):
    on = stage({"one": every(10), "cron": every(crontab())})
    on.scheduler()
    on.pass_time(125)
    assert len(on.fired()) == 12
    on.clock.wall -= 3600
    count = len(on.sent)
    on.pass_time(60)
    assert 5 <= len([1 for _, name, _, _ in on.sent[count:] if name == "one"]) <= 6
    assert not [1 for _, name, _, _ in on.sent[count:] if name == "cron"]
    on.pass_time(3600 + 60)
    ids = [options["task_id"] for _, _, _, options in on.sent]
    assert len(ids) == len(set(ids))
    assert len([1 for run in on.store.runs("cron", 1000)]) == len({run.slot for run in on.store.runs("cron", 1000)})


def test_a_clock_set_forward_by_an_hour_fires_once(stage):
    on = stage({"one": every(10), "cron": every(crontab())})
    on.scheduler()
    on.pass_time(15)
    on.clock.wall += 3600
    on.pass_time(2)
    assert len(on.fired()) == 2
    assert len(on.fired("cron")) == 1
    on.pass_time(10)
    assert len(on.fired()) == 3


CHANGES = [
    ("Europe/Berlin", datetime(2026, 3, 28, 12), 2),
    ("Europe/Berlin", datetime(2026, 10, 24, 12), 2),
    ("America/New_York", datetime(2026, 3, 7, 12), 2),
    ("America/New_York", datetime(2026, 10, 31, 12), 1),
    ("Europe/London", datetime(2026, 3, 28, 12), 1),
    ("Europe/London", datetime(2026, 10, 24, 12), 1),
    ("America/Santiago", datetime(2026, 9, 5, 12), 0),
    ("America/Santiago", datetime(2026, 4, 4, 12), 23),
    ("Australia/Sydney", datetime(2026, 10, 3, 12), 2),
    ("Australia/Sydney", datetime(2026, 4, 4, 12), 2),
]


@pytest.mark.parametrize(("zone", "noon", "hour"), CHANGES)
def test_a_daily_task_in_the_hour_of_a_change_runs_once(stage, zone, noon, hour):
    start = noon.replace(tzinfo=ZoneInfo(zone)).timestamp()
    on = stage({"one": every(crontab(30, hour, timezone=zone)), "hourly": every(crontab(0, timezone=zone))}, start=start)
    on.scheduler()
    for _ in range(24 * 6):
        on.clock.advance(600)
        while on.schedulers[0].tick() == 0:
            pass
    assert len([1 for _, name, _, _ in on.sent if name == "one"]) == 1
    hourly = sorted(run.slot for run in on.store.runs("hourly", 100))
    assert {b - a for a, b in pairwise(hourly)} == {3600.0}


def test_leap_days_and_month_ends(stage):
    start = datetime(2028, 2, 28, 23, tzinfo=UTC).timestamp()
    on = stage(
        {"leap": every(crontab(0, 12, day_of_month=29, month_of_year=2)), "last": every(crontab(0, 12, day_of_month=31))},
        start=start,
        beat_history_expires=timedelta(days=365),
    )
    on.scheduler()
    for _ in range(2 * 24 * 35):
        on.clock.advance(1800)
        on.schedulers[0].tick()
    found = {name: [datetime.fromtimestamp(run.slot, UTC).date().isoformat() for run in on.store.runs(name)] for name in ("leap", "last")}
    assert found == {"leap": ["2028-02-29"], "last": ["2028-03-31"]}


# Celery's attributes


def test_it_looks_like_celerys(stage):
    on = stage({"one": every(10, args=(1,))})
    scheduler = on.scheduler()
    on.pass_time(11)
    entry = scheduler.schedule["one"]
    assert (entry.name, entry.task, entry.args, entry.total_run_count) == ("one", "tasks.add", (1,), 1)
    assert entry.last_run_at == datetime.fromtimestamp(START + 10, UTC)
    assert entry.schedule.run_every == timedelta(seconds=10)
    assert scheduler.info == "memory://"
