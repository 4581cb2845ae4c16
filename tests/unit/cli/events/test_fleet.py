from __future__ import annotations

from umbel.cli.events.fleet import MOST_SHOWN, Fleet
from umbel.cli.events.model import View
from umbel.events.state import State
from umbel.testing.clock import FakeClock

NOW = FakeClock().wall


def event(kind, ago, **fields):
    return {"type": kind, "hostname": "w1", "clock": int(10_000 - ago * 10), "timestamp": NOW - ago, "local_received": NOW - ago, **fields}


def fleet_of(*events):
    fleet = Fleet(State())
    for each in events:
        fleet.learn(each)
    return fleet


def worker(*events):
    (found,) = fleet_of(*events).look(View(), NOW).workers
    return found


def beat(ago, processed):
    return event("worker-heartbeat", ago, processed=processed)


def test_a_rate_is_that_of_the_last_seconds():
    assert worker(beat(2, 10)).rate is None
    assert worker(beat(4, 10), beat(2, 20)).rate == 5.0
    assert worker(beat(100, 0), beat(60, 1000), beat(4, 1000), beat(2, 1000)).rate == 0.0
    assert worker(beat(4, 100), beat(2, 3)).rate is None  # it has started again


def test_a_worker_that_runs_tasks_without_telling_is_found_out():
    assert worker(beat(4, 1), beat(2, 1)).tells is None
    assert worker(beat(4, 1), beat(2, 2)).tells is False
    told = event("task-started", 3, uuid="a")
    assert worker(beat(4, 1), told, beat(2, 2)).tells is True
    assert worker(beat(4, 1), beat(2, 2), event("task-started", 1, uuid="a")).tells is True
    assert worker(event("task-started", 30, uuid="a"), beat(4, 1), beat(2, 2)).tells is False  # it was told to stop


def test_the_newest_tasks_come_first_and_not_too_many():
    fleet = fleet_of(*(event("task-received", 9, uuid=f"t{number}", name="t") for number in range(MOST_SHOWN + 5)))
    seen = fleet.look(View(), NOW)
    assert (len(seen.tasks), seen.tasks[0].id, seen.known) == (MOST_SHOWN, f"t{MOST_SHOWN + 4}", MOST_SHOWN + 5)
    assert fleet.look(View(task="t0"), NOW).tasks[-1].id == "t0"  # the selected one is always there


def test_how_long_a_task_runs():
    fleet = fleet_of(event("task-received", 9, uuid="a", name="t"), event("task-started", 7, uuid="a"))
    (task,) = fleet.look(View(), NOW).tasks
    assert (task.runtime, task.age, task.worker) == (7.0, 7.0, "w1")


def test_replies_and_events_that_are_none_change_nothing():
    fleet = fleet_of({}, {"type": 1, "hostname": 2}, event("worker-heartbeat", 1, processed="x"), event("x", 1))
    fleet.learn_slots([{"w1": None}, {"w1": {"pool": []}}, {"w1": {"error": "x"}}, {"w1": {"pool": {"max-concurrency": "x"}}}])
    (found,) = fleet.look(View(), NOW).workers
    assert (found.slots, found.processed) == (None, None)


def test_details_of_what_is_not_known_any_more():
    assert fleet_of().look(View(opened=True, task="a"), NOW).details is None
