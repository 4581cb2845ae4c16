from umbel.worker.slots.dispatching import Dispatcher
from umbel.worker.slots.limits import TimeLimits
from umbel.worker.tasks.task_log import TaskLog
from unit.worker.stand_ins import FakeSeat, entry


def limits(one_entry):
    dispatcher = Dispatcher(None, None, None, None, None)
    seat = FakeSeat()
    dispatcher.add_seat(seat)
    dispatcher.offer([one_entry])
    seat.begin(1, since=100.0)
    return TimeLimits(dispatcher, TaskLog()), seat


def test_soft_then_hard_each_once():
    watch, seat = limits(entry(hard=5.0, soft=2.0))
    watch.look(101.0)
    assert seat.interrupted == []
    watch.look(102.1)
    watch.look(102.2)
    assert seat.interrupted == [1]
    assert not seat.killed
    watch.look(105.0)
    assert seat.killed


def test_a_job_that_has_not_started_has_no_limit():
    watch, seat = limits(entry(hard=1.0))
    seat.now = (0, 0.0)
    watch.look(1000.0)
    assert not seat.killed


def test_no_limits():
    watch, seat = limits(entry())
    watch.look(1e9)
    assert not seat.killed


def test_a_child_that_begins_nothing_is_replaced():
    watch, seat = limits(entry())
    seat.now, seat.highest = (0, 0.0), 0
    for _ in range(399):
        watch.look(1e9)
    assert not seat.killed
    watch.look(1e9)
    assert seat.killed


def test_a_child_that_stores_what_it_ran_may_take_its_time():
    watch, seat = limits(entry())
    seat.now = (0, 0.0)
    for _ in range(1000):
        watch.look(1e9)
    assert not seat.killed
