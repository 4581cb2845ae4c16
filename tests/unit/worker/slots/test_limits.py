from umbel.worker.slots.dispatching import Dispatcher
from umbel.worker.slots.ending import Endings
from umbel.worker.slots.limits import TimeLimits
from umbel.worker.tasks.task_log import TaskLog
from unit.worker.stand_ins import FakeChild, entry


def limits(one_entry):
    dispatcher = Dispatcher(None, None, None, None, None)
    child = FakeChild()
    dispatcher.add_child(child)
    dispatcher.offer([one_entry])
    child.begin(1, since=100.0)
    return TimeLimits(dispatcher, Endings(dispatcher, TaskLog()).end_task, TaskLog()), child


def test_soft_then_hard_each_once():
    watch, child = limits(entry(hard=5.0, soft=2.0))
    watch.look(101.0)
    assert child.interrupted == []
    watch.look(102.1)
    watch.look(102.2)
    assert child.interrupted == [1]
    assert not child.killed
    watch.look(105.0)
    assert child.killed


def test_a_job_that_has_not_started_has_no_limit():
    watch, child = limits(entry(hard=1.0))
    child.rows[0].current = 0
    watch.look(1000.0)
    assert not child.killed


def test_no_limits():
    watch, child = limits(entry())
    watch.look(1e9)
    assert not child.killed


def test_a_child_that_begins_nothing_is_replaced():
    watch, child = limits(entry())
    child.rows[0].current = child.rows[0].started = 0
    for _ in range(399):
        watch.look(1e9)
    assert not child.killed
    watch.look(1e9)
    assert child.killed


def test_a_child_that_stores_what_it_ran_may_take_its_time():
    watch, child = limits(entry())
    child.rows[0].current = 0
    for _ in range(1000):
        watch.look(1e9)
    assert not child.killed


def many_slots(*entries):
    dispatcher = Dispatcher(None, None, None, None, None)
    child = FakeChild(slots=len(entries))
    dispatcher.add_child(child)
    dispatcher.offer(entries)
    return TimeLimits(dispatcher, Endings(dispatcher, TaskLog()).end_task, TaskLog()), child


def test_limits_are_those_of_each_slot():
    watch, child = many_slots(entry(soft=2.0), entry(soft=2.0), entry())
    for slot, since in enumerate((100.0, 101.5, 0.0)):
        child.begin(slot + 1, since=since, slot=slot)
    watch.look(102.1)
    assert child.interrupted == [1]
    watch.look(103.6)
    assert child.interrupted == [1, 2]
    assert not child.killed


def test_a_slot_that_waits_while_another_one_runs_does_not_make_a_child_stuck():
    watch, child = many_slots(entry(), entry())
    child.begin(1)
    for _ in range(1000):
        watch.look(1e9)
    assert not child.killed
    child.rows[0].current = 0
    watch.look(1e9)
    assert child.killed
