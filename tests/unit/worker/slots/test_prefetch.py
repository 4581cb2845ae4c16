from types import SimpleNamespace

from umbel.worker.slots.dispatching import Dispatcher
from umbel.worker.slots.prefetch import CEILING, Prefetch, Rate, Rebalancing, had_better_go, window
from unit.worker.stand_ins import FakeChild, FakeConsumer, entry


def test_slow_tasks_have_no_reserve():
    assert window(4, 0.0, multiplier=None, held=0) == 4
    assert window(4, 1.0, multiplier=None, held=0) == 4


def test_quick_tasks_have_a_tenth_of_a_second_in_reserve():
    assert window(2, 5000.0, multiplier=None, held=0) == 502
    assert window(2, 10**6, multiplier=None, held=0) == CEILING


def test_the_users_number_is_kept():
    assert window(4, 10**6, multiplier=1, held=0) == 4
    assert window(4, 0.0, multiplier=4, held=0) == 16
    assert window(4, 0.0, multiplier=0, held=0) == 65_535


def test_what_is_held_has_room_of_its_own():
    assert window(4, 0.0, multiplier=1, held=7) == 11


def test_rate_follows_completions():
    rate = Rate(0.0)
    for tick in range(1, 41):
        rate.tick(50, 0.05, tick * 0.05)
    assert 990 < rate.value < 1001
    for tick in range(41, 81):
        rate.tick(0, 0.0, tick * 0.05)
    assert rate.value < 5


def test_slow_tasks_among_quick_ones_have_no_reserve():
    assert window(4, 40.0, runtime=0.058, multiplier=None, held=0) == 4
    assert window(4, 40.0, runtime=0.001, multiplier=None, held=0) == 8


def test_what_a_task_takes_is_remembered_for_some_seconds():
    rate = Rate(0.0)
    assert rate.runtime == 0.0
    rate.tick(1, 1.0, 0.05)
    for tick in range(2, 21):  # a second with quick tasks only
        rate.tick(2, 0.002, tick * 0.05)
    assert rate.runtime > 0.02
    for tick in range(21, 400):
        rate.tick(2, 0.002, tick * 0.05)
    assert rate.runtime < 0.003


def test_what_waits_goes_where_tasks_are_slow():
    assert had_better_go(3, 0.02, runtime=0.058)
    assert not had_better_go(3, 0.005, runtime=0.058)
    assert not had_better_go(0, 9.0, runtime=0.058)


def test_what_waits_for_a_moment_behind_a_rare_slow_task_stays():
    assert not had_better_go(360, 0.05, runtime=0.0006)


class Completions:
    completed, worked, room_aside = 0, 0.0, 0


class Reservations:
    moving = postponed = held = 0


def prefetch(slots=2, multiplier=None, *, early=0, one_per_slot=False):
    dispatcher, consumer = Dispatcher(None, None, None, None, None), FakeConsumer()
    for number in range(early):
        child = FakeChild(number)
        dispatcher.add_child(child)
        one = entry(f"early {number}", acks_late=False)
        one.acked = True
        child.slots[0].given[number + 1] = one
    made = Prefetch(
        SimpleNamespace(slots=slots), multiplier, dispatcher, consumer, Reservations(), Completions(), one_per_slot=one_per_slot
    )
    return made, dispatcher, consumer


def test_without_prefetching_what_runs_acknowledged_takes_a_slot():
    assert prefetch(3, 2, early=1)[0].window() == 6
    assert prefetch(3, 1, early=1, one_per_slot=True)[0].window() == 2
    made, *_ = prefetch(3, early=1)
    made.rate.value = 1000.0
    assert made.window() == 102


def lose_one(made):
    """What it was prepared with goes with the connection."""
    (one,) = made._dispatcher.running()
    one.early, one.lost = False, True
    return made


def test_what_was_lost_and_still_runs_takes_a_slot():
    assert lose_one(prefetch(3, early=1)[0]).window() == 2
    assert lose_one(prefetch(3, 4, early=1)[0]).window() == 8
    assert lose_one(prefetch(1, 4, early=1)[0]).window() == 4
    assert lose_one(prefetch(3, 0, early=1)[0]).window() == 65_535
    kept = lose_one(prefetch(3, 4, early=1)[0])
    kept._reduces = False
    assert kept.window() == 12


def test_what_passes_through_to_the_delayed_store_gets_room():
    made, *_ = prefetch(2)
    seen = []
    for moving, postponed in ((0, 0), (3, 0), (0, 40), (0, 40), (0, 90_040), (500, 90_040)):
        made._reservations.moving, made._reservations.postponed = moving, postponed
        seen.append(made.window())
    assert seen == [2, 8, 82, 2, 1002, 1002]


def test_what_waits_is_handed_back_when_nothing_ends():
    made, dispatcher, consumer = prefetch(1)
    child = FakeChild()
    dispatcher.add_child(child)
    dispatcher.offer([entry("runs"), entry("waits")])
    child.begin(1)
    made.look(made._progress_at + 0.1)
    assert consumer.requeued == []
    made.look(made._progress_at + 0.3)
    assert consumer.requeued == ["waits"]
    assert consumer.windows[-1] == 1


def test_nothing_is_fetched_once_the_worker_stops():
    made, dispatcher, consumer = prefetch(2)
    dispatcher.is_open = False
    made.look(made._progress_at + 0.3)
    assert consumer.windows == [0]


def test_a_fixed_window_is_kept():
    made, dispatcher, consumer = prefetch(1, 4)
    child = FakeChild()
    dispatcher.add_child(child)
    dispatcher.offer([entry("runs"), entry("waits")])
    child.begin(1)
    made.look(made._progress_at + 0.3)
    assert consumer.requeued == []
    assert consumer.windows == [4]


def test_a_slot_that_is_held_up_gives_what_waits_to_others():
    made, dispatcher, consumer = prefetch(1)
    child = FakeChild()
    dispatcher.add_child(child)
    dispatcher.offer([entry("runs"), entry("waits")])
    child.begin(1, since=0.0)
    made.rate.tick(1, 1.0, 1e12)  # such tasks take a second
    rebalancing = Rebalancing(dispatcher, made)
    rebalancing.look(1.0)
    assert consumer.requeued == ["waits"]
    assert rebalancing.interval < 0.05
