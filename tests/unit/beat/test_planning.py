"""Which slots are fired, which are left out."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest

from umbel.beat.entries.documents import document_of
from umbel.beat.entries.model import Entry, Spec
from umbel.beat.planning import Due, Plan, plan, recent_slots, spread
from umbel.schedules import BaseSchedule, clocked, crontab, schedstate, schedule, solar

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC).timestamp()


def entry(when: BaseSchedule, *, after: float = NOW, anchor: float | None = None, name: str = "one", **policies: Any) -> Entry:
    spec = Spec(task="tasks.add", schedule=when, **policies)
    return Entry(name=name, spec=spec, document=document_of(spec), after=after, anchor=after if anchor is None else anchor)


def test_not_due_yet():
    assert plan(entry(schedule(30)), NOW + 10) == Plan(look_at=NOW + 30)


def test_due():
    assert plan(entry(schedule(30)), NOW + 30.2) == Plan((Due(NOW + 30),), look_at=NOW + 60)


def test_the_last_of_those_that_were_missed_is_fired():
    assert plan(entry(schedule(10)), NOW + 57) == Plan((Due(NOW + 50, 4),), look_at=NOW + 60)
    assert plan(entry(crontab()), NOW + 200) == Plan((Due(NOW + 180, 2),), look_at=NOW + 240)


def test_a_year_of_seconds_is_no_work():
    assert plan(entry(schedule(1)), NOW + 3e7 + 0.5).due == (Due(NOW + 3e7, 29_999_999),)
    assert plan(entry(crontab()), NOW + 60 * 5000 + 1).due == (Due(NOW + 60 * 5000, 1000),)


def test_those_that_are_late_are_skipped():
    skip = entry(schedule(10), misfire="skip", misfire_grace=5.0)
    assert plan(skip, NOW + 53) == Plan((Due(NOW + 50, 4),), look_at=NOW + 60)
    assert plan(skip, NOW + 57) == Plan(left_out=NOW + 50, look_at=NOW + 60)


def test_all_are_made_up_for_up_to_a_limit():
    found = plan(entry(schedule(10), misfire="all", misfire_limit=3), NOW + 57)
    assert found == Plan((Due(NOW + 30, 2), Due(NOW + 40), Due(NOW + 50)), look_at=NOW + 60)
    assert [due.slot for due in plan(entry(schedule(10), misfire="all"), NOW + 25).due] == [NOW + 10, NOW + 20]


def test_a_deadline_holds_for_crontabs():
    assert plan(entry(crontab()), NOW + 90, deadline=20) == Plan(left_out=NOW + 60, look_at=NOW + 120)
    assert plan(entry(crontab()), NOW + 70, deadline=20).due == (Due(NOW + 60),)
    assert plan(entry(schedule(60)), NOW + 90, deadline=20).due == (Due(NOW + 60),)


def test_once_and_never_again():
    once = clocked(datetime.fromtimestamp(NOW + 30, UTC))
    assert plan(entry(once), NOW + 3000) == Plan((Due(NOW + 30),), look_at=None)
    assert plan(entry(once, after=NOW + 30), NOW + 3000) == Plan()


def test_jitter_is_the_same_for_everybody_and_less_than_the_distance():
    jittered = entry(schedule(10), jitter=1000.0)
    delays = [spread(jittered, NOW + 10 * number) for number in range(1, 100)]
    assert delays == [spread(jittered, NOW + 10 * number) for number in range(1, 100)]
    assert all(0 <= delay < 10 for delay in delays)
    assert max(delays) - min(delays) > 5
    assert spread(entry(schedule(10), jitter=1000.0, name="two"), NOW + 10) != delays[0]
    begins = NOW + 10 + delays[0]
    assert plan(jittered, begins - 0.01) == Plan(look_at=begins)
    assert plan(jittered, begins).due == (Due(NOW + 10),)


def test_with_jitter_a_slot_whose_time_has_not_come_is_not_fired_for_the_one_before():
    jittered = entry(schedule(10), jitter=10.0)
    for number in range(1, 50):
        slot = NOW + 10 * number
        found = plan(entry(schedule(10), jitter=10.0, after=slot - 10, anchor=NOW), slot + spread(jittered, slot) + 1e-3)
        assert [due.slot for due in found.due] == [slot]


def test_a_run_may_expire_when_the_next_is_due():
    assert plan(entry(schedule(10), expire_at_next=True), NOW + 12).due == (Due(NOW + 10, 0, NOW + 20),)
    late = plan(entry(schedule(10), expire_at_next=True, misfire="all"), NOW + 25).due
    assert [due.expires for due in late] == [NOW + 35, NOW + 30]
    assert plan(entry(clocked("2030-01-01T12:00:30"), expire_at_next=True), NOW + 40).due[0].expires is None


def test_a_clock_that_was_set_back():
    assert plan(entry(schedule(10), after=NOW + 3600, anchor=NOW), NOW) == Plan(rebase=True)
    assert plan(entry(schedule(10), after=NOW + 30, anchor=NOW), NOW) == Plan(look_at=NOW + 40)
    assert plan(entry(crontab(), after=NOW + 3600), NOW) == Plan(look_at=NOW + 3660)


def test_a_clock_that_was_set_forward():
    assert plan(entry(schedule(10)), NOW + 3605) == Plan((Due(NOW + 3600, 359),), look_at=NOW + 3610)


class Asked(BaseSchedule):
    answer = schedstate(False, 7.0)

    def is_due(self, last_run_at):
        self.last = last_run_at
        return self.answer


def test_schedules_of_ones_own_are_asked():
    asked = Asked()
    assert plan(entry(asked), NOW + 5) == Plan(look_at=NOW + 12)
    assert asked.last == datetime.fromtimestamp(NOW, UTC)
    asked.answer = schedstate(True, 60.0)
    assert plan(entry(asked, expire_at_next=True), NOW + 5.0004) == Plan((Due(NOW + 5.0, 0, NOW + 65.0004),), look_at=NOW + 65.0004)
    assert plan(entry(asked, after=NOW + 5), NOW + 5).due[0].slot > NOW + 5


@pytest.mark.parametrize(
    "when",
    [schedule(7), schedule(3600, relative=True), crontab("*/7"), crontab("*/5", 3), crontab(0, 0, day_of_month=1), solar("sunset", 52, 13)],
)
def test_recent_slots_are_the_last_of_all(when):
    source = random.Random(1)
    for _ in range(20):
        after = NOW - source.uniform(0, 20 * 86400 if not isinstance(when, schedule) else 40_000)
        every, slot = [], when.next_after(after, after)
        while slot is not None and slot <= NOW:
            every.append(slot)
            slot = when.next_after(slot, after)
        for most in (1, 3, 1000):
            assert recent_slots(when, after, NOW, after, most) == every[-most:]
